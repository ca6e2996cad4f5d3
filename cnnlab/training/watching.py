"""What the loop asks of somebody who watches its steps; who that is, it does not know."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from contextvars import ContextVar
from typing import Protocol

from torch import Tensor

from cnnlab.training.events import HealthEvent

PIECE: ContextVar[int] = ContextVar("PIECE", default=0)
"""Which piece of a batch the calling thread computes; who has hooks in the network hears from several at once."""


class Watcher(Protocol):
    """Watches some of the steps, and changes nothing. Step numbers count from 1."""

    def wants(self, step: int) -> bool:
        """Return whether to be there at ``step``."""
        ...

    def look(self, step: int) -> AbstractContextManager[Callable[[], None]]:
        """Return what the step is to run inside; it gives what to call when all gradients are there, none clipped yet."""
        ...

    def take(self) -> HealthEvent | None:
        """Return what was seen since this was last asked, once."""
        ...

    def memory(self) -> Mapping[str, Tensor]:
        """Return what of earlier steps the next look depends on, by name: a checkpoint keeps it."""
        ...
