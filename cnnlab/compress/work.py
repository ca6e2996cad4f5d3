"""Making a model smaller in the background: a page begins it, sees how far it is, and can call it off."""

from __future__ import annotations

import atexit
import logging
import threading
from collections import OrderedDict
from collections.abc import Generator
from dataclasses import dataclass, field, replace

import torch

from cnnlab.architecture import Architecture
from cnnlab.compress.compare import Comparison
from cnnlab.compress.distil import Lesson
from cnnlab.compress.making import Made, distilled, in_int8, pruned
from cnnlab.compress.pruning import Plan
from cnnlab.compress.tuning import tuning_recipe
from cnnlab.data.dataset import DataSet
from cnnlab.errors import CnnLabError, RunError
from cnnlab.model import Model
from cnnlab.training.events import Event, TrainEvent
from cnnlab.training.loop import count_steps
from cnnlab.training.recipe import Recipe

_log = logging.getLogger(__name__)

_MOST = 100
_END_S = 10.0


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
    error: CnnLabError | None = None

    @property
    def live(self) -> bool:
        """Whether it goes on."""
        return self.state in ("waiting", "learning", "measuring")


def start(owner: str, wish: Wish) -> None:
    """Begin to make what ``owner`` wishes; what was made for them before is called off and forgotten."""
    work = _Worker(Work(wish, steps=wish.steps()))
    with _guard:
        before = _workers.pop(owner, None)
        _workers[owner] = work
        while len(_workers) > _MOST:
            _workers.popitem(last=False)[1].stop.set()
    if before is not None:
        before.stop.set()
    work.thread.start()


def current(owner: str) -> Work | None:
    """Return what is made for ``owner``, or was made last, or None."""
    work = _workers.get(owner)
    return work.work if work else None


def cancel(owner: str) -> None:
    """Call off what is made for ``owner``; it ends at its next step."""
    worker = _workers.get(owner)
    if worker is not None and worker.work.live:
        worker.stop.set()
        worker.work = replace(worker.work, state="cancelled")


def wait(owner: str, timeout_s: float) -> Work | None:
    """Return what is made for ``owner`` once it is over, or as it is when ``timeout_s`` have passed."""
    worker = _workers.get(owner)
    if worker is not None:
        worker.thread.join(timeout_s)
    return current(owner)


class _Worker:
    """A wish and the thread that fulfils it; one works at a time, since two would spoil each other's clock."""

    def __init__(self, work: Work) -> None:
        self.work = work
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self._run, name="compress", daemon=True)

    def _run(self) -> None:
        while not _one_at_a_time.acquire(timeout=0.1):
            if self.stop.is_set():
                return
        try:
            torch.set_num_threads(1)  # of this thread alone
            self._make()
        except CnnLabError as error:
            self._tell(state="failed", error=error)
        except Exception as error:
            _log.exception("making a model smaller failed")
            reason = RunError("something went wrong that should not have: {reason}", reason=repr(error))
            self._tell(state="failed", error=reason)
        finally:
            _one_at_a_time.release()

    def _make(self) -> None:
        wish = self.work.wish
        self._tell(state="learning")
        made = in_int8(wish.model, wish.data) if wish.plan is None and wish.pupil is None else self._learned(wish)
        if made is None or self.stop.is_set():
            return
        self._tell(state="measuring")
        comparison, alone = made.measured(wish.data)
        self._tell(state="done", made=made, comparison=comparison, alone=alone)

    def _learned(self, wish: Wish) -> Made | None:
        steps: Generator[Event, None, Made]
        if wish.plan is not None:
            steps = pruned(wish.model, wish.plan, wish.data, wish.learning())
        elif wish.pupil is not None:
            steps = distilled(wish.model, wish.pupil, wish.lesson, wish.data, wish.learning())
        else:
            return None
        while not self.stop.is_set():
            try:
                event = next(steps)
            except StopIteration as end:
                made: Made = end.value
                return made
            if isinstance(event, TrainEvent):
                self._tell(step=self.work.step + 1)
        return None

    def _tell(self, **changes: object) -> None:
        if not self.stop.is_set():
            self.work = replace(self.work, **changes)  # type: ignore[arg-type]


def _leave() -> None:
    for worker in list(_workers.values()):
        worker.stop.set()
    for worker in list(_workers.values()):
        worker.thread.join(_END_S)


_workers: OrderedDict[str, _Worker] = OrderedDict()
_guard = threading.Lock()
_one_at_a_time = threading.Lock()
atexit.register(_leave)
