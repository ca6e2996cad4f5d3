"""Get ready in the background, so that the first Start answers at once."""

from __future__ import annotations

import atexit
import gc
import sys
import threading

SWITCH_S = 0.001
"""With thirty pages that draw, 140 became 156 steps a second (medians; 165 without any page); shorter gave no more."""
_END_S = 30.0

_once = threading.Lock()
_thread: threading.Thread | None = None


def warm_up(data: str = "mnist") -> threading.Thread:
    """Import torch, load ``data``, time the machine and touch a convolution, once, in a thread; return it.

    The first page calls this and goes on; a second call does nothing more. What fails here is said where it is
    asked for again.

    Runs and pages share one interpreter from now on. A run needs it for a moment between any two operations
    of a step; while a page is being made it gets it back after ``SWITCH_S`` only, which by default is Python's 5 ms.
    What is in memory when all this is done stays out of later garbage collections.
    """
    global _thread
    with _once:
        if _thread is None:
            sys.setswitchinterval(SWITCH_S)
            _thread = threading.Thread(target=_work, args=(data,), name="warm-up", daemon=True)
            _thread.start()
        return _thread


@atexit.register
def _end() -> None:
    """Let the thread end first: one still inside torch when the interpreter ends would abort the process."""
    if _thread is not None:
        _thread.join(_END_S)


def _work(data: str) -> None:
    from cnnlab.errors import CnnLabError

    try:
        from cnnlab.data.loader import load
        from cnnlab.runs.machine import timings
        from cnnlab.training import loop  # noqa: F401  (what the first Start would import)
        from cnnlab.training.threads import own_threads

        own_threads(1)  # from now on every thread begins with one: see training.threads.wide
        timings()
        load(data).mean  # noqa: B018  (the channel statistics take longest)
        _first_optimizer()
    except (CnnLabError, OSError):
        pass
    except RuntimeError:
        if threading.main_thread().is_alive():
            raise  # else the program ends already, and no thread begins any more
    gc.freeze()  # a full collection holds up runs and pages alike: 0.3 s with all that has been imported in it


def _first_optimizer() -> None:
    """Make an optimizer: the first one of a process imports torch's compiler, most of a second."""
    import torch

    torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1)
