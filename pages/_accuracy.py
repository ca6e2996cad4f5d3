"""An accuracy in words: a share where there are images enough to measure one, else how many of how many are right."""

from __future__ import annotations

from cnnlab.data.known import KNOWN
from cnnlab.errors import CnnLabError
from cnnlab.i18n import _

FEW = 100
"""With fewer test images than this each is more than a hundredth of the accuracy: it is told as a count."""


def few_tests(data: str) -> int | None:
    """Return how many test images the data set ``data`` has, where they are few; None where there are enough, or gone."""
    if data in KNOWN:
        return None
    from cnnlab.data import store

    try:
        count = store.describe(data).test
    except CnnLabError:
        return None
    return count if 0 < count < FEW else None


def short(accuracy: float, data: str) -> str:
    """Return an accuracy on the test images of ``data`` in as few signs as can be: ``98.6%``, or ``2 of 2``."""
    few = few_tests(data)
    if few is None:
        return f"{accuracy:.1%}"
    return _("{right} of {count}", right=round(accuracy * few), count=few)
