"""What is the matter with a network as it stands, before a single step: rules that read the description alone."""

from __future__ import annotations

import math
from collections.abc import Iterator

from cnnlab.architecture import Architecture
from cnnlab.architecture.layers import (
    BatchNorm2d,
    Conv2d,
    Dropout,
    Dropout2d,
    LayerSpec,
    Linear,
    ReLU,
)
from cnnlab.architecture.network import Row
from cnnlab.architecture.tape import Place
from cnnlab.health.case import Case, Evidence, Finding, Rule, Setup
from cnnlab.i18n import N_, Message

HIGH_DROPOUT = 0.75
DEEP_SIGMOIDS = 4
BOUNDED = {"Sigmoid": 1.0, "Tanh": 2.0, "Softmax": 1.0, "ReLU6": 6.0}
"""How far the outputs of a layer can lie apart at most."""

_STRAIGHT = ("AvgPool2d", "AdaptiveAvgPool2d", "BatchNorm2d", "Dropout", "Dropout2d", "Flatten")
"""Kinds that only add and multiply by numbers: nothing is gained between two layers with weights."""


def least_loss(classes: int, apart: float) -> float:
    """Return the cross-entropy that scores which lie ``apart`` at most cannot pass: ln(1 + (K - 1) / e^apart)."""
    return math.log1p((classes - 1) * math.exp(-apart))


class SoftmaxInside(Rule):
    """A Softmax with weights behind it."""

    id = "softmax-inside"
    severity = "fault"
    title = N_("Softmax in the middle")
    remedy = N_("Put a ReLU in its place")

    def find(self, case: Case) -> Finding | None:
        last = case.learned[-1].index if case.learned else -1
        inside = [row for row in case.rows if row.layer.kind == "Softmax" and row.index < last]
        if not inside:
            return None
        row = inside[0]
        why = Message(
            "{name} turns its {count} inputs into shares that add up to 1, about {share:.1%} each, and {next} has to "
            "work with what is left of them. Softmax belongs at the end, where shares of the classes are wanted; inside "
            "it makes the signal small and its gradient smaller.",
            name=row.name,
            count=_size(row),
            share=1 / _size(row),
            next=next(other.name for other in case.learned if other.index > row.index),
        )
        return self.finding(why, Evidence(), layers=tuple(row.name for row in inside))

    def apply(self, case: Case) -> Setup | None:
        inside = {row.place for row in case.rows if row.layer.kind == "Softmax" and row.index < case.learned[-1].index}

        def instead(layer: LayerSpec, place: Place) -> LayerSpec:
            return ReLU() if place in inside else layer

        return case.recipe, case.architecture.mapped(instead)


class SoftmaxTwice(Rule):
    """Cross-entropy, which applies softmax itself, gets shares instead of scores."""

    id = "softmax-twice"
    severity = "fault"
    title = N_("Softmax applied twice")
    remedy = N_("Leave one Softmax")

    def find(self, case: Case) -> Finding | None:
        if case.recipe.loss != "cross_entropy" or not case.head or case.head[-1].layer.kind != "Softmax":
            return None
        why = Message(
            "{first} hands shares between 0 and 1 to {last}, which makes shares of them once more. Even a perfect answer, 1 "
            "against {others} zeros, then counts as {sure:.0%}: the cross-entropy cannot fall below {least:.2f}, however "
            "long it trains. One Softmax at the end is enough; the lab's loss knows of it.",
            first=case.head[-1].name,
            last=case.rows[-1].name,
            others=case.facts.classes - 1,
            sure=math.exp(-least_loss(case.facts.classes, 1.0)),
            least=least_loss(case.facts.classes, 1.0),
        )
        return self.finding(
            why, Evidence(("loss",), limit=least_loss(case.facts.classes, 1.0)), layers=(case.head[-1].name,)
        )

    def apply(self, case: Case) -> Setup | None:
        architecture = case.architecture
        while len(rows := architecture.trace().rows) > 1 and rows[-2].layer.kind == "Softmax":
            architecture = architecture.remove(rows[-1].place)
        return case.recipe, architecture


