"""What lasts of runs: rows of the database, and artefacts beside them. Several programs may share one store."""

from __future__ import annotations

import logging
import re
import secrets
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.orm import Session

from cnnlab.errors import RunError
from cnnlab.i18n import Message
from cnnlab.runs.artefacts import Artefacts, artefacts
from cnnlab.runs.database import Database, StoreError
from cnnlab.runs.keeping import CheckpointInfo
from cnnlab.runs.processes import Process, is_alive
from cnnlab.runs.snapshot import LIVE, Snapshot
from cnnlab.runs.tables import CheckpointRow, EventRow, RunRow

_log = logging.getLogger(__name__)

_ID = re.compile(r"[0-9a-f]{16}")
_MODEL = "model.safetensors"
_MANY = 500

Events = list[dict[str, Any]]


class LostError(RunError):
    """The run is no longer this program's: it was deleted, or another one goes on with it."""


def new_id() -> str:
    """Return an id that nobody can guess."""
    return secrets.token_hex(8)


def checkpoint_name(id: str, step: int) -> str:
    """Return the name of the artefact with the checkpoint of run ``id`` at ``step``."""
    return f"{id}/step-{step:08d}.safetensors"


def model_name(id: str) -> str:
    """Return the name of the artefact with the final weights of run ``id``."""
    return f"{id}/{_MODEL}"


