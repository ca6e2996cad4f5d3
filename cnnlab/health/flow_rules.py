"""What is the matter with what flows through the layers: gradients, steps, activations that went silent or flat.

Each bound was drawn between short trainings that went well and some that were made to fail; the tests repeat both.
"""

from __future__ import annotations

import math
from statistics import median

from cnnlab.architecture.layers import LeakyReLU
from cnnlab.health.case import MIN_LOOKS, Case, Evidence, Finding, Rule, Setup
from cnnlab.health.series import WINDOW
from cnnlab.i18n import N_, Message

LONG_GRADIENT = 100.0
"""A healthy gradient of a layer has a length of about 0.01 to 10."""

FADED = 0.01
"""The first layer's gradient as a part of the largest one's; 0.1 to 1 is usual."""

FAST = 0.15
"""Update per weight, in the median of the layers: a seventh of everything it knows, in one step. 0.001 to 0.06 is usual."""

SLOW = 1e-4
HALF_WAY = 0.5
WELL_ON = 0.75
DEAD_SHARE = 0.7
"""A third of a dense layer's ReLUs may well be silent in a small network that learns."""

SATURATED_SHARE = 0.7
SHRUNK = 0.8


def _relus(case: Case, share: float) -> dict[str, float]:
    """Return the ReLU layers of which more than ``share`` stays silent, with that share."""
    found = {}
    for row in case.rows:
        if row.layer.kind == "ReLU" and (seen := case.history.series(row.name, "dead_window")):
            last = seen[-1][1]
            if last is not None and last >= share:
                found[row.name] = last
    return found


def _names(case: Case) -> tuple[str, ...]:
    return tuple(row.name for row in case.learned if case.history.series(row.name, "grad_norm"))


class ExplodingGradient(Rule):
    """A gradient as long as none should be."""

    id = "exploding-gradient"
    severity = "fault"
    from_run = True
    title = N_("Exploding gradient")
    remedy = N_("Clip the gradient, and use a tenth of the learning rate")

    def find(self, case: Case) -> Finding | None:
        worst: tuple[float, str, int] = (0.0, "", 0)
        for name in _names(case):
            for step, value in case.history.series(name, "grad_norm"):
                worst = max(worst, (math.inf if value is None else value, name, step))
        length, name, step = worst
        if length < LONG_GRADIENT:
            return None
        evidence = Evidence(("grad_norm",), _names(case), limit=LONG_GRADIENT)
        if math.isinf(length):
            why = Message(
                "The gradient of {name} was no number any more at step {step}: on its way back through the layers it had "
                "grown beyond all bounds. A step along it destroys what was learned.",
                name=name,
                step=step,
            )
        else:
            why = Message(
                "The gradient of {name} was {length:,.0f} long at step {step}; between 0.01 and 10 is usual. It grows as it goes "
                "back through layers with large weights, and a step along such a gradient throws the weights far away, "
                "which makes the next one longer still.",
                name=name,
                length=length,
                step=step,
            )
        return self.finding(why, evidence, layers=(name,))

    def apply(self, case: Case) -> Setup | None:
        return case.recipe.changed(clip_norm=1.0, lr=case.recipe.lr / 10), case.architecture


class VanishingGradient(Rule):
    """Hardly any gradient left at the first layer."""

    id = "vanishing-gradient"
    severity = "fault"
    from_run = True
    title = N_("Vanishing gradient")
    remedy = N_("Use ReLU instead of what flattens it")
    unless = ("dead-relu", "saturated", "learning-rate-high", "weight-decay-strong")

    def find(self, case: Case) -> Finding | None:
        names = _names(case)
        if len(names) < 2 or len(case.history.looks) < MIN_LOOKS:
            return None
        shares = []
        for look in case.history.looks:
            sizes = {name: look.layers[name].get("grad_norm") for name in names if name in look.layers}
            first, most = sizes.get(names[0]), max((size for size in sizes.values() if size is not None), default=0.0)
            if first is not None and most > 0:
                shares.append(first / most)
        if not shares or median(shares) > FADED:
            return None
        why = Message(
            "The gradient of {first} is {times:,.0f} times smaller than the largest one, in the middle of all looks: each layer on "
            "the way back from {last} has made it shorter. The first layers, which should find edges and strokes, stay almost "
            "as chance made them.",
            first=names[0],
            times=min(1 / max(median(shares), 1e-12), 1e12),
            last=names[-1],
        )
        return self.finding(why, Evidence(("grad_norm",), names), layers=(names[0],))

    def apply(self, case: Case) -> Setup | None:
        flat = ("Sigmoid", "Tanh")
        if not any(row.layer.kind in flat for row in case.rows):
            return None
        from cnnlab.architecture.layers import ReLU

        return case.recipe, case.architecture.mapped(lambda layer, place: ReLU() if layer.kind in flat else layer)