class ActivationLast(Rule):
    """The scores of the classes pass through an activation."""

    id = "activation-last"
    severity = "fault"
    title = N_("An activation on the scores")
    remedy = N_("Remove the last activation")

    def find(self, case: Case) -> Finding | None:
        row = case.head[-1] if case.head else None
        if (
            row is None
            or row.layer.kind not in ("ReLU", "ReLU6", "Sigmoid", "Tanh", "GELU", "SiLU", "Hardswish")
            or not case.architecture.can_edit(row)
            or case.recipe.loss != "cross_entropy"
        ):
            return None
        if (apart := BOUNDED.get(row.layer.kind)) is not None:
            least = least_loss(case.facts.classes, apart)
            why = Message(
                "{name} keeps the scores of the classes within {apart:.0f} of each other, so the network can never be surer "
                "than {sure:.0%}, and the loss cannot fall below {least:.2f}. The last dense layer's own numbers are the "
                "scores.",
                name=row.name,
                apart=apart,
                sure=math.exp(-least),
                least=least,
            )
            return self.finding(why, Evidence(("loss",), limit=least), layers=(row.name,))
        why = Message(
            "{name} stands behind the last dense layer and cuts off its negative scores. A class whose score is negative "
            "for every picture gets no gradient any more: it can never be named again. The last dense layer's own numbers "
            "are the scores.",
            name=row.name,
        )
        return self.finding(why, Evidence(), layers=(row.name,))

    def apply(self, case: Case) -> Setup | None:
        return case.recipe, case.architecture.remove(case.head[-1].place)


class DropoutOnScores(Rule):
    """Dropout behind the last layer with weights."""

    id = "dropout-on-scores"
    title = N_("Dropout on the scores")
    remedy = N_("Remove the last dropout")

    def find(self, case: Case) -> Finding | None:
        row = case.head[-1] if case.head else None
        if row is None or not isinstance(row.layer, (Dropout, Dropout2d)) or row.layer.p == 0:
            return None
        why = Message(
            "{name} sets {share:.0%} of the class scores themselves to zero while it trains, the right class's as often as "
            "any other's: the network is punished for answers that it did not give. Dropout belongs before a dense "
            "layer, not behind the last one.",
            name=row.name,
            share=row.layer.p,
        )
        return self.finding(why, Evidence(), layers=(row.name,))

    def apply(self, case: Case) -> Setup | None:
        return case.recipe, case.architecture.remove(case.head[-1].place)


class DropoutFirst(Rule):
    """Dropout on the pixels."""

    id = "dropout-first"
    title = N_("Dropout before the first layer")
    remedy = N_("Remove it")

    def find(self, case: Case) -> Finding | None:
        first = case.learned[0] if case.learned else None
        early = [
            row
            for row in case.rows[: first.index if first else 0]
            if isinstance(row.layer, (Dropout, Dropout2d)) and row.layer.p > 0
        ]
        if not early or first is None:
            return None
        layer = early[0].layer
        if isinstance(layer, Dropout2d):
            why = Message(
                "{name} blacks out whole colour channels of the picture, each in {share:.0%} of all cases, before {first} has "
                "seen them. What is gone there is gone for all layers; dropout belongs between the later ones.",
                name=early[0].name,
                share=layer.p,
                first=first.name,
            )
        else:
            why = Message(
                "{name} sets {share:.0%} of the pixels to zero before {first} has seen them, and never the same ones. Edges, which "
                "the first filters look for, are torn apart; dropout belongs between the later layers.",
                name=early[0].name,
                share=getattr(layer, "p", 0.0),
                first=first.name,
            )
        return self.finding(why, Evidence(), layers=tuple(row.name for row in early))

    def apply(self, case: Case) -> Setup | None:
        early = {row.place for row in case.rows[: case.learned[0].index] if isinstance(row.layer, (Dropout, Dropout2d))}
        return case.recipe, case.architecture.mapped(lambda layer, place: None if place in early else layer)


class HighDropout(Rule):
    """Dropout that leaves next to nothing."""

    id = "dropout-high"
    title = N_("Too much dropout")
    remedy = N_("Set it to 0.5")

    def find(self, case: Case) -> Finding | None:
        high = {
            row.name: row.layer.p
            for row in case.rows
            if isinstance(row.layer, (Dropout, Dropout2d)) and row.layer.p >= HIGH_DROPOUT
        }
        if not high:
            return None
        name = max(high, key=lambda key: high[key])
        why = Message(
            "{name} sets {share:.0%} of its numbers to zero at each step, and multiplies the few that are left by {factor:.0f}. "
            "What one step teaches hardly helps the next, which sees other numbers: learning becomes slow and noisy. 0.2 "
            "to 0.5 is usual.",
            name=name,
            share=high[name],
            factor=1 / (1 - high[name]),
        )
        return self.finding(
            why, Evidence(values=high, marked=(*high,), title=N_("Share that is set to zero")), layers=(*high,)
        )

    def apply(self, case: Case) -> Setup | None:
        def lowered(layer: LayerSpec, place: Place) -> LayerSpec:
            if isinstance(layer, (Dropout, Dropout2d)) and layer.p >= HIGH_DROPOUT:
                return type(layer)(p=0.5)
            return layer

        return case.recipe, case.architecture.mapped(lowered)


