"""Who learns next: one queue for all programs of a machine, owners taking turns, kept in the database."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session

from cnnlab.runs.processes import is_alive
from cnnlab.runs.snapshot import LIVE
from cnnlab.runs.store import Store, interrupt
from cnnlab.runs.tables import CounterRow, ProcessRow, RunRow, TurnRow


class Slots:
    """The slots of this machine; whoever hands them out holds one row of the database meanwhile.

    Args:
        store: where the runs are.
        count: how many runs may learn at the same time, those of other programs counted too.
    """

    def __init__(self, store: Store, count: int) -> None:
        self._store = store
        self.count = count

    def want(self, id: str) -> None:
        """Put a run of this program at the end of the queue."""
        with self._store.database.write() as session:
            session.execute(update(RunRow).where(RunRow.id == id).values(waiting=_next(session), slot=None))

    def release(self, id: str) -> None:
        """Take back the slot, or the place in the queue, of a run of this program."""
        mine = (RunRow.id == id) & (RunRow.process == self._store.process.id)
        with self._store.database.write() as session:
            session.execute(update(RunRow).where(mine).values(waiting=None, slot=None))

    def hand_out(self) -> list[str]:
        """Give free slots to the runs that wait, whosever program they belong to; return this program's that have one.

        Next is whose owner has the fewest slots, then has gone longest without one, then the oldest: a learner who
        submits ten runs makes nobody wait for more than the one that is at work.
        """
        store = self._store
        with store.database.write() as session:
            _hold(session)
            rows = self._rows(session)
            waiting = [row for row in rows if row.slot is None]
            active = [row for row in rows if row.slot is not None]
            turns = self._turns(session, bool(rows))
            while waiting and len(active) < self.count:
                slots = Counter(row.owner for row in active)
                row = min(waiting, key=lambda row: (slots[row.owner], turns.get(row.owner, 0), row.waiting or 0))
                waiting.remove(row)
                active.append(row)
                row.slot, row.waiting = _next(session), None
                turns[row.owner] = row.slot
                session.merge(TurnRow(host=store.process.host, owner=row.owner, turn=row.slot))
            return [row.id for row in active if row.process == store.process.id]

    def position(self, id: str) -> int | None:
        """Return how many runs of this machine wait before run ``id``, by the order of asking; None if it has a slot."""
        with self._store.database.read() as session:
            mine = session.scalar(select(RunRow.waiting).where(RunRow.id == id))
            if mine is None:
                return None
            others = select(func.count()).select_from(RunRow).where(RunRow.waiting < mine)
            return int(session.scalar(others) or 0)

    def _rows(self, session: Session) -> Sequence[RunRow]:
        """Return the live runs of this machine that wait or have a slot; those whose program is gone are ended."""
        here = (
            select(RunRow)
            .outerjoin(ProcessRow, RunRow.process == ProcessRow.id)
            .where(RunRow.state.in_(LIVE), (RunRow.waiting.is_not(None)) | (RunRow.slot.is_not(None)))
            .where((ProcessRow.host == self._store.process.host) | ProcessRow.id.is_(None))
        )
        found, now = [], self._store.database.now(session)
        for row in session.scalars(here).all():
            if row.process == self._store.process.id or is_alive(session, row.process, now):
                found.append(row)
            else:
                interrupt(session, row.id, now)
        return found

    def _turns(self, session: Session, busy: bool) -> dict[str, int]:
        mine = TurnRow.host == self._store.process.host
        if not busy:  # nobody waits for anybody: all are equal again
            session.execute(delete(TurnRow).where(mine))
            return {}
        return {row.owner: row.turn for row in session.scalars(select(TurnRow).where(mine))}


def _hold(session: Session) -> None:
    """Let nobody else hand out slots until this transaction ends."""
    session.scalars(select(CounterRow).where(CounterRow.name == "turn").with_for_update()).one()


def _next(session: Session) -> int:
    row = session.scalars(select(CounterRow).where(CounterRow.name == "turn").with_for_update()).one()
    row.value += 1
    session.flush()
    return row.value
