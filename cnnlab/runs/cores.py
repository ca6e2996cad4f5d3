"""The processor's cores as something that runs take turns with."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from time import monotonic

TURN_S = 0.2
"""How long a run goes on, step after step, while others wait: each change of hands costs a wait and cold caches. Thirty
pages that draw, two runs of ``mnist-sprint``: 7 % more steps a second than with turns of one step."""


class Cores:
    """Hands out cores, first come first served, so that steps of several threads each never crowd each other.

    Two runs of two threads each on two cores would wait for each other inside every operation; one turn after the
    other they lose nothing, and how many threads a run has need not depend on who else is training.

    Args:
        count: how many there are.
        clock: seconds that never run backwards.
    """

    def __init__(self, count: int, clock: Callable[[], float] = monotonic) -> None:
        self.count = max(1, count)
        self.clock = clock
        self._free = self.count
        self._changed = threading.Condition()
        self._waiting: deque[object] = deque()

    def turn(self, count: int) -> Turn:
        """Return what holds ``count`` cores (all, where there are fewer) whenever it is taken."""
        return Turn(self, min(max(1, count), self.count))

    @property
    def wanted(self) -> bool:
        """Whether somebody waits."""
        return bool(self._waiting)

    def take(self, count: int) -> None:
        """Wait until ``count`` cores are free and nobody has waited longer, and take them."""
        with self._changed:
            if self._waiting or self._free < count:
                self._queue(count)
            self._free -= count
            if self._waiting:
                self._changed.notify_all()

    def give_back(self, count: int) -> None:
        """Give back what was taken."""
        with self._changed:
            self._free += count
            if self._waiting:
                self._changed.notify_all()

    def _queue(self, count: int) -> None:
        ticket = object()
        self._waiting.append(ticket)
        try:
            self._changed.wait_for(lambda: self._waiting[0] is ticket and self._free >= count)
        finally:
            self._waiting.remove(ticket)


class Turn:
    """One run's hold on its cores: taken before a step, kept for a while, left before the run waits for anything else."""

    def __init__(self, cores: Cores, count: int) -> None:
        self._cores, self._count = cores, count
        self._since: float | None = None

    def take(self) -> None:
        """Hold the cores, if that is not so already; waits for them."""
        if self._since is None:
            self._cores.take(self._count)
            self._since = self._cores.clock()

    def pass_on(self) -> None:
        """Leave them to who waits, after ``TURN_S``."""
        if self._since is not None and self._cores.wanted and self._cores.clock() - self._since >= TURN_S:
            self.leave()

    def leave(self) -> None:
        """Leave them, if they are held."""
        if self._since is not None:
            self._since = None
            self._cores.give_back(self._count)