class NoNonlinearity(Rule):
    """Two layers with weights and nothing bent between them."""

    id = "no-nonlinearity"
    title = N_("No activation between two layers")
    remedy = N_("Put a ReLU between them")

    def find(self, case: Case) -> Finding | None:
        pairs = [*_straight_pairs(case.architecture)]
        if not pairs:
            return None
        first, second = pairs[0]
        why = Message(
            "Between {first} and {second} there is no activation: a weighted sum of weighted sums is again one weighted sum. "
            "The two can do no more than a single layer could, whatever their {count:,} weights. A ReLU between them is "
            "what makes the second worth having.",
            first=first.name,
            second=second.name,
            count=(first.num_params or 0) + (second.num_params or 0),
        )
        names = dict.fromkeys(row.name for pair in pairs for row in pair)
        return self.finding(why, Evidence(), layers=(*names,))

    def apply(self, case: Case) -> Setup | None:
        architecture, done = case.architecture, set()
        for first, _second in reversed([*_straight_pairs(case.architecture)]):
            if first.place in done:  # another copy of the same block
                continue
            done.add(first.place)
            behind = case.rows[first.index + 1]
            norm = isinstance(behind.layer, BatchNorm2d) and behind.place[:-1] == first.place[:-1]
            *parent, position = behind.place if norm else first.place
            architecture = architecture.insert((*parent, position + 1), ReLU())
        return case.recipe, architecture


class SigmoidStack(Rule):
    """Many sigmoids one behind the other."""

    id = "sigmoid-stack"
    title = N_("Sigmoid behind sigmoid")
    remedy = N_("Use ReLU instead")

    def find(self, case: Case) -> Finding | None:
        rows = [row for row in case.head if row.layer.kind == "Sigmoid" and not case.is_gate(row)]
        if len(rows) < DEEP_SIGMOIDS or any(row.layer.kind == "BatchNorm2d" for row in case.head):
            return None
        why = Message(
            "A sigmoid is nowhere steeper than 1/4. Behind {count} of them, the gradient that reaches {first} has been made "
            "smaller {times:,} times at the very least: the first layers hardly move. ReLU lets it through whole wherever "
            "a unit is active.",
            count=len(rows),
            first=case.learned[0].name if case.learned else rows[0].name,
            times=4 ** len(rows),
        )
        names = tuple(row.name for row in case.learned)
        return self.finding(why, Evidence(("grad_norm",), names), layers=tuple(row.name for row in rows))

    def apply(self, case: Case) -> Setup | None:
        bent = {row.place for row in case.rows if row.layer.kind == "Sigmoid"}
        return case.recipe, case.architecture.mapped(lambda layer, place: ReLU() if place in bent else layer)


def _size(row: Row) -> int:
    return row.output_shape[0] if row.output_shape else 1


def _straight_pairs(architecture: Architecture) -> Iterator[tuple[Row, Row]]:
    """Yield pairs of layers with weights that nothing bent separates, but for a depthwise and its pointwise convolution.

    Both stand in the same body. What a block adds by itself is left out: a projection and a linear bottleneck are meant so.
    """
    rows = architecture.trace().rows
    for second in rows:
        if not isinstance(second.layer, (Conv2d, Linear)) or not architecture.can_edit(second):
            continue
        above = second.inputs[0]
        while above >= 0 and rows[above].layer.kind in _STRAIGHT:
            above = rows[above].inputs[0]
        first = rows[above] if above >= 0 else second
        if not isinstance(first.layer, (Conv2d, Linear)) or first is second or not architecture.can_edit(first):
            continue
        together = first.name.rpartition(".")[0] == second.name.rpartition(".")[0]
        if together and not (isinstance(first.layer, Conv2d) and first.layer.groups > 1):
            yield first, second


NETWORK_RULES: tuple[Rule, ...] = (
    SoftmaxInside(),
    SoftmaxTwice(),
    ActivationLast(),
    DropoutOnScores(),
    DropoutFirst(),
    HighDropout(),
    NoNonlinearity(),
    SigmoidStack(),
)
