"""What the training loop tells while it works: plain frozen records, without a clock."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, ClassVar

from cnnlab.i18n import N_

DIVERGED = N_(
    "the loss became {loss} at step {step}: the weights have grown beyond all bounds. "
    "Try a smaller learning rate, for example {lr:.2g} instead of {given:.2g}"
)
"""How a run fails whose loss is no number any more; by this sentence others know it from every other failure."""


@dataclass(frozen=True)
class _Event:
    kind: ClassVar[str]

    def as_dict(self) -> dict[str, Any]:
        """Return the event as JSON values, with its ``kind``."""
        return {"kind": self.kind, **asdict(self)}


@dataclass(frozen=True)
class TrainEvent(_Event):
    """One step is done.

    Attributes:
        step: how many steps are done, from 1.
        epoch: how many epochs are begun, from 1.
        loss: mean over the step's batch, before the step changed the weights.
        acc: the share of the batch that was right, in [0, 1]; with mixup, the class with the larger share is.
        images: how many images the batch held.
        lr: the learning rate that the step used.
    """

    kind: ClassVar[str] = "train"
    step: int
    epoch: int
    loss: float
    acc: float
    images: int
    lr: float


@dataclass(frozen=True)
class ValEvent(_Event):
    """The network was judged on images that it is not learning from (``split`` "val"), or says that it was not.

    Attributes:
        step: after how many steps.
        loss: mean loss.
        acc: the share that was right, in [0, 1].
        whole: all of the split, not the fixed 1,000 images.
        split: "val", or "train" where the recipe trains on the validation images too.
    """

    kind: ClassVar[str] = "val"
    step: int
    loss: float
    acc: float
    whole: bool
    split: str


@dataclass(frozen=True)
class TestEvent(_Event):
    """The end: the network was judged once, in float32, on the test set that nothing has looked at before.

    Attributes:
        step: whose weights were judged: the last, or with early stopping the one that the validation set chose.
        loss: mean loss.
        acc: the share that was right, in [0, 1].
    """

    __test__ = False  # no test class, whatever pytest thinks
    kind: ClassVar[str] = "test"
    step: int
    loss: float
    acc: float


@dataclass(frozen=True)
class LookEvent(_Event):
    """A part of a validation or of the test is done: a place to pause or stop, nothing to note.

    Attributes:
        step: after how many steps.
        images: how many images this part held.
    """

    kind: ClassVar[str] = "look"
    step: int
    images: int


@dataclass(frozen=True)
class HealthEvent(_Event):
    """What a monitor saw in a step: it follows the step's own event.

    Attributes:
        step: the step.
        layers: for each layer the figures that it has, by name (``cnnlab.health.series``); None: no number.
        predicted: how many of the batch's images were taken for each class.
    """

    kind: ClassVar[str] = "health"
    step: int
    layers: dict[str, dict[str, float | None]]
    predicted: tuple[int, ...] = ()


Event = TrainEvent | ValEvent | TestEvent | LookEvent | HealthEvent