class Store:
    """The runs in one database and one place for artefacts, as this program sees them.

    Args:
        database, files: None takes those that the environment names.
    """

    def __init__(self, database: Database | None = None, files: Artefacts | None = None) -> None:
        self.database = database or Database()
        self.files = files or artefacts()
        self.process = Process()
        self._known: dict[str, tuple[int, Snapshot]] = {}  # by id: the row's version, and what it said then
        self._guard = threading.Lock()  # held by whoever touches ``_known``: all sessions ask one store
        try:
            with self.database.write() as session:
                self.process.join(session, self.database.now(session))
        except StoreError:  # the disk is full: all can be read, and this program joins before it adds a run
            _log.debug("this program cannot be written down yet", exc_info=True)

    def close(self) -> None:
        """Give up this program's mark: what it leaves live counts as interrupted from now on."""
        try:
            with self.database.write() as session:
                self.process.leave(session)
        except StoreError:  # its process is gone in a moment, and whoever looks finds out
            _log.debug("this program cannot be crossed out", exc_info=True)
        finally:
            self.database.close()

    # -- write ----------------------------------------------------------------------------------------------------

    def add(self, snapshot: Snapshot, events: Iterable[Mapping[str, Any]] = ()) -> None:
        """Write a new run, which this program trains."""
        with self.database.write() as session:
            self.process.beat(session, self.database.now(session))  # before anybody sees a run of a silent program
            session.add(_new_row(snapshot, process=self.process.id))
            session.flush()
            _add_events(session, snapshot.id, events)

    def adopt(self, snapshot: Snapshot, events: Iterable[Mapping[str, Any]], model: bytes | None) -> None:
        """Write a run that is over, with its final weights, which are written first.

        Raises:
            RunError: the disk does not take it.
        """
        kept = None
        if model is not None:
            name = model_name(snapshot.id)
            try:
                kept = {"hash": self.files.put(name, model), "bytes": len(model), "step": snapshot.step}
            except OSError as error:
                reason = error.strerror or str(error)
                raise RunError("{name}: cannot be written ({reason})", name=name, reason=reason) from error
        with self.database.write() as session:
            session.add(_new_row(replace(snapshot, has_model=model is not None), model=kept))
            session.flush()
            _add_events(session, snapshot.id, events)

    def save(self, snapshot: Snapshot, events: Iterable[Mapping[str, Any]] = (), **columns: Any) -> None:
        """Write the state of a run of this program, its new events, and other ``columns`` of its row, all or none.

        Raises:
            LostError: it is not this program's any more.
        """
        with self.database.write() as session:
            self._save(session, snapshot, events, **columns)

    def save_checkpoint(
        self, snapshot: Snapshot, events: Iterable[Mapping[str, Any]], info: CheckpointInfo, hash: str, at_event: int
    ) -> None:
        """As ``save``, with a checkpoint whose artefact is there already."""
        row = {
            "run": snapshot.id, "step": info.step, "epoch": info.epoch, "whole": info.whole, "bytes": info.bytes,
            "hash": hash, "events": at_event,
        }  # fmt: skip
        with self.database.write() as session:
            self._save(session, snapshot, events)
            session.merge(CheckpointRow(**row))

    def edit(self, id: str, **values: Any) -> None:
        """Change fields of the snapshot of a run that nobody is training."""
        with self.database.write() as session:
            row = self._row(session, id)
            snapshot = replace(snapshot_of(row), **values)
            row.snapshot, row.version = snapshot.as_dict(), row.version + 1

    def drop_checkpoints(self, id: str, steps: Sequence[int]) -> None:
        """Remove the checkpoints of ``steps``: first that there are any, then what they were."""
        with self.database.write() as session:
            session.execute(delete(CheckpointRow).where(CheckpointRow.run == id, CheckpointRow.step.in_(list(steps))))
        for step in steps:
            self.files.remove(checkpoint_name(id, step))

    def delete(self, id: str) -> None:
        """Remove all that is kept of the run."""
        with self.database.write() as session:
            session.execute(delete(RunRow).where(RunRow.id == check_id(id)))
        with self._guard:
            self._known.pop(id, None)
        self._remove_files(id)

    def take(
        self, id: str, step: int | None, changed: Mapping[str, Any]
    ) -> tuple[Snapshot, Events, list[CheckpointInfo]]:
        """Make a run that is over this program's again, as it was at checkpoint ``step`` (None: at the beginning).

        Events after that moment, and later checkpoints, are gone; ``changed`` fields of the snapshot are set. Returned
        is what is left: the run, its events, its checkpoints.

        Raises:
            RunError: another program was faster, or the run is gone.
        """
        with self.database.write() as session:
            row = self._row(session, id)
            interrupt(session, id, self.database.now(session))  # where the disk was too full to say so before
            snapshot = snapshot_of(row)
            if row.state in LIVE or row.process is not None:
                raise RunError("run {id} goes on in another program already", id=id)
            self.process.beat(session, self.database.now(session))
            kept = session.get(CheckpointRow, (id, step)) if step is not None else None
            count = kept.events if kept else 0
            session.execute(delete(EventRow).where(EventRow.run == id, EventRow.n > count))
            session.execute(
                delete(CheckpointRow).where(
                    CheckpointRow.run == id, CheckpointRow.step > (step if step is not None else -1)
                )
            )
            snapshot = replace(snapshot, events=count, **changed)
            row.snapshot, row.state, row.version = snapshot.as_dict(), snapshot.state, row.version + 1
            row.process = self.process.id
            events, left = _events_of(session, id), _checkpoints_of(session, id)
        self._remove_files(id, frozenset(checkpoint_name(id, info.step).rpartition("/")[2] for info in left) | {_MODEL})
        return snapshot, events, left

    def _remove_files(self, id: str, keep: frozenset[str] = frozenset()) -> None:
        """Remove the run's artefacts but ``keep``. One that cannot be removed takes room only: no row names it."""
        try:
            self.files.remove_run(id, keep)
        except OSError:
            _log.warning("some files of run %s could not be removed", id, exc_info=True)

    # -- read -----------------------------------------------------------------------------------------------------

    def snapshot(self, id: str) -> Snapshot:
        """Return the run as the database knows it; one whose program is gone is interrupted from now on.

        Raises:
            RunError: there is no such run, or its record is damaged.
        """
        found = self._look([check_id(id)])
        if id not in found:
            raise RunError("there is no run {id}", id=id[:40])
        snapshot = found[id]
        if snapshot is None:
            raise RunError("the record of run {id} is damaged; delete the run", id=id)
        return snapshot

    def all(self) -> list[Snapshot]:
        """Return all runs; a damaged record is left out."""
        return [snapshot for snapshot in self._look(None).values() if snapshot is not None]

    def count_live(self, owner: str) -> int:
        """Return how many runs of ``owner`` can still change."""
        with self.database.read() as session:
            mine = select(func.count()).select_from(RunRow).where(RunRow.owner == owner, RunRow.state.in_(LIVE))
            return int(session.scalar(mine) or 0)

    def events(self, id: str, since: int = 0) -> Events:
        """Return what happened in the run after event number ``since``."""
        with self.database.read() as session:
            return _events_of(session, id, since)

    def checkpoints(self, id: str) -> list[CheckpointInfo]:
        """Return the checkpoints that are kept, in the order of their steps."""
        with self.database.read() as session:
            return _checkpoints_of(session, id)

    def checkpoint(self, id: str, step: int) -> bytes:
        """Return a checkpoint's bytes; raises RunError where it is not kept or damaged."""
        with self.database.read() as session:
            row = session.get(CheckpointRow, (id, step))
        if row is None:
            raise RunError("run {id} has kept no checkpoint of step {step}", id=id, step=step)
        return self.files.get(checkpoint_name(id, step), row.hash)

    def column(self, id: str, name: str) -> Any:
        """Return one column of the run's row: ``description``, ``model`` or ``changes``."""
        with self.database.read() as session:
            return session.scalar(select(getattr(RunRow, name)).where(RunRow.id == check_id(id)))

    def model(self, id: str, kept: Mapping[str, Any]) -> bytes:
        """Return the final weights that the row's ``model`` column says are kept; RunError where they are damaged."""
        return self.files.get(model_name(id), kept["hash"])

    def model_path(self, id: str) -> Path | None:
        """Return the file with the final weights, or None where there is none on this machine."""
        return self.files.path(model_name(check_id(id)))

    # -- small things ---------------------------------------------------------------------------------------------

    def _save(self, session: Session, snapshot: Snapshot, events: Iterable[Mapping[str, Any]], **columns: Any) -> None:
        values = {"state": snapshot.state, "snapshot": snapshot.as_dict(), "version": RunRow.version + 1, **columns}
        mine = (RunRow.id == snapshot.id) & (RunRow.process == self.process.id)
        done = session.execute(update(RunRow).where(mine).values(**values).execution_options(synchronize_session=False))
        if done.rowcount != 1:  # type: ignore[attr-defined]
            raise LostError("run {id} is not this program's any more", id=snapshot.id)
        _add_events(session, snapshot.id, events)

    def _row(self, session: Session, id: str) -> RunRow:
        row = session.get(RunRow, check_id(id), with_for_update=True)
        if row is None:
            raise RunError("there is no run {id}", id=id[:40])
        return row

    def _look(self, ids: list[str] | None) -> dict[str, Snapshot | None]:
        """Return the snapshots of ``ids``, or of all runs; None for a damaged one; only what is new is read again."""
        heads = select(RunRow.id, RunRow.version, RunRow.state, RunRow.process)
        with self.database.read() as session:
            rows = session.execute(heads if ids is None else heads.where(RunRow.id.in_(ids))).all()
            now = self.database.now(session)
            others = {row.process for row in rows if row.state in LIVE and row.process != self.process.id}
            dead = {process for process in others if not is_alive(session, process, now)}
        orphans = [row.id for row in rows if row.state in LIVE and row.process in dead]
        written = self._interrupt(orphans)
        known = self._still(ids, {row.id for row in rows})
        old = [row.id for row in rows if row.id in orphans or known.get(row.id, (0,))[0] != row.version]
        found: dict[str, Snapshot | None] = {}
        for start in range(0, len(old), _MANY):
            found.update(self._read(old[start : start + _MANY]))
        for id in orphans if not written else ():
            found[id] = (snapshot := found.get(id)) and broken_off(snapshot)
        kept = {row.id: known[row.id][1] for row in rows if row.id not in old}
        return {**kept, **found}

    def _interrupt(self, ids: list[str]) -> bool:
        """Mark runs whose program is gone; return False where the disk is full: they are only called so, for now."""
        try:
            if ids:
                with self.database.write() as session:
                    for id in ids:
                        interrupt(session, id, self.database.now(session))
            return True
        except StoreError:
            _log.debug("interrupted runs cannot be marked yet", exc_info=True)
            return False

    def _still(self, asked: list[str] | None, there: set[str]) -> dict[str, tuple[int, Snapshot]]:
        """Return what is known of the runs ``there``, and forget those of ``asked`` (None: of all) that are no longer."""
        with self._guard:
            gone = [id for id in (self._known if asked is None else asked) if id not in there]
            for id in gone:
                self._known.pop(id, None)
            return {id: self._known[id] for id in there if id in self._known}

    def _read(self, ids: list[str]) -> dict[str, Snapshot | None]:
        found: dict[str, Snapshot | None] = {}
        with self.database.read() as session:
            for row in session.scalars(select(RunRow).where(RunRow.id.in_(ids))):
                try:
                    found[row.id] = snapshot_of(row)
                    with self._guard:
                        self._known[row.id] = (row.version, snapshot_of(row))
                except RunError:
                    found[row.id] = None
        return found


