"""How far a run is and how fast: smoothed losses, images per second, time left, and events that a page can hold."""

from __future__ import annotations

from collections import deque
from time import perf_counter
from typing import Any

from cnnlab.training.events import TrainEvent

MAX_TRAIN_EVENTS = 5_000
"""A longer run notes the mean of several steps in one event, so that a curve never outgrows a page."""

_SMOOTH = 0.95
_RATE_WINDOW_S = 3.0


class Smoothed:
    """An exponential moving average, corrected for its start.

    m[t] = 0.95 * m[t-1] + 0.05 * x[t],    returned[t] = m[t] / (1 - 0.95**(t + 1))
    """

    def __init__(self) -> None:
        self._mean = 0.0
        self._weight = 0.0

    def add(self, value: float) -> float:
        """Take ``value`` in and return the average."""
        self._mean = _SMOOTH * self._mean + (1 - _SMOOTH) * value
        self._weight = _SMOOTH * self._weight + (1 - _SMOOTH)
        return self._mean / self._weight


class Progress:
    """What a run of ``steps`` steps has to say of itself after each of them.

    Args:
        steps: of the whole run; a change of the batch size changes it.
        begun: the step that it goes on from.
        train_s: the seconds that it spent in steps before.
    """

    def __init__(self, steps: int, begun: int = 0, train_s: float = 0.0) -> None:
        self.steps = steps
        self._begun = begun
        self.train_s = train_s
        self._before_s = train_s
        self._eval_s = 0.0
        self._loss, self._acc = Smoothed(), Smoothed()
        self._recent: deque[tuple[float, int]] = deque()  # when, and the images seen until then
        self._group: list[TrainEvent] = []
        self._images = 0

    def evaluated(self, took_s: float) -> None:
        """Count time that went into looking instead of learning; what is left will take its share, too."""
        self._eval_s += took_s

    def again(self) -> None:
        """Begin measuring the speed anew, after a pause."""
        self._recent.clear()

    def step(self, event: TrainEvent, took_s: float) -> dict[str, Any]:
        """Take a step in; return the fields of a snapshot that it changes."""
        now = perf_counter()
        self.train_s += took_s
        self._images += event.images
        self._group.append(event)
        self._recent.append((now, self._images))
        while now - self._recent[0][0] > _RATE_WINDOW_S and len(self._recent) > 2:
            self._recent.popleft()
        return {
            "step": event.step,
            "epoch": event.epoch,
            "train_s": self.train_s,
            "train_loss": self._loss.add(event.loss),
            "train_acc": self._acc.add(event.acc),
            "images_per_s": self._rate(event.images, took_s),
            "time_left_s": self._time_left(event.step),
        }

    @property
    def group_is_full(self) -> bool:
        """Whether the steps since the last event make one, of a run that is as long as it is now."""
        return len(self._group) >= -(-self.steps // MAX_TRAIN_EVENTS)

    @property
    def images_per_s(self) -> float:
        """Images a second over all steps since the run began or went on; 0 before the first."""
        spent = self.train_s - self._before_s
        return self._images / spent if spent > 0 else 0.0

    def take_group(self) -> dict[str, Any] | None:
        """Return the steps since the last event as one, their mean loss and accuracy at the last step; or None."""
        group, self._group = self._group, []
        if not group:
            return None
        last, size = group[-1], len(group)
        loss, acc = sum(event.loss for event in group) / size, sum(event.acc for event in group) / size
        return {"step": last.step, "epoch": last.epoch, "loss": loss, "acc": acc, "lr": last.lr}

    def _rate(self, images: int, took_s: float) -> float:
        (first, before), (last, now) = self._recent[0], self._recent[-1]
        if last <= first:
            return images / took_s if took_s > 0 else 0.0
        return (now - before) / (last - first)

    def _time_left(self, step: int) -> float | None:
        spent = self.train_s - self._before_s + self._eval_s
        return (self.steps - step) * spent / (step - self._begun) if spent > 0.5 else None