class LearningRateHigh(Rule):
    """Steps so long that they jump past everything."""

    id = "learning-rate-high"
    severity = "fault"
    from_run = True
    title = N_("Learning rate too high")
    remedy = N_("Use a tenth of it")

    def find(self, case: Case) -> Finding | None:
        moves = case.movement
        step, most = max(moves, key=lambda move: move[1], default=(0, 0.0))
        evidence = (Evidence(("loss",), limit=case.guess_loss), Evidence(("update_ratio",), _names(case), limit=FAST))
        if case.history.diverged:
            why = Message(
                "With the learning rate {lr:g} the loss grew until it was no number any more, after {steps} steps. Each step jumped "
                "over the valley and landed higher up on the other side.",
                lr=case.recipe.lr,
                steps=case.history.steps,
            )
            return self.finding(why, *evidence)
        if not case.old_enough or most < FAST or case.progress(0.75, 1) > WELL_ON:
            return None
        why = Message(
            "At step {step} one step changed the layers by {most:.0%} of their weights' length, in the median; a thousandth "
            "to a hundredth is usual. With the learning rate {lr:g} each step throws away part of what the one before has "
            "learned. The loss stands at {loss:.2f}; guessing would give {guess:.2f}.",
            step=step,
            most=most,
            lr=case.recipe.lr,
            loss=case.history.part("loss", 0.75, 1),
            guess=case.guess_loss,
        )
        return self.finding(why, *evidence)

    def apply(self, case: Case) -> Setup | None:
        return case.recipe.changed(lr=case.recipe.lr / 10), case.architecture


class LearningRateLow(Rule):
    """Steps so short that nothing happens."""

    id = "learning-rate-low"
    from_run = True
    title = N_("Learning rate too low")
    remedy = N_("Use ten times as much")
    unless = ("dead-relu", "saturated", "learning-rate-high", "vanishing-gradient", "schedule-ended")

    def find(self, case: Case) -> Finding | None:
        moves = case.movement
        if not case.old_enough or not moves or case.progress(0.75, 1) > HALF_WAY:
            return None
        usual = median(move for _step, move in moves)
        if usual >= SLOW:
            return None
        why = Message(
            "One step changes the layers by 1/{steps:,.0f} of their weights' length, in the median, where about 1/1,000 is "
            "usual: it would take that many steps to change them once over. With the learning rate {lr:g} the loss has come "
            "from {before:.2f} to {after:.2f} in {done:,} steps.",
            steps=1 / max(usual, 1e-12),
            lr=case.recipe.lr,
            before=case.history.train[0].loss,
            after=case.history.part("loss", 0.75, 1),
            done=case.history.steps,
        )
        return self.finding(why, Evidence(("update_ratio",), _names(case), limit=SLOW), Evidence(("loss",)))

    def apply(self, case: Case) -> Setup | None:
        lr = case.recipe.lr * 10
        return (case.recipe.changed(lr=lr), case.architecture) if lr <= 10 else None


