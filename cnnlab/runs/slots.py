"""Who learns next: one queue for all programs of a machine, owners taking turns, kept in the database."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session

from cnnlab.errors import CnnLabError
from cnnlab.runs.admission import Applicant, Place, Room, capacity_bytes, need_bytes
from cnnlab.runs.processes import is_alive
from cnnlab.runs.snapshot import LIVE
from cnnlab.runs.store import Store, interrupt, snapshot_of
from cnnlab.runs.tables import CounterRow, ProcessRow, RunRow, TurnRow


class Slots:
    """The slots of this machine; whoever hands them out holds one row of the database meanwhile.

    Args:
        store: where the runs are.
        count: how many runs may learn at the same time, those of other programs counted too.
        capacity: how much memory all of them may take, in bytes; None takes ``capacity_bytes``.
    """

    def __init__(self, store: Store, count: int, capacity: int | None = None) -> None:
        self._store = store
        self.count = count
        self.capacity = capacity or capacity_bytes()
        self._needs: dict[tuple[str, int], int] = {}

    def want(self, id: str) -> None:
        """Put a run of this program at the end of the queue."""
        with self._store.database.write() as session:
            session.execute(update(RunRow).where(RunRow.id == id).values(waiting=_next(session), slot=None))

    def release(self, id: str) -> None:
        """Take back the slot, or the place in the queue, of a run of this program."""
        mine = (RunRow.id == id) & (RunRow.process == self._store.process.id)
        with self._store.database.write() as session:
            session.execute(update(RunRow).where(mine).values(waiting=None, slot=None))

    def hand_out(self, begun: Collection[str] = ()) -> list[str]:
        """Give free slots to the runs that wait, whosever program they belong to; return this program's that have one.

        ``Room`` says who is next. ``begun`` are this program's runs that hold their memory already.
        """
        store = self._store
        with store.database.write() as session:
            _hold(session)
            rows = {row.id: row for row in self._rows(session)}
            room = self._room(session, list(rows.values()), begun)
            if not room.waiting and not room.active:  # nobody waits for anybody: all are equal again
                session.execute(delete(TurnRow).where(TurnRow.host == store.process.host))
            while (run := room.next()) is not None:
                row = rows[run.id]
                row.slot, row.waiting = _next(session), None
                room.begin(run, row.slot)
                session.merge(TurnRow(host=store.process.host, owner=row.owner, turn=row.slot))
            return [row.id for row in rows.values() if row.slot is not None and row.process == store.process.id]

    def places(self, left_s: Callable[[str], float | None], begun: Collection[str] = ()) -> list[Place]:
        """Return where each waiting run of this machine stands, who begins first first; see ``Room.places``."""
        with self._store.database.read() as session:
            return self._room(session, self._live(session), begun).places(left_s)

    def crowded(self, id: str, resting: Collection[str] = ()) -> bool:
        """Return whether as many runs of this machine as there are slots learn or wait, run ``id`` left out.

        ``resting`` are this program's runs that do neither, whatever the database still says of them.
        """
        others = (
            select(func.count())
            .select_from(RunRow)
            .join(ProcessRow, RunRow.process == ProcessRow.id)
            .where(RunRow.id.not_in([id, *resting]), RunRow.state.in_(("queued", "running")))
            .where(ProcessRow.host == self._store.process.host)
        )
        with self._store.database.read() as session:
            return int(session.scalar(others) or 0) >= self.count

    def taken_by_others(self, id: str, begun: Collection[str] = ()) -> int:
        """Return how many bytes the runs of this machine take that are at work or paused, without run ``id``."""
        with self._store.database.read() as session:
            now = self._store.database.now(session)
            rows = [row for row in self._live(session) if is_alive(session, row.process, now)]
            return self._room(session, rows, begun).taken(id)

    def _room(self, session: Session, rows: Sequence[RunRow], begun: Collection[str]) -> Room:
        busy = any(row.slot is not None or row.waiting is not None for row in rows)
        known = {row.id: (row.id, _count_changes(row)) for row in rows}  # a change may be one of the batch size
        self._needs = {known[row.id]: self._needs.get(known[row.id]) or _need(row) for row in rows}
        runs = [
            Applicant(row.id, row.owner, row.waiting, row.slot, self._needs[known[row.id]], row.id in begun)
            for row in rows
        ]
        return Room(runs, self._turns(session, busy), self.count, self.capacity)

    def _live(self, session: Session) -> Sequence[RunRow]:
        """Return the live runs of this machine that wait, have a slot, or are paused."""
        takes_part = (RunRow.waiting.is_not(None)) | (RunRow.slot.is_not(None)) | (RunRow.state == "paused")
        return session.scalars(
            select(RunRow)
            .outerjoin(ProcessRow, RunRow.process == ProcessRow.id)
            .where(RunRow.state.in_(LIVE), takes_part)
            .where((ProcessRow.host == self._store.process.host) | ProcessRow.id.is_(None))
        ).all()

    def _rows(self, session: Session) -> Sequence[RunRow]:
        """Return ``_live``; those whose program is gone are ended."""
        found, now = [], self._store.database.now(session)
        for row in self._live(session):
            if row.process == self._store.process.id or is_alive(session, row.process, now):
                found.append(row)
            else:
                interrupt(session, row.id, now)
        return found

    def _turns(self, session: Session, busy: bool) -> dict[str, int]:
        mine = TurnRow.host == self._store.process.host
        return {row.owner: row.turn for row in session.scalars(select(TurnRow).where(mine))} if busy else {}


def _hold(session: Session) -> None:
    """Let nobody else hand out slots until this transaction ends."""
    session.scalars(select(CounterRow).where(CounterRow.name == "turn").with_for_update()).one()


def _next(session: Session) -> int:
    row = session.scalars(select(CounterRow).where(CounterRow.name == "turn").with_for_update()).one()
    row.value += 1
    session.flush()
    return row.value


def _count_changes(row: RunRow) -> int:
    changes = row.snapshot.get("changes") if isinstance(row.snapshot, dict) else None
    return len(changes) if isinstance(changes, list) else 0


def _need(row: RunRow) -> int:
    """Return how much memory the run takes; one whose record is damaged never learns."""
    try:
        snapshot = snapshot_of(row)
        return need_bytes(snapshot.architecture, snapshot.recipe_now, snapshot.images)
    except (CnnLabError, AttributeError, KeyError, TypeError, ValueError):
        return 0
