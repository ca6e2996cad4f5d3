"""How far a run goes by itself, and how fast: one step, one epoch, slow motion."""

from __future__ import annotations

from collections.abc import Mapping
from time import perf_counter
from typing import Any


class Pace:
    """The goal at which a run pauses, and the number of steps a second, as commands have set them.

    Attributes:
        rate: steps a second, or None for as fast as it can.
        epoch_over: whether an epoch and its validation have ended since the last command.
    """

    def __init__(self) -> None:
        self.rate: float | None = None
        self.epoch_over = False
        self._goal_step: int | None = None
        self._to_epoch = False
        self._next_at = 0.0

    def aim(self, command: Mapping[str, Any], step: int) -> None:
        """Follow ``command`` (resume, step, epoch or slow), given at ``step``."""
        do = command["do"]
        self._goal_step = step + 1 if do == "step" else None
        self._to_epoch, self.epoch_over = do == "epoch", False
        self.rate = command.get("rate") if do == "slow" else None

    def forget(self) -> None:
        """Have no goal any more."""
        self._goal_step, self._to_epoch = None, False

    def reached(self, step: int) -> bool:
        """Return whether the goal is reached at ``step``."""
        return (self._goal_step is not None and step >= self._goal_step) or (self._to_epoch and self.epoch_over)

    def stepped(self, took_s: float) -> None:
        """Note that a step has just ended that took ``took_s`` seconds."""
        self._next_at = perf_counter() + 1 / self.rate - took_s if self.rate else 0.0

    def left_s(self) -> float:
        """Return how many seconds the next step has to wait for."""
        return self._next_at - perf_counter() if self.rate else 0.0
