"""Which programs train: who they are, and whether they are still there."""

from __future__ import annotations

import os
import platform
import secrets
from functools import cache
from pathlib import Path

import psutil
from sqlalchemy import delete, update
from sqlalchemy.orm import Session

from cnnlab.runs.tables import ProcessRow

BEAT_S = 5.0
"""How often a program that trains says that it is there."""

SILENT_S = 45.0
"""After how long a program on another machine, silent since, counts as gone."""

_SAME_START_S = 2.0


@cache
def this_host() -> str:
    """Return what tells this machine, since it was switched on, from all others: process ids mean something here."""
    parts = [platform.node()]
    for path, read in (("/proc/sys/kernel/random/boot_id", Path.read_text), ("/proc/self/ns/pid", os.readlink)):
        try:
            parts.append(str(read(Path(path))).strip())
        except OSError:  # not Linux: the name alone
            pass
    return "/".join(parts)[:300]


def started(pid: int) -> float | None:
    """Return when process ``pid`` of this machine began, in seconds since 1970, or None where there is none."""
    try:
        process = psutil.Process(pid)
        return None if process.status() == psutil.STATUS_ZOMBIE else float(process.create_time())
    except (psutil.NoSuchProcess, ValueError, OverflowError):
        return None
    except psutil.AccessDenied:  # there, but somebody else's
        return 0.0


class Process:
    """This program, as the database knows it."""

    def __init__(self) -> None:
        self.id = secrets.token_hex(8)
        self.host = this_host()

    def join(self, session: Session, now: float) -> None:
        """Write down that this program is here."""
        pid = os.getpid()
        row = ProcessRow(id=self.id, host=self.host, pid=pid, started=started(pid) or 0.0, heartbeat=now)
        session.merge(row)

    def beat(self, session: Session, now: float) -> None:
        """Say that this program is still here, or for the first time where the disk did not take it before."""
        if session.get(ProcessRow, self.id) is None:
            self.join(session, now)
        else:
            session.execute(update(ProcessRow).where(ProcessRow.id == self.id).values(heartbeat=now))

    def leave(self, session: Session) -> None:
        """Say that this program is gone: what it leaves live is interrupted."""
        session.execute(delete(ProcessRow).where(ProcessRow.id == self.id))


def is_alive(session: Session, id: str | None, now: float) -> bool:
    """Return whether the program that was given ``id`` is still there.

    On this machine its process is looked for, with the time at which it began, since numbers are given again; a
    program that sleeps is alive. On another machine its heart must have beaten lately.
    """
    row = session.get(ProcessRow, id) if id is not None else None
    if row is None:
        return False
    if row.host != this_host():
        return now - row.heartbeat < SILENT_S
    begun = started(row.pid)
    return begun is not None and (not begun or not row.started or abs(begun - row.started) < _SAME_START_S)
