"""The runs of this program: they wait for slots, learn, and are told what other programs ask of them."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from time import perf_counter

from sqlalchemy import delete, select

from cnnlab.errors import RunError
from cnnlab.runs.cores import Cores
from cnnlab.runs.database import StoreError
from cnnlab.runs.processes import BEAT_S
from cnnlab.runs.record import Record
from cnnlab.runs.run import CLOSE, Command, Run
from cnnlab.runs.slots import Slots
from cnnlab.runs.store import Store
from cnnlab.runs.tables import CommandRow
from cnnlab.runs.task import Task

_log = logging.getLogger(__name__)

CLOSE_S = 30.0
_LOOK_S = 0.2
_ASK_S = 1.0  # whether another program has left a slot; this one's own runs say so themselves


class Crew:
    """All live runs of this program.

    Args:
        store: where they last.
        slots: who may learn.
        cores: what their steps take turns with.
    """

    def __init__(self, store: Store, slots: Slots, cores: Cores) -> None:
        self._store, self._slots, self._cores = store, slots, cores
        self._lock = threading.RLock()
        self._turns = threading.Lock()  # who asks for a slot waits until those that are being given have been given
        self._changed = threading.Condition(self._lock)
        self._runs: dict[str, Run] = {}
        self._owed: dict[str, Run] = {}  # what the store did not take of them: the keeper tries again
        self._leaving: list[Run] = []  # over, but their threads still put things in order
        self._closed = False
        self._beaten = self._asked = 0.0
        self._thread: threading.Thread | None = None

    @property
    def closed(self) -> bool:
        """Whether no run can begin any more."""
        return self._closed

    def get(self, id: str) -> Run | None:
        """Return a live run of this program, or one that is over and not yet in the store; else None."""
        run = self._runs.get(id)
        return None if run is None or run.record.saved_whole else run

    def all(self) -> list[Run]:
        """Return the runs that ``get`` gives."""
        with self._lock:
            return [run for run in self._runs.values() if not run.record.saved_whole]

    def begun(self) -> frozenset[str]:
        """Return the runs that have begun and hold their memory, with a slot or without."""
        with self._lock:
            return frozenset(run.id for run in self._runs.values() if run.begun and run.record.live)

    def resting(self) -> frozenset[str]:
        """Return the runs that neither wait nor learn: they are paused, or over and not yet in the store."""
        return frozenset(run.id for run in self.all() if run.snapshot().state not in ("queued", "running"))

    def start(self, record: Record, task: Task) -> None:
        """Let a run wait for its slot, and go.

        Raises:
            RunError: this program is closing, or the store does not answer; it is no run of the crew's then.
        """
        run = Run(record, task, self._cores, self._released, self._wants_slot)
        with self._lock:
            if self._closed:
                raise RunError("the lab is closing; no new run can begin")
            self._runs[run.id] = run
            if self._thread is None:
                self._beaten = 0.0
                self._thread = threading.Thread(target=self._watch, name="run-keeper", daemon=True)
                self._thread.start()
            self._changed.notify_all()
        try:
            self._want(run)
        except StoreError:
            with self._lock:
                self._runs.pop(run.id, None)
            raise
        self._try_to_dispatch()

    def command(self, run: Run, command: Command) -> None:
        """Tell a run of this program; raises RunError where it is over."""
        run.command(command)
        if not run.record.live:  # it had not begun: no thread of its own says that it is over
            self._released(run)

    def retire(self) -> None:
        """Forget the runs that are over and safely in the store: from now on they are read from there."""
        with self._lock:
            gone = [run for run in self._runs.values() if run.record.saved_whole]
            for run in gone:
                del self._runs[run.id]
            self._leaving = [run for run in [*self._leaving, *gone] if run.alive]

    def close(self) -> None:
        """Interrupt all live runs, keep where they are, and wait until their threads have ended."""
        with self._lock:
            self._closed = True
            self._changed.notify_all()
        with self._lock:
            runs = [*self._runs.values(), *self._leaving]
        for run in runs:
            try:
                run.command({"do": CLOSE})
            except RunError:
                pass  # it ended by itself meanwhile
        for run in runs:
            run.join(CLOSE_S)
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(CLOSE_S)

    # -- slots ----------------------------------------------------------------------------------------------------

    def _wants_slot(self, run: Run) -> None:
        try:
            self._want(run)
        except StoreError:
            self._owe(run)
        else:
            self._try_to_dispatch()

    def _want(self, run: Run) -> None:
        with self._turns:
            run.asks()
            self._slots.want(run.id)

    def _released(self, run: Run) -> None:
        try:
            if not run.record.saved_whole:  # else its end has given it back, and it may have been resumed already
                self._slots.release(run.id)
        except StoreError:
            self._owe(run)
        self.retire()
        self._try_to_dispatch()

    def _owe(self, run: Run) -> None:
        _log.warning("whether run %s wants a slot could not be written; this is tried again", run.id, exc_info=True)
        with self._lock:
            self._owed[run.id] = run

    def _settle(self) -> None:
        """Write what is owed, as it is now: one that waits wants a slot, one that stands or is over gives it back."""
        with self._lock:
            owed = [*self._owed.values()]
        for run in owed:
            if run.snapshot().state == "queued" and not run.granted:
                self._want(run)
            elif not run.granted and not run.record.saved_whole:
                self._slots.release(run.id)
            with self._lock:
                self._owed.pop(run.id, None)
        if owed:
            self._dispatch()

    def _try_to_dispatch(self) -> None:
        try:
            self._dispatch()
        except StoreError:  # the keeper tries again, as long as there is one that waits
            _log.warning("no slot could be handed out; this is tried again", exc_info=True)

    def _dispatch(self) -> None:
        if self._closed:
            return
        with self._turns:
            self._asked = perf_counter()
            for id in self._slots.hand_out(self.begun()):
                run = self._runs.get(id)
                if run is not None:
                    run.grant()

    # -- the keeper's thread --------------------------------------------------------------------------------------

    def _watch(self) -> None:
        """As long as there are runs: let the heart beat, take commands and slots from other programs."""
        while True:
            with self._lock:
                self._changed.wait_for(lambda: self._closed or self._runs)
                if self._closed:
                    return
                self._changed.wait_for(lambda: self._closed, timeout=_LOOK_S)
            try:
                self._look()
            except (RunError, OSError):  # the disk is full, the server is away: the next look may succeed
                _log.debug("the store does not answer", exc_info=True)
            except Exception:  # whatever it was: without a heartbeat others would take these runs for dead
                _log.exception("the keeper of the runs stumbled")

    def _look(self) -> None:
        runs = self.all()
        self._beat()
        self._settle()
        for id, command in self._take_commands([run.id for run in runs]):
            run = self.get(id)
            if run is not None and run.record.live:
                self._tell(run, command)
        for run in runs:
            if run.record.over and not run.record.saved_whole and run.join(0):
                self._end(run)
        if perf_counter() - self._asked > _ASK_S and any(
            not run.granted and run.snapshot().state == "queued" for run in runs
        ):
            self._dispatch()

    def _tell(self, run: Run, command: Command) -> None:
        try:
            self.command(run, command)
        except RunError:  # it has ended meanwhile; the other commands are for others
            _log.debug("run %s takes no command any more", run.id, exc_info=True)

    def _end(self, run: Run) -> None:
        try:
            run.record.save_again()
        except (RunError, OSError):  # tried again at the next look
            _log.debug("the end of run %s cannot be written yet", run.id, exc_info=True)
        else:
            self._released(run)

    def _beat(self) -> None:
        if perf_counter() - self._beaten < BEAT_S:
            return
        with self._store.database.write() as session:
            self._store.process.beat(session, self._store.database.now(session))
        self._beaten = perf_counter()

    def _take_commands(self, ids: list[str]) -> Sequence[tuple[str, Command]]:
        mine = CommandRow.run.in_(ids)
        with self._store.database.read() as session:
            if session.scalars(select(CommandRow.id).where(mine).limit(1)).first() is None:
                return []
        with self._store.database.write() as session:
            rows = session.scalars(select(CommandRow).where(mine).order_by(CommandRow.id)).all()
            taken = [(row.run, row.data) for row in rows]
            session.execute(delete(CommandRow).where(CommandRow.id.in_([row.id for row in rows])))
        return taken
