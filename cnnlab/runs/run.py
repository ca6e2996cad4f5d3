"""One live run: a thread that does the steps, the commands that it follows, and the pace at which it goes."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Mapping
from time import perf_counter
from typing import TYPE_CHECKING, Any

from cnnlab.errors import CnnLabError, RunError
from cnnlab.i18n import Message
from cnnlab.runs.cores import Cores
from cnnlab.runs.database import StoreError
from cnnlab.runs.pace import Pace
from cnnlab.runs.progress import Progress
from cnnlab.runs.record import Record
from cnnlab.runs.snapshot import Snapshot, State, as_message, state_word
from cnnlab.runs.store import broken_off
from cnnlab.runs.task import Task, fault, left_in_epoch, out_of_memory
from cnnlab.runs.weights import Published
from cnnlab.training.events import Event, HealthEvent, TestEvent, TrainEvent, ValEvent

if TYPE_CHECKING:
    from cnnlab.health.monitor import Monitor
    from cnnlab.training.loop import Training

_log = logging.getLogger(__name__)

CLOSE = "close"
"""The command that only the engine gives: the program ends, the run is to go on another time."""

Command = Mapping[str, Any]


class Run:
    """A live run. The engine lets it begin; its own thread does the steps; everybody else reads copies.

    Args:
        record: what it says of itself.
        task: what to do.
        cores: what its steps take turns with.
        released: called with this run whenever it gives its slot back (paused or over).
        wants_slot: called with this run when it wants one again (resumed).
    """

    def __init__(
        self,
        record: Record,
        task: Task,
        cores: Cores,
        released: Callable[[Run], None],
        wants_slot: Callable[[Run], None],
    ) -> None:
        self.id, self.owner, self.record = record.id, record.owner, record
        self.granted = False
        self._stands = False  # paused, or about to be: a slot that was meant for it before is no longer its own
        self._task = task
        self._turn = cores.turn(task.recipe.threads)
        self._released, self._wants_slot = released, wants_slot
        self._changed = record.changed
        self._commands: deque[Command] = deque()
        self._thread: threading.Thread | None = None
        self._progress = Progress(record.snapshot().steps)
        self._ahead = len(task.changes)  # changes that are still to be made again
        self._pace = Pace()
        self._monitor: Monitor | None = None
        self._checkpoint_bytes = 12 * task.architecture.trace().num_params  # about: two numbers more for each weight

    # -- from any thread ------------------------------------------------------------------------------------------

    def snapshot(self) -> Snapshot:
        """Return the run as it is now."""
        return self.record.snapshot()

    @property
    def begun(self) -> bool:
        """Whether it has had a slot since it was started."""
        return self._thread is not None

    def weights(self, step: int | None) -> Published:
        """Return copies of the weights at ``step``, or the latest; answers at once, however long a step takes.

        Raises:
            RunError: there are none yet, or none of that step any more.
        """
        now = self.snapshot()
        return self.record.weights.get(step, now.step, now.state == "running")

    def command(self, command: Command) -> None:
        """Take a command that has been checked; the run follows it before its next step.

        Raises:
            RunError: it is over.
        """
        with self._changed:
            if not self.record.live:
                raise RunError(
                    "this run is over ({state}); resume it, branch from it, or start a new one",
                    state=state_word(self.snapshot().state),
                )
            self._commands.append(dict(command))
            self._changed.notify_all()
            begun = self._thread is not None
        if not begun and command["do"] in ("stop", CLOSE):  # never began: nobody else will end it
            self.record.set(held_by=command.get("by", ""))
            self.record.end("stopped" if command["do"] == "stop" else "interrupted")

    def asks(self) -> None:
        """Note that the run asks for a slot from now on, and has none."""
        with self._changed:
            self.granted = self._stands = False

    def grant(self) -> None:
        """Give the run a slot: begin, or go on. One that stands still has not asked for any."""
        with self._changed:
            if self.granted or self._stands:
                return
            self.granted = True
            self._changed.notify_all()
            if self._thread is None and self.record.live:
                self._thread = threading.Thread(target=self._work, name=f"run-{self.id}", daemon=True)
                self._thread.start()

    @property
    def alive(self) -> bool:
        """Whether its thread has begun and not ended."""
        return self._thread is not None and self._thread.is_alive()

    def join(self, timeout_s: float) -> bool:
        """Wait until the thread has ended; return whether it has."""
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(timeout_s)
            return not self._thread.is_alive()
        return True

    def wait(self, timeout_s: float | None) -> None:
        """Return once the run is over, or after ``timeout_s``."""
        with self._changed:
            self._changed.wait_for(lambda: not self.snapshot().live, timeout=timeout_s)

    # -- the run's own thread -------------------------------------------------------------------------------------

    def _work(self) -> None:
        try:
            self._train()
        except (StoreError, OSError) as error:  # the disk or the server, not what it learns: it can go on later
            self._flush_group()
            _log.warning("run %s is broken off", self.id, exc_info=True)
            told = as_message(error) if isinstance(error, StoreError) else broken_off(self.snapshot()).error
            self.record.end("interrupted", told)
        except CnnLabError as error:
            self._flush_group()
            self.record.end("failed", as_message(error))
        except Exception as error:  # the boundary of a thread: whatever it was, the app goes on
            self._flush_group()
            if not out_of_memory(error):
                _log.exception("run %s failed", self.id)
            self.record.end("failed", fault(error, self._task.recipe.batch_size))
        finally:
            self._turn.leave()
            self._released(self)

    def _train(self) -> None:
        from cnnlab.training.threads import give_way, own_threads

        give_way()  # before torch starts threads of its own, which inherit it
        own_threads(1)  # the training sees for itself to those that its recipe has
        self._enter("running", wait=False)
        self._turn.take()
        training = self._begin()
        self._publish(training)
        self._keep(training, wait=True)
        events = training.events()
        while self._may_go_on(training):
            known = len(training.changes)
            self._turn.take()
            began = perf_counter()
            event = next(events, None)
            took = perf_counter() - began
            self._note_changes(training, known)
            if event is None:
                self._finish(training, "done")
                return
            self._follow(training, event, took)
            if self.record.weights.due or self._pace.rate is not None:
                self._publish(training)
            self._turn.pass_on()

    def _begin(self) -> Training:
        """Return the training, from its beginning or from its checkpoint."""
        from cnnlab.health.monitor import Monitor
        from cnnlab.training.change import Applied
        from cnnlab.training.checkpoint import Checkpoint
        from cnnlab.training.loop import Training

        task = self._task
        if task.checkpoint is None:
            training = Training(task.architecture, task.dataset, task.recipe)
        else:
            training = Training.restore(task.architecture, task.dataset, Checkpoint.from_bytes(task.checkpoint))
        training.replay([Applied.model_validate(change) for change in task.changes])
        self._monitor = training.monitor = Monitor(training.network, memory=training.watched)
        self._ahead -= len(training.changes)
        now = self.snapshot()
        self._progress = Progress(training.steps, training.step, now.train_s)
        self._plan(training.steps)
        changes = tuple(made.model_dump(mode="json", exclude_none=True) for made in training.changes)
        self.record.set(step=training.step, steps=training.steps, epoch=training.epoch, changes=changes)
        description = training.description(now.name).model_dump(mode="json")
        self.record.save_later(description=description)
        return training

    def _may_go_on(self, training: Training) -> bool:
        """Follow what came since the last step, pause where that was asked for, keep the pace; False: it is over."""
        while True:
            if self.record.lost:
                self.record.end("interrupted")
                return False
            if self._commands:
                go_on = self._obey(training, self._next_command())
            elif self._pace.reached(training.step):
                go_on = self._pause(training)
            elif self._waits():
                continue
            else:
                return True
            if not go_on:
                return False

    def _obey(self, training: Training, command: Command) -> bool:
        do = str(command["do"])
        if do == "change":
            self._change(training, command)
            return True
        if do != CLOSE:
            extra = {"rate": command["rate"]} if "rate" in command else {}
            self.record.note("command", do=do, step=training.step, **extra)
            self.record.set(held_by=command.get("by", ""))
        if do in ("stop", CLOSE):
            self._finish(training, "stopped" if do == "stop" else "interrupted")
            return False
        if do == "pause":
            return self._pause(training)
        self._pace.aim(command, training.step)
        self.record.set(rate=self._pace.rate)
        return True

    def _pause(self, training: Training) -> bool:
        """Stand still until told to go on; return False if the run ended instead."""
        self._turn.leave()
        self._pace.forget()
        self._flush_group()
        self._publish(training)
        self._keep(training, wait=False)
        with self._changed:
            self.granted, self._stands = False, True
        self._enter("paused", images_per_s=0.0, time_left_s=None)
        self._released(self)
        while (do := (command := self._next_command())["do"]) in ("pause", "change"):
            if do == "change":
                self._change(training, command)
        if not self._obey(training, command):
            return False
        self._enter("queued")
        self._wants_slot(self)
        with self._changed:
            self._changed.wait_for(lambda: self.granted or any(c["do"] in ("stop", CLOSE) for c in self._commands))
        if self.granted:
            self._progress.again()
            self._enter("running", wait=False)
        return True

    def _next_command(self) -> Command:
        with self._changed:
            self._changed.wait_for(lambda: self._commands or self.record.lost)
            return self._commands.popleft() if self._commands else {"do": CLOSE}

    def _waits(self) -> bool:
        """In slow motion wait until the next step is due; return whether a command came first."""
        left = self._pace.left_s()
        if left <= 0:
            return False
        self._turn.leave()
        with self._changed:
            return self._changed.wait_for(lambda: bool(self._commands), timeout=left)

    # -- what happened --------------------------------------------------------------------------------------------

    def _change(self, training: Training, command: Command) -> None:
        """Make a live change, and write it down before the next step, so that it can be made again.

        The moment before it is kept: who goes on from there does so as if nothing had been changed.
        """
        self._keep(training, wait=True)
        wanted = {name: value for name, value in command.items() if name != "do"}
        try:
            training.apply(wanted)
        except CnnLabError as error:
            self.record.note("command", do="change", step=training.step, change=wanted, error=str(error))
            return
        self._note_changes(training, len(training.changes) - 1, made_again=False)

    def _note_changes(self, training: Training, known: int, made_again: bool = True) -> None:
        new = training.changes[known:]
        if not new:
            return
        for applied in new:
            self.record.note("command", do="change", step=applied.step, change=applied.change.values())
        self._ahead -= len(new) if made_again else 0
        self._plan(training.steps)
        made = [applied.model_dump(mode="json", exclude_none=True) for applied in training.changes]
        ahead = [*self._task.changes][len(self._task.changes) - self._ahead :] if self._ahead else []
        self.record.save(changes=[*made, *ahead])  # first: a change that anybody sees is one that is made again
        self.record.set(steps=training.steps, changes=tuple(made))
        self.record.save_later()

    def _plan(self, steps: int) -> None:
        """Note how long the run is as far as is known now: the longer, the less often is something noted of it."""
        from cnnlab.health.monitor import cadence

        self._progress.steps = steps
        if self._monitor is not None:
            self._monitor.every = cadence(steps)

    def _follow(self, training: Training, event: Event, took: float) -> None:
        """Take an event of the loop into the run's state and log."""
        if isinstance(event, TrainEvent):
            self._pace.stepped(took)
            self.record.set(**self._progress.step(event, took))
            if self._progress.group_is_full:
                self._flush_group()
            self._keep_if_due(training)
            self.record.save_soon()
            return
        self._progress.evaluated(took)
        if isinstance(event, ValEvent):
            self._plan(training.steps)
            self.record.set(val_loss=event.loss, val_acc=event.acc, steps=training.steps)
        if isinstance(event, TestEvent):
            self._flush_group()
            chosen = event.step if event.step != training.step else None
            self.record.set(test_loss=event.loss, test_acc=event.acc, chosen_step=chosen)
        if isinstance(event, (ValEvent, TestEvent, HealthEvent)):
            values = event.as_dict()
            self.record.note(values.pop("kind"), **values)
        if isinstance(event, ValEvent) and left_in_epoch(training) == 0:
            self._pace.epoch_over = True

    def _flush_group(self) -> None:
        """Note the steps since the last train event, as one."""
        if (values := self._progress.take_group()) is not None:
            self.record.note("train", **values)

    def _keep_if_due(self, training: Training) -> None:
        if self._task.sparse:
            return
        whole = left_in_epoch(training) == 0
        if self.record.wants_checkpoint(training.step, whole, self._checkpoint_bytes):
            self._keep(training, wait=whole or training.step < 64)

    def _keep(self, training: Training, wait: bool) -> None:
        if wait:
            self._turn.leave()
        self.record.keep(training.checkpoint(), left_in_epoch(training) == 0, wait)

    def _publish(self, training: Training, **result: Any) -> Published:
        """Lay out copies of the weights for whoever looks into the run; training does not change them any more."""
        description = training.description(self.snapshot().name, **result)
        published = Published(training.weights_step, description, training.state())
        self.record.weights.put(published)
        return published

    def _enter(self, state: State, wait: bool = True, **values: Any) -> None:
        self.record.set(state=state, **values)
        self.record.note("state", state=state)
        (self.record.save if wait else self.record.save_later)()

    def _finish(self, training: Training, state: State) -> None:
        """Keep the weights with what came of the run, then say that it is over."""
        self._turn.leave()
        self._flush_group()
        now = self.snapshot()
        rate = self._progress.images_per_s
        self.record.set(images_per_s=rate)
        result: dict[str, Any] = {
            "test_acc": now.test_acc,
            "train_s": round(now.train_s, 3),
            "images_per_s": round(rate, 1),
            "parent": now.parent,  # of a branch, which its recipe alone does not make
            "parent_step": now.parent_step,
            "start": now.start and now.start.model_dump(mode="json"),
        }
        model = self._publish(training, **{name: value for name, value in result.items() if value is not None})
        self._keep(training, wait=True)
        error = None
        if state == "interrupted":
            error = Message("the lab was closed at step {step}, before this run was over; resume it", step=now.step)
        self.record.end(state, error, model)
