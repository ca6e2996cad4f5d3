"""How far a fetch or an import has come, told to whoever asked; and how it is called off."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from cnnlab.errors import DataError
from cnnlab.i18n import Message


class Cancelled(DataError):
    """Somebody called a fetch or an import off; nothing was changed."""


@dataclass(frozen=True)
class Progress:
    """A step on the way.

    Args:
        what: what is being done now.
        done: how much of it, in ``unit``.
        total: of how much; None where nobody knows.
        unit: ``bytes`` or ``pictures``.
    """

    what: Message
    done: int
    total: int | None
    unit: str = "bytes"


Report = Callable[[Progress], None]
"""Takes each step. What it raises ends the work, with everything cleaned up: that is how to cancel."""


def silent(_progress: Progress) -> None:
    """Take a step and do nothing."""
