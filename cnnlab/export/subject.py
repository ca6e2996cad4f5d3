"""What is exported: a network alone, or a model with all that is known of how it was trained."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from cnnlab.architecture import Architecture
from cnnlab.description import ModelRef
from cnnlab.errors import CnnLabError
from cnnlab.export.borrowed import started_with, weights_of_start
from cnnlab.export.branched import Ancestry, Past, ancestry
from cnnlab.i18n import Message
from cnnlab.training.change import Applied
from cnnlab.training.recipe import Recipe

if TYPE_CHECKING:
    from torch import Tensor

    from cnnlab.model import Model


@dataclass(frozen=True)
class Subject:
    """A network, and what is known beside it.

    Attributes:
        architecture: the network.
        recipe: how it is, or was, trained; None where nobody said.
        data: the data set that it learns from; empty where nobody said.
        data_hash: the hash of that data's content; empty where nobody said.
        test_acc: the accuracy on the test images that the lab showed, in [0, 1]; None where it was never tested.
        changes: what was changed by hand while it ran, as far as a notebook can repeat it.
        model: the weights, with their description; None for a network alone.
        borrowed: the weights of another model that it began with, by name; empty where it began with new ones, or
            where they are no longer here.
        past: the runs that it went on from, the first one first, where it is a branch of runs that are still here.
        unlike: why training by ``recipe`` would not lead to ``model``, in sentences; empty where it would.
    """

    architecture: Architecture
    recipe: Recipe | None = None
    data: str = ""
    data_hash: str = ""
    test_acc: float | None = None
    changes: tuple[Applied, ...] = ()
    model: Model | None = None
    borrowed: Mapping[str, Tensor] = field(default_factory=dict)
    past: tuple[Past, ...] = ()
    unlike: tuple[Message, ...] = field(default=())

    @property
    def file_name(self) -> str:
        """A name for a file, without its ending, that every system takes."""
        name = self.model.about.name if self.model is not None else ""
        return re.sub(r"[^\w-]+", "-", name or self.architecture.name).strip("-")[:80] or "network"


def of_network(architecture: Architecture, recipe: Recipe | None = None, data: str = "") -> Subject:
    """Return a network without weights, perhaps with how it is to be trained."""
    return Subject(architecture, recipe, data)


def of_model(model: Model, ref: ModelRef | None = None) -> Subject:
    """Return a model with what its file says of its training, and what the lab knows of its run.

    Raises:
        RecipeError: the recipe in the file is none.
    """
    description = model.description
    about = description.about
    recipe = Recipe.of(about.recipe) if about.recipe else None
    accuracy = about.result.get("test_acc")
    told, result = _begun_with(about.result, ref)
    start = started_with(told)
    borrowed: Mapping[str, Tensor] = {} if start is None else weights_of_start(start, description.architecture, ref)
    if told is not None and not borrowed:
        result = _without_frozen(result)
    changes = _sound(repeatable(result), description.architecture, recipe)
    before = _before(result, ref, description.architecture, about.data_hash)
    borrowed = before.borrowed or borrowed
    unlike = _unlike(result, changes, ref, before)
    return Subject(
        architecture=description.architecture,
        recipe=recipe,
        data=about.data,
        data_hash=about.data_hash,
        test_acc=float(accuracy) if isinstance(accuracy, (int, float)) else None,
        changes=changes or (),
        model=model,
        borrowed=borrowed,
        past=before.past,
        unlike=(*([_lost(told)] if told is not None and not borrowed else []), *unlike),
    )


KNOWN_RESULTS = frozenset(
    {"step", "steps", "test_acc", "train_s", "images_per_s", "command", "changes", "parent", "parent_step", "start"}
)
"""What a run of the lab's training writes into a model of what came of it; anything else made the model otherwise."""


REPEATED = frozenset(
    """lr layer_lr momentum nesterov weight_decay l1 clip_norm batch_size augmentation mixup dropout frozen""".split()
)
"""The live changes that a notebook repeats."""


def repeatable(result: Mapping[str, Any]) -> tuple[Applied, ...] | None:
    """Return the live changes that ``result`` of a run tells of, or None where a notebook cannot repeat them all."""
    try:
        told = [
            Applied.model_validate({"step": one["step"], "change": {k: v for k, v in one.items() if k != "step"}})
            for one in result.get("changes", ())
        ]
    except (ValueError, TypeError, AttributeError, KeyError, CnnLabError):  # the file may come from anyone
        return None
    return tuple(told) if all(applied.change.values().keys() <= REPEATED for applied in told) else None


