"""What is the matter with how a run goes: its losses and accuracies, and what it says to the pictures."""

from __future__ import annotations

import math

from cnnlab.architecture import Architecture
from cnnlab.architecture.layers import Conv2d, Dropout, Dropout2d, LayerSpec, Linear
from cnnlab.architecture.tape import Place
from cnnlab.health.case import Case, Evidence, Finding, Rule, Setup
from cnnlab.health.shape_rules import freed
from cnnlab.i18n import N_, Message

GAP = 0.08
"""Between the accuracies on training and validation images; chance alone makes 0.03 with a few hundred images."""

CLEAR = 0.1
HALF_WAY = 0.5
FAR_BELOW = 0.25
FLAT = 0.06
"""Of the way from guessing to perfect, in the second half of a run."""

BEGUN = 0.15
WELL_ON = 0.75
ENDED = 0.01
ENDED_PART = 0.25
ENOUGH_PREDICTIONS = 30
"""For each class: one that is right about as often as the others is then missed by chance once in ten thousand billion."""

JUDGED_IMAGES = 500
"""About how many validation images stand behind an accuracy, where chance is to be told from skill."""

_STUCK = (
    "learning-rate-high",
    "learning-rate-low",
    "dead-relu",
    "vanishing-gradient",
    "saturated",
    "exploding-gradient",
    "momentum-too-high",
    "weight-decay-strong",
    "softmax-inside",
    "softmax-twice",
    "activation-last",
    "dropout-high",
    "batch-too-large",
    "sigmoid-stack",
    "schedule-ended",
)
"""Findings that say why nothing, or too little, is learned."""


def _late_acc(case: Case) -> float:
    return case.history.part("acc", 0.75, 1)


def _val_acc(case: Case) -> float:
    """Return the mean accuracy of the last two looks at images that the run does not learn from."""
    last = [point.acc for point in case.history.judged[-2:]]
    return sum(last) / len(last) if last else math.nan


class Overfitting(Rule):
    """Better and better on what it has seen, not on the rest."""

    id = "overfitting"
    from_run = True
    title = N_("Overfitting")
    remedy = N_("Add dropout before the last dense layer, and shift the pictures")
    unless = ("labels-shuffled",)

    def find(self, case: Case) -> Finding | None:
        judged = case.history.judged
        if not case.old_enough or len(judged) < 2:
            return None
        train, val, loss = _late_acc(case), _val_acc(case), case.history.part("loss", 0.75, 1)
        least, last = min(point.loss for point in judged), judged[-1].loss
        if case.progress(0.75, 1) < HALF_WAY or not (
            train - val > GAP and (loss < FAR_BELOW * last or last > (1 + CLEAR) * least)
        ):
            return None
        why = Message(
            "{train:.0%} of the training images are right and {val:.0%} of the validation images: it has learned the {images:,} "
            "pictures rather than what they have in common. The training loss is {loss:.2g}, the validation loss {last:.2g} "
            "(at its best {least:.2g}). More pictures help most; varied ones, dropout and fewer weights help, too.",
            train=train,
            val=val,
            images=case.facts.images,
            loss=loss,
            last=last,
            least=least,
        )
        return self.finding(why, Evidence(("loss", "val_loss")), Evidence(("acc", "val_acc")))

    def apply(self, case: Case) -> Setup | None:
        augmentation = case.recipe.augmentation.model_copy(update={"shift": max(2, case.recipe.augmentation.shift)})
        recipe = case.recipe.changed(augmentation=augmentation)
        dense = [row for row in case.rows if isinstance(row.layer, Linear) and case.architecture.can_edit(row)]
        above = dense[-1].inputs[0] if dense else -1
        if not dense or (above >= 0 and isinstance(case.rows[above].layer, Dropout)):
            return recipe, case.architecture
        return recipe, case.architecture.insert(dense[-1].place, Dropout(p=0.5))


