"""Where the lab keeps things: what it ships (``ASSETS``) and what it writes (``home()``)."""

from __future__ import annotations

import os
import secrets
import threading
from pathlib import Path

from platformdirs import user_data_path

from cnnlab.errors import DataError

ASSETS = Path(__file__).resolve().parent.parent / "assets"
"""The folder of bundled data, models, styles, components, lessons and catalogues."""

_waiting: dict[Path, bytes] = {}
_guard = threading.Lock()


def home() -> Path:
    """Return the folder of all state of the lab, made if absent: ``CNNLAB_HOME``, else the user's data folder."""
    wanted = os.environ.get("CNNLAB_HOME")
    path = Path(wanted).expanduser().resolve() if wanted else user_data_path("cnnlab", appauthor=False)
    path.mkdir(parents=True, exist_ok=True)
    return path


def write_whole(path: Path, data: bytes) -> None:
    """Write ``data`` to ``path`` whole or not at all: a temporary neighbour, flushed to disk, then renamed.

    Raises:
        OSError: the disk is full or not writable; what stood at ``path`` is still there.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def write_asked(path: Path, data: bytes) -> None:
    """Write what somebody has asked to keep to ``path``, whole or not at all.

    Raises:
        DataError: the disk is full or not writable, in words for whoever has asked.
    """
    try:
        write_whole(path, data)
    except OSError as error:
        raise DataError(
            "This could not be kept: the lab's disk does not take it ({reason}). Free some space and try again.",
            reason=error.strerror or str(error),
        ) from error


def write_soon(path: Path, data: bytes) -> None:
    """Write what the lab notes by itself to ``path``; what the disk does not take waits in memory for the next try.

    So a full disk keeps nobody from working, and nothing is lost once there is room again. Read it with ``read_kept``.
    """
    with _guard:
        _waiting[path] = data
        for one, text in list(_waiting.items()):
            try:
                write_whole(one, text)
            except OSError:
                continue
            del _waiting[one]


def read_kept(path: Path) -> bytes:
    """Return what was last given to ``write_soon`` for ``path``, else what the file says.

    Raises:
        OSError: there is none, or it cannot be read.
    """
    with _guard:
        waits = _waiting.get(path)
    return path.read_bytes() if waits is None else waits


def forget_waiting(folder: Path) -> None:
    """Write nothing more below ``folder``, which is being deleted."""
    with _guard:
        for path in [path for path in _waiting if folder in path.parents]:
            del _waiting[path]


def is_full() -> bool:
    """Return whether something waits to be written, after one more try: the disk is full or not writable."""
    with _guard:
        waits = next(iter(_waiting.items()), None)
    if waits is None:
        return False
    write_soon(*waits)
    return bool(_waiting)
