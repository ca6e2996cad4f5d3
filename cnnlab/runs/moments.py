"""What a kept moment of a run is good for: looking into its network, going on from it, branching from it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from time import time
from typing import TYPE_CHECKING, Any

from cnnlab.description import ModelDescription
from cnnlab.errors import RunError
from cnnlab.runs import machine
from cnnlab.runs.keeping import CheckpointInfo
from cnnlab.runs.snapshot import BLANK, KEPT_BY_BRANCH, KEPT_BY_RESUME, RESUMABLE, RunSpec, Snapshot, state_word
from cnnlab.runs.store import Store, new_id
from cnnlab.runs.task import Task

if TYPE_CHECKING:
    from cnnlab.architecture import Architecture
    from cnnlab.data.dataset import DataSet
    from cnnlab.model import Model
    from cnnlab.training.checkpoint import Checkpoint
    from cnnlab.training.recipe import Recipe
    from cnnlab.training.transfer import Start, Started


def begun(
    spec: RunSpec, model_of: Callable[[Start], tuple[str, Model]], crowd: bool
) -> tuple[dict[str, Any], Task, Checkpoint | None]:
    """Return what a new run learns for its snapshot once its data is here, what it is to do, and where it is to begin.

    Args:
        spec: what is asked for.
        model_of: opens the model that a run begins with, and says which it is, to the step.
        crowd: as of ``machine.resolve_recipe``.

    Raises:
        ShapeError, ArchitectureError, BudgetError, DataError, RecipeError: it cannot be trained.
        ModelError, RunError: there is no such model to begin with.
    """
    from cnnlab.training.loop import check_trainable, count_images, count_steps

    dataset = _loaded(spec.data)
    check_trainable(spec.architecture, dataset, spec.recipe)
    recipe = machine.resolve_recipe(spec.recipe, spec.architecture, crowd)
    counts = {"images": count_images(dataset, recipe), "steps": count_steps(dataset, recipe)}
    values = {"data_hash": dataset.hash, "recipe": recipe, **counts}
    if spec.start is None:
        return values, Task(spec.architecture, recipe, dataset, sparse=spec.sparse), None
    ref, model = model_of(spec.start)
    started, beginning, changes = _borrowed(spec.architecture, dataset, recipe, spec.start, ref, model)
    values |= {"start": started, "changes": changes}
    task = Task(spec.architecture, recipe, dataset, beginning.to_bytes(), changes, spec.sparse)
    return values, task, beginning


def begins_with(spec: RunSpec) -> dict[str, Any]:
    """Return what a run's first event has to say so that ``asked`` knows with which weights it was to begin."""
    return {} if spec.start is None else {"begins_with": spec.start.model_dump(mode="json")}


def asked(run: Snapshot, events: Iterable[Mapping[str, Any]]) -> RunSpec:
    """Return what was asked for, of a run that was broken off while it was being prepared (its steps are not counted)."""
    start = next((event["begins_with"] for event in events if "begins_with" in event), None)
    values = {"architecture": run.architecture, "data": run.data, "recipe": run.recipe, "name": run.name}
    return RunSpec(**values, owner=run.owner, start=start)


def _borrowed(
    architecture: Architecture, dataset: DataSet, recipe: Recipe, start: Start, ref: str, model: Model
) -> tuple[Started, Checkpoint, tuple[dict[str, Any], ...]]:
    """Return with what a run begins, as said and as a checkpoint of step 0, and what was frozen as its first change."""
    from cnnlab.training.loop import Training
    from cnnlab.training.transfer import Started, borrow

    training = Training(architecture, dataset, recipe)
    found = borrow(training, model, start.fresh)
    if start.frozen:
        training.apply({"frozen": start.frozen})
    title = (model.about.name or model.architecture.name)[:80]
    started = Started(**{**start.model_dump(), "model": ref}, title=title, taken=found.taken, weights=found.weights)
    changes = tuple(made.model_dump(mode="json", exclude_none=True) for made in training.changes)
    return started, training.checkpoint(), changes


def kept_step(store: Store, run: Snapshot, kept: Sequence[CheckpointInfo], step: int | None) -> int:
    """Return ``step`` if its weights are kept, or for None the latest that are.

    Raises:
        RunError: none are kept, or not those.
    """
    final = store.column(run.id, "model")
    steps = [info.step for info in kept] + ([final["step"]] if final else [])
    if not steps or (step is None and run.state == "failed"):
        raise RunError("run {id} has left no weights ({state})", id=run.id, state=state_word(run.state))
    if step is not None and step not in steps:
        raise RunError(
            "run {id} has kept no weights of step {step}; the latest are those of step {latest}",
            id=run.id,
            step=step,
            latest=max(steps),
        )
    if step is not None:
        return step
    return int(final["step"]) if final and run.state == "done" else max(steps)  # what a run ends with is its model