def check_id(id: str) -> str:
    """Return ``id``; raises RunError if it is no id at all."""
    if not isinstance(id, str) or not _ID.fullmatch(id):
        raise RunError("there is no run {id}", id=str(id)[:40])
    return id


def interrupt(session: Session, id: str, now: float) -> None:
    """Mark a live run whose program is gone as interrupted, with what is known of how far it came."""
    row = session.get(RunRow, id, with_for_update=True)
    if row is None or row.state not in LIVE or is_alive(session, row.process, now):
        return  # somebody was faster
    row.state, row.process, row.slot, row.waiting, row.version = "interrupted", None, None, None, row.version + 1
    try:
        snapshot = snapshot_of(row)
    except RunError:
        return
    kept = session.scalar(select(func.max(CheckpointRow.step)).where(CheckpointRow.run == id))
    count = session.scalar(select(func.max(EventRow.n)).where(EventRow.run == id)) or 0
    event = {"n": count + 1, "kind": "state", "state": "interrupted", "step": snapshot.step}
    _add_events(session, id, [event])
    has_model = kept is not None or row.model is not None
    row.snapshot = replace(broken_off(snapshot), events=count + 1, has_model=has_model).as_dict()


def broken_off(snapshot: Snapshot) -> Snapshot:
    """Return ``snapshot`` as that of a run whose program is gone."""
    step = snapshot.step
    error = Message("the lab was closed or broke off at step {step}, before this run was over; resume it", step=step)
    return replace(snapshot, state="interrupted", error=error, time_left_s=None, images_per_s=0.0, rate=None)