class Underfitting(Rule):
    """It learned something, and now no more."""

    id = "underfitting"
    from_run = True
    title = N_("Underfitting")
    remedy = N_("Double the width of its layers")
    unless = (*_STUCK, "labels-shuffled", "overfitting", "val-ahead")

    def find(self, case: Case) -> Finding | None:
        if not case.old_enough or not case.history.judged or case.recipe.mixup:  # with mixup no loss comes near 0
            return None
        middle, late = case.progress(0.375, 0.625), case.progress(0.75, 1)
        train, val = _late_acc(case), _val_acc(case)
        stuck = BEGUN < late < WELL_ON and late - middle < FLAT and case.travelled > 1
        if not stuck or train - val > GAP or val < case.chance + CLEAR:
            return None
        why = Message(
            "It is right in {train:.0%} of the training images, and in {val:.0%} of those that it has not seen: just as bad on both, and "
            "since the middle of the run it has hardly become better (loss {middle:.2f}, then {late:.2f}). {params:,} "
            "parameters, in this arrangement, cannot say more. Wider layers, or one more, can.",
            train=train,
            val=val,
            middle=case.history.part("loss", 0.375, 0.625),
            late=case.history.part("loss", 0.75, 1),
            params=case.architecture.trace().num_params,
        )
        return self.finding(why, Evidence(("loss", "val_loss")), Evidence(("acc", "val_acc")))

    def apply(self, case: Case) -> Setup | None:
        return case.recipe, widened(case.architecture)


def widened(architecture: Architecture) -> Architecture:
    """Return the network with twice as many filters and hidden units; its scores stay as many as there are classes."""
    last = [row.place for row in architecture.trace().rows if isinstance(row.layer, (Conv2d, Linear))][-1]

    def twice(layer: LayerSpec, place: Place) -> LayerSpec:
        wider = {name: 2 * getattr(layer, name) for name in ("out_channels", "out_features") if hasattr(layer, name)}
        return layer.model_copy(update=wider) if place != last else layer

    return freed(architecture).mapped(twice)


class LabelsShuffled(Rule):
    """Everything moves, and nothing carries over to pictures that it has not seen."""

    id = "labels-shuffled"
    severity = "fault"
    from_run = True
    title = N_("Labels that do not fit the pictures")
    unless = _STUCK

    def find(self, case: Case) -> Finding | None:
        if not case.old_enough or len(case.history.judged) < 2:
            return None
        chance, val, nearest = case.chance, _val_acc(case), case.facts.nearest_mean
        by_luck = chance + 3 * math.sqrt(chance * (1 - chance) / JUDGED_IMAGES)
        if val > by_luck or nearest is None or nearest > by_luck:
            return None
        why = Message(
            "After {steps:,} steps {val:.0%} of the validation images are right; blind guessing gives {chance:.0%}. The weights move as "
            "they should, and on training images it is {train:.0%}. Even comparing each picture with the mean picture of each class, "
            "which needs no training, finds only {nearest:.0%}: the labels do not belong to the pictures. All that is left is to learn "
            "each one by heart. Look at some pictures with their labels on the Data page.",
            steps=case.history.steps,
            val=val,
            chance=chance,
            train=_late_acc(case),
            nearest=nearest,
        )
        return self.finding(why, Evidence(("loss", "val_loss")), Evidence(("acc", "val_acc"), limit=chance))


class ClassNeverPredicted(Rule):
    """A class whose name is never said."""

    id = "class-never-predicted"
    from_run = True
    title = N_("A class that is never predicted")
    unless = ("labels-shuffled", "learning-rate-high", "learning-rate-low", "dead-relu", "vanishing-gradient")

    def find(self, case: Case) -> Finding | None:
        counts = _predictions(case)
        if not case.old_enough or not counts or case.progress(0.75, 1) < FAR_BELOW:
            return None
        names = case.facts.class_names
        missing = [k for k, count in enumerate(counts) if count == 0 and case.facts.counts[k] > 0]
        if not missing:
            return None
        k = missing[0]
        why = Message(
            "Of the last {total:,} training images that were looked at, none was taken for {name}. {count:,} of the {images:,} images it "
            "learns from are of this class; an average class has {usual:,.0f}. Where a class is rare, never naming it costs little, and "
            "an output that an activation has cut off cannot name it at all. The accuracy over all classes hides that.",
            total=sum(counts),
            name=names[k],
            count=case.facts.counts[k],
            images=case.facts.images,
            usual=case.facts.images / case.facts.classes,
        )
        bars = {name: float(count) for name, count in zip(names, counts)}
        return self.finding(
            why,
            Evidence(values=bars, marked=tuple(names[k] for k in missing), title=N_("How often each class was named")),
        )