def _sound(
    changes: tuple[Applied, ...] | None, architecture: Architecture, recipe: Recipe | None
) -> tuple[Applied, ...] | None:
    """Return ``changes`` where they can be made to ``recipe`` and its network, else None."""
    try:
        for applied in changes or ():
            applied.change.check_layers(architecture)
            recipe = applied.change.recipe(recipe or Recipe())
    except CnnLabError:
        return None
    return changes


def _before(result: Mapping[str, Any], ref: ModelRef | None, architecture: Architecture, data_hash: str) -> Ancestry:
    """Return the runs that a branch went on from; nothing for what began by itself."""
    parent, step = result.get("parent"), result.get("parent_step")
    if parent is None and ref is not None and ref.kind == "run":
        from cnnlab.runs.engine import engine

        run = engine().snapshot(ref.value)
        parent, step = run.parent, run.parent_step
    return Ancestry() if parent is None else ancestry(parent, step, architecture, data_hash)


def _unlike(
    result: Mapping[str, Any], changes: tuple[Applied, ...] | None, ref: ModelRef | None, before: Ancestry
) -> list[Message]:
    found: list[Message] = []
    if changes is None:
        found.append(
            Message(
                "This run was changed by hand while it ran ({count} times); the notebook trains by the recipe that it "
                "began with, so its accuracy will be another.",
                count=len(told) if isinstance(told := result.get("changes"), list) else 1,
            )
        )
    if others := sorted(result.keys() - KNOWN_RESULTS):
        found.append(
            Message(
                "This model was not made by its recipe alone ({how}); the notebook trains by the recipe from the "
                "beginning, so its accuracy will be another.",
                how=re.sub(
                    r"[^\w.,:%()/ -]+", " ", ", ".join(f"{name}: {str(result[name])[:60]}" for name in others[:4])
                ),
            )
        )
    if before.reason is not None:
        found.append(
            Message(
                "This run is a branch, and what it went on from cannot be repeated ({reason}). The notebook trains from the "
                "beginning, so its accuracy will be another.",
                reason=before.reason,
            )
        )
    if ref is not None and ref.kind == "run":
        from cnnlab.runs.engine import engine

        run = engine().snapshot(ref.value)
        if ref.step is not None and ref.step != (run.chosen_step or run.step):
            found.append(
                Message(
                    "These are the weights of step {step}; the notebook trains all {steps} steps.",
                    step=ref.step,
                    steps=run.steps,
                )
            )
    stopped = isinstance(result.get("step"), int) and "test_acc" not in result
    if stopped and not found:
        found.append(
            Message(
                "This model was taken at step {step} of {steps}, before its run was over and tested; the notebook trains "
                "to the end.",
                step=result["step"],
                steps=result.get("steps", "?"),
            )
        )
    return found


def _begun_with(result: Mapping[str, Any], ref: ModelRef | None) -> tuple[object, Mapping[str, Any]]:
    """Return what is told of borrowed weights, or None, and ``result`` with the layers that were frozen with them."""
    start, changes = result.get("start"), result.get("changes")
    if start is None and ref is not None and ref.kind == "run":
        from cnnlab.runs.engine import engine

        run = engine().snapshot(ref.value)
        start = run.start and run.start.model_dump(mode="json")
        if run.start is not None and run.start.frozen and changes is None:  # its model is not written yet
            changes = [{"step": 0, "frozen": list(run.start.frozen)}]
    return start, result if changes is None else {**result, "changes": changes}


def _without_frozen(result: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return ``result`` without the layers that were frozen before the first step, as borrowed ones are."""
    changes = result.get("changes")
    if not isinstance(changes, list):
        return result
    later = [
        one
        for one in changes
        if not (isinstance(one, Mapping) and one.keys() == {"step", "frozen"} and not one["step"])
    ]
    return {**result, "changes": later}


def _lost(start: object) -> Message:
    values: Mapping[str, Any] = start if isinstance(start, Mapping) else {}  # the file may come from anyone
    taken = values.get("taken")
    return Message(
        "This run began with weights of {model} ({layers}), which are not here, or too many for a notebook. The notebook "
        "begins with new weights: its accuracy will be another.",
        model=re.sub(r"[^\w.,:%()/ -]+", " ", str(values.get("title") or "-"))[:80],
        layers=re.sub(r"[^\w., -]+", " ", ", ".join(map(str, taken)) if isinstance(taken, list) else "-")[:300],
    )
