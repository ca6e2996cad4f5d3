"""Whoever waits for a page goes before whoever trains."""

from __future__ import annotations

import os
import sys
import threading

_NICE = 5


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
