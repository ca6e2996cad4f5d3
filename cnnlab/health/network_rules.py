"""What is the matter with a network as it stands, before a single step: rules that read the description alone."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import pairwise

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
from cnnlab.health.case import Case, Evidence, Finding, Rule, Setup
from cnnlab.i18n import N_, Message

HIGH_DROPOUT = 0.75
DEEP_SIGMOIDS = 4
BOUNDED = {"Sigmoid": 1.0, "Tanh": 2.0, "Softmax": 1.0}
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
        last = max(i for i, layer in enumerate(case.architecture.layers) if isinstance(layer, (Conv2d, Linear)))
        layers = [
            ReLU() if layer.kind == "Softmax" and i < last else layer
            for i, layer in enumerate(case.architecture.layers)
        ]
        return case.recipe, case.architecture.with_layers(layers)


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
        layers = [*case.architecture.layers]
        while len(layers) > 1 and layers[-2].kind == "Softmax":
            layers.pop()
        return case.recipe, case.architecture.with_layers(layers)


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
            or row.layer.kind not in ("ReLU", "Sigmoid", "Tanh", "GELU")
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
        return case.recipe, case.architecture.remove(
            len(case.architecture.layers) - 1 - case.architecture.ends_in_softmax
        )


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
        return case.recipe, case.architecture.remove(
            len(case.architecture.layers) - 1 - case.architecture.ends_in_softmax
        )


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
        first = next(i for i, layer in enumerate(case.architecture.layers) if isinstance(layer, (Conv2d, Linear)))
        layers = [
            layer
            for i, layer in enumerate(case.architecture.layers)
            if i > first or not isinstance(layer, (Dropout, Dropout2d))
        ]
        return case.recipe, case.architecture.with_layers(layers)


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
        def lowered(layer: LayerSpec) -> LayerSpec:
            if isinstance(layer, (Dropout, Dropout2d)) and layer.p >= HIGH_DROPOUT:
                return type(layer)(p=0.5)
            return layer

        return case.recipe, case.architecture.with_layers([lowered(layer) for layer in case.architecture.layers])


class NoNonlinearity(Rule):
    """Two layers with weights and nothing bent between them."""

    id = "no-nonlinearity"
    title = N_("No activation between two layers")
    remedy = N_("Put a ReLU between them")

    def find(self, case: Case) -> Finding | None:
        pairs = [*_straight_pairs(case.rows)]
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
        layers = [*case.architecture.layers]
        for first, _second in reversed([*_straight_pairs(case.rows)]):
            behind = first.index + 1
            if behind < len(layers) and isinstance(layers[behind], BatchNorm2d):
                behind += 1
            layers.insert(behind, ReLU())
        return case.recipe, case.architecture.with_layers(layers)


class SigmoidStack(Rule):
    """Many sigmoids one behind the other."""

    id = "sigmoid-stack"
    title = N_("Sigmoid behind sigmoid")
    remedy = N_("Use ReLU instead")

    def find(self, case: Case) -> Finding | None:
        rows = [row for row in case.head if row.layer.kind == "Sigmoid"]
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
        layers = [ReLU() if layer.kind == "Sigmoid" else layer for layer in case.architecture.layers]
        return case.recipe, case.architecture.with_layers(layers)


def _size(row: Row) -> int:
    return row.output_shape[0] if row.output_shape else 1


def _straight_pairs(rows: tuple[Row, ...]) -> Iterator[tuple[Row, Row]]:
    """Yield pairs of layers with weights that nothing bent separates, but for a depthwise and its pointwise convolution."""
    learned = [row for row in rows if isinstance(row.layer, (Conv2d, Linear))]
    for first, second in pairwise(learned):
        straight = all(row.layer.kind in _STRAIGHT for row in rows[first.index + 1 : second.index])
        depthwise = isinstance(first.layer, Conv2d) and first.layer.groups > 1
        if straight and not depthwise:
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
