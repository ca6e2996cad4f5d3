"""Any model that can answer for pictures: a whole one, or one in int8, which can do nothing else."""

from __future__ import annotations

import threading
from collections import OrderedDict
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from cnnlab.description import ModelRef, read_answering
from cnnlab.errors import ModelError
from cnnlab.runs import resolve
from cnnlab.runs.models import reference

if TYPE_CHECKING:
    from cnnlab.compress.int8 import Int8Model
    from cnnlab.model import Model

MOST_KEPT = 16
"""Int8 models that stay ready: the first one of a process takes seconds, for which the toolkit is imported."""

_Key = tuple[str, int, int]
_guard = threading.Lock()
_asked: OrderedDict[_Key, Future[Int8Model]] = OrderedDict()  # the one asked for last is the last
_maker = ThreadPoolExecutor(1, "int8")


def answering(ref: ModelRef) -> Model | Int8Model:
    """Return the model that ``ref`` names, whole or in int8; the same object as long as its file has not changed.

    Where an int8 model is not ready yet, this takes seconds: see ``is_ready``.

    Raises:
        ModelError, RunError: as ``runs.resolve``, and as ``Int8Model.load``.
    """
    if not is_int8(ref):
        return resolve(ref)
    return _future(ref).result()


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
    """Return whether ``answering`` gives ``ref`` at once, or says at once why it cannot."""
    if not is_int8(ref):
        return True
    key = _key(ref)
    with _guard:
        return key in _asked and _asked[key].done()


def begin(ref: ModelRef) -> None:
    """Begin to make ``ref`` ready in the background, where nobody has."""
    if is_int8(ref):
        _future(ref)


def _future(ref: ModelRef) -> Future[Int8Model]:
    key = _key(ref)
    with _guard:
        if key not in _asked:
            _asked[key] = _maker.submit(_load, Path(ref.value))
            for old in [one for one, made in _asked.items() if made.done()][: max(0, len(_asked) - MOST_KEPT)]:
                del _asked[old]
        _asked.move_to_end(key)
        return _asked[key]


def _key(ref: ModelRef) -> _Key:
    path = Path(ref.value)
    try:
        status = path.stat()
    except OSError as error:
        raise ModelError("{name}: cannot be read ({reason})", name=path.name, reason=error.strerror or error) from error
    return str(path), status.st_mtime_ns, status.st_size


def _load(path: Path) -> Int8Model:
    from cnnlab.compress.int8 import Int8Model

    found = Int8Model.load(path)
    _ = found.lowered
    return found
