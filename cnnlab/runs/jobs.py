"""Work that takes seconds, beside a page: it begins it, sees how far it is and what there is so far, can call it off."""

from __future__ import annotations

import atexit
import logging
import threading
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Generator
from dataclasses import dataclass, replace
from time import monotonic
from typing import Any

from cnnlab.errors import CnnLabError, RunError
from cnnlab.i18n import Message
from cnnlab.runs.snapshot import as_message
from cnnlab.runs.task import out_of_memory

_log = logging.getLogger(__name__)

_MOST = 100
_END_S = 10.0
SURE_S = 3.0
"""How long a job works before it says how long is left."""


@dataclass(frozen=True)
class Job:
    """It as it stands.

    Attributes:
        key: what is done, in the asker's own words.
        total: how many steps it has.
        state: ``waiting`` (for another's), ``running``, ``done``, ``failed`` or ``cancelled``.
        done: how many of the steps are done.
        found: what there is of the result so far; all of it once it is done.
        error: why it failed.
        spent_s: how long it has worked, up to the last step that is done.
    """

    key: str
    total: int
    state: str = "waiting"
    done: int = 0
    found: Any = None
    error: Message | None = None
    spent_s: float = 0.0

    @property
    def left_s(self) -> float | None:
        """How long the steps that are left will take, if each takes as long as those done; None before it can be said."""
        if not self.live or self.spent_s < SURE_S or self.done < 1:
            return None
        return self.spent_s / self.done * max(0, self.total - self.done)

    @property
    def live(self) -> bool:
        """Whether it goes on."""
        return self.state in ("waiting", "running")


@dataclass(frozen=True)
class Step:
    """What a job says between two steps: how many are done, and what it has found so far."""

    done: int
    found: Any = None


Steps = Generator[Step, None, Any]


def fault(error: Exception) -> Message:
    """Return what a person is told of ``error``, which no part of the lab has foreseen."""
    if out_of_memory(error):
        return Message("the machine ran out of memory; try it with something smaller")
    return Message("something went wrong that should not have: {reason}", reason=repr(error)[:300])


def start(
    owner: str,
    kind: str,
    key: str,
    total: int,
    steps: Callable[[], Steps],
    found: Any = None,
    lane: str = "look",
    fault: Callable[[Exception], Message] = fault,
) -> None:
    """Begin a job of ``kind`` for ``owner``; the one of that kind before is called off and forgotten.

    Args:
        steps: makes the generator that does the work, in the job's own thread, and returns the result.
        found: what there is before the first step.
        lane: of the jobs in one lane one works at a time, on one core, and pages keep the others.
        fault: what to say of an error that is none of the lab's own.
    """
    worker = _Worker(Job(key, total, found=found), steps, lane, fault)
    with _guard:
        before = _workers.pop((owner, kind), None)
        _make_room()
        _workers[owner, kind] = worker
        worker.thread.start()
    if before is not None:
        before.stop()


def _make_room() -> None:
    """Forget what was over first, where there is too much; whoever holds ``_guard`` may.

    Raises:
        RunError: too much goes on at once.
    """
    over = [name for name, worker in _workers.items() if not worker.job.live]
    if len(_workers) >= _MOST and not over:
        raise RunError("{count} jobs wait beside the pages already; try again when some are over", count=len(_workers))
    for name in over[: max(0, len(_workers) + 1 - _MOST)]:
        del _workers[name]


def current(owner: str, kind: str) -> Job | None:
    """Return the job of ``kind`` that goes on for ``owner``, or did last, or None."""
    worker = _workers.get((owner, kind))
    return worker.job if worker else None


def cancel(owner: str, kind: str) -> None:
    """Call the job of ``kind`` off; it ends before its next step and keeps what it has found."""
    worker = _workers.get((owner, kind))
    if worker is not None:
        worker.stop()


def wait(owner: str, kind: str, timeout_s: float) -> Job | None:
    """Return the job of ``kind`` once it is over, or as it is when ``timeout_s`` have passed."""
    worker = _workers.get((owner, kind))
    if worker is not None:
        worker.thread.join(timeout_s)
    return current(owner, kind)


class _Worker:
    """A job and the thread that does it."""

    def __init__(self, job: Job, steps: Callable[[], Steps], lane: str, fault: Callable[[Exception], Message]) -> None:
        self.job, self._fault = job, fault
        self._stopped, self._guard = threading.Event(), threading.Lock()
        self._lane = _lanes[lane]
        self.thread = threading.Thread(target=self._run, args=(steps,), name=lane, daemon=True)

    def _run(self, begin: Callable[[], Steps]) -> None:
        while not self._lane.acquire(timeout=0.1):
            if self._stopped.is_set():
                return
        try:
            self._work(begin)
        except CnnLabError as error:
            self._tell(state="failed", error=as_message(error))
        except Exception as error:  # the boundary of a thread: whatever it was, the app goes on
            if not out_of_memory(error):
                _log.exception("%s failed", self.thread.name)
            self._tell(state="failed", error=self._fault(error))
        finally:
            self._lane.release()

    def _work(self, begin: Callable[[], Steps]) -> None:
        from cnnlab.training.threads import give_way, own_threads

        give_way()
        own_threads(1)
        self._tell(state="running")
        began = monotonic()
        steps = begin()
        while not self._stopped.is_set():
            try:
                step = next(steps)
            except StopIteration as end:
                self._tell(state="done", done=self.job.total, found=end.value)
                return
            self._tell(done=step.done, found=step.found, spent_s=monotonic() - began)
        steps.close()

    def stop(self) -> None:
        """Call it off, if it is not over."""
        with self._guard:
            if self.job.live:
                self._stopped.set()
                self.job = replace(self.job, state="cancelled")

    def _tell(self, **changes: Any) -> None:
        with self._guard:
            if self.job.live:
                self.job = replace(self.job, **changes)


def _leave() -> None:
    """Let the threads end first: one still inside torch when the interpreter ends would abort the process."""
    for worker in list(_workers.values()):
        worker.stop()
    for worker in list(_workers.values()):
        if worker.thread.is_alive():
            worker.thread.join(_END_S)


_workers: OrderedDict[tuple[str, str], _Worker] = OrderedDict()
_guard = threading.Lock()
_lanes: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)
atexit.register(_leave)
