"""Fetches and imports in the background, one at a time, so that a page shows how far one has come and can stop it."""

from __future__ import annotations

import atexit
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from cnnlab.data import sources
from cnnlab.data.catalog import DataInfo
from cnnlab.data.progress import Cancelled, Progress, Report
from cnnlab.errors import CnnLabError, DataError

RUNNING, DONE, FAILED, CANCELLED = "running", "done", "failed", "cancelled"


@dataclass(frozen=True)
class Job:
    """A frozen view of the fetch or import that runs, or of the last one.

    Args:
        title: what is being fetched or imported.
        state: ``running``, ``done``, ``failed`` or ``cancelled``.
        progress: its last step, or None before the first.
        error: why it failed, else None.
        result: the row of the catalogue once it is done, else None.
    """

    title: str
    state: str = RUNNING
    progress: Progress | None = None
    error: CnnLabError | None = None
    result: DataInfo | None = None

    @property
    def part_done(self) -> float | None:
        """Return how much is done, in [0, 1], or None where nobody knows."""
        step = self.progress
        return min(1.0, step.done / step.total) if step and step.total else None


_lock = threading.Lock()
_stop = threading.Event()
_job: Job | None = None
_thread: threading.Thread | None = None


def current() -> Job | None:
    """Return the fetch or import that runs, else the last one, else None."""
    return _job


def start_fetch(name: str) -> None:
    """Begin to fetch the data set ``name``.

    Raises:
        DataError: another fetch or import is running.
    """
    _start(name, lambda report: sources.fetch(name, report))


def start_import(
    path: Path, name: str | None = None, size: int = 32, *, title: str | None = None, remove: bool = False
) -> None:
    """Begin to import what is at ``path``, called ``title`` meanwhile; with ``remove``, an upload, it goes afterwards.

    Raises:
        DataError: another fetch or import is running.
    """

    def clean() -> None:
        if remove:
            sources.drop_upload(path)

    def work(report: Report) -> DataInfo:
        try:
            return sources.import_path(path, name, size, report)
        finally:
            clean()

    try:
        _start(title or name or path.name, work)
    except DataError:
        clean()
        raise


def cancel() -> None:
    """Call off what runs; it ends at its next step and leaves nothing behind."""
    _stop.set()


def forget() -> None:
    """Let the last job go, once it has ended and its outcome has been read."""
    global _job
    with _lock:
        if _job is not None and _job.state != RUNNING:
            _job = None


def wait(timeout_s: float | None = None) -> Job | None:
    """Wait until nothing runs (at most ``timeout_s``) and return the last job."""
    if _thread is not None:
        _thread.join(timeout_s)
    return _job


def _start(title: str, work: Callable[[Report], DataInfo]) -> None:
    global _job, _thread
    with _lock:
        if _job is not None and _job.state == RUNNING:
            raise DataError(
                "{title} is being fetched or imported; wait until that has ended, or cancel it", title=_job.title
            )
        _stop.clear()
        _job = Job(title)
        _thread = threading.Thread(target=_run, args=(work,), name="cnnlab-data", daemon=True)
        _thread.start()


def _run(work: Callable[[Report], DataInfo]) -> None:
    try:
        _update(state=DONE, result=work(_report))
    except Cancelled as error:
        _update(state=CANCELLED, error=error)
    except CnnLabError as error:
        _update(state=FAILED, error=error)
    except MemoryError:
        _update(state=FAILED, error=DataError("this data set does not fit into memory"))
    except Exception as error:
        _update(
            state=FAILED, error=DataError("something went wrong that should not have: {reason}", reason=repr(error))
        )
        raise


def _report(step: Progress) -> None:
    if _stop.is_set():
        raise Cancelled("cancelled; nothing was changed")
    _update(progress=step)


def _update(**changes: object) -> None:
    global _job
    if _job is not None:
        _job = replace(_job, **changes)  # type: ignore[arg-type]


def _leave() -> None:
    cancel()
    wait(5)


atexit.register(_leave)
