"""One run: its state, its commands, its events, and the weights that others may look at while it learns."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from time import perf_counter
from typing import TYPE_CHECKING, Any

from cnnlab.errors import CnnLabError, RunError
from cnnlab.i18n import Message
from cnnlab.runs.cores import Cores
from cnnlab.runs.snapshot import LIVE, RunSpec, Snapshot, State, as_message, state_word
from cnnlab.runs.store import Store
from cnnlab.training.events import Event, TestEvent, TrainEvent, ValEvent

if TYPE_CHECKING:
    from cnnlab.data.dataset import DataSet
    from cnnlab.description import ModelDescription
    from cnnlab.training.loop import Training

_log = logging.getLogger(__name__)

MAX_TRAIN_EVENTS = 5_000
"""A longer run notes the mean of several steps in one event, so that a curve never outgrows a page."""

COMMANDS = ("pause", "resume", "stop")

_SMOOTH = 0.95
_PUBLISH_S = 1.0
_PUBLISH_ASKED_S = 0.2
_WAIT_FOR_WEIGHTS_S = 0.06
_SAVE_S = 2.0
_RATE_WINDOW_S = 3.0


@dataclass
class Published:
    """Copies of the weights at one step; their bytes are made when first asked for."""

    step: int
    description: ModelDescription
    state: dict[str, Any]
    data: bytes | None = field(default=None)

    def to_bytes(self) -> bytes:
        """Return the model as the bytes of a safetensors file."""
        if self.data is None:
            from cnnlab.model import Model

            self.data = Model(self.description, self.state).to_bytes()
        return self.data


class _Smoothed:
    """An exponential moving average, corrected for its start."""

    def __init__(self) -> None:
        self._mean = 0.0
        self._weight = 0.0

    def add(self, value: float) -> float:
        self._mean = _SMOOTH * self._mean + (1 - _SMOOTH) * value
        self._weight = _SMOOTH * self._weight + (1 - _SMOOTH)
        return self._mean / self._weight


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
        self._asked = False
        self._published: deque[Published] = deque(maxlen=3)
        self._published_at = 0.0
        self._loss, self._acc = _Smoothed(), _Smoothed()
        self._group: list[TrainEvent] = []
        self._recent: deque[tuple[float, int]] = deque()
        self._eval_s = 0.0
        self._note("state", state="queued")

    # -- read, from any thread ------------------------------------------------------------------------------------

    def snapshot(self) -> Snapshot:
        """Return the run as it is now."""
        with self._changed:
            return replace(self._snapshot, events=len(self._events), has_model=bool(self._published))

    def events(self, since: int) -> list[dict[str, Any]]:
        """Return the events with ``n > since``."""
        with self._changed:
            return self._events[max(0, since) :]

    def weights(self, step: int | None) -> Published:
        """Return copies of the weights at ``step``, or the latest; answers at once, however long a step takes.

        Raises:
            RunError: there are none yet, or none of that step any more.
        """
        with self._changed:
            if step is not None:
                for published in self._published:
                    if published.step == step:
                        return published
            self._ask_for_weights()
            if not self._published:
                raise RunError("run {id} has no weights yet; wait until its first step", id=self.id)
            latest = self._published[-1]
            if step is not None and step != latest.step:
                raise _no_such_step(self.id, step, latest.step)
            return latest

    def _ask_for_weights(self) -> None:
        fresh = self._published and (
            self._published[-1].step == self._snapshot.step or perf_counter() - self._published_at < _PUBLISH_ASKED_S
        )
        if fresh or self._snapshot.state != "running":
            return
        before = self._published_at
        self._asked = True
        self._changed.wait_for(lambda: self._published_at != before, timeout=_WAIT_FOR_WEIGHTS_S)

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
                self._end("failed", Message("the run broke off by a fault of the lab: {reason}", reason=str(error)[:300]))
        finally:
            self._released(self)

    def _train(self) -> None:
        import torch

        from cnnlab.training.loop import Training

        threads = self.spec.recipe.threads
        torch.set_num_threads(threads)
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
            self._publish_if_due(training)
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
            self._recent.clear()
            self._enter("running")
        return True

    def _enter(self, state: State, **values: Any) -> None:
        self._set(state=state, **values)
        self._note("state", state=state)
        self._save()

    def _follow(self, event: Event, took: float) -> None:
        """Take an event of the loop into the run's state and log."""
        if isinstance(event, TrainEvent):
            self._follow_step(event, took)
            return
        self._eval_s += took
        if isinstance(event, ValEvent):
            self._set(val_loss=event.loss, val_acc=event.acc)
        if isinstance(event, TestEvent):
            self._flush_group()
            self._set(test_loss=event.loss, test_acc=event.acc)
        if isinstance(event, (ValEvent, TestEvent)):
            values = event.as_dict()
            self._note(values.pop("kind"), **values)

    def _follow_step(self, event: TrainEvent, took: float) -> None:
        now = perf_counter()
        self._recent.append((now, event.images))
        while now - self._recent[0][0] > _RATE_WINDOW_S and len(self._recent) > 2:
            self._recent.popleft()
        before = self._snapshot
        self._set(
            step=event.step,
            epoch=event.epoch,
            train_s=before.train_s + took,
            train_loss=self._loss.add(event.loss),
            train_acc=self._acc.add(event.acc),
            images_per_s=self._rate(event.images, took),
            time_left_s=self._time_left(event.step, before.train_s + took),
        )
        self._group.append(event)
        if len(self._group) >= max(1, -(-before.steps // MAX_TRAIN_EVENTS)):
            self._flush_group()
        if now - self._saved_at > _SAVE_S:
            self._append_events()

    def _rate(self, images: int, took: float) -> float:
        first, last = self._recent[0][0], self._recent[-1][0]
        if last <= first:
            return images / took if took > 0 else 0.0
        return sum(count for _, count in list(self._recent)[1:]) / (last - first)

    def _time_left(self, step: int, train_s: float) -> float | None:
        left = self._snapshot.steps - step
        return left * (train_s + self._eval_s) / step if train_s + self._eval_s > 0.5 else None

    def _flush_group(self) -> None:
        """Note the steps since the last train event, as one: their mean loss and accuracy at the last step."""
        group, self._group = self._group, []
        if group:
            last, size = group[-1], len(group)
            loss, acc = sum(event.loss for event in group) / size, sum(event.acc for event in group) / size
            self._note("train", step=last.step, epoch=last.epoch, loss=loss, acc=acc, lr=last.lr)

    def _publish_if_due(self, training: Training) -> None:
        waited = perf_counter() - self._published_at
        if waited > _PUBLISH_S or (self._asked and waited > _PUBLISH_ASKED_S):
            self._publish(training)

    def _publish(self, training: Training, **result: Any) -> None:
        """Lay out copies of the weights for whoever looks into the run; training does not change them any more."""
        published = Published(training.step, training.description(self._snapshot.name, **result), training.state())
        with self._changed:
            self._published.append(published)
            self._published_at = perf_counter()
            self._asked = False
            self._changed.notify_all()

    def _finish(self, training: Training, state: State) -> None:
        """Keep the weights with what came of the run, then say that it is over."""
        self._flush_group()
        now = self._snapshot
        images = now.step * training.batch_size
        rate = images / now.train_s if now.train_s else 0.0
        self._set(images_per_s=rate)
        result = {"test_acc": now.test_acc, "train_s": round(now.train_s, 3), "images_per_s": round(rate, 1)}
        self._publish(training, **{name: value for name, value in result.items() if value is not None})
        self._store.folder(self.id).mkdir(parents=True, exist_ok=True)
        from cnnlab.home import write_whole

        write_whole(self._store.model_path(self.id), self._published[-1].to_bytes())
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


def _no_such_step(id: str, step: int, latest: int) -> RunError:
    return RunError(
        "run {id} has kept no weights of step {step}; the latest are those of step {latest}",
        id=id,
        step=step,
        latest=latest,
    )


def _out_of_memory(error: Exception) -> bool:
    text = str(error).lower()
    return isinstance(error, MemoryError) or any(
        sign in text for sign in ("can't allocate memory", "not enough memory", "bad_alloc", "out of memory")
    )
