"""One line of an optimizer's arithmetic."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from cnnlab.i18n import Message


@dataclass(frozen=True)
class Line:
    """One line of the sum.

    Attributes:
        name: the number that it gives (``l1``, ``clipped``, ``gradient``, ``m``, ``v``, ``step``, ``weight``).
        value: the number.
        says: how it comes about, with the numbers.
    """

    name: str
    value: float
    says: Message

    def to_json(self) -> dict[str, Any]:
        """Return the line in JSON's words."""
        return {"name": self.name, "value": self.value, "says": str(self.says)}
