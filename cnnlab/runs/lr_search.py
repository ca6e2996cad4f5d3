"""The learning-rate finder in the background: a page begins it, sees how far it is, and can call it off."""

from __future__ import annotations

import atexit
import logging
import threading
from collections import OrderedDict
from dataclasses import dataclass, replace

from cnnlab.architecture import Architecture
from cnnlab.errors import CnnLabError
from cnnlab.i18n import Message
from cnnlab.runs.priority import give_way
from cnnlab.runs.snapshot import as_message
from cnnlab.runs.task import fault, out_of_memory
from cnnlab.training.lr_finder import STEPS, Finding, Trial, find_lr
from cnnlab.training.recipe import Recipe

_log = logging.getLogger(__name__)

_MOST = 200
_END_S = 10.0


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
    work = _Work(Search(architecture, data, resolve_recipe(recipe.changed(threads=1), architecture)))
    with _guard:
        before = _works.pop(owner, None)
        _works[owner] = work
        while len(_works) > _MOST:
            _works.popitem(last=False)[1].stop.set()
    if before is not None:
        before.stop.set()
    work.thread.start()


def current(owner: str) -> Search | None:
    """Return the search of ``owner``, going on or over, or None."""
    work = _works.get(owner)
    return work.search if work else None


def cancel(owner: str) -> None:
    """Call off the search of ``owner``; it ends before its next step."""
    work = _works.get(owner)
    if work is not None:
        work.stop.set()
        work.search = replace(work.search, state="cancelled") if work.search.live else work.search


def wait(owner: str, timeout_s: float) -> Search | None:
    """Return the search of ``owner`` once it is over, or as it is when ``timeout_s`` have passed."""
    work = _works.get(owner)
    if work is not None:
        work.thread.join(timeout_s)
    return current(owner)


class _Work:
    """A search and the thread that makes it."""

    def __init__(self, search: Search) -> None:
        self.search = search
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self._run, name="lr-search", daemon=True)

    def _run(self) -> None:
        give_way()
        try:
            while not _one_at_a_time.acquire(timeout=0.1):
                if self.stop.is_set():
                    return
            try:
                self._search()
            finally:
                _one_at_a_time.release()
        except CnnLabError as error:
            self._now(state="failed", error=as_message(error))
        except Exception as error:  # the boundary of a thread: whatever it was, the app goes on
            if not out_of_memory(error):
                _log.exception("the search for a learning rate failed")
            self._now(state="failed", error=fault(error, self.search.recipe.batch_size))

    def _search(self) -> None:
        import torch

        from cnnlab.data.loader import load

        torch.set_num_threads(1)
        asked, trials = self.search, []
        self._now(state="running")
        steps = find_lr(asked.architecture, load(asked.data), asked.recipe)
        while not self.stop.is_set():
            try:
                trials.append(next(steps))
            except StopIteration as end:
                self._now(state="done", finding=end.value, trials=end.value.trials)
                return
            self._now(trials=tuple(trials))
        steps.close()

    def _now(self, **changes: object) -> None:
        if not self.stop.is_set():
            self.search = replace(self.search, **changes)  # type: ignore[arg-type]


def _without_rate(recipe: Recipe) -> Recipe:
    """Return ``recipe`` with all that has no say in a search, or is the machine's to choose, at one value."""
    fields = {"lr": 1.0, "schedule": "constant", "warmup_epochs": 0.0, "epochs": 1, "early_stopping": 0}
    return recipe.changed(**fields, precision="auto", memory_format="auto", threads=0)


_works: OrderedDict[str, _Work] = OrderedDict()
_guard = threading.Lock()
_one_at_a_time = threading.Lock()


@atexit.register
def _end() -> None:
    """Let the threads end first: one still inside torch when the interpreter ends would abort the process."""
    for work in [*_works.values()]:
        work.stop.set()
    for work in [*_works.values()]:
        if work.thread.is_alive():
            work.thread.join(_END_S)
