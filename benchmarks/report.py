"""One measured promise, as a row."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Row:
    """A figure beside what it is compared to.

    Attributes:
        what: what was measured, its unit, and what it is compared to.
        value: the figure, or None where it could not be measured.
        compared_to: the other figure of the same run, or None.
        ratio: value / compared_to, or None.
        bar: what is promised, as people write it.
        met: whether the promise is kept; None where nothing is promised, or it could not be measured.
    """

    what: str
    value: float | str | None
    compared_to: float | None
    ratio: float | None
    bar: str
    met: bool | None

    def as_dict(self) -> dict[str, Any]:
        """Return the row as JSON values."""
        return asdict(self)


def row(
    what: str, value: float, compared_to: float | None, bar: str, meets: Callable[[float], bool] | None, by_ratio: bool
) -> Row:
    """Return a measured row; ``meets`` judges the ratio where ``by_ratio``, else the value; None: nothing is promised."""
    ratio = None if compared_to is None else value / compared_to
    judged = ratio if by_ratio and ratio is not None else value
    rounded = None if ratio is None else round(ratio, 3)
    against = None if compared_to is None else round(compared_to, 4)
    return Row(what, round(value, 4), against, rounded, bar, None if meets is None else meets(judged))


def not_measured(what: str, bar: str, why: str) -> Row:
    """Return a row that says why there is no figure."""
    return Row(what, f"not measured: {why}", None, None, bar, None)
