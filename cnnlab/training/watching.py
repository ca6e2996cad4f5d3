"""What the loop asks of somebody who watches its steps; who that is, it does not know."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Protocol

from cnnlab.training.events import HealthEvent


class Watcher(Protocol):
    """Watches some of the steps, and changes nothing. Step numbers count from 1."""

    def wants(self, step: int) -> bool:
        """Return whether to be there at ``step``."""
        ...

    def look(self, step: int) -> AbstractContextManager[None]:
        """Return what the step is to run inside."""
        ...

    def take(self) -> HealthEvent | None:
        """Return what was seen since this was last asked, once."""
        ...
