"""How many cores torch's operations use: one in every thread, several only in the one thread that is kept for that."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import ParamSpec, TypeVar

import torch

P = ParamSpec("P")
R = TypeVar("R")

_NICE = 5

_guard = threading.Lock()
_in_lane = threading.local()


def give_way() -> None:
    """Let the calling thread, and the torch threads it will start, go behind pages when both want a core.

    Alone on the machine it is as fast as before. Where a thread cannot have a priority of its own (elsewhere than on
    Linux, where it can), nothing happens.

    Source: setpriority(2), "C library/kernel differences": on Linux the nice value belongs to a thread.
    """
    if sys.platform != "linux":
        return
    try:
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICE)
    except OSError:
        pass  # a system that forbids it: training and pages share as they did


_lane = ThreadPoolExecutor(1, "wide", give_way)


def own_threads(count: int) -> None:
    """Let the operations of the calling thread use ``count`` threads each, whatever other threads ask for later.

    torch gives a thread the number that was set last, by anybody, when the thread first needs it; only from then on is
    the number its own. So it is asked for first, and set then (tested: otherwise a run may get another run's number).
    Threads that come later begin with one.
    """
    with _guard:
        torch.get_num_threads()
        torch.set_num_threads(count)
        if count != 1:
            other = threading.Thread(target=torch.set_num_threads, args=(1,))
            other.start()
            other.join()


@contextmanager
def torch_threads(count: int) -> Iterator[None]:
    """Let the calling thread's operations use ``count`` threads each for a while."""
    before = torch.get_num_threads()
    if before == count:
        yield
        return
    own_threads(count)
    try:
        yield
    finally:
        own_threads(before)


def wide(count: int, work: Callable[P, R], *args: P.args, **options: P.kwargs) -> R:
    """Return what ``work`` returns where operations use ``count`` threads each, one caller after the other.

    With several threads it is done in a thread of its own, the same for all callers: OpenMP gives each thread that has
    used several a team, kept until that thread ends; and as soon as the teams of a process have more threads together
    than there are cores, GNU's waits a few steps only for the next operation before its threads go to sleep (libgomp,
    ``gomp_throttled_spin_count_var``). Two runs of two threads each, taking turns, were slower by 40 % for that.

    Args:
        count: how many; 0 takes as many as the calling thread has, there.

    Raises:
        whatever ``work`` does.
    """
    if count == 0:
        return work(*args, **options)
    if count == 1 or getattr(_in_lane, "here", False):
        with torch_threads(count):
            return work(*args, **options)
    try:
        done = _lane.submit(_widely, count, work, args, options)
    except RuntimeError:  # the interpreter is ending and takes no more work: here, then, and no stack trace at Ctrl-C
        with torch_threads(count):
            return work(*args, **options)
    return done.result()


def _widely(count: int, work: Callable[..., R], args: tuple[object, ...], options: dict[str, object]) -> R:
    _in_lane.here = True
    if torch.get_num_threads() != count:
        own_threads(count)
    return work(*args, **options)
