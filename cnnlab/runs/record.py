"""What a live run says of itself, in memory for who asks now and in the store for who asks later.

Its thread sets and notes; all writing is done by the writer's thread, in order, so that training never waits for it.
"""

from __future__ import annotations

import errno
import logging
import math
import threading
from collections.abc import Mapping, Sequence
from dataclasses import replace
from time import perf_counter
from typing import TYPE_CHECKING, Any

from cnnlab.errors import RunError
from cnnlab.i18n import Message
from cnnlab.runs.keeping import EVERY_S, SHARE, CheckpointInfo, budget_bytes, is_early, thinned
from cnnlab.runs.snapshot import LIVE, Snapshot, State
from cnnlab.runs.store import Events, LostError, Store, checkpoint_name, model_name
from cnnlab.runs.weights import Published, Weights
from cnnlab.runs.writer import Writer

if TYPE_CHECKING:
    from cnnlab.training.checkpoint import Checkpoint

_log = logging.getLogger(__name__)

SAVE_S = 1.0
_EARLY_PART = 16
"""Checkpoints so large that fewer than this many fit into the budget are taken at epochs and from time to time only."""


class Record:
    """A live run as others see it.

    Args:
        first: as it is in the store.
        store, writer: where it lasts, and who writes.
        events, kept: what the store has of it already.
    """

    def __init__(
        self,
        first: Snapshot,
        store: Store,
        writer: Writer,
        events: Events | None = None,
        kept: Sequence[CheckpointInfo] = (),
    ) -> None:
        self.id, self.owner = first.id, first.owner
        self.changed = threading.Condition()
        self.weights = Weights(first.id)
        self.lost = False  # somebody else has it now, or it was deleted
        self.saved_whole = False  # over, and all of it in the store
        self.over = False
        self._store, self._writer = store, writer
        self._snapshot = first
        self._news: dict[str, Any] = {}  # what the snapshot does not say yet
        self._events: Events = [*(events or ())]
        self._saved = len(self._events)
        self._kept = list(kept)
        self._kept_step = kept[-1].step if kept else -1
        self._kept_at, self._cost_s = perf_counter(), 0.0
        self._from = None if kept else first.step  # where it began, as long as nothing was written to go on from
        self._saved_at, self._saving = 0.0, False
        self._budget = budget_bytes()
        self._troubles: dict[str, Message] = {}  # of "state" and "weights": what the last attempt to write each met

    # -- read, from any thread ------------------------------------------------------------------------------------

    def snapshot(self) -> Snapshot:
        """Return the run as it is now."""
        with self.changed:
            now = self._now()
            usable = (bool(self.weights) or bool(self._kept)) and now.state != "failed"
            return replace(now, events=len(self._events), has_model=usable)

    def events(self, since: int) -> Events:
        """Return the events with ``n > since``."""
        with self.changed:
            return self._events[max(0, since) :]

    def checkpoints(self) -> list[CheckpointInfo]:
        """Return what is kept, in the order of the steps."""
        with self.changed:
            return [*self._kept]

    # -- change, from the run's thread ----------------------------------------------------------------------------

    def set(self, **values: Any) -> None:
        """Set fields of the snapshot; it is made anew when somebody asks for it, not at each step.

        A number that is none becomes None: no database and no JSON file holds it.
        """
        plain = {name: _finite(value) for name, value in values.items()}
        with self.changed:
            self._news.update(plain)

    def _now(self) -> Snapshot:
        """Return the snapshot with all news; for whoever holds ``changed``."""
        if self._news:
            self._snapshot, self._news = replace(self._snapshot, **self._news), {}
        return self._snapshot

    def note(self, kind: str, **values: Any) -> None:
        """Add an event; a number that is none becomes None, since JSON knows no other."""
        plain = {name: _plain(value) for name, value in values.items()}
        with self.changed:
            self._events.append({"n": len(self._events) + 1, "kind": kind, **plain})

    def save_soon(self) -> None:
        """Have the state and the new events written now and then, without waiting."""
        if not self._saving and perf_counter() - self._saved_at > SAVE_S:
            self._saving = True
            if not self._writer.put(self._save_tolerantly, wait=False):
                self._saving = False

    def save(self, **columns: Any) -> None:
        """Write the state, the new events and ``columns`` of the row before going on; trouble becomes a warning."""
        self._writer.call(lambda: self._save_tolerantly(**columns))

    def save_later(self, **columns: Any) -> None:
        """As ``save``, without waiting for it."""
        self._writer.put(lambda: self._save_tolerantly(**columns))

    def wants_checkpoint(self, step: int, whole: bool, bytes: int) -> bool:
        """Return whether the run should keep this moment: the beginning, an epoch's end, or after some time."""
        if step == self._kept_step:
            return False
        if whole or (is_early(step) and bytes * _EARLY_PART <= self._budget):
            return True
        return perf_counter() - self._kept_at > max(EVERY_S, self._cost_s / SHARE)

    def keep(self, checkpoint: Checkpoint, whole: bool, wait: bool = True) -> None:
        """Have ``checkpoint`` written; with ``wait`` False leave it where the writer has too much to do already."""
        before = self._kept_step
        if checkpoint.step == before:
            return
        size = sum(tensor.nbytes for tensor in checkpoint.tensors.values())
        with self.changed:
            count = len(self._events)
        self._kept_step = checkpoint.step  # where it cannot be written, the writer takes this back
        if self._writer.put(lambda: self._keep(checkpoint, whole, count), size, wait):
            self._kept_at = perf_counter()
        else:
            self._kept_step = before

    def keep_first(self, checkpoint: Checkpoint) -> None:
        """Write the checkpoint that a branch begins with, before it begins.

        Raises:
            RunError, OSError: it cannot be written.
        """
        standing = checkpoint.standing
        self._kept_step = checkpoint.step
        self._writer.call(lambda: self._write(checkpoint, standing.position == standing.planned, len(self._events)))

    def end(self, state: State, error: Message | None = None, model: Published | None = None) -> None:
        """Write the final weights, if there are any, and how the run ended; only then say that it is over."""
        with self.changed:
            if self.over:
                return
            self.over = True
        if model is not None:
            state, error = self._save_model(model, state, error)
        self.note("state", state=state)
        final: dict[str, Any] = {"state": state, "error": error, "time_left_s": None, "rate": None}
        if state == "failed":
            final["has_model"] = False  # what it had learned by then is in its checkpoints only
        try:
            self._writer.call(lambda: self._save_end(**final))
        except (RunError, OSError):
            _log.warning("the end of run %s could not be written; this is tried again", self.id, exc_info=True)
        with self.changed:
            self._news.update(final)
            self.changed.notify_all()

    def save_again(self) -> None:
        """Try once more to write the end of a run; raises RunError or OSError where that is still not possible."""
        self._writer.call(self._save_end)

    # -- the writer's thread --------------------------------------------------------------------------------------

    def _new(self, **values: Any) -> tuple[Snapshot, Events]:
        with self.changed:
            if self._from is not None:  # else a run that is broken off now would seem to have lost what it has done
                values = {"step": self._from, **values}
            return replace(self.snapshot(), **values), self._events[self._saved :]

    def _save(self, snapshot: Snapshot, events: Events, **columns: Any) -> None:
        try:
            self._store.save(snapshot, events, **columns)
        except LostError:
            self.lost = True
            raise
        self._saved += len(events)

    def _save_tolerantly(self, **columns: Any) -> None:
        try:
            self._save(*self._new(), **columns)
            self._well("state")
        except LostError:
            pass
        except (RunError, OSError) as error:
            self._trouble("state", error)
        finally:
            self._saving, self._saved_at = False, perf_counter()

    def _save_end(self, **values: Any) -> None:
        if self.saved_whole:  # the keeper asked again while it was being written: the run may have been resumed since
            return
        try:
            self._save(*self._new(**values), process=None, slot=None, waiting=None)
        except LostError:
            pass
        self.saved_whole = True

    def _save_model(self, model: Published, state: State, error: Message | None) -> tuple[State, Message | None]:
        """Write the final weights; where that fails the run is interrupted, since it can still go on later."""

        def work() -> None:
            data = model.to_bytes()
            hash = self._store.files.put(model_name(self.id), data)
            self._save(*self._new(), model={"hash": hash, "bytes": len(data), "step": model.step})

        try:
            self._writer.call(work)
        except LostError:
            pass
        except (RunError, OSError) as found:
            return "interrupted", self._trouble("weights", found)
        return state, error

    def _keep(self, checkpoint: Checkpoint, whole: bool, at_event: int) -> None:
        began = perf_counter()
        try:
            self._write(checkpoint, whole, at_event)
            self._thin()
            self._well("weights")
        except LostError:
            self.lost = True
            if all(info.step != checkpoint.step for info in self._store.checkpoints(self.id)):  # else it is another's
                self._store.files.remove(checkpoint_name(self.id, checkpoint.step))
        except (RunError, OSError) as error:
            if self._kept_step == checkpoint.step:
                self._kept_step = self._kept[-1].step if self._kept else -1
            self._trouble("weights", error)
        self._cost_s = perf_counter() - began

    def _write(self, checkpoint: Checkpoint, whole: bool, at_event: int) -> None:
        self._from = None
        data = checkpoint.to_bytes()
        hash = self._store.files.put(checkpoint_name(self.id, checkpoint.step), data)
        info = CheckpointInfo(checkpoint.step, checkpoint.epoch, len(data), whole)
        snapshot, events = self._new()
        self._store.save_checkpoint(snapshot, events, info, hash, at_event)
        self._saved += len(events)
        with self.changed:
            self._kept = sorted([*(old for old in self._kept if old.step != info.step), info], key=_step)

    def _thin(self) -> None:
        gone = thinned(self._kept, self._budget)
        if gone:
            with self.changed:
                self._kept = [info for info in self._kept if info not in gone]
            self._store.drop_checkpoints(self.id, [info.step for info in gone])

    def _well(self, what: str) -> None:
        """Note that ``what`` has been written: the warning is that of what else could not be, if anything."""
        self._troubles.pop(what, None)
        self.set(warning=next(iter(self._troubles.values()), None))

    def _trouble(self, what: str, error: Exception) -> Message:
        """Say what could not be written; training goes on, and the next attempt may succeed."""
        _log.warning("run %s could not be written: %s", self.id, error)
        full = isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
        if full or "full" in str(error).lower():
            told = Message(
                "the disk is full; since step {step} nothing new of this run is kept. Free some space",
                step=max(self._saved_step(), 0),
            )
        else:
            told = Message("this run cannot be written ({reason}); it goes on in memory", reason=str(error)[:200])
        self._troubles[what] = told
        self.set(warning=told)
        return told

    def _saved_step(self) -> int:
        with self.changed:
            return self._kept[-1].step if self._kept else 0

    @property
    def live(self) -> bool:
        """Whether the run can still change."""
        return not self.over and self.snapshot().state in LIVE


def _step(info: CheckpointInfo) -> int:
    return info.step


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _plain(value: Any) -> Any:
    """Return ``value`` as JSON would give it back."""
    value = _finite(value)
    if isinstance(value, (list, tuple)):
        return [_plain(part) for part in value]
    if isinstance(value, Mapping):
        return {str(name): _plain(part) for name, part in value.items()}
    return value
