"""Who trains when, and what is kept: one face that takes ids and serialisable values only.

The runs of this program are threads of it; those of other programs on the same store are reached through the database.
Nothing outside this room can tell one from the other.
"""

from __future__ import annotations

import atexit
import math
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cnnlab.description import ModelRef
from cnnlab.errors import NotAllowedError, RunError
from cnnlab.runs import machine, moments
from cnnlab.runs.admission import Place, check_fits, check_grows, need_bytes, seconds_left, usual_speed
from cnnlab.runs.artefacts import Artefacts, artefacts
from cnnlab.runs.beginnings import Beginnings
from cnnlab.runs.commands import checked
from cnnlab.runs.cores import Cores
from cnnlab.runs.crew import CLOSE_S, Crew
from cnnlab.runs.database import Database, database_url
from cnnlab.runs.face import EngineFace, Kept, Places
from cnnlab.runs.slots import Slots
from cnnlab.runs.snapshot import AT_THE_MACHINE, RESUMABLE, RunSpec, Snapshot, state_word
from cnnlab.runs.store import Events, Store, check_id, new_id
from cnnlab.runs.tables import CommandRow
from cnnlab.runs.writer import Writer

if TYPE_CHECKING:
    from cnnlab.model import Model
    from cnnlab.training.transfer import Start

_POLL_S = 0.1
_QUEUE_S = 1.0
_RECENT = 20


