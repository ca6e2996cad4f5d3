"""Who trains when: a queue, a few slots, and one face that takes ids and serialisable values only.

Today the runs are threads of this process; nothing outside this room can tell.
"""

from __future__ import annotations

import atexit
import threading
import time
from collections import Counter, deque
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cnnlab.errors import NotAllowedError, RunError
from cnnlab.home import home
from cnnlab.runs import machine
from cnnlab.runs.cores import Cores
from cnnlab.runs.run import COMMANDS, Run
from cnnlab.runs.snapshot import RunSpec, Snapshot, state_word
from cnnlab.runs.store import Store, new_id

Events = list[dict[str, Any]]

_CLOSE_S = 30.0


class Engine:
    """All runs of this process, and those that others have left on the disk.

    Args:
        root: the folder where runs are kept; None takes ``home()/runs``.
        slots: how many runs learn at the same time; None takes one for each core. More wait, owners taking turns.
    """

    def __init__(self, root: Path | None = None, slots: int | None = None) -> None:
        self._store = Store(root or home() / "runs")
        self._cores = Cores(machine.cores())
        self._slots = slots or machine.cores()
        self._lock = threading.RLock()
        self._runs: dict[str, Run] = {}
        self._queue: deque[Run] = deque()
        self._active: dict[str, str] = {}  # run id: owner
        self._turns: dict[str, int] = {}  # owner: number of the latest slot they were given
        self._turn = 0
        self._read: dict[str, tuple[int, Snapshot]] = {}
        self._logs: dict[str, Events] = {}
        self._closed = False

    def submit(self, spec: RunSpec) -> str:
        """Queue what ``spec`` asks for and return the run's id; whatever can be wrong with it is said here.

        Precision, memory format and threads that the recipe leaves to the machine are fixed now, for good.

        Raises:
            ShapeError, ArchitectureError, BudgetError, DataError, RecipeError: it cannot be trained.
            RunError: the engine is closed.
        """
        from cnnlab.data.loader import load
        from cnnlab.training.loop import check_trainable, count_steps

        dataset = load(spec.data)
        check_trainable(spec.architecture, dataset, spec.recipe)
        recipe = machine.resolve_recipe(spec.recipe, spec.architecture)
        spec = RunSpec(**{**dict(spec), "recipe": recipe})
        first = _first_snapshot(spec, dataset.hash, count_steps(dataset, recipe))
        with self._lock:
            if self._closed:
                raise RunError("the lab is closing; no new run can begin")
            run = Run(first, spec, dataset, self._store, self._cores, self._released, self._wants_slot)
            run.save_first()
            self._runs[run.id] = run
            self._queue.append(run)
        self._dispatch()
        return run.id

    def list(self, owner: str | None = None) -> list[Snapshot]:
        """Return all runs, or those of ``owner``, the newest first. A damaged record is left out."""
        found = []
        for id in {*self._store.ids(), *self._runs}:
            try:
                snapshot = self.snapshot(id)
            except RunError:
                continue
            if owner is None or snapshot.owner == owner:
                found.append(snapshot)
        return sorted(found, key=lambda snapshot: (snapshot.created, snapshot.id), reverse=True)

    def snapshot(self, id: str) -> Snapshot:
        """Return run ``id`` as it is now; raises RunError if there is none."""
        run = self._runs.get(id)
        return run.snapshot() if run is not None else self._from_disk(id)

    def events(self, id: str, since: int = 0) -> Events:
        """Return what happened in run ``id`` after event number ``since`` (events are numbered from 1).

        Each has ``n`` and ``kind``: ``train`` and ``val`` (step, loss, acc; val also whole and split), ``test``,
        ``state`` (state), ``command`` (do, step).

        Raises:
            RunError: there is no such run.
        """
        run = self._runs.get(id)
        if run is not None:
            return run.events(since)
        live = self._from_disk(id).live
        with self._lock:
            events = None if live else self._logs.get(id)
            if events is None:
                events = self._store.events(id)
                while len(self._logs) >= 16:
                    self._logs.pop(next(iter(self._logs)))
                if not live:
                    self._logs[id] = events
        return events[max(0, since) :]

    def command(self, id: str, change: Mapping[str, Any], owner: str | None = None) -> None:
        """Tell run ``id`` to pause, resume or stop: ``{"do": "pause"}``. It follows at its next step and logs it.

        Raises:
            NotAllowedError: ``owner`` is given and the run is somebody else's.
            RunError: no such run, no such command, or the run is over.
        """
        do = change.get("do")
        if set(change) != {"do"} or do not in COMMANDS:
            raise RunError("no such command; a run can {commands}", commands=", ".join(COMMANDS))
        snapshot = self.snapshot(id)
        _check_owner(snapshot, owner)
        run = self._runs.get(id)
        if run is None:
            if snapshot.live:
                raise RunError("run {id} belongs to another program on this machine; tell it there", id=id)
            raise RunError("this run is over ({state}); start a new one", state=state_word(snapshot.state))
        run.command(str(do))
        with self._lock:
            self._retire(run)

    def model(self, id: str, step: int | None = None) -> bytes:
        """Return the weights of run ``id`` as the bytes of a safetensors file; copies, which never change.

        Args:
            id: the run.
            step: one whose weights are kept (``model_step`` names it), or None for the latest.

        Raises:
            RunError: no such run, or no weights of that step.
        """
        run = self._runs.get(id)
        if run is not None and (run.snapshot().live or run.snapshot().has_model):
            return run.weights(step).to_bytes()
        self._final_step(id, step)
        return self._store.model_path(id).read_bytes()

    def model_step(self, id: str, step: int | None = None) -> int:
        """Return the step whose weights ``model(id, step)`` gives: for a live run the latest that are laid out."""
        run = self._runs.get(id)
        if run is not None and (run.snapshot().live or run.snapshot().has_model):
            return run.weights(step).step
        return self._final_step(id, step)

    def model_path(self, id: str) -> Path | None:
        """Return the file of a run that is over and has one, else None."""
        path = self._store.model_path(id)
        return path if path.is_file() else None

    def delete(self, id: str, owner: str | None = None) -> None:
        """Remove run ``id`` and all that is kept of it; a live one is stopped first.

        Raises:
            NotAllowedError: ``owner`` is given and the run is somebody else's.
            RunError: there is no such run, or another program is training it. A run whose record is damaged belongs
                to nobody; it is removed where no ``owner`` is given.
        """
        try:
            snapshot = self.snapshot(id)
        except RunError:
            if owner is None and self._store.folder(id).is_dir():
                self._store.delete(id)
                return
            raise
        _check_owner(snapshot, owner)
        run = self._runs.get(id)
        if run is None and snapshot.live:
            raise RunError("run {id} belongs to another program on this machine; tell it there", id=id)
        if run is not None and snapshot.live:
            self._stop(run)
            run.join(_CLOSE_S)
        with self._lock:
            self._runs.pop(id, None)
            self._read.pop(id, None)
            self._logs.pop(id, None)
        self._store.delete(id)

    def wait(self, id: str, timeout_s: float | None = None) -> Snapshot:
        """Return the run once it is over, or as it is when ``timeout_s`` have passed."""
        run = self._runs.get(id)
        if run is not None:
            run.wait(timeout_s)
        return self.snapshot(id)

    def close(self) -> None:
        """Stop all live runs, keep their weights, and wait until their threads have ended."""
        with self._lock:
            self._closed = True
            runs = [*self._runs.values()]
        for run in runs:
            self._stop(run)
        for run in runs:
            run.join(_CLOSE_S)
        self._store.close()

    # -- slots ----------------------------------------------------------------------------------------------------

    def _dispatch(self) -> None:
        """Give free slots to the runs that wait, in turn by owner: see ``_next_waiting``."""
        granted = []
        with self._lock:
            self._queue = deque(run for run in self._queue if run.snapshot().live)
            while self._queue and len(self._active) < self._slots:
                run = self._next_waiting()
                self._queue.remove(run)
                self._turn += 1
                self._active[run.id], self._turns[run.owner] = run.owner, self._turn
                granted.append(run)
            if not self._queue and not self._active:
                self._turns.clear()  # nobody waits for anybody: all are equal again
        for run in granted:  # outside the lock: a run has a lock of its own
            run.grant()

    def _next_waiting(self) -> Run:
        """Return who is next: whose owner has the fewest slots, then has gone longest without one, then the oldest.

        So a learner who submits ten runs makes nobody wait for more than the one that is at work.
        """
        slots = Counter(self._active.values())
        return min(self._queue, key=lambda run: (slots[run.owner], self._turns.get(run.owner, 0)))

    def _released(self, run: Run) -> None:
        with self._lock:
            self._active.pop(run.id, None)
            self._retire(run)
        self._dispatch()

    def _retire(self, run: Run) -> None:
        """Forget a run that is over and safely on the disk: from now on it is read from there."""
        if run.saved_whole:
            self._runs.pop(run.id, None)
            self._queue = deque(waiting for waiting in self._queue if waiting is not run)

    def _wants_slot(self, run: Run) -> None:
        with self._lock:
            self._queue.append(run)
        self._dispatch()

    def _stop(self, run: Run) -> None:
        try:
            run.command("stop")
        except RunError:
            pass  # it ended by itself meanwhile

    # -- disk -----------------------------------------------------------------------------------------------------

    def _from_disk(self, id: str) -> Snapshot:
        """Return a run that this process does not hold, read again only when its record has changed."""
        path = self._store.folder(id) / "run.json"
        try:
            changed = path.stat().st_mtime_ns
        except OSError as error:
            raise RunError("there is no run {id}", id=id) from error
        kept = self._read.get(id)
        if kept is None or kept[0] != changed or kept[1].live:
            kept = (changed, self._store.read(id))
            self._read[id] = kept
        return kept[1]

    def _final_step(self, id: str, step: int | None) -> int:
        snapshot = self.snapshot(id)
        if not self._store.model_path(id).is_file():
            raise RunError("run {id} has left no weights ({state})", id=id, state=state_word(snapshot.state))
        if step is not None and step != snapshot.step:
            raise RunError(
                "run {id} has kept no weights of step {step}; the latest are those of step {latest}",
                id=id,
                step=step,
                latest=snapshot.step,
            )
        return snapshot.step


