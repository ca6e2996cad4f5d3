"""Comparisons over set sizes in the background: one for each owner, its runs handed to the engine a few at a time."""

from __future__ import annotations

import atexit
import logging
import threading
from dataclasses import dataclass

from cnnlab.errors import CnnLabError, RunError
from cnnlab.i18n import Message
from cnnlab.runs.engine import engine
from cnnlab.runs.face import EngineFace
from cnnlab.runs.limits import limits
from cnnlab.runs.set_sizes import Point, SizesSpec, cells, matched, pinned, points
from cnnlab.runs.snapshot import Snapshot, as_message

_log = logging.getLogger(__name__)
_LOOK_S = 0.1
_END_S = 15.0


@dataclass(frozen=True)
class Progress:
    """How far a comparison is: its points, how many of its runs are done, whether it is at work, and what went wrong."""

    points: tuple[Point, ...]
    done: int
    total: int
    live: bool
    note: Message | None = None


class Comparison:
    """One comparison, carried out by ``run()`` in whatever thread calls it.

    Raises:
        RecipeError, RunError, DataError: it is none.
    """

    def __init__(self, asked: SizesSpec) -> None:
        from cnnlab.data.loader import load

        self.asked = asked.model_copy(update={"spec": pinned(asked.spec)})
        self.cells = cells(self.asked, load(asked.spec.data))
        self.note: Message | None = None
        self._stop = threading.Event()
        self._begun: dict[int, str] = {}
        """The runs that it has begun, by the places of their cells: each cell's is begun once."""

    def stop(self) -> None:
        """Let it end soon, its runs at work with it."""
        self._stop.set()

    def run(self) -> tuple[Point, ...]:
        """Hand what is missing to the engine until all is done or it is stopped; return what was reached.

        However it ends, none of its runs is at work any more. One of them that is deleted, or stopped by somebody, ends
        it.

        Raises:
            CnnLabError: a run cannot begin, or has ended without a test accuracy that counts.
        """
        runs = engine()
        try:
            while not self._stop.is_set() and not runs.closed and self._look(runs):
                self._stop.wait(_LOOK_S)
        finally:
            if not runs.closed:
                self._end(runs)
        return points(self.cells, runs.list(self.asked.spec.owner)) if not runs.closed else ()

    def _look(self, runs: EngineFace) -> bool:
        """Begin what may begin; return whether anything is left to do."""
        owner = self.asked.spec.owner
        mine = {run.id: run for run in runs.list(owner)}
        found = matched(self.cells, mine.values())
        lost = next((place for place in self._begun if place not in found), None)
        if lost is not None:
            _check_wanted(mine.get(self._begun.pop(lost)))  # it stays as it is: perhaps somebody is working with it
            return False
        if all(place in found and not found[place].live for place in range(len(self.cells))):
            return False
        live = sum(run.live for run in mine.values())
        flying = sum(id in mine and mine[id].live for id in self._begun.values())
        for place, cell in enumerate(self.cells):
            all_taken = owner != "" and live >= limits().live_runs
            if flying >= max(1, runs.room[0]) or all_taken:
                break
            if place not in found:
                self._begun[place] = runs.submit(cell.spec)
                flying, live = flying + 1, live + 1
        return True

    def _end(self, runs: EngineFace) -> None:
        for id in self._begun.values():
            try:
                if runs.snapshot(id).live:
                    runs.command(id, {"do": "stop"})
                    runs.wait(id, _END_S)
                    runs.delete(id)
            except CnnLabError:
                continue  # it is over, or gone


def _check_wanted(run: Snapshot | None) -> None:
    """Raise why ``run`` does not count; where somebody has stopped or deleted it (None), that is what they wanted."""
    if run is None or (run.state == "stopped" and run.error is None):
        return
    if run.error is not None:
        raise RunError(run.error.template, **run.error.values)
    raise RunError(
        "the comparison has ended: {name} was changed while it learned, or has not been tested", name=run.name
    )


class _Thread(threading.Thread):
    def __init__(self, work: Comparison) -> None:
        super().__init__(name="set-sizes", daemon=True)
        self.work = work

    def run(self) -> None:
        try:
            self.work.run()
        except CnnLabError as error:
            self.work.note = as_message(error)
        except Exception as error:  # the boundary of a thread: whatever it was, the app goes on
            _log.exception("a comparison failed")
            self.work.note = Message("an unexpected error: {error}", error=str(error)[:200])


_threads: dict[str, _Thread] = {}
_guard = threading.Lock()


def begin(asked: SizesSpec) -> None:
    """Begin a comparison for its owner in the background, or go on with it.

    Raises:
        RecipeError, RunError, DataError: it is none, or another one of this owner is at work.
    """
    work = Comparison(asked)
    owner = asked.spec.owner
    with _guard:
        if at_work(owner):
            raise RunError("a comparison of yours is at work; stop it, or wait until it is done")
        _threads[owner] = thread = _Thread(work)
        thread.start()


def at_work(owner: str) -> bool:
    """Return whether a comparison of ``owner`` is at work."""
    thread = _threads.get(owner)
    return thread is not None and thread.is_alive()


def stop(owner: str) -> None:
    """Let the comparison of ``owner`` end, with the runs that it has at work; what is done stays."""
    thread = _threads.get(owner)
    if thread is not None:
        thread.work.stop()


def look(asked: SizesSpec) -> Progress:
    """Return how far the comparison ``asked`` for is, whoever carries it out; raises as ``begin`` where it is none."""
    work = Comparison(asked)
    owner = asked.spec.owner
    runs = engine().list(owner)
    found = matched(work.cells, runs)
    thread = _threads.get(owner)
    same = thread is not None and thread.work.cells == work.cells
    note = thread.work.note if thread is not None and same else None
    done = sum(not run.live for run in found.values())
    return Progress(points(work.cells, runs), done, len(work.cells), same and at_work(owner), note)


@atexit.register
def close() -> None:
    """Let the comparisons of this program end; the engine, which closes after them, ends their runs."""
    threads = [thread for thread in [*_threads.values()] if thread.is_alive()]
    for thread in threads:
        thread.work.stop()
    for thread in threads:
        thread.join(_END_S)
