"""A search at work: lanes propose, the engine trains, what comes of it is told. No thread of its own."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import psutil

from cnnlab.errors import CnnLabError
from cnnlab.i18n import Message
from cnnlab.runs import RESUMABLE, EngineFace, RunSpec, Snapshot, engine, limits
from cnnlab.search.asked import Search, SearchSpec, Trial
from cnnlab.search.front import front

if TYPE_CHECKING:
    from cnnlab.search.lane import Lane

_LOOK_S = 0.1
_RUNGS = 8
"""A run is looked at after each eighth of it."""
_FULL_S = 1.0
_STOP_S = 15.0
_SETTLED = ("done", "pruned", "failed")
"""The states in which the same network and recipe would end again."""


@dataclass
class _Flight:
    """A trial whose run is with the engine: which, and how far its events were read."""

    number: int
    run: str
    read: int = 0


class Work:
    """One search, carried out by ``run()`` in whatever thread calls it.

    Args:
        search: what is asked for, and what of it is done already.
        changed: called with the search each time something in it must last: a trial begun or over, the end.

    Attributes:
        search: as it stands, for any thread.
    """

    def __init__(self, search: Search, changed: Callable[[Search], None] = lambda _search: None) -> None:
        started = psutil.Process().create_time()
        self.search = replace(search, state="running", note=None, process=(os.getpid(), started))
        self._changed = changed
        self._wake = threading.Event()
        self._asked: str | None = None  # how it is to end, once somebody says so
        self._flights: dict[str, _Flight] = {}
        self._lanes: dict[str, Lane] = {}
        self._known: dict[tuple[str, str, str], int] = {}
        self._spent_s = search.spent_s
        self._full_until = 0.0

    def stop(self, state: str = "stopped") -> None:
        """Let the search end as ``state`` soon: ``stopped``, or ``interrupted`` where its program ends."""
        self._asked = self._asked or state
        self._wake.set()

    def run(self) -> Search:
        """Carry the search out and return it as it ended; the runs at work are stopped with it.

        Raises:
            CnnLabError: the network cannot be trained on this data, or the space is none.
        """
        began = time.monotonic()
        self._changed(self.search)
        self._begin()
        runs = engine()
        state, note = "done", None
        while not all(lane.over for lane in self._lanes.values()):
            self._now(spent_s=self._spent_s + time.monotonic() - began)
            seconds = self.search.spec.seconds
            if self._asked is not None or (seconds is not None and self.search.spent_s >= seconds):
                state = self._asked or "done"
                note = None if self._asked else Message("the time is up; what was at work then was stopped")
                break
            for lane in [lane for lane in self._lanes.values() if lane.name in self._flights]:
                self._look(runs, lane)
            self._start_more(runs)
            self._wake.wait(_LOOK_S)
        if state != "interrupted":  # the engine of a program that ends interrupts its runs itself
            self._stop_flights(runs, state)
        if note is None and any(lane.exhausted for lane in self._lanes.values()):
            note = Message("ended early: hundreds of draws in a row were above a budget, or did not fit together")
        self._now(state=state, note=note, process=None)
        self._changed(self.search)
        return self.search

    # -- begin ----------------------------------------------------------------------------------------------------

    def _begin(self) -> None:
        """Make the lanes, telling them what came of the trials so far, and go on with those that were broken off."""
        from cnnlab.data.loader import load
        from cnnlab.search.lane import Lane
        from cnnlab.training.loop import check_trainable

        spec = self.search.spec
        dataset = load(spec.data)
        check_trainable(spec.architecture, dataset, spec.recipe)
        for name in spec.lanes:
            told = self.search.of(name)
            lane = Lane(name, spec, lambda network, recipe: check_trainable(network, dataset, recipe), told)
            self._lanes[name] = lane
            for trial in told:
                if trial.state in _SETTLED:
                    self._known.setdefault((name, *self._key(trial)), trial.number)
            if lane.proposing:
                self._go_on(lane, told[-1])

    def _go_on(self, lane: Lane, trial: Trial) -> None:
        """Take up the trial that was broken off: its run goes on from its last checkpoint, or begins anew."""
        runs, trial = engine(), replace(trial, seen=())  # its events are read once more, and told
        self._put(trial)
        if trial.run is not None and self._takes_up(runs, trial.run):
            self._flights[lane.name] = _Flight(trial.number, trial.run)
            return
        if trial.run is not None:
            self._remove(runs, trial.run)
        self._submit(runs, lane, replace(trial, run=None))

    def _takes_up(self, runs: EngineFace, id: str) -> bool:
        """Return whether run ``id`` has come to its end, or goes on now."""
        try:
            snapshot = runs.wait(id, _STOP_S)  # it may be stopping still
            if snapshot.state in RESUMABLE:
                runs.resume(id, self.search.spec.owner)
            return not snapshot.live and snapshot.state != "failed"
        except CnnLabError:
            return False

    # -- one look -------------------------------------------------------------------------------------------------

    def _start_more(self, runs: EngineFace) -> None:
        """Let the lanes that wait propose, those with the fewest trials first, as long as the machine has slots."""
        spec = self.search.spec
        waiting = [lane for lane in self._lanes.values() if not lane.over and lane.name not in self._flights]
        for lane in sorted(waiting, key=lambda lane: (lane.name != "yours", len(self.search.of(lane.name)))):
            if len(self._flights) >= max(1, runs.room[0]) or time.monotonic() < self._full_until:
                return
            if spec.owner and sum(run.live for run in runs.list(spec.owner)) >= limits().live_runs:
                self._full_until = time.monotonic() + _FULL_S  # the owner's other runs come first
                return
            self._propose(runs, lane)

    def _propose(self, runs: EngineFace, lane: Lane) -> None:
        values = lane.propose()
        self._now(refused={name: dict(lane.refused) for name, lane in self._lanes.items() if lane.refused})
        if values is None:
            return
        architecture, _recipe = self.search.spec.space.draw(values)
        trace, number = architecture.trace(), self._number(lane.name)
        trial = Trial(number, lane.name, values, trace.num_params, trace.macs)  # type: ignore[arg-type]
        key = (lane.name, *self._key(trial))
        if key in self._known:
            first = self.search.trial(self._known[key])
            state = "same" if first.counts else first.state
            same = replace(
                first, number=number, values=values, state=state, same_as=first.number, run=None, train_s=0.0
            )
            self._put(same)
            for rung, acc in same.seen:
                lane.falls_behind(rung, acc)
            lane.end(same)
            self._changed(self.search)
            return
        self._submit(runs, lane, trial)

    def _submit(self, runs: EngineFace, lane: Lane, trial: Trial) -> None:
        """Hand a trial to the engine; one thread each, so that the same search gives the same bits."""
        spec = self.search.spec
        architecture, recipe = self.search.network(trial)
        name = f"{spec.name or spec.architecture.name} #{trial.number}"[-80:]
        recipe = recipe.changed(threads=recipe.threads or 1)
        try:
            id = runs.submit(
                RunSpec(architecture=architecture, data=spec.data, recipe=recipe, name=name, owner=spec.owner)
            )
        except CnnLabError as error:
            self._put(trial)
            self._end(runs, lane, trial, "failed", error=Message(error.message, **error.values))
            return
        self._flights[lane.name] = _Flight(trial.number, id)
        self._put(replace(trial, run=id))
        self._changed(self.search)

    def _look(self, runs: EngineFace, lane: Lane) -> None:
        """Read what has happened in a lane's run, and end the trial where it is over or falls behind."""
        flight = self._flights[lane.name]
        trial = self.search.trial(flight.number)
        try:
            snapshot = runs.snapshot(flight.run)
            events = runs.events(flight.run, flight.read)
        except CnnLabError:  # somebody has deleted it
            return self._end(runs, lane, replace(trial, run=None), "stopped")
        flight.read += len(events)
        for event in events:
            if event["kind"] != "val" or event.get("split") != "val" or event["acc"] is None:
                continue
            rung = round(_RUNGS * int(event["step"]) / max(1, snapshot.steps))
            if not 0 < rung < _RUNGS or any(rung <= at for at, _acc in trial.seen):
                continue
            trial = replace(trial, seen=(*trial.seen, (rung, float(event["acc"]))))
            self._put(trial)
            if lane.falls_behind(rung, float(event["acc"])):
                self._command_stop(runs, flight.run)
                return self._end(runs, lane, replace(trial, acc=trial.seen[-1][1], train_s=snapshot.train_s), "pruned")
        if not snapshot.live:
            self._over(runs, lane, trial, snapshot)
        return None

    def _over(self, runs: EngineFace, lane: Lane, trial: Trial, snapshot: Snapshot) -> None:
        trial = replace(trial, train_s=snapshot.train_s)
        if snapshot.state == "done":
            acc = _judged(runs.events(snapshot.id), snapshot.chosen_step)
            self._end(runs, lane, replace(trial, acc=acc, test_acc=snapshot.test_acc), "done")
        elif snapshot.state == "failed":
            self._end(runs, lane, trial, "failed", error=snapshot.error)
        elif snapshot.state == "stopped":
            self._end(runs, lane, trial, "stopped")
        else:  # interrupted from outside: it goes on
            self._flights.pop(lane.name)
            self._go_on(lane, trial)

    def _end(self, runs: EngineFace, lane: Lane, trial: Trial, state: str, error: Message | None = None) -> None:
        self._flights.pop(lane.name, None)
        trial = replace(trial, state=state, error=error)
        self._put(trial)
        if state in _SETTLED:
            self._known.setdefault((lane.name, *self._key(trial)), trial.number)
        lane.end(trial)
        self._tidy(runs)
        self._changed(self.search)

    # -- small things ---------------------------------------------------------------------------------------------

    def _tidy(self, runs: EngineFace) -> None:
        """Remove the runs of trials that others beat; each network can be built again from what was drawn."""
        if self.search.spec.keep_runs:
            return
        best = [self.search.best(lane) for lane in self.search.spec.lanes]
        keep = {trial.number for trial in [*front(self.search.trials), *best] if trial is not None}
        for trial in self.search.trials:
            if trial.over and trial.run is not None and trial.number not in keep:
                if self._remove(runs, trial.run):
                    self._put(replace(trial, run=None))

    def _remove(self, runs: EngineFace, id: str) -> bool:
        """Return whether run ``id`` is gone; one that does not stop yet is tried again when the next trial ends."""
        try:
            runs.delete(id)
        except CnnLabError:
            return False
        return True

    def _stop_flights(self, runs: EngineFace, state: str) -> None:
        """Stop what is at work. Where the search may go on later its trials stay as they are, else they are over."""
        for flight in self._flights.values():
            self._command_stop(runs, flight.run)
        for name, flight in list(self._flights.items()):
            self._wait(runs, flight.run)
            if state == "done":
                self._end(runs, self._lanes[name], self.search.trial(flight.number), "stopped")
        self._flights.clear()

    def _wait(self, runs: EngineFace, id: str) -> None:
        try:
            runs.wait(id, _STOP_S)
        except CnnLabError:
            pass  # somebody has deleted it

    def _command_stop(self, runs: EngineFace, id: str) -> None:
        try:
            runs.command(id, {"do": "stop"})
        except CnnLabError:
            pass  # it is over already

    def _number(self, lane: str) -> int:
        """Return the next trial's number, which depends on its lane alone: 1 is yours, then the lanes take turns."""
        count = len(self.search.of(lane))
        if lane == "yours" or not self.search.spec.baseline:
            return 1 + count + (lane != "yours")
        return 2 * count + (2 if lane == "guided" else 3)

    def _key(self, trial: Trial) -> tuple[str, str]:
        """Return what decides how a trial ends: two draws that come to the same network and recipe are one."""
        architecture, recipe = self.search.spec.space.draw(trial.values)
        return architecture.renamed("").key, recipe.model_dump_json()

    def _put(self, trial: Trial) -> None:
        others = [one for one in self.search.trials if one.number != trial.number]
        self._now(trials=tuple(sorted([*others, trial], key=lambda one: one.number)))

    def _now(self, **changes: Any) -> None:
        self.search = replace(self.search, **changes)


def check(spec: SearchSpec) -> None:
    """Raise what is wrong with ``spec``: its space, its recipe, its network on its data, the network above a budget.

    Raises:
        SearchError, ShapeError, ArchitectureError, BudgetError, DataError, RecipeError: it cannot be searched.
    """
    from cnnlab.data.loader import load
    from cnnlab.training.loop import check_trainable

    spec.space.draw({})
    check_trainable(spec.architecture, load(spec.data), spec.recipe)


def _judged(events: list[dict[str, Any]], chosen: int | None) -> float | None:
    """Return the accuracy on the whole validation set, of the step that early stopping chose or the last."""
    whole = [event for event in events if event["kind"] == "val" and event["whole"] and event.get("split") == "val"]
    right = [event for event in whole if chosen is None or event["step"] == chosen]
    return float(right[-1]["acc"]) if right and right[-1]["acc"] is not None else None