def _predictions(case: Case) -> tuple[int, ...]:
    """Return how often each class was predicted in the last looks, as many as it takes; none where there are too few."""
    needed, total = ENOUGH_PREDICTIONS * case.facts.classes, [0] * case.facts.classes
    for look in reversed([look for look in case.history.looks if look.step > case.history.steps / 2]):
        if len(look.predicted) != len(total):
            return ()
        total = [a + b for a, b in zip(total, look.predicted)]
        if sum(total) >= needed:
            return tuple(total)
    return ()


class ValidationAhead(Rule):
    """Much better on new pictures than on those it learns from: they are made too hard."""

    id = "val-ahead"
    severity = "note"
    from_run = True
    title = N_("Better on new pictures than on its own")
    remedy = N_("Halve dropout and augmentation")
    unless = ("dropout-high", "learning-rate-high")

    def find(self, case: Case) -> Finding | None:
        drops = [row.name for row in case.rows if isinstance(row.layer, (Dropout, Dropout2d)) and row.layer.p > 0]
        harder = bool(drops) or case.recipe.augmentation.any or case.recipe.mixup > 0
        if not case.old_enough or not case.history.judged or not harder or _val_acc(case) - _late_acc(case) < CLEAR:
            return None
        why = Message(
            "{val:.0%} of the validation images are right and only {train:.0%} of the training images. Nothing is wrong with the numbers: while it "
            "learns, dropout and varied pictures make its task harder than the real one. A gap this wide says that they take "
            "more than they give; with less of them it would learn faster.",
            val=_val_acc(case),
            train=_late_acc(case),
        )
        return self.finding(why, Evidence(("acc", "val_acc")), layers=tuple(drops))

    def apply(self, case: Case) -> Setup | None:
        def halfway(layer: LayerSpec, place: Place) -> LayerSpec:
            return layer.model_copy(update={"p": layer.p / 2}) if isinstance(layer, (Dropout, Dropout2d)) else layer

        halved = {
            name: (value if isinstance(value, bool) else value // 2 if isinstance(value, int) else value / 2)
            for name, value in case.recipe.augmentation.model_dump().items()
        }
        recipe = case.recipe.changed(augmentation=halved, mixup=case.recipe.mixup / 2)
        return recipe, case.architecture.mapped(halfway)


class ScheduleEnded(Rule):
    """A learning rate of next to nothing for a good part of the run."""

    id = "schedule-ended"
    severity = "note"
    from_run = True
    title = N_("The schedule has ended before the run")
    remedy = N_("Let it fall along a cosine to the end")

    def find(self, case: Case) -> Finding | None:
        rates = [point for point in case.history.train if point.lr > 0]
        if not case.old_enough or not rates:
            return None
        most = max(point.lr for point in rates)
        tiny = next((point.step for point in reversed(rates) if point.lr >= ENDED * most), 0)
        idle = case.history.steps - tiny
        if idle < ENDED_PART * case.history.steps:
            return None
        why = Message(
            "Since step {tiny:,} the learning rate has been below a hundredth of its best, {most:.2g}: for {share:.0%} of the run the weights "
            "hardly moved any more. Let the schedule fall more slowly, or end the run earlier.",
            tiny=tiny,
            most=most,
            share=idle / case.history.steps,
        )
        return self.finding(why, Evidence(("lr",), limit=ENDED * most), Evidence(("loss",)))

    def apply(self, case: Case) -> Setup | None:
        return case.recipe.changed(schedule="cosine"), case.architecture


CURVE_RULES: tuple[Rule, ...] = (
    Overfitting(),
    Underfitting(),
    LabelsShuffled(),
    ClassNeverPredicted(),
    ValidationAhead(),
    ScheduleEnded(),
)
