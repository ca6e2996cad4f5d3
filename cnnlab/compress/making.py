"""From a model to a smaller one, each way under one face: what was done, and what is to be measured beside what."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, field, replace
from typing import Any

from cnnlab.architecture import Architecture
from cnnlab.compress.channels import channel_groups
from cnnlab.compress.compare import Comparison, Subject, compare, subject_of, weights_of
from cnnlab.compress.distil import Distilling, Lesson
from cnnlab.compress.int8 import CALIBRATION, quantise
from cnnlab.compress.pruning import Plan, prune
from cnnlab.compress.spelling import spelled_out
from cnnlab.compress.tuning import learned
from cnnlab.data.dataset import DataSet
from cnnlab.data.loader import at_hand
from cnnlab.model import Model
from cnnlab.training.events import Event
from cnnlab.training.images import some
from cnnlab.training.loop import Training
from cnnlab.training.recipe import Recipe


@dataclass(frozen=True)
class Made:
    """A smaller model.

    Attributes:
        how: what was done, as JSON values.
        before: what it was made from, with the weights that its own are to be compared with.
        after: the smaller model; ``after.file`` is what is written to a file.
        alone: with distillation, the same network after the same recipe without a teacher.
    """

    how: dict[str, Any]
    before: Subject
    after: Subject
    alone: Subject | None = field(default=None)

    def measured(self, dataset: DataSet, seconds: float = 1.0) -> tuple[Comparison, Comparison | None]:
        """Return the comparisons of before with after, and of before with ``alone``, on the test images."""
        first = compare(self.before, self.after, dataset.test, dataset.name, seconds)
        if self.alone is None:
            return first, None
        return first, compare(self.before, self.alone, dataset.test, dataset.name, seconds)


def data_for(model: Model) -> str:
    """Return the data set that ``model`` learned from; where that is not here, the smaller one with its classes if that is."""
    return at_hand(model.about.data)


def pruned(model: Model, plan: Plan, dataset: DataSet, recipe: Recipe | None = None) -> Generator[Event, None, Made]:
    """Yield the events of learning between the steps; return what ``prune`` makes, which says why it raises what."""
    smaller = yield from prune(model, plan, dataset, recipe)
    how: dict[str, Any] = {"prune": plan.model_dump(mode="json")}
    before = subject_of(model)
    if plan.per == "channel":
        spelled = spelled_out(model)
        before = replace(before, weights=weights_of(spelled))  # under the names that the smaller one has, too
        groups = channel_groups(spelled.architecture)
        how["tied"] = [list(group.layers) for group in groups if len(group.layers) > 1 and group.held is None]
        how["kept"] = {name: str(group.held) for group in groups if group.held for name in group.layers}
    return Made(how, before, subject_of(labelled(smaller, model, "pruned", how)))


def in_int8(model: Model, dataset: DataSet) -> Made:
    """Return ``model`` in int8, calibrated on training images; raises as ``quantise``."""
    images = some(dataset.fit, CALIBRATION).images
    about = labelled(model, model, "int8", {"int8": {"calibration": len(images)}}).about
    small = quantise(model, images, about)
    how: dict[str, Any] = {"calibration": len(images), "toolkit": small.description.toolkit}
    how |= {"layers": list(small.int8_layers), "kernels": small.kernels}
    return Made({"int8": how}, replace(subject_of(model), weights=small.exact), small.subject())


def distilled(
    model: Model, architecture: Architecture, lesson: Lesson, dataset: DataSet, recipe: Recipe
) -> Generator[Event, None, Made]:
    """Yield the events of both trainings, with the teacher ``model`` and without; raises as ``Distilling``."""
    pupil = yield from learned(Distilling(architecture, dataset, recipe, model, lesson))
    alone = yield from learned(Training(architecture, dataset, recipe))
    how = {"distil": lesson.model_dump(mode="json")}
    named = labelled(pupil, model, "", how)
    return Made(how, subject_of(model), subject_of(named), subject_of(alone, f"{alone.about.name} alone"))


def labelled(model: Model, source: Model, suffix: str, how: dict[str, Any]) -> Model:
    """Return ``model`` saying what it was made from and how, and nothing that was measured of another.

    Args:
        model: what was made.
        source: what it was made from.
        suffix: what is added to that one's name; empty for the model's own name.
        how: what is noted under ``compressed``.
    """
    origin = source.about.name or source.architecture.name
    name = f"{origin[:70]}-{suffix}" if suffix else model.about.name
    about = model.about.model_copy(update={"name": name, "result": {"made_from": origin, "compressed": how}})
    return Model(model.description.model_copy(update={"about": about}), model.state)