class Engine(EngineFace):
    """All runs of one store: those of this program, those of others, and those that are over.

    Args:
        database, files: where they are; None takes what the environment names, else ``home()``.
        slots: how many runs learn at the same time on this machine; None takes one for each core. More wait, owners
            taking turns.
        memory: how many bytes they may take together; None takes ``capacity_bytes``.
    """

    def __init__(
        self,
        database: Database | None = None,
        files: Artefacts | None = None,
        slots: int | None = None,
        memory: int | None = None,
    ) -> None:
        self._store = Store(database, files)
        self._writer = Writer()
        self._slots = Slots(self._store, slots or machine.cores(), memory)
        self._crew = Crew(self._store, self._slots, Cores(machine.cores()))
        self._beginnings = Beginnings(self._store, self._writer, self._slots, self._crew, self._lend)
        self._logs: dict[str, tuple[int, Events]] = {}
        self._logs_lock = threading.Lock()
        self._places: tuple[float, Sequence[Place]] = (-math.inf, [])

    # -- begin ----------------------------------------------------------------------------------------------------

    def submit(self, spec: RunSpec) -> str:
        self._check_open()
        return self._begun(self._beginnings.new(spec))

    def add(self, record: Mapping[str, Any], events: Events, model: bytes | None = None, owner: str = "") -> str:
        self._check_open()
        numbered = [{**event, "n": n} for n, event in enumerate(events, 1)]
        snapshot = replace(
            Snapshot.from_dict(record),
            id=new_id(),
            owner=owner,
            events=len(numbered),
            images_per_s=0.0,
            rate=None,
            held_by="",
        )  # how fast another machine was says nothing of the queue of this one
        if snapshot.live:
            raise RunError("run {id} is not over; only a run that is over can be brought here", id=snapshot.id)
        self._store.adopt(snapshot, numbered, model)
        return snapshot.id

    def branch(
        self, id: str, step: int, changes: Mapping[str, Any] | None = None, name: str = "", owner: str | None = None
    ) -> str:
        self._check_open()
        parent = self.snapshot(id)
        _check_owner(parent, owner)
        return self._begun(self._beginnings.branch(parent, step, changes or {}, name))

    def resume(self, id: str, owner: str | None = None) -> None:
        self._check_open()
        self._crew.retire()
        snapshot = self.snapshot(id)
        _check_owner(snapshot, owner)
        if snapshot.state not in RESUMABLE:
            raise RunError(
                "run {id} is {state}: only a run that was interrupted or stopped can be resumed; branch from it",
                id=id,
                state=state_word(snapshot.state),
            )
        self._beginnings.again(snapshot)
        self._begun(id)

    def _begun(self, id: str) -> str:
        self._places = (-math.inf, [])
        return id

    # -- look -----------------------------------------------------------------------------------------------------

    def list(self, owner: str | None = None) -> list[Snapshot]:
        own = self._crew.all()  # before the store is read, else one that ends meanwhile would still be live there
        found = {snapshot.id: snapshot for snapshot in self._store.all()}
        found.update({run.id: run.snapshot() for run in own if run.id in found})
        mine = [snapshot for snapshot in found.values() if owner is None or snapshot.owner == owner]
        return sorted(mine, key=lambda snapshot: (snapshot.created, snapshot.id), reverse=True)

    def snapshot(self, id: str) -> Snapshot:
        run = self._crew.get(id)
        return run.snapshot() if run is not None else self._store.snapshot(id)

    def position(self, id: str) -> int | None:
        return next((place.position for place in self.queue() if place.id == check_id(id)), None)

    def queue(self) -> Places:
        at, places = self._places
        if time.monotonic() - at > _QUEUE_S:
            places = self._slots.places(self._seconds_left(), self._crew.begun())
            self._places = (time.monotonic(), places)
        return [*places]

    @property
    def room(self) -> tuple[int, int]:
        return self._slots.count, self._slots.capacity

    def events(self, id: str, since: int = 0) -> Events:
        run = self._crew.get(id)
        if run is not None:
            return run.record.events(since)
        snapshot = self._store.snapshot(id)
        if snapshot.live:
            return self._store.events(id, since)
        with self._logs_lock:
            kept = self._logs.get(id)
            if kept is None or kept[0] != snapshot.resumed:
                while len(self._logs) >= 16:
                    self._logs.pop(next(iter(self._logs)))
                kept = self._logs[id] = (snapshot.resumed, self._store.events(id))
        return kept[1][max(0, since) :]

    def can_resume(self, id: str) -> bool:
        snapshot = self.snapshot(id)
        return snapshot.state in RESUMABLE and moments.can_go_on(snapshot, self.checkpoints(id))

    def checkpoints(self, id: str) -> Kept:
        run = self._crew.get(id)
        if run is not None:
            return run.record.checkpoints()
        self._store.snapshot(id)
        return self._store.checkpoints(id)

    def model(self, id: str, step: int | None = None) -> bytes:
        run = self._crew.get(id)
        if run is not None and run.snapshot().has_model and (step is None or run.record.weights.has(step)):
            return run.weights(step).to_bytes()
        return moments.model_bytes(self._store, self.snapshot(id), self.checkpoints(id), step)

    def checkpoint(self, id: str, step: int) -> bytes:
        return self._store.checkpoint(id, step)

    def model_step(self, id: str, step: int | None = None) -> int:
        run = self._crew.get(id)
        if run is not None and run.snapshot().has_model and (step is None or run.record.weights.has(step)):
            return run.weights(step).step
        return moments.kept_step(self._store, self.snapshot(id), self.checkpoints(id), step)

    def model_path(self, id: str) -> Path | None:
        return self._store.model_path(id)

    def wait(self, id: str, timeout_s: float | None = None) -> Snapshot:
        end = None if timeout_s is None else time.monotonic() + timeout_s
        while True:
            run = self._crew.get(id)
            if run is not None:
                run.wait(None if end is None else max(0.0, end - time.monotonic()))
                return run.snapshot() if self._crew.get(id) is run else self.snapshot(id)
            snapshot = self._store.snapshot(id)
            if not snapshot.live or (end is not None and time.monotonic() >= end):
                return snapshot
            time.sleep(_POLL_S if end is None else max(0.0, min(_POLL_S, end - time.monotonic())))

    # -- change ---------------------------------------------------------------------------------------------------

    def command(self, id: str, change: Mapping[str, Any], owner: str | None = None) -> None:
        snapshot = self.snapshot(id)
        command = checked(change, snapshot)
        _check_owner(snapshot, owner)
        if owner is not None and "by" in command:
            raise NotAllowedError("only the teacher holds a run as the teacher")
        if "batch_size" in command:
            self._check_grows(snapshot, command["batch_size"])
        self._places = (-math.inf, [])
        run = self._crew.get(id)
        if run is not None:
            self._crew.command(run, command)
        elif snapshot.live:
            with self._store.database.write() as session:
                session.add(CommandRow(run=id, data=command))
        else:
            raise RunError(
                "this run is over ({state}); resume it, branch from it, or start a new one",
                state=state_word(snapshot.state),
            )

    def edit(self, id: str, name: str | None = None, notes: str | None = None, owner: str | None = None) -> None:
        _check_owner(self.snapshot(id), owner)
        values = {"name": name and name[:80], "notes": notes if notes is None else notes[:10_000]}
        given = {field: value for field, value in values.items() if value is not None}
        run = self._crew.get(id)
        if run is not None:
            run.record.set(**given)
            run.record.save()
            if not run.record.lost and not run.record.saved_whole:
                return
        if self._store.snapshot(id).live:  # as it is now: a run of this program may have ended in between
            raise RunError("another program is training run {id}; wait until it is over", id=id)
        self._store.edit(id, **given)

    def delete(self, id: str, owner: str | None = None) -> None:
        try:
            snapshot = self.snapshot(id)
        except RunError:
            if owner is None and self._store.column(check_id(id), "id") is not None:
                self._store.delete(id)
                return
            raise
        _check_owner(snapshot, owner)
        run = self._crew.get(id)
        if snapshot.live:
            self._stop(id)
        if run is not None:
            run.join(CLOSE_S)
            self._crew.retire()
        with self._logs_lock:
            self._logs.pop(id, None)
        self._store.delete(id)

    def close(self) -> None:
        if self._crew.closed:
            return
        self._crew.close()
        self._writer.close()
        self._store.close()

    @property
    def closed(self) -> bool:
        return self._crew.closed

    # -- small things ---------------------------------------------------------------------------------------------

    def _check_grows(self, run: Snapshot, batch_size: int) -> None:
        """Raise BudgetError where there is no memory for batches of that size, beside what the other runs take."""
        recipe, capacity = run.recipe_now.changed(batch_size=batch_size), self._slots.capacity
        need = check_fits(run.architecture, recipe, capacity, run.images)
        before = need_bytes(run.architecture, run.recipe_now, run.images)
        if need > before and run.state != "queued":  # one that waits has its turn when there is room
            begun = self._crew.begun()
            check_grows(need, before, self._slots.taken_by_others(run.id, begun), capacity)

    def _lend(self, start: Start, owner: str) -> tuple[str, Model]:
        """Return the model that ``start`` names, and which it is, to the step.

        Raises:
            NotAllowedError: it is that of a run of another owner; who is at the machine itself may borrow from anybody.
            ModelError, RunError: there is no such model.
        """
        from cnnlab.model import Model
        from cnnlab.runs.models import resolve
        from cnnlab.training.transfer import as_told

        ref = ModelRef.parse(start.model)
        if ref.kind != "run":
            return as_told(str(ref)), resolve(ref)
        _check_owner(self.snapshot(ref.value), None if owner in AT_THE_MACHINE else owner)
        step = self.model_step(ref.value, ref.step)
        return f"{ref.source}@{step}", Model.from_bytes(self.model(ref.value, step))

    def _check_open(self) -> None:
        if self._crew.closed:
            raise RunError("the lab is closing; no new run can begin")

    def _seconds_left(self) -> Callable[[str], float | None]:
        runs = self.list()
        known = {run.id: run for run in runs if run.live}
        speed = usual_speed([run for run in runs if run.images_per_s > 0][:_RECENT])
        return lambda id: seconds_left(known[id], speed) if id in known else None

    def _stop(self, id: str) -> None:
        try:
            self.command(id, {"do": "stop"})
        except RunError:
            return  # it ended by itself meanwhile
        if self.wait(id, CLOSE_S).live:
            raise RunError("run {id} does not stop; its program does not answer. Try again later", id=id)


_engines: dict[str, EngineFace] = {}
_engines_lock = threading.Lock()


def engine() -> EngineFace:
    """Return the process's engine (one for each place of runs), made when first asked for and closed at exit.

    The only place where one is made: whatever else has this face (a cluster, a server) would be made here.
    """
    place = f"{database_url().render_as_string(hide_password=False)} {artefacts().where('')}"
    with _engines_lock:
        found = _engines.get(place)
        if found is None or found.closed:
            found = _engines[place] = Engine()
        return found


@atexit.register
def close_all() -> None:
    """Close every engine: a thread still inside torch when the interpreter ends would abort the process."""
    for found in list(_engines.values()):
        found.close()


def _check_owner(snapshot: Snapshot, owner: str | None) -> None:
    if owner is not None and snapshot.owner != owner:
        raise NotAllowedError("this run belongs to somebody else; only they can change it")
