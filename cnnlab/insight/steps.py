"""Steps of a job made of what the work yields."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import TypeVar

from cnnlab.runs.jobs import Step

Given = TypeVar("Given")
Made = TypeVar("Made")


def told(work: Generator[Given, None, Made], say: Callable[[Given], Step]) -> Generator[Step, None, Made]:
    """Yield what ``say`` makes of whatever ``work`` yields; return what it returns."""
    while True:
        try:
            given = next(work)
        except StopIteration as end:
            made: Made = end.value
            return made
        yield say(given)
