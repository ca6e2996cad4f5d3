"""Which checkpoints a run keeps: dense at the start, each epoch, one from time to time, thinned to a budget."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from math import sqrt
from typing import Any

from cnnlab.errors import RunError

EVERY_S = 15.0
"""The work of so many seconds may have to be done again after a power cut."""

SHARE = 0.02
"""Checkpoints that only time asks for are so rare that writing them takes this part of the time."""

MOST = 400
_BUDGET_MB = 256


@dataclass(frozen=True)
class CheckpointInfo:
    """A moment of a run that is kept: its weights can be looked at, and the run can go on or branch from there.

    Attributes:
        step: updates done.
        epoch: epochs begun.
        bytes: what it takes on the disk.
        whole: whether an epoch ends here (or step 0, before the first).
    """

    step: int
    epoch: int
    bytes: int
    whole: bool

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return asdict(self)


def budget_bytes() -> int:
    """Return how much the checkpoints of one run may take: ``CNNLAB_CHECKPOINT_MB``, else 256 MB.

    Raises:
        RunError: the variable holds no number.
    """
    wanted = os.environ.get("CNNLAB_CHECKPOINT_MB", "").strip()
    try:
        megabytes = float(wanted) if wanted else _BUDGET_MB
        if not 0 < megabytes < 1e9:
            raise ValueError
    except ValueError as error:
        raise RunError(
            "CNNLAB_CHECKPOINT_MB: {value} is no size; write the megabytes of one run, for example 256", value=wanted
        ) from error
    return int(megabytes * 1_000_000)


def is_early(step: int) -> bool:
    """Return whether ``step`` is one of 0, 1, 2, 4, 8, ...: at first a network changes fast."""
    return step & (step - 1) == 0


def thinned(kept: Sequence[CheckpointInfo], budget: int, most: int = MOST) -> list[CheckpointInfo]:
    """Return which of ``kept`` (in the order of their steps) to give up, so that the others stay within ``budget``.

    The first and the last always stay. Of the others one goes at a time: no epoch's end as long as there is another,
    and the one whose neighbours are nearest to each other, by the square root of the step.
    """
    left, gone = list(kept), []
    total = sum(info.bytes for info in left)
    while len(left) > 2 and (total > budget or len(left) > most):
        place = min(range(1, len(left) - 1), key=lambda i: (left[i].whole, _gap(left, i), i))
        gone.append(left.pop(place))
        total -= gone[-1].bytes
    return gone


def _gap(left: Sequence[CheckpointInfo], place: int) -> float:
    return sqrt(left[place + 1].step) - sqrt(left[place - 1].step)
