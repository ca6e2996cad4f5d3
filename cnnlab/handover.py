"""A one-time link that opens a workspace on another device: a phone goes on where the laptop was.

The workspace's id never stands in an address, and a listing of the disk gives neither the link nor the id away: the
file of an open link is named by the SHA-256 of its token, and holds the id sealed with a key that only the token gives.

    home()/links/<sha256 of the token>.json
"""

from __future__ import annotations

import hashlib
import re
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from cnnlab.home import home, write_whole
from cnnlab.workspace import Workspace, is_id

LIFE_S = 600.0
"""How long a link is valid."""

_TOKEN = re.compile(r"[A-Za-z0-9_-]{22}")
_MAX_BYTES = 2_000


@dataclass(frozen=True)
class Link:
    """What stands in the address, and until when it is valid (seconds since 1970)."""

    token: str
    until: float


class _Open(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    owner: str = Field(pattern=r"^[0-9a-f]{64}$")
    until: float
    sealed: str = Field(pattern=r"^[0-9a-f]{80,256}$")


def offer(space: Workspace, clock: Callable[[], float] = time.time) -> Link:
    """Return a new link to ``space``: 128 random bits, valid once and for ``LIFE_S``; an older one is no longer."""
    now = clock()
    _sweep(now, space.owner)
    token = secrets.token_urlsafe(16)
    opened = _Open(owner=space.owner, until=now + LIFE_S, sealed=_seal(space.id.encode(), token).hex())
    write_whole(_path(token), opened.model_dump_json().encode())
    return Link(token, opened.until)


def find(token: object, clock: Callable[[], float] = time.time) -> Workspace | None:
    """Return the workspace that ``token`` leads to, without using it up; None where it is none (any more)."""
    if not isinstance(token, str) or not _TOKEN.fullmatch(token):
        return None
    return _read(_path(token), token, clock())


def take(token: object, clock: Callable[[], float] = time.time) -> Workspace | None:
    """Use ``token`` up and return the workspace that it leads to; None where it is none, or somebody was faster."""
    if not isinstance(token, str) or not _TOKEN.fullmatch(token):
        return None
    path = _path(token)
    mine = path.with_suffix(f".{secrets.token_hex(8)}")
    try:
        path.replace(mine)  # of two devices only one finds it
    except OSError:
        return None
    try:
        return _read(mine, token, clock())
    finally:
        mine.unlink(missing_ok=True)


def _folder() -> Path:
    return home() / "links"


def _path(token: str) -> Path:
    return _folder() / f"{hashlib.sha256(token.encode()).hexdigest()}.json"


def _seal(data: bytes, token: str) -> bytes:
    """Return ``data`` sealed with ``token``, or opened where it was sealed: the token is used for one id only."""
    key = hashlib.shake_256(b"cnnlab workspace link " + token.encode()).digest(len(data))
    return bytes(a ^ b for a, b in zip(data, key))


def _read(path: Path, token: str, now: float) -> Workspace | None:
    opened = _opened(path)
    if opened is None or not now < opened.until <= now + LIFE_S:
        return None
    id = _seal(bytes.fromhex(opened.sealed), token).decode("ascii", "replace")
    space = Workspace(id) if is_id(id) else None
    return space if space is not None and space.owner == opened.owner else None


def _opened(path: Path) -> _Open | None:
    try:
        return _Open.model_validate_json(path.read_bytes()) if path.stat().st_size <= _MAX_BYTES else None
    except (OSError, ValidationError, ValueError):
        return None


def _is_left_over(path: Path, now: float) -> bool:
    try:
        return now - path.stat().st_mtime > LIFE_S
    except OSError:  # renamed meanwhile: it was not
        return False


def _sweep(now: float, owner: str) -> None:
    """Forget what is no longer valid, and the older links of ``owner``."""
    for path in _folder().glob("*"):
        if path.name.startswith(".") and not _is_left_over(path, now):
            continue  # somebody is writing it right now
        opened = _opened(path)
        if opened is None or opened.owner == owner or not now < opened.until <= now + LIFE_S:
            path.unlink(missing_ok=True)
