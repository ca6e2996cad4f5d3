"""A workspace's id, its folder, and how files in it are named, read and counted."""

from __future__ import annotations

import hashlib
import re
import secrets
import shutil
import threading
import time
from pathlib import Path
from typing import Annotated

from pydantic import Field

from cnnlab.errors import BudgetError, DataError
from cnnlab.home import home

MAX_JSON_BYTES = 2_000_000
FILE_ID = re.compile(r"[0-9a-f]{16,40}")
LOCK = threading.Lock()
"""Held by whoever reads a file in order to write it anew."""

Name = Annotated[str, Field(max_length=80)]

_ID = re.compile(r"[A-Za-z0-9_-]{40,128}")


def new_id() -> str:
    """Return a fresh workspace id: 256 random bits, as text that a cookie can carry."""
    return secrets.token_urlsafe(32)


def is_id(text: object) -> bool:
    """Return whether ``text`` could be a workspace id (long enough that nobody guesses it)."""
    return isinstance(text, str) and _ID.fullmatch(text) is not None


class Folder:
    """Where one learner's things are.

    Raises:
        DataError: ``id`` is no workspace id.
    """

    def __init__(self, id: str) -> None:
        if not is_id(id):
            raise DataError("This is not a workspace id.")
        self.id = id
        self.owner = hashlib.sha256(id.encode()).hexdigest()
        self.folder = home() / "workspaces" / self.owner

    def delete(self) -> None:
        """Remove the workspace, everything in it and the data sets drawn in it. Runs belong to the engine and stay."""
        from cnnlab.data import drawn

        drawn.delete_all(self.owner)
        shutil.rmtree(self.folder, ignore_errors=True)


def file_id() -> str:
    """Return a fresh name for a file; later ones sort behind earlier ones."""
    return f"{time.time_ns():016x}{secrets.token_hex(4)}"


def read_text(path: Path, most: int = MAX_JSON_BYTES) -> str:
    """Return what the file says; empty where it is absent, larger than ``most`` bytes, or no text."""
    try:
        if path.stat().st_size > most:
            return ""
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return ""


def check_room(folder: Path, pattern: str, limit: int) -> None:
    """Raise BudgetError where ``folder`` holds ``limit`` files already."""
    if sum(1 for _path in folder.glob(pattern)) >= limit:
        raise BudgetError("This workspace already keeps {limit}, which is all it can; delete some first.", limit=limit)
