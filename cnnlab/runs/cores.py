"""The processor's cores as something that runs take turns with."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager


class Cores:
    """Hands out cores, first come first served, so that steps of several threads each never crowd each other.

    Two runs of two threads each on two cores would wait for each other inside every operation; one whole step after
    the other they lose nothing, and how many threads a run has need not depend on who else is training.
    """

    def __init__(self, count: int) -> None:
        self.count = max(1, count)
        self._free = self.count
        self._changed = threading.Condition()
        self._waiting: deque[object] = deque()

    @contextmanager
    def hold(self, count: int) -> Iterator[None]:
        """Hold ``count`` cores (all, where there are fewer) for the time of the ``with`` block."""
        count = min(max(1, count), self.count)
        with self._changed:
            if self._waiting or self._free < count:
                self._queue(count)
            self._free -= count
            if self._waiting:
                self._changed.notify_all()
        try:
            yield
        finally:
            with self._changed:
                self._free += count
                if self._waiting:
                    self._changed.notify_all()

    def _queue(self, count: int) -> None:
        """Wait until ``count`` cores are free and nobody has waited longer."""
        ticket = object()
        self._waiting.append(ticket)
        try:
            self._changed.wait_for(lambda: self._waiting[0] is ticket and self._free >= count)
        finally:
            self._waiting.remove(ticket)
