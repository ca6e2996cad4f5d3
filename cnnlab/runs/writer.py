"""A thread that writes, so that no run waits for the disk."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

_log = logging.getLogger(__name__)

MOST_BYTES = 256 * 2**20
MOST_JOBS = 256


@dataclass
class _Job:
    work: Callable[[], None]
    size: int
    over: threading.Event = field(default_factory=threading.Event)
    error: BaseException | None = None


class Writer:
    """Does jobs one after the other in a thread of its own; what waits is bounded in number and bytes."""

    def __init__(self, most_bytes: int = MOST_BYTES, most_jobs: int = MOST_JOBS) -> None:
        self._most_bytes, self._most_jobs = most_bytes, most_jobs
        self._changed = threading.Condition()
        self._jobs: deque[_Job] = deque()
        self._bytes = 0
        self._closed = False
        self._thread: threading.Thread | None = None

    def put(self, work: Callable[[], None], size: int = 0, wait: bool = True) -> bool:
        """Queue ``work``, which holds ``size`` bytes; return whether it was taken.

        Where the queue is full, wait until there is room, or with ``wait`` False leave it.
        """
        return self._put(_Job(work, size), wait)

    def call(self, work: Callable[[], None]) -> None:
        """Do ``work`` after all that was queued before, and return when it is done; raise what it raises."""
        job = _Job(work, 0)
        if threading.current_thread() is self._thread or not self._put(job, True):
            work()  # the writer itself, or it is closed: nobody else writes any more
            return
        job.over.wait()
        if job.error is not None:
            raise job.error

    def close(self) -> None:
        """Do all that is queued, then end."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
            thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join()

    def _put(self, job: _Job, wait: bool) -> bool:
        with self._changed:
            if not self._closed and not self._has_room(job) and not wait:
                return False
            self._changed.wait_for(lambda: self._closed or self._has_room(job))
            if self._closed:
                return False
            self._jobs.append(job)
            self._bytes += job.size
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="run-writer", daemon=True)
                self._thread.start()
            self._changed.notify_all()
            return True

    def _has_room(self, job: _Job) -> bool:
        return not self._jobs or (len(self._jobs) < self._most_jobs and self._bytes + job.size <= self._most_bytes)

    def _work(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._jobs or self._closed)
                if not self._jobs:
                    return
                job = self._jobs[0]
            try:
                job.work()
            except Exception as error:  # told to who waits for it; a job nobody waits for tells its run itself
                job.error = error
                _log.debug("a write failed", exc_info=True)
            job.over.set()
            with self._changed:
                self._jobs.popleft()
                self._bytes -= job.size
                self._changed.notify_all()