_engines: dict[Path, Engine] = {}
_engines_lock = threading.Lock()


def engine() -> Engine:
    """Return the process's engine (one for each ``home()``), made when first asked for and closed at exit."""
    root = home() / "runs"
    with _engines_lock:
        found = _engines.get(root)
        if found is None or found._closed:
            found = _engines[root] = Engine(root)
        return found


@atexit.register
def close_all() -> None:
    """Close every engine: a thread still inside torch when the interpreter ends would abort the process."""
    for found in list(_engines.values()):
        if not found._closed:
            found.close()


def _check_owner(snapshot: Snapshot, owner: str | None) -> None:
    if owner is not None and snapshot.owner != owner:
        raise NotAllowedError("this run belongs to somebody else; only they can change it")


def _first_snapshot(spec: RunSpec, data_hash: str, steps: int) -> Snapshot:
    return Snapshot(
        id=new_id(), name=spec.name or spec.architecture.name, owner=spec.owner, state="queued",
        net=spec.architecture.name, data=spec.data, data_hash=data_hash,
        step=0, steps=steps, epoch=0, epochs=spec.recipe.epochs, images_per_s=0.0, train_s=0.0, time_left_s=None,
        train_loss=None, train_acc=None, val_loss=None, val_acc=None, test_loss=None, test_acc=None, error=None,
        recipe=spec.recipe, architecture_key=spec.architecture.key, created=time.time(),
    )  # fmt: skip
