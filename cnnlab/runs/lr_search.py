"""The learning-rate finder in the background: a page begins it, sees how far it is, and can call it off."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, replace

from cnnlab.architecture import Architecture
from cnnlab.i18n import Message
from cnnlab.runs import jobs
from cnnlab.runs.jobs import Step
from cnnlab.runs.task import fault
from cnnlab.training.lr_finder import STEPS, Finding, Trial, find_lr
from cnnlab.training.recipe import Recipe

_KIND = "learning-rate"


@dataclass(frozen=True)
class Search:
    """A search as it stands.

    Attributes:
        architecture, data, recipe: for what.
        state: ``waiting`` (for another search), ``running``, ``done``, ``failed`` or ``cancelled``.
        steps: how many trials at most.
        trials: those made so far.
        finding: what they say, once it is done.
        error: why it failed.
    """

    architecture: Architecture
    data: str
    recipe: Recipe
    state: str = "waiting"
    steps: int = STEPS
    trials: tuple[Trial, ...] = ()
    finding: Finding | None = None
    error: Message | None = None

    @property
    def live(self) -> bool:
        """Whether it goes on."""
        return self.state in ("waiting", "running")

    def fits(self, architecture: Architecture, data: str, recipe: Recipe) -> bool:
        """Return whether it was made for this network, data and recipe, whatever the learning rate."""
        mine = (self.architecture.layers, self.architecture.input_shape, self.data, _without_rate(self.recipe))
        return mine == (architecture.layers, architecture.input_shape, data, _without_rate(recipe))


def start(owner: str, architecture: Architecture, data: str, recipe: Recipe) -> None:
    """Begin a search for ``owner``; the one before is called off and forgotten. One searches at a time, on one thread.

    Raises:
        ShapeError, ArchitectureError, BudgetError, DataError, RecipeError: it cannot be trained.
    """
    from cnnlab.data.loader import load
    from cnnlab.runs.machine import resolve_recipe
    from cnnlab.training.loop import check_trainable

    check_trainable(architecture, load(data), recipe)
    asked = Search(architecture, data, resolve_recipe(recipe.changed(threads=1), architecture))
    jobs.start(
        owner, _KIND, asked.data, asked.steps, lambda: _steps(asked), asked, _KIND,
        lambda error: fault(error, recipe.batch_size),
    )  # fmt: skip


def current(owner: str) -> Search | None:
    """Return the search of ``owner``, going on or over, or None."""
    job = jobs.current(owner, _KIND)
    if job is None:
        return None
    search: Search = job.found
    return replace(search, state=job.state, error=job.error)


def cancel(owner: str) -> None:
    """Call off the search of ``owner``; it ends before its next step."""
    jobs.cancel(owner, _KIND)


def wait(owner: str, timeout_s: float) -> Search | None:
    """Return the search of ``owner`` once it is over, or as it is when ``timeout_s`` have passed."""
    jobs.wait(owner, _KIND, timeout_s)
    return current(owner)


def _steps(asked: Search) -> Generator[Step, None, Search]:
    from cnnlab.data.loader import load

    trials: list[Trial] = []
    steps = find_lr(asked.architecture, load(asked.data), asked.recipe)
    while True:
        try:
            trials.append(next(steps))
        except StopIteration as end:
            return replace(asked, finding=end.value, trials=end.value.trials)
        yield Step(len(trials), replace(asked, trials=tuple(trials)))


def _without_rate(recipe: Recipe) -> Recipe:
    """Return ``recipe`` with all that has no say in a search, or is the machine's to choose, at one value."""
    fields = {"lr": 1.0, "schedule": "constant", "warmup_epochs": 0.0, "epochs": 1, "early_stopping": 0}
    return recipe.changed(**fields, precision="auto", memory_format="auto", threads=0)
