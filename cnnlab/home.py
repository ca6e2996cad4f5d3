"""Where the lab keeps things: what it ships (``ASSETS``) and what it writes (``home()``)."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from platformdirs import user_data_path

ASSETS = Path(__file__).resolve().parent.parent / "assets"
"""The folder of bundled data, models, styles, components, lessons and catalogues."""


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
