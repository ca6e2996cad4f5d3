"""One run: its state, its commands, its events, and the weights that others may look at while it learns."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from time import perf_counter
from typing import TYPE_CHECKING, Any

from cnnlab.errors import CnnLabError, RunError
from cnnlab.home import write_whole
from cnnlab.i18n import Message
from cnnlab.runs.cores import Cores
from cnnlab.runs.priority import give_way
from cnnlab.runs.progress import Progress
from cnnlab.runs.snapshot import LIVE, RunSpec, Snapshot, State, as_message, state_word
from cnnlab.runs.store import Store
from cnnlab.runs.weights import Published, Weights
from cnnlab.training.events import Event, TestEvent, TrainEvent, ValEvent

if TYPE_CHECKING:
    from cnnlab.data.dataset import DataSet
    from cnnlab.training.loop import Training

_log = logging.getLogger(__name__)

COMMANDS = ("pause", "resume", "stop")

_SAVE_S = 2.0


class Run:
    """A live run. The engine lets it begin; its own thread does the steps; everybody else reads copies.

    Args:
        first: the snapshot at submit, its recipe without anything left to the machine.
        spec: what to do.
        dataset: where its images are.
        store, cores: where it lasts, and what it takes turns with.
        released: called with this run whenever it gives its slot back (paused or over).
        wants_slot: called with this run when it wants one again (resumed).
    """

    def __init__(
        self,
        first: Snapshot,
        spec: RunSpec,
        dataset: DataSet,
        store: Store,
        cores: Cores,
        released: Callable[[Run], None],
        wants_slot: Callable[[Run], None],
    ) -> None:
        self.id = first.id
        self.owner = first.owner
        self.spec = spec
        self.saved_whole = False  # over, and all of it on the disk
        self._dataset = dataset
        self._store = store
        self._cores = cores
        self._released = released
        self._wants_slot = wants_slot
        self._changed = threading.Condition()
        self._snapshot = first
        self._events: list[dict[str, Any]] = []
        self._saved_events = 0
        self._saved_at = perf_counter()
        self._commands: deque[str] = deque()
        self._thread: threading.Thread | None = None
        self._granted = False
        self._weights = Weights(first.id)
        self._progress = Progress(first.steps)
        self._note("state", state="queued")

    # -- read, from any thread ------------------------------------------------------------------------------------

    def snapshot(self) -> Snapshot:
        """Return the run as it is now."""
        with self._changed:
            usable = bool(self._weights) and self._snapshot.state != "failed"  # then none are left on the disk either
            return replace(self._snapshot, events=len(self._events), has_model=usable)

    def events(self, since: int) -> list[dict[str, Any]]:
        """Return the events with ``n > since``."""
        with self._changed:
            return self._events[max(0, since) :]

    def weights(self, step: int | None) -> Published:
        """Return copies of the weights at ``step``, or the latest; answers at once, however long a step takes.

        Raises:
            RunError: there are none yet, or none of that step any more.
        """
        now = self._snapshot
        return self._weights.get(step, now.step, now.state == "running")

    # -- commands, from any thread --------------------------------------------------------------------------------

    def command(self, do: str) -> None:
        """Take a command; the run follows it at its next step.

        Raises:
            RunError: it is over.
        """
        with self._changed:
            if self._snapshot.state not in LIVE:
                raise RunError("this run is over ({state}); start a new one", state=state_word(self._snapshot.state))
            self._commands.append(do)
            self._changed.notify_all()
            if self._thread is None and do == "stop":  # never began: nobody else will end it
                self._end("stopped")

    def grant(self) -> None:
        """Give the run a slot: begin, or go on."""
        with self._changed:
            self._granted = True
            self._changed.notify_all()
            if self._thread is None and self._snapshot.state in LIVE:
                self._thread = threading.Thread(target=self._work, name=f"run-{self.id}", daemon=True)
                self._thread.start()

    def join(self, timeout_s: float) -> bool:
        """Wait until the thread has ended; return whether it has."""
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(timeout_s)
            return not self._thread.is_alive()
        return True

    def wait(self, timeout_s: float | None) -> None:
        """Return once the run is over, or after ``timeout_s``."""
        with self._changed:
            self._changed.wait_for(lambda: self._snapshot.state not in LIVE, timeout=timeout_s)

    # -- the run's own thread -------------------------------------------------------------------------------------

    def _work(self) -> None:
        try:
            self._train()
        except CnnLabError as error:
            self._end("failed", as_message(error))
        except Exception as error:  # the boundary of a thread: whatever it was, the app goes on
            if _out_of_memory(error):
                self._end("failed", self._memory_message())
            else:
                _log.exception("run %s failed", self.id)
                self._end(
                    "failed", Message("the run broke off by a fault of the lab: {reason}", reason=str(error)[:300])
                )
        finally:
            self._released(self)

    def _train(self) -> None:
        import torch

        from cnnlab.training.loop import Training

        threads = self.spec.recipe.threads
        torch.set_num_threads(threads)
        give_way()  # before torch starts threads of its own, which inherit it
        self._set(state="running")
        self._note("state", state="running")
        with self._cores.hold(threads):
            training = Training(self.spec.architecture, self._dataset, self.spec.recipe)
        self._publish(training)
        events = training.events()
        while self._may_go_on(training):
            with self._cores.hold(threads):
                began = perf_counter()
                event = next(events, None)
                took = perf_counter() - began
            if event is None:
                self._finish(training, "done")
                return
            self._follow(event, took)
            if self._weights.due:
                self._publish(training)
        self._finish(training, "stopped")

    def _may_go_on(self, training: Training) -> bool:
        """Follow the commands that came since the last step; return False once the run is to stop."""
        while self._commands:
            do = self._next_command(training)
            if do == "stop" or (do == "pause" and not self._pause(training)):
                return False
        return True

    def _next_command(self, training: Training) -> str:
        """Wait for a command, log that it is followed at this step, and return it."""
        with self._changed:
            self._changed.wait_for(lambda: self._commands)
            do = self._commands.popleft()
            self._note("command", do=do, step=training.step)
            return do

    def _pause(self, training: Training) -> bool:
        """Stand still until told to resume; return False if told to stop instead."""
        self._flush_group()
        self._publish(training)
        self._granted = False
        self._enter("paused", images_per_s=0.0, time_left_s=None)
        self._released(self)
        while (do := self._next_command(training)) != "resume":
            if do == "stop":
                return False
        self._enter("queued")
        self._wants_slot(self)
        with self._changed:
            self._changed.wait_for(lambda: self._granted or "stop" in self._commands)
        if self._granted:
            self._progress.again()
            self._enter("running")
        return True

    def _enter(self, state: State, **values: Any) -> None:
        self._set(state=state, **values)
        self._note("state", state=state)
        self._save()

    def _follow(self, event: Event, took: float) -> None:
        """Take an event of the loop into the run's state and log."""
        if isinstance(event, TrainEvent):
            self._set(**self._progress.step(event, took))
            if self._progress.group_is_full:
                self._flush_group()
            if perf_counter() - self._saved_at > _SAVE_S:
                self._append_events()
            return
        self._progress.evaluated(took)
        if isinstance(event, ValEvent):
            self._set(val_loss=event.loss, val_acc=event.acc)
        if isinstance(event, TestEvent):
            self._flush_group()
            self._set(test_loss=event.loss, test_acc=event.acc)
        if isinstance(event, (ValEvent, TestEvent)):
            values = event.as_dict()
            self._note(values.pop("kind"), **values)

    def _flush_group(self) -> None:
        """Note the steps since the last train event, as one."""
        if (values := self._progress.take_group()) is not None:
            self._note("train", **values)

    def _publish(self, training: Training, **result: Any) -> None:
        """Lay out copies of the weights for whoever looks into the run; training does not change them any more."""
        description = training.description(self._snapshot.name, **result)
        self._weights.put(Published(training.step, description, training.state()))

    def _finish(self, training: Training, state: State) -> None:
        """Keep the weights with what came of the run, then say that it is over."""
        self._flush_group()
        now = self._snapshot
        images = now.step * training.batch_size
        rate = images / now.train_s if now.train_s else 0.0
        self._set(images_per_s=rate)
        result = {"test_acc": now.test_acc, "train_s": round(now.train_s, 3), "images_per_s": round(rate, 1)}
        self._publish(training, **{name: value for name, value in result.items() if value is not None})
        write_whole(self._store.model_path(self.id), self.weights(None).to_bytes())
        self._end(state)

    def _end(self, state: State, error: Message | None = None) -> None:
        with self._changed:
            self._flush_group()
            self._commands.clear()
            self._set(state=state, error=error, time_left_s=None)
            self._note("state", state=state)
            try:
                self._save()
                self.saved_whole = True
            except OSError:
                _log.exception("run %s could not be written", self.id)
            self._changed.notify_all()

    # -- small things ---------------------------------------------------------------------------------------------

    def _set(self, **values: Any) -> None:
        with self._changed:
            self._snapshot = replace(self._snapshot, **values)

    def _note(self, kind: str, **values: Any) -> None:
        with self._changed:
            self._events.append({"n": len(self._events) + 1, "kind": kind, **values})

    def _save(self) -> None:
        self._append_events()
        self._store.save(self.snapshot())

    def _append_events(self) -> None:
        with self._changed:
            new = self._events[self._saved_events :]
            self._saved_events = len(self._events)
        self._store.append(self.id, new)
        self._saved_at = perf_counter()

    def save_first(self) -> None:
        """Write the run for the first time, so that it is listed whatever happens next."""
        self._save()

    def _memory_message(self) -> Message:
        return Message(
            "the machine ran out of memory; use a smaller batch size, for example {batch} instead of {given}",
            batch=max(1, self.spec.recipe.batch_size // 4),
            given=self.spec.recipe.batch_size,
        )


def _out_of_memory(error: Exception) -> bool:
    text = str(error).lower()
    return isinstance(error, MemoryError) or any(
        sign in text for sign in ("can't allocate memory", "not enough memory", "bad_alloc", "out of memory")
    )