def model_bytes(store: Store, run: Snapshot, kept: Sequence[CheckpointInfo], step: int | None) -> bytes:
    """Return the weights of a kept step as the bytes of a model's file; raises RunError as ``kept_step``."""
    from cnnlab.model import Model
    from cnnlab.training.checkpoint import Checkpoint

    step = kept_step(store, run, kept, step)
    final = store.column(run.id, "model")
    if final and final["step"] == step and not run.live:
        return store.model(run.id, final)
    checkpoint = Checkpoint.from_bytes(store.checkpoint(run.id, step))
    description = ModelDescription.model_validate(store.column(run.id, "description"))
    result = {"step": step, "steps": run.steps}
    about = description.about.model_copy(update={"result": result, "name": run.name})
    return Model(description.model_copy(update={"about": about}), checkpoint.weights).to_bytes()


def can_go_on(run: Snapshot, kept: Sequence[CheckpointInfo]) -> bool:
    """Return whether ``run`` can be resumed: it has not come to its end, and there is something that it goes on from.

    One that was broken off before its first step needs nothing but its recipe.
    """
    return run.state in RESUMABLE and (bool(kept) or (run.step == 0 and run.parent is None and run.start is None))


def task_of(store: Store, run: Snapshot) -> tuple[int | None, Task]:
    """Return the last checkpoint that is whole (None: the run has not begun) and what is to be done from there.

    Raises:
        DataError: the data is not here any more.
        RunError: it is not the same any more, or no checkpoint is here and whole: what the run has done would be lost.
    """
    dataset = _same_data(run)
    changes = store.column(run.id, "changes") or []
    kept = store.checkpoints(run.id)
    for info in reversed(kept):
        try:
            data = store.checkpoint(run.id, info.step)
        except RunError:
            continue  # damaged: the one before it will do
        return info.step, Task(run.architecture, run.recipe, dataset, data, changes)
    if run.parent is not None:
        raise RunError("run {id} has lost the checkpoint that it began with; branch from its parent again", id=run.id)
    if run.start is not None:
        raise RunError("run {id} has lost the weights that it began with; start it again", id=run.id)
    if run.step > 0:
        raise RunError(
            "run {id} has no checkpoint that it could go on from; start a new run with the same network and recipe",
            id=run.id,
        )
    return None, Task(run.architecture, run.recipe, dataset, None, changes)


def standing_again(run: Snapshot, step: int | None) -> dict[str, Any]:
    """Return the fields of a run that goes on from ``step``."""
    reset = {name: value for name, value in BLANK.items() if name not in KEPT_BY_RESUME}
    return {**reset, "step": step or 0, "resumed": run.resumed + 1}


def branched(
    store: Store, parent: Snapshot, step: int, changes: Mapping[str, Any], name: str
) -> tuple[Snapshot, Checkpoint, Task]:
    """Return a new run that goes on from a checkpoint of ``parent`` with ``changes`` of the recipe, and its beginning.

    Raises:
        RunError: there is no such checkpoint, or the data is no longer the same.
        RecipeError, BudgetError: the changed recipe cannot go on from there.
    """
    from cnnlab.training.checkpoint import Checkpoint
    from cnnlab.training.loop import Training, count_images

    dataset = _same_data(parent)
    checkpoint = Checkpoint.from_bytes(store.checkpoint(parent.id, step))
    recipe = machine.resolve_recipe(checkpoint.recipe.changed(**changes), parent.architecture)
    training = Training.restore(parent.architecture, dataset, checkpoint, recipe)
    beginning = training.checkpoint()
    inherited = tuple(made.model_dump(mode="json", exclude_none=True) for made in training.changes)
    values = {
        **BLANK, **{name: getattr(parent, name) for name in KEPT_BY_BRANCH}, "id": new_id(),
        "name": name[:80] or parent.name, "parent": parent.id, "parent_step": step, "created": time(),
        "recipe": recipe, "images": count_images(dataset, recipe), "epochs": recipe.epochs, "step": step, "steps": training.steps, "epoch": training.epoch,
        "changes": inherited,
    }  # fmt: skip
    return Snapshot(**values), beginning, Task(parent.architecture, recipe, dataset, beginning.to_bytes(), inherited)


def _loaded(name: str) -> DataSet:
    """Return the data set ``name``; a thread that lives on is left without a team of its own (``training.threads``)."""
    from cnnlab.data.loader import load
    from cnnlab.training.threads import torch_threads

    with torch_threads(1):
        dataset = load(name)
        dataset.mean  # noqa: B018  (computed once, and kept)
    return dataset


def _same_data(run: Snapshot) -> DataSet:
    dataset = _loaded(run.data)
    if dataset.hash != run.data_hash:
        raise RunError(
            "the data set {data} is no longer the one that this run learned from; import that one again, or start a "
            "new run",
            data=run.data,
        )
    return dataset
