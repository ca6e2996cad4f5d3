"""Is borrowing worth it? The same network from scratch and with borrowed weights, over set sizes and seeds.

Each point is a run of the engine like any other; what is found is read from the runs, so that a comparison that was
broken off goes on where it was, and a run that is deleted takes its point with it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field

from cnnlab.errors import RecipeError, RunError
from cnnlab.runs.compare import MACHINE
from cnnlab.runs.snapshot import RunSpec, Snapshot
from cnnlab.training.recipe import Recipe
from cnnlab.training.transfer import as_told

if TYPE_CHECKING:
    from cnnlab.data.dataset import DataSet

SIZES = (10, 100, 1_000)
MAX_EPOCHS = 200
MOST_STEPS = 5_000
_NOT_ASKED = frozenset({*MACHINE, "precision"})
"""Fields of a recipe that the machine may fix."""


class SizesSpec(BaseModel):
    """What is to be compared.

    Attributes:
        spec: network, data, recipe, owner, and the start whose worth is asked for.
        sizes: images of each class, ascending.
        seeds: how many runs each point is the mean of; the first has the recipe's seed.
        steps: about how many each run has; the same number for both at each size.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    spec: RunSpec
    sizes: tuple[int, ...] = Field(SIZES, min_length=1, max_length=8)
    seeds: int = Field(3, ge=1, le=10)
    steps: int = Field(200, ge=1, le=MOST_STEPS)


@dataclass(frozen=True)
class Cell:
    """One run of the comparison: its set size, whether it borrows, its seed, its steps, and what to submit."""

    size: int
    borrowed: bool
    seed: int
    steps: int
    spec: RunSpec


@dataclass(frozen=True)
class Point:
    """What several seeds reached on the test set with one set size.

    Attributes:
        size, borrowed: images of each class, and whether weights were borrowed.
        steps: of each run.
        values: the test accuracies in [0, 1], one for each seed that is done.
        wanted: how many there are to be.
    """

    size: int
    borrowed: bool
    steps: int
    values: tuple[float, ...]
    wanted: int

    @property
    def mean(self) -> float:
        """The mean of the values."""
        return math.fsum(self.values) / len(self.values)

    @property
    def spread(self) -> float | None:
        """The sample standard deviation, sqrt(sum (x - mean)^2 / (n - 1)); None of a single value."""
        if len(self.values) < 2:
            return None
        return math.sqrt(math.fsum((value - self.mean) ** 2 for value in self.values) / (len(self.values) - 1))

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON values."""
        mean = self.mean if self.values else None
        return {**vars(self), "values": [*self.values], "mean": mean, "spread": self.spread}


def sizes_for(dataset: DataSet) -> tuple[int, ...]:
    """Return which of 10, 100 and 1,000 images every class has, and all that the smallest has where that is less.

    Nothing where a class has no image at all.
    """
    least = min(dataset.train.counts(len(dataset.class_names)))
    if least == 0:
        return ()
    fitting = [size for size in SIZES if size <= least]
    if least < SIZES[-1] and (not fitting or least >= 2 * fitting[-1]):
        fitting.append(least)
    return tuple(fitting)


def cells(asked: SizesSpec, dataset: DataSet) -> tuple[Cell, ...]:
    """Return the runs of a comparison, the smallest sets first, from scratch and borrowed side by side.

    All learn from whole training sets cut to so many images of each class; nothing is held back to judge by, so that
    schedules which need that become constant.

    Raises:
        RecipeError: the start is missing, or a class has fewer images than a size asks for.
    """
    if asked.spec.start is None:
        raise RecipeError("there is nothing to compare: name a model to begin with")
    least = min(dataset.train.counts(len(dataset.class_names)))
    for size in asked.sizes:
        if not 1 <= size <= least:
            raise RecipeError(
                "sizes: {size} images of each class; the smallest class of {data} has {least}",
                size=size,
                data=dataset.name,
                least=least,
            )
    found = []
    for size in sorted(set(asked.sizes)):
        recipe, steps = _recipe(asked, size * len(dataset.class_names), size)
        for seed in range(asked.seeds):
            for borrowed in (False, True):
                found.append(_cell(asked, recipe, size, asked.spec.recipe.seed + seed, borrowed, steps))
    return tuple(found)


def _recipe(asked: SizesSpec, images: int, size: int) -> tuple[Recipe, int]:
    given = asked.spec.recipe
    batch = min(given.batch_size, images)
    epochs = max(1, min(MAX_EPOCHS, round(asked.steps / (images // batch))))
    schedule = "constant" if given.schedule == "reduce_on_plateau" else given.schedule
    recipe = given.changed(
        limit_train=None, limit_per_class=size, full_train=True, early_stopping=0, schedule=schedule, warmup_epochs=0,
        batch_size=batch, epochs=epochs, threads=given.threads or 1,
    )  # fmt: skip
    return recipe, epochs * (images // batch)


def _cell(asked: SizesSpec, recipe: Recipe, size: int, seed: int, borrowed: bool, steps: int) -> Cell:
    recipe = recipe.changed(seed=seed) if borrowed else recipe.changed(seed=seed, layer_lr={})
    end = f" · {size} · {'borrowed' if borrowed else 'new'}"
    name = (asked.spec.name or asked.spec.architecture.name)[: 80 - len(end)] + end
    start = asked.spec.start if borrowed else None
    changes = {"recipe": recipe, "name": name, "start": start, "sparse": True}
    return Cell(size, borrowed, seed, steps, asked.spec.model_copy(update=changes))


def matched(wanted: Sequence[Cell], runs: Iterable[Snapshot]) -> dict[int, Snapshot]:
    """Return the run of each cell that has one, by the cell's place: the finished one, else one that lives."""
    by_key: dict[str, Snapshot] = {}
    for run in sorted(runs, key=lambda run: run.created):
        if (run.live or (run.state == "done" and run.test_acc is not None)) and run.parent is None and _untouched(run):
            key = _key_of_run(run)
            if key not in by_key or by_key[key].live:
                by_key[key] = run
    places = ((place, by_key.get(_key(cell.spec))) for place, cell in enumerate(wanted))
    return {place: run for place, run in places if run is not None}


