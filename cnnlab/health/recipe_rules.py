"""What is the matter with a recipe for this network and this data, before a single step."""

from __future__ import annotations

from cnnlab.data.augmentation import Augmentation
from cnnlab.health.case import Case, Evidence, Finding, Rule, Setup
from cnnlab.i18n import N_, Message
from cnnlab.training.recipe import HAS_MOMENTUM, Recipe

LONG_MEMORY = 0.98
"""Momentum from here on: a gradient is felt for fifty steps and more."""

SMALL_BATCH = 2
FEW_STEPS = 60
ENOUGH_STEPS = 200
SIDEWAYS_DEG = 60.0


class BatchNormAlone(Rule):
    """Batch normalisation over one picture or two."""

    id = "batchnorm-batch"
    title = N_("BatchNorm with next to no batch")
    remedy = N_("Use a batch of 32")

    def find(self, case: Case) -> Finding | None:
        norms = tuple(row.name for row in case.rows if row.layer.kind == "BatchNorm2d")
        batch = min(case.recipe.batch_size, case.facts.images)
        if not norms or batch > SMALL_BATCH:
            return None
        why = Message(
            "{name} measures mean and spread of each channel over the batch, and a batch here holds {batch}. What it divides "
            "by jumps from step to step with the single picture, and when it is tested it divides by the running mean "
            "instead, which fits none of them: training and test see two different networks. 16 or more make the two alike.",
            name=norms[0],
            batch=batch,
        )
        return self.finding(why, Evidence(("loss", "val_loss")), layers=norms)

    def apply(self, case: Case) -> Setup | None:
        return case.recipe.changed(batch_size=32), case.architecture


class BatchTooLarge(Rule):
    """So many pictures a step that there are hardly any steps."""

    id = "batch-too-large"
    title = N_("Batch too large for this set")
    remedy = N_("Use a smaller batch")

    def find(self, case: Case) -> Finding | None:
        recipe, images = case.recipe, case.facts.images
        batch = min(recipe.batch_size, images)
        steps = recipe.epochs * (images // batch)
        if steps >= FEW_STEPS or batch <= 16:
            return None
        works = _fitting(recipe, images)
        more = recipe.epochs * (images // works)
        why = Message(
            "{images:,} images in batches of {batch:,} make {each} steps an epoch, {steps} in the whole run. The weights change once "
            "a step, and this few changes lead nowhere. A batch of {works} makes {more} of the same images.",
            images=images,
            batch=batch,
            each=images // batch,
            steps=steps,
            works=works,
            more=more,
        )
        bars = {f"{batch:,}": float(steps), f"{works:,}": float(more)}
        title = N_("Steps of the whole run, by batch size")
        return self.finding(why, Evidence(values=bars, marked=(f"{batch:,}",), title=title), Evidence(("loss",)))

    def apply(self, case: Case) -> Setup | None:
        return case.recipe.changed(batch_size=_fitting(case.recipe, case.facts.images)), case.architecture


def _fitting(recipe: Recipe, images: int) -> int:
    """Return the largest power of two, 16 to 64, that makes enough steps."""
    return next((size for size in (64, 32) if recipe.epochs * (images // size) >= ENOUGH_STEPS), 16)


class MirroredCharacters(Rule):
    """Digits or letters that are mirrored while it learns, or when it is tested."""

    id = "mirrored-characters"
    title = N_("Mirrored characters")
    remedy = N_("Mirror nothing")

    def find(self, case: Case) -> Finding | None:
        if not case.facts.are_characters or not (case.recipe.augmentation.flip or case.recipe.mirror):
            return None
        why = Message(
            "The classes of {data} are characters: {some}. Mirrored they are others, or none: a mirrored 2 looks like a 5 in some "
            "hands, b is d. With flip it learns from half of the pictures what nobody writes. Mirroring is for "
            "pictures that mean the same either way, such as ships and cats.",
            data=case.facts.name,
            some=", ".join(case.facts.class_names[:5]),
        )
        return self.finding(why, Evidence(varied=Augmentation(flip=True)), Evidence(("acc", "val_acc")))

    def apply(self, case: Case) -> Setup | None:
        still = case.recipe.augmentation.model_copy(update={"flip": False})
        return case.recipe.changed(augmentation=still, mirror=False), case.architecture


class TurnedCharacters(Rule):
    """Digits or letters turned so far that they become others."""

    id = "turned-characters"
    title = N_("Characters turned too far")
    remedy = N_("Turn by 10 degrees at most")

    def find(self, case: Case) -> Finding | None:
        turn = case.recipe.augmentation.rotate
        if not case.facts.are_characters or turn < SIDEWAYS_DEG:
            return None
        why = Message(
            "Each picture is turned by up to {turn:.0f} degrees, and the classes of {data} are characters: a 6 turned far enough is a "
            "9, a lying 1 is a dash. The same picture then carries two different labels. 10 degrees are about what "
            "handwriting does by itself.",
            turn=turn,
            data=case.facts.name,
        )
        return self.finding(why, Evidence(varied=Augmentation(rotate=turn)), Evidence(("acc", "val_acc")))

    def apply(self, case: Case) -> Setup | None:
        return case.recipe.changed(
            augmentation=case.recipe.augmentation.model_copy(update={"rotate": 10.0})
        ), case.architecture


class MomentumTooHigh(Rule):
    """Momentum that does not forget."""

    id = "momentum-too-high"
    title = N_("Momentum too high")
    remedy = N_("Set it to 0.9")

    def find(self, case: Case) -> Finding | None:
        momentum = case.recipe.momentum
        if case.recipe.optimizer not in HAS_MOMENTUM or momentum < LONG_MEMORY:
            return None
        why = Message(
            "With momentum {momentum:g} a gradient is still felt {memory:.0f} steps later, and steps add up to {memory:.0f} times the "
            "learning rate {lr:g}. The weights roll on past the valley long after the slope has turned. 0.9, which "
            "remembers about 10 steps, is usual.",
            momentum=momentum,
            memory=1 / (1 - momentum),
            lr=case.recipe.lr,
        )
        names = tuple(row.name for row in case.learned)
        bars = {f"{value:g}": 1 / (1 - value) for value in (0.9, momentum)}
        memory = Evidence(
            values=bars, marked=(f"{momentum:g}",), title=N_("Steps that a gradient is felt, by momentum")
        )
        return self.finding(why, memory, Evidence(("loss",)), Evidence(("update_ratio",), names))

    def apply(self, case: Case) -> Setup | None:
        return case.recipe.changed(momentum=0.9), case.architecture


RECIPE_RULES: tuple[Rule, ...] = (
    BatchNormAlone(),
    BatchTooLarge(),
    MirroredCharacters(),
    TurnedCharacters(),
    MomentumTooHigh(),
)
