"""What the teacher allows a class, kept under ``CNNLAB_HOME`` for every program of this machine."""

from __future__ import annotations

import threading

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from cnnlab.home import home, write_whole

_FILE = "class.json"
_lock = threading.Lock()


class Limits(BaseModel):
    """What a learner may have at once.

    Attributes:
        live_runs: runs of one learner that wait, learn or are paused at the same time.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    live_runs: int = Field(default=20, ge=1, le=1000)


def limits() -> Limits:
    """Return what is allowed now; the defaults where nothing, or nothing readable, is kept."""
    try:
        return Limits.model_validate_json((home() / _FILE).read_bytes())
    except (OSError, ValidationError):
        return Limits()


def set_limits(new: Limits) -> None:
    """Allow ``new`` from now on; runs that are live already go on."""
    with _lock:
        write_whole(home() / _FILE, new.model_dump_json().encode())
