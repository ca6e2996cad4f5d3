"""Watch a run: its curves and a glimpse into its network, read once and shared by all who look at it.

However many pages show the same run, its events are read as they come (never twice), thinned to a fixed number of
points, and the looks at its weights take no more than a twentieth of a core.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, TypeVar

import numpy as np

from cnnlab.description import ModelRef
from cnnlab.errors import CnnLabError
from cnnlab.runs.engine import engine
from cnnlab.runs.models import resolve
from cnnlab.runs.snapshot import Snapshot

T = TypeVar("T")
BINS = 240
IMAGES = 16
_FRESH_S = 0.2
_GLIMPSE_S = 1.0
_GLIMPSE_SHARE = 0.05
_MAX_WATCHES = 64


class Curves:
    """Learning curves of a run of ``steps`` steps, thinned while they grow to at most ``BINS`` points.

    A point is the mean over its steps; the smoothed curve is an exponential moving average over every step,

        m[t] = w*m[t-1] + (1 - w)*x[t],    shown[t] = m[t] / (1 - w**t)

    read at the end of the point. w is 0.95 (it reaches back about 20 steps), and less in a run below 400 steps, where
    it would lag behind. In a run above 20 x ``BINS`` = 4,800 steps a point holds more steps than the average reaches
    back over: there the mean of the point is the smoother of the two, and the average shows the end of each point.
    """

    def __init__(self, steps: int) -> None:
        self.steps = max(1, steps)
        self._width = max(1, -(-self.steps // BINS))
        self._weight = 1.0 - 1.0 / min(20.0, max(4.0, self.steps / 20))
        self._sums: list[list[float]] = []  # [step of the point's end, count, loss, acc, smooth loss, smooth acc]
        self._mean = (0.0, 0.0)
        self._count = 0
        self.val: list[tuple[int, float, float, bool]] = []
        self.test: tuple[float, float] | None = None

    def extend(self, events: Iterable[Mapping[str, Any]]) -> None:
        """Take in ``events``, each once and in order; kinds that are no point of a curve are passed over."""
        for event in events:
            kind = event.get("kind")
            if kind == "train":
                self._train(int(event["step"]), float(event["loss"]), float(event["acc"]))
            elif kind == "val" and event["loss"] is not None:  # None: no number, the weights have grown beyond bounds
                self.val.append(
                    (int(event["step"]), float(event["loss"]), float(event["acc"]), bool(event.get("whole")))
                )
            elif kind == "test" and event["loss"] is not None:
                self.test = (float(event["loss"]), float(event["acc"]))

    def _train(self, step: int, loss: float, acc: float) -> None:
        self._count += 1
        keep, rest = self._weight, 1.0 - self._weight
        self._mean = (keep * self._mean[0] + rest * loss, keep * self._mean[1] + rest * acc)
        corrected = 1.0 - keep**self._count
        smooth = (self._mean[0] / corrected, self._mean[1] / corrected)
        if not self._sums or (step - 1) // self._width != (int(self._sums[-1][0]) - 1) // self._width:
            self._sums.append([step, 0, 0.0, 0.0, 0.0, 0.0])
        point = self._sums[-1]
        point[0], point[1] = step, point[1] + 1
        point[2], point[3] = point[2] + loss, point[3] + acc
        point[4], point[5] = smooth

    def train(self) -> np.ndarray:
        """Return the points so far.

        Shape:
            returns (points, 5) float64: step, loss, acc, smoothed loss, smoothed acc
        """
        if not self._sums:
            return np.empty((0, 5))
        table = np.asarray(self._sums)
        return np.column_stack(
            [table[:, 0], table[:, 2] / table[:, 1], table[:, 3] / table[:, 1], table[:, 4], table[:, 5]]
        )


@dataclass(frozen=True)
class Glimpse:
    """What the network looks like at ``step``: the filters of its first convolution, what it says to some images.

    Shape:
        filters: (C_out, C_in, kH, kW), or None where there is no convolution
        images: (N, C, h, w) uint8; targets and predictions: N class indices; probs: N probabilities of the prediction
    """

    step: int
    layer: str
    filters: np.ndarray | None
    images: np.ndarray
    targets: tuple[int, ...]
    predictions: tuple[int, ...]
    probs: tuple[float, ...]
    class_names: tuple[str, ...]


@dataclass(frozen=True)
class View:
    """A run as all who look at it now see it."""

    snapshot: Snapshot
    steps: int
    train: np.ndarray
    val: tuple[tuple[int, float, float, bool], ...]
    test: tuple[float, float] | None
    glimpse: Glimpse | None
    _made: dict[Hashable, Any] = field(default_factory=dict, repr=False, compare=False)

    def shared(self, key: Hashable, make: Callable[[], T]) -> T:
        """Return what ``make()`` returns, made once for all who ask this view with the same ``key``."""
        if key not in self._made:
            self._made[key] = make()
        return self._made[key]  # type: ignore[no-any-return]


class Watch:
    """One run, watched by any number of pages."""

    def __init__(self, id: str, clock: Callable[[], float] = time.monotonic) -> None:
        self.id = id
        self._clock = clock
        self._lock = threading.Lock()
        self._since = 0
        self._resumed = 0
        self._curves: Curves | None = None
        self._view: View | None = None
        self._looked_at = self._glimpse_at = self._failed_at = float("-inf")
        self._glimpse_pause_s = _GLIMPSE_S

    def look(self) -> View:
        """Return the run as it stands, at most a fifth of a second old.

        Raises:
            RunError: there is no such run (any more).
        """
        with self._lock:
            now = self._clock()
            if self._view is not None and now - self._looked_at < _FRESH_S:
                return self._view
            snapshot = engine().snapshot(self.id)
            other = self._resumed != snapshot.resumed  # events after the step that it went on from are gone
            if self._curves is None or self._curves.steps != max(1, snapshot.steps) or other:
                self._curves, self._since, self._resumed = Curves(snapshot.steps), 0, snapshot.resumed
            events = engine().events(self.id, self._since)
            self._curves.extend(events)
            self._since += len(events)
            self._looked_at = now
            old = self._view
            news = old is None or bool(events) or snapshot != old.snapshot
            # A run that validates for long has no news, and yet newer weights to show.
            seen = self._glimpse(snapshot) if old is None or news or snapshot.live else old.glimpse
            if old is None or news or seen is not old.glimpse:
                train, val = self._curves.train(), tuple(self._curves.val)
                self._view = old = View(snapshot, self._curves.steps, train, val, self._curves.test, seen)
            return old

    def _glimpse(self, snapshot: Snapshot) -> Glimpse | None:
        """Return the last glimpse, or a new one where the weights have moved and enough time has passed."""
        old = self._view.glimpse if self._view else None
        worked = time.thread_time()  # not the clock: on a busy machine it would say how long others took
        now = self._clock()
        waiting = now - self._glimpse_at < self._glimpse_pause_s and snapshot.state == "running"
        waiting = waiting or now - self._failed_at < _GLIMPSE_S
        if (old is not None and old.step == snapshot.step) or waiting or snapshot.step == 0:
            return old
        try:
            step = engine().model_step(self.id)  # of the weights that are laid out, not of the run
            if old is not None and old.step == step:
                return old
            new = glimpse(ModelRef(f"run:{self.id}", step), snapshot.data, step)
        except CnnLabError:
            self._failed_at = self._clock()
            return old
        self._glimpse_at = self._clock()
        self._glimpse_pause_s = max(_GLIMPSE_S, (time.thread_time() - worked) / _GLIMPSE_SHARE)
        return new


def glimpse(ref: ModelRef, data: str, step: int = 0, stays: bool = False) -> Glimpse:
    """Return the first filters of a model and what it says to the first test images of ``data``.

    Args:
        ref, data: which model, and on whose images.
        step: what the glimpse says of itself.
        stays: as of ``resolve``.

    Raises:
        ModelError, RunError: the model cannot be read.
        DataError: the data set is not here.
    """
    from cnnlab.data import loader

    model = resolve(ref, stays)
    test = loader.load(data).test
    images = test.images[:IMAGES]
    probs, predictions = model.probs(images).max(dim=1)
    layer = next((row.name for row in model.architecture.trace().rows if row.layer.kind == "Conv2d"), "")
    return Glimpse(
        step=step,
        layer=layer,
        filters=model.state[f"{layer}.weight"].numpy() if layer else None,
        images=images.numpy().copy(),  # a view would keep the whole data set
        targets=tuple(test.targets[:IMAGES].tolist()),
        predictions=tuple(predictions.tolist()),
        probs=tuple(probs.tolist()),
        class_names=model.class_names,
    )


@lru_cache(maxsize=64)
def moment(ref: ModelRef, data: str) -> Glimpse:
    """Return the glimpse of a kept step of a run, which never changes; it is looked at once.

    Raises:
        ModelError, RunError, DataError: as ``glimpse``.
    """
    return glimpse(ref, data, ref.step or 0, stays=True)


_watches: OrderedDict[str, Watch] = OrderedDict()
_guard = threading.Lock()


def watch(id: str) -> Watch:
    """Return the one watch of run ``id``; the ones looked at least recently are given up."""
    with _guard:
        found = _watches.setdefault(id, Watch(id))
        _watches.move_to_end(id)
        while len(_watches) > _MAX_WATCHES:
            _watches.popitem(last=False)
        return found