class DeadReLU(Rule):
    """Most units of a ReLU layer silent for good."""

    id = "dead-relu"
    severity = "fault"
    from_run = True
    title = N_("Dead ReLUs")
    remedy = N_("Use LeakyReLU, and a tenth of the learning rate")

    def find(self, case: Case) -> Finding | None:
        dead = _relus(case, DEAD_SHARE)
        if not dead:
            return None
        name = max(dead, key=lambda key: dead[key])
        why = Message(
            "{share:.0%} of the units of {name} gave zero for every picture of the last {looks} batches that were looked at. Where a "
            "ReLU gives zero its slope is zero, too: no gradient comes through, so the weights before it cannot bring it "
            "back. One step too long can push a unit there.",
            share=dead[name],
            name=name,
            looks=WINDOW,
        )
        return self.finding(why, Evidence(("dead", "dead_window"), (name,), limit=DEAD_SHARE), layers=(*dead,))

    def apply(self, case: Case) -> Setup | None:
        leaky = case.architecture.mapped(lambda layer, place: LeakyReLU() if layer.kind == "ReLU" else layer)
        return case.recipe.changed(lr=case.recipe.lr / 10), leaky


class Saturated(Rule):
    """Sigmoid or tanh at their flat ends."""

    id = "saturated"
    from_run = True
    title = N_("Saturated sigmoid or tanh")
    remedy = N_("Use a tenth of the learning rate")

    def find(self, case: Case) -> Finding | None:
        shares = {
            row.name: case.history.late(row.name, "saturated")
            for row in case.rows
            if len(case.history.series(row.name, "saturated")) >= MIN_LOOKS and not case.is_gate(row)
        }
        flat = {name: share for name, share in shares.items() if share >= SATURATED_SHARE}
        if not flat:
            return None
        name = max(flat, key=lambda key: flat[key])
        why = Message(
            "{share:.0%} of the outputs of {name} lie at the flat ends of its curve, where less than 6 % of the slope is left: the "
            "gradient stops there, and the layers before it learn next to nothing. The sums that arrive have become "
            "too large, mostly by steps that were too long.",
            share=flat[name],
            name=name,
        )
        return self.finding(why, Evidence(("saturated",), (*flat,), limit=SATURATED_SHARE), layers=(*flat,))

    def apply(self, case: Case) -> Setup | None:
        return case.recipe.changed(lr=case.recipe.lr / 10), case.architecture


class WeightDecayStrong(Rule):
    """Weights pulled to zero faster than they learn."""

    id = "weight-decay-strong"
    from_run = True
    title = N_("Weight decay too strong")
    remedy = N_("Use a tenth of it")
    unless = ("learning-rate-high",)

    def find(self, case: Case) -> Finding | None:
        recipe, names = case.recipe, _names(case)
        if not (recipe.weight_decay or recipe.l1) or not case.old_enough or case.progress(0.75, 1) > WELL_ON:
            return None
        before, after = (_length(case, names, look) for look in (0, -1))
        if not before or after > SHRUNK * before:
            return None
        why = Message(
            "The weights of all layers together have shrunk from {before:.2f} to {after:.2f} while it learned, where they usually "
            "grow; the loss stands at {loss:.2f}. Decay ({decay:g}) pulls every weight towards zero at each step, harder than "
            "the gradient pushes it anywhere.",
            before=before,
            after=after,
            loss=case.history.part("loss", 0.75, 1),
            decay=recipe.weight_decay or recipe.l1,
        )
        return self.finding(why, Evidence(("weight_norm",), names), Evidence(("loss",)), layers=names)

    def apply(self, case: Case) -> Setup | None:
        recipe = case.recipe
        return recipe.changed(weight_decay=recipe.weight_decay / 10, l1=recipe.l1 / 10), case.architecture


def _length(case: Case, names: tuple[str, ...], look: int) -> float:
    layers = case.history.looks[look].layers
    return math.sqrt(sum((layers.get(name, {}).get("weight_norm") or 0.0) ** 2 for name in names))


FLOW_RULES: tuple[Rule, ...] = (
    ExplodingGradient(),
    VanishingGradient(),
    LearningRateHigh(),
    LearningRateLow(),
    DeadReLU(),
    Saturated(),
    WeightDecayStrong(),
)
