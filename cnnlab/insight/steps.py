"""Steps of a job made of the numbers that the work yields."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import TypeVar

from cnnlab.runs.jobs import Step

Made = TypeVar("Made")


def told(work: Generator[int, None, Made], say: Callable[[int], Step] = Step) -> Generator[Step, None, Made]:
    """Yield what ``say`` makes of each number that ``work`` yields; return what it returns."""
    while True:
        try:
            done = next(work)
        except StopIteration as end:
            made: Made = end.value
            return made
        yield say(done)
