"""Making a model smaller in the background: a page begins it, sees how far it is, and can call it off."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, field, replace

from cnnlab.architecture import Architecture
from cnnlab.compress.compare import Comparison
from cnnlab.compress.distil import Lesson
from cnnlab.compress.making import Made, distilled, in_int8, pruned
from cnnlab.compress.pruning import Plan
from cnnlab.compress.tuning import tuning_recipe
from cnnlab.data.dataset import DataSet
from cnnlab.i18n import Message
from cnnlab.model import Model
from cnnlab.runs import jobs
from cnnlab.runs.jobs import Step
from cnnlab.training.events import Event, TrainEvent
from cnnlab.training.loop import count_steps
from cnnlab.training.recipe import Recipe

_KIND = "compress"


@dataclass(frozen=True)
class Wish:
    """What is to be made of a model.

    Attributes:
        model: of which.
        data: which data set is learned from and measured with.
        plan: how it is pruned; or
        pupil, lesson: which network learns from it, and how; or neither: it becomes int8.
        recipe: how the pupil learns, or how the pruned model learns on (None: as ``tuning_recipe`` says).
    """

    model: Model
    data: DataSet
    plan: Plan | None = None
    pupil: Architecture | None = None
    lesson: Lesson = field(default_factory=Lesson)
    recipe: Recipe | None = None

    def learning(self) -> Recipe:
        """Return the recipe that is followed, on one thread."""
        fixed = {"threads": 1}
        if self.pupil is not None:
            return (self.recipe or Recipe()).changed(**fixed)
        epochs = self.plan.epochs if self.plan else 0
        return (self.recipe or tuning_recipe(self.model, max(1, epochs))).changed(**fixed)

    def steps(self) -> int:
        """Return how many steps of learning it takes in all."""
        if self.pupil is not None:
            return 2 * count_steps(self.data, self.learning())
        if self.plan is None or not self.plan.epochs:
            return 0
        return self.plan.steps * count_steps(self.data, self.learning().changed(epochs=self.plan.epochs))


@dataclass(frozen=True)
class Work:
    """It as it stands.

    Attributes:
        wish: what is made.
        state: ``waiting`` (for another's), ``learning``, ``measuring``, ``done``, ``failed`` or ``cancelled``.
        step, steps: of the learning.
        made: the smaller model, once it is done.
        comparison: what was measured; ``alone``: of the pupil without a teacher.
        error: why it failed.
    """

    wish: Wish
    state: str = "waiting"
    step: int = 0
    steps: int = 0
    made: Made | None = None
    comparison: Comparison | None = None
    alone: Comparison | None = None
    error: Message | None = None

    @property
    def live(self) -> bool:
        """Whether it goes on."""
        return self.state in ("waiting", "learning", "measuring")


def start(owner: str, wish: Wish) -> None:
    """Begin to make what ``owner`` wishes; what was made for them before is called off and forgotten.

    One works at a time, since two would spoil each other's clock.
    """
    asked = Work(wish, steps=wish.steps())
    jobs.start(owner, _KIND, wish.model.about.name, asked.steps, lambda: _steps(asked), asked, _KIND)


def current(owner: str) -> Work | None:
    """Return what is made for ``owner``, or was made last, or None."""
    job = jobs.current(owner, _KIND)
    if job is None:
        return None
    found: Work = job.found
    if job.state == "running":
        return found if found.live and found.state != "waiting" else replace(found, state="learning")
    return replace(found, state=job.state, error=job.error)


def cancel(owner: str) -> None:
    """Call off what is made for ``owner``; it ends at its next step."""
    jobs.cancel(owner, _KIND)


def wait(owner: str, timeout_s: float) -> Work | None:
    """Return what is made for ``owner`` once it is over, or as it is when ``timeout_s`` have passed."""
    jobs.wait(owner, _KIND, timeout_s)
    return current(owner)


def _steps(asked: Work) -> Generator[Step, None, Work]:
    wish, step = asked.wish, 0
    learning = _learning(wish)
    while True:
        try:
            event = next(learning)
        except StopIteration as end:
            made: Made = end.value
            break
        step += isinstance(event, TrainEvent)
        yield Step(step, replace(asked, state="learning", step=step))
    yield Step(step, replace(asked, state="measuring", step=step))
    comparison, alone = made.measured(wish.data)
    return replace(asked, step=step, made=made, comparison=comparison, alone=alone)


def _learning(wish: Wish) -> Generator[Event, None, Made]:
    """Return the steps that make the smaller model; int8 has none."""
    if wish.plan is not None:
        return pruned(wish.model, wish.plan, wish.data, wish.learning())
    if wish.pupil is not None:
        return distilled(wish.model, wish.pupil, wish.lesson, wish.data, wish.learning())
    return _int8(wish)


def _int8(wish: Wish) -> Generator[Event, None, Made]:
    yield from ()
    return in_int8(wish.model, wish.data)
