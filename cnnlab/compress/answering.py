"""Any model that can answer for pictures: a whole one, or one in int8, which can do nothing else."""

from __future__ import annotations

import threading
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from cnnlab.description import ModelRef, read_answering
from cnnlab.errors import ModelError
from cnnlab.runs import resolve
from cnnlab.runs.models import reference

if TYPE_CHECKING:
    from cnnlab.compress.int8 import Int8Model
    from cnnlab.model import Model

MOST_KEPT = 8
"""Int8 models that stay ready: to make one ready takes seconds."""

_guard = threading.Lock()
_ready: set[tuple[str, int, int]] = set()


def answering(ref: ModelRef) -> Model | Int8Model:
    """Return the model that ``ref`` names, whole or in int8; the same object as long as its file has not changed.

    Raises:
        ModelError, RunError: as ``runs.resolve``, and as ``Int8Model.load``.
    """
    if not is_int8(ref):
        return resolve(ref)
    key = _key(Path(ref.value))
    with _guard:  # the toolkit is not made for two at a time
        found = _load(*key)
        _ready.add(key)
    return found


def answering_named(name: str) -> Model | Int8Model:
    """Return the model that ``name`` means on a command line, whole or in int8; raises as ``answering``."""
    return answering(reference(name))


def is_int8(ref: ModelRef) -> bool:
    """Return whether ``ref`` is a file with an int8 model; False where there is no file."""
    if ref.kind != "file":
        return False
    try:
        return read_answering(Path(ref.value))[1]
    except ModelError:
        return False


def is_ready(ref: ModelRef) -> bool:
    """Return whether ``answering`` gives ``ref`` at once; not where an int8 model is still to be made ready."""
    return not is_int8(ref) or _key(Path(ref.value)) in _ready


def _key(path: Path) -> tuple[str, int, int]:
    try:
        status = path.stat()
    except OSError as error:
        raise ModelError("{name}: cannot be read ({reason})", name=path.name, reason=error.strerror or error) from error
    return str(path), status.st_mtime_ns, status.st_size


@lru_cache(maxsize=MOST_KEPT)
def _load(path: str, _changed: int, _size: int) -> Int8Model:
    from cnnlab.compress.int8 import Int8Model

    found = Int8Model.load(path)
    _ = found.lowered
    return found