def _new_row(snapshot: Snapshot, **columns: Any) -> RunRow:
    return RunRow(
        id=snapshot.id, owner=snapshot.owner, state=snapshot.state, created=snapshot.created, version=1,
        snapshot=snapshot.as_dict(), parent=snapshot.parent, changes=list(snapshot.changes), **columns,
    )  # fmt: skip


def snapshot_of(row: RunRow) -> Snapshot:
    """Return the snapshot in a row; raises RunError where it is damaged."""
    if not isinstance(row.snapshot, dict):
        raise RunError("the record of run {id} is damaged; delete the run", id=row.id)
    return Snapshot.from_dict(row.snapshot)


def _events_of(session: Session, id: str, since: int = 0) -> Events:
    wanted = select(EventRow.data).where(EventRow.run == id, EventRow.n > since).order_by(EventRow.n)
    return list(session.scalars(wanted))


def _checkpoints_of(session: Session, id: str) -> list[CheckpointInfo]:
    rows = session.scalars(select(CheckpointRow).where(CheckpointRow.run == id).order_by(CheckpointRow.step))
    return [CheckpointInfo(row.step, row.epoch, row.bytes, row.whole) for row in rows]


def _add_events(session: Session, id: str, events: Iterable[Mapping[str, Any]]) -> None:
    rows = [{"run": id, "n": event["n"], "data": dict(event)} for event in events]
    if rows:
        session.execute(insert(EventRow), rows)
