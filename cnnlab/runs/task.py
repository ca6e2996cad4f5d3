"""What a run is to do, how far its epoch is, and what a fault of it means."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from cnnlab.architecture import Architecture
from cnnlab.i18n import Message
from cnnlab.training.recipe import Recipe

if TYPE_CHECKING:
    from cnnlab.data.dataset import DataSet
    from cnnlab.training.loop import Training


@dataclass(frozen=True)
class Task:
    """What a run is to do.

    Attributes:
        checkpoint: the bytes of where it goes on, or None where it begins.
        changes: all live changes that were ever made to it; those that the checkpoint does not know are made again.
        sparse: whether only its beginning and its end are kept.
    """

    architecture: Architecture
    recipe: Recipe
    dataset: DataSet
    checkpoint: bytes | None = field(default=None, repr=False)
    changes: Sequence[Mapping[str, Any]] = ()
    sparse: bool = False


def left_in_epoch(training: Training) -> int:
    """Return how many steps the present epoch still has; none at step 0, before the first, and where a run ends."""
    later = (training.recipe.epochs - training.epoch) * training.steps_per_epoch
    return max(0, training.steps - training.step - later)


def fault(error: Exception, batch_size: int) -> Message:
    """Return what a person is told of ``error``, which no part of the lab has foreseen."""
    if out_of_memory(error):
        return Message(
            "the machine ran out of memory; use a smaller batch size, for example {batch} instead of {given}",
            batch=max(1, batch_size // 4),
            given=batch_size,
        )
    return Message("the run broke off by a fault of the lab: {reason}", reason=str(error)[:300])


def out_of_memory(error: Exception) -> bool:
    """Return whether the machine ran out of memory."""
    text = str(error).lower()
    return isinstance(error, MemoryError) or any(
        sign in text for sign in ("can't allocate memory", "not enough memory", "bad_alloc", "out of memory")
    )
