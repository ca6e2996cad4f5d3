"""How runs come to the crew: a new one, a branch of another, and one that was broken off and goes on."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from time import time
from typing import TYPE_CHECKING, Any

from cnnlab.errors import BudgetError, RunError
from cnnlab.runs import moments
from cnnlab.runs.admission import check_fits
from cnnlab.runs.crew import Crew
from cnnlab.runs.limits import limits
from cnnlab.runs.record import Record
from cnnlab.runs.slots import Slots
from cnnlab.runs.snapshot import BLANK, RunSpec, Snapshot
from cnnlab.runs.store import Store, new_id
from cnnlab.runs.writer import Writer

if TYPE_CHECKING:
    from cnnlab.model import Model
    from cnnlab.runs.task import Task
    from cnnlab.training.checkpoint import Checkpoint
    from cnnlab.training.transfer import Start

_log = logging.getLogger(__name__)


class Beginnings:
    """Puts runs into the store and hands them to the crew; what cannot begin leaves nothing behind.

    Args:
        store, writer, slots, crew: those of the engine.
        lend: opens the model that a run of some owner begins with, and says which it is, to the step.
    """

    def __init__(
        self, store: Store, writer: Writer, slots: Slots, crew: Crew, lend: Callable[[Start, str], tuple[str, Model]]
    ) -> None:
        self._store, self._writer, self._slots, self._crew = store, writer, slots, crew
        self._lend = lend
        self._admitting = threading.Lock()

    def new(self, spec: RunSpec) -> str:
        """Begin what is asked for, and return its id; raises as ``EngineFace.submit``."""
        first = _first_snapshot(spec)
        record = self._add(first, **moments.begins_with(spec))  # listed before torch and the data are here
        with self._or_none(first.id):
            values, task, beginning = self._prepared(spec, first.id)
            record.set(**values)
            record.save(changes=[*task.changes])
            if beginning is not None:
                record.keep_first(beginning)
            self._crew.start(record, task)
        return first.id

    def branch(self, parent: Snapshot, step: int, changes: Mapping[str, Any], name: str) -> str:
        """Begin a run that goes on from ``parent`` at ``step``, and return its id; raises as ``EngineFace.branch``."""
        first, beginning, task = moments.branched(self._store, parent, step, changes, name)
        check_fits(task.architecture, task.recipe, self._slots.capacity, first.images)
        record = self._add(first, parent=first.parent, step=first.parent_step)
        with self._or_none(first.id):
            record.keep_first(beginning)
            self._crew.start(record, task)
        return first.id

    def again(self, run: Snapshot) -> None:
        """Let ``run``, which is over, go on from its last checkpoint; raises as ``EngineFace.resume``."""
        if run.steps == 0:
            self._begin_again(run)
            return
        step, task = moments.task_of(self._store, run)
        check_fits(task.architecture, run.recipe_now, self._slots.capacity, run.images)
        with self._taken(run, step) as record:
            record.note("state", state="queued", resumed_at=record.snapshot().step)
            record.save()
            self._crew.start(record, task)

    def _begin_again(self, run: Snapshot) -> None:
        """Begin a run that was broken off while it was being prepared."""
        spec = moments.asked(run, self._store.events(run.id))
        values, task, beginning = self._prepared(spec, run.id)
        with self._taken(run, None) as record:
            record.note("state", state="queued", resumed_at=0, **moments.begins_with(spec))
            record.set(**values)
            record.save(changes=[*task.changes])
            if beginning is not None:
                record.keep_first(beginning)
            self._crew.start(record, task)

    # -- small things ---------------------------------------------------------------------------------------------

    def _prepared(self, spec: RunSpec, id: str) -> tuple[dict[str, Any], Task, Checkpoint | None]:
        """Return what ``moments.begun`` does, of a run for which there is memory."""
        values, task, beginning = moments.begun(
            spec, lambda start: self._lend(start, spec.owner), self._slots.crowded(id, self._crew.resting())
        )
        check_fits(task.architecture, task.recipe, self._slots.capacity, values["images"])
        return values, task, beginning

    def _add(self, first: Snapshot, **told: Any) -> Record:
        """List a run that is to begin; ``told`` is what its first event says of it."""
        event: dict[str, Any] = {"n": 1, "kind": "state", "state": "queued", **told}
        with self._admitting:
            self._check_cap(first.owner)
            self._store.add(replace(first, events=1), [event])
        return Record(first, self._store, self._writer, [event])

    @contextmanager
    def _taken(self, run: Snapshot, step: int | None) -> Iterator[Record]:
        """Take over a run that is over, as it was at the checkpoint ``step`` (None: at its beginning).

        Where the body of the ``with`` fails it is interrupted again, to be resumed another time.
        """
        with self._admitting:
            self._check_cap(run.owner)
            taken, events, kept = self._store.take(run.id, step, moments.standing_again(run, step))
        record = Record(taken, self._store, self._writer, events, kept)
        try:
            yield record
        except OSError as error:
            record.end("interrupted")
            raise _cannot_begin(error) from error
        except Exception:
            record.end("interrupted")
            raise

    def _check_cap(self, owner: str) -> None:
        """Raise BudgetError where ``owner`` has as many live runs as the teacher allows; nobody's runs are not counted."""
        most = limits().live_runs
        if owner and self._store.count_live(owner) >= most:
            raise BudgetError(
                "no more than {most} of your runs may be waiting, learning or paused at once; stop one of them, or wait "
                "until one is done",
                most=most,
            )

    @contextmanager
    def _or_none(self, id: str) -> Iterator[None]:
        """Remove the run ``id`` from the store where the body of the ``with`` fails."""
        try:
            yield
        except OSError as error:
            self._forget(id)
            raise _cannot_begin(error) from error
        except Exception:
            self._forget(id)
            raise

    def _forget(self, id: str) -> None:
        try:
            self._store.delete(id)
        except (RunError, OSError):  # what kept it from beginning is to be told, not this
            _log.warning("run %s could not begin, and cannot be removed", id, exc_info=True)


def _cannot_begin(error: OSError) -> RunError:
    reason = error.strerror or str(error)
    return RunError(
        "the run cannot begin: what it begins with cannot be written ({reason}). Free some space, then try again",
        reason=reason[:200],
    )


def _first_snapshot(spec: RunSpec) -> Snapshot:
    values = {
        **BLANK, "id": new_id(), "name": spec.name or spec.architecture.name, "owner": spec.owner,
        "net": spec.architecture.name, "architecture_key": spec.architecture.key, "data": spec.data, "data_hash": "",
        "recipe": spec.recipe, "epochs": spec.recipe.epochs, "created": time(),
    }  # fmt: skip
    return Snapshot(**values)
