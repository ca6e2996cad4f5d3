"""How many cores torch's operations use, in the thread that asks."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import torch

_guard = threading.Lock()


def own_threads(count: int) -> None:
    """Let the operations of the calling thread use ``count`` threads each, whatever other threads ask for later.

    torch gives a thread the number that was set last, by anybody, when the thread first needs it; only from then on is
    the number its own. So it is asked for first, and set then (tested: otherwise a run may get another run's number).
    """
    with _guard:
        torch.get_num_threads()
        torch.set_num_threads(count)


@contextmanager
def torch_threads(count: int) -> Iterator[None]:
    """Let the calling thread's operations use ``count`` threads each for a while."""
    before = torch.get_num_threads()
    own_threads(count)
    try:
        yield
    finally:
        own_threads(before)
