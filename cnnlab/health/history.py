"""``History``: the events of a run, as the rules read them (no torch here: pages read it too)."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, is_dataclass
from statistics import median
from typing import Any

from cnnlab.errors import CnnLabError
from cnnlab.health.series import WINDOW
from cnnlab.i18n import Message
from cnnlab.training.events import DIVERGED

LayerFigures = Mapping[str, Mapping[str, "float | None"]]


@dataclass(frozen=True)
class TrainPoint:
    """A step, or the mean of a few: loss and accuracy on what was learned from, and the learning rate."""

    step: int
    loss: float
    acc: float
    lr: float


@dataclass(frozen=True)
class ValPoint:
    """A look at the validation images; ``seen``: they were images that the run learns from."""

    step: int
    loss: float
    acc: float
    seen: bool


@dataclass(frozen=True)
class LayerLook:
    """What the monitor saw in one step: figures by layer and name, and how often each class was predicted."""

    step: int
    layers: LayerFigures
    predicted: tuple[int, ...]


@dataclass(frozen=True)
class History:
    """What happened in a run, in the order of its steps.

    Attributes:
        train, val, looks: what was noted.
        diverged: the run ended because the loss was no number any more.
    """

    train: tuple[TrainPoint, ...] = ()
    val: tuple[ValPoint, ...] = ()
    looks: tuple[LayerLook, ...] = ()
    diverged: bool = False

    @classmethod
    def of(cls, events: Iterable[Any], error: CnnLabError | Message | None = None) -> History:
        """Return the history of ``events``: those of a training loop, or the mappings that an engine hands out.

        Args:
            error: how the run failed, if it did: an error or a message of the lab.
        """
        train, val, looks = [], [], []
        for event in events:
            values = event if isinstance(event, Mapping) else _mapping(event)
            step = int(values.get("step") or 0)
            match values.get("kind"):
                case "train":
                    train.append(TrainPoint(step, *(_number(values.get(name)) for name in ("loss", "acc", "lr"))))
                case "val":
                    loss, acc = (_number(values.get(name)) for name in ("loss", "acc"))
                    val.append(ValPoint(step, loss, acc, values.get("split") == "train"))
                case "health":
                    looks.append(LayerLook(step, values["layers"], tuple(values.get("predicted") or ())))
        said = error.message if isinstance(error, CnnLabError) else error.template if error is not None else ""
        return cls(tuple(train), tuple(val), tuple(looks), said == DIVERGED)

    @property
    def steps(self) -> int:
        """The last step that is known of."""
        return self.train[-1].step if self.train else 0

    def series(self, layer: str, name: str) -> tuple[tuple[int, float | None], ...]:
        """Return one figure of one layer over the steps: (step, value), None where it was no number."""
        return tuple((look.step, look.layers[layer][name]) for look in self.looks if name in look.layers.get(layer, {}))

    def curve(self, name: str) -> tuple[tuple[int, float | None], ...]:
        """Return ``loss``, ``acc``, ``lr``, ``val_loss`` or ``val_acc`` over the steps."""
        points: Sequence[TrainPoint | ValPoint] = self.val if name.startswith("val_") else self.train
        return tuple((point.step, _plain(getattr(point, name.removeprefix("val_")))) for point in points)

    def late(self, layer: str, name: str, count: int = WINDOW) -> float:
        """Return the median of a layer's figure over the last ``count`` looks; NaN where it was never a number."""
        values = [value for _step, value in self.series(layer, name)[-count:] if value is not None]
        return median(values) if values else math.nan

    def part(self, name: str, begin: float, end: float) -> float:
        """Return the mean of ``loss`` or ``acc`` on training batches over a part of the run, such as 0.75 to 1."""
        first, last = begin * self.steps, end * self.steps
        values = [getattr(point, name) for point in self.train if first < point.step <= last]
        return sum(values) / len(values) if values else math.nan

    @property
    def judged(self) -> tuple[ValPoint, ...]:
        """The looks at images that the run does not learn from."""
        return tuple(point for point in self.val if not point.seen)


def _mapping(event: Any) -> Mapping[str, Any]:
    return event.as_dict() if is_dataclass(event) and hasattr(event, "as_dict") else asdict(event)


def _number(value: Any) -> float:
    return math.nan if value is None else float(value)


def _plain(value: float) -> float | None:
    return value if math.isfinite(value) else None