def points(wanted: Sequence[Cell], runs: Iterable[Snapshot]) -> tuple[Point, ...]:
    """Return what has been reached so far, a point for each size and way; those without a finished run hold no value."""
    found = matched(wanted, runs)
    groups: dict[tuple[int, bool], list[int]] = {}
    for place, cell in enumerate(wanted):
        groups.setdefault((cell.size, cell.borrowed), []).append(place)
    return tuple(
        Point(size, borrowed, wanted[places[0]].steps, _values(places, found), len(places))
        for (size, borrowed), places in groups.items()
    )


def _values(places: Sequence[int], found: dict[int, Snapshot]) -> tuple[float, ...]:
    runs = [found[place] for place in places if place in found]
    return tuple(run.test_acc for run in runs if run.test_acc is not None and not run.live)


def _untouched(run: Snapshot) -> bool:
    """Return whether nothing was changed while it learned; what it began with frozen is no such change."""
    return all(made["step"] == 0 and made["change"].keys() == {"frozen"} for made in run.changes)


def _key(spec: RunSpec) -> str:
    start = spec.start and [as_told(spec.start.model), sorted(spec.start.fresh), sorted(spec.start.frozen)]
    return _written(spec.architecture.key, spec.data, spec.recipe, start)


def _key_of_run(run: Snapshot) -> str:
    start = run.start and [run.start.model, sorted(run.start.fresh), sorted(run.start.frozen)]
    return _written(run.architecture_key, run.data, run.recipe, start)


def _written(network: str, data: str, recipe: Recipe, start: Any) -> str:
    described = json.loads(network)
    described.pop("name", None)
    return json.dumps([described, data, recipe.model_dump(mode="json", exclude=set(_NOT_ASKED)), start], sort_keys=True)


def pinned(spec: RunSpec) -> RunSpec:
    """Return ``spec`` with the step of the run that it begins with, as a run that has begun says it.

    Raises:
        RunError: there is no such run, or it has no weights.
    """
    from cnnlab.description import ModelRef
    from cnnlab.runs.engine import engine

    if spec.start is None:
        return spec
    ref = ModelRef.parse(spec.start.model)
    if ref.kind != "run":
        return spec
    step = engine().model_step(ref.value, ref.step)
    if engine().snapshot(ref.value).live:
        raise RunError("the run whose weights are borrowed is still learning; wait until it is over, then compare")
    return spec.model_copy(update={"start": spec.start.model_copy(update={"model": f"{ref.source}@{step}"})})
