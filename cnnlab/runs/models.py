"""The one door from a ``ModelRef`` to a ``Model``, whatever it refers to: bundled, a file, a run at one of its steps."""

from __future__ import annotations

import re
import threading
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from cnnlab.description import ModelRef, bundled_models, bundled_path
from cnnlab.errors import ModelError
from cnnlab.runs.engine import engine

if TYPE_CHECKING:
    from cnnlab.model import Model

MOST_KEPT = 24
MOST_BYTES = 256 * 2**20
"""Models that are kept: weights, and the networks built from them. What was unused for longest goes first."""

Key = tuple[str, tuple[int, ...]]

_RUN_ID = re.compile(r"[0-9a-f]{16}")
_kept: OrderedDict[Key, Model] = OrderedDict()
_guard = threading.Lock()


def resolve(ref: ModelRef, stays: bool = True) -> Model:
    """Return the model that ``ref`` names; the same object as long as what it names has not changed.

    A live run gives copies of its weights as they were at its last steps: each call may give a newer model.
    Models are shared by all who ask: read them, and hang hooks on ``copy_network()`` only.

    Args:
        ref: which model.
        stays: a run's weights of a step that is named stay in memory beside its newer ones, for somebody who goes back
            and forth between them; False where they are only passed on the way.

    Raises:
        ModelError: the file or the bundled model is absent, or no model.
        RunError: there is no such run, or it has no weights (of that step).
    """
    if ref.kind == "run":
        over = not engine().snapshot(ref.value).live  # its last step then comes with what came of the run
        step = engine().model_step(ref.value, ref.step)
        return _keep((str(ref) if stays else ref.source, (step, over)), lambda: _of_run(ref.value, step))
    path = bundled_path(ref.value) if ref.kind == "bundled" else Path(ref.value)
    try:
        status = path.stat()
    except OSError as error:
        raise ModelError("{name}: cannot be read ({reason})", name=path.name, reason=error.strerror or error) from error
    return _keep((str(path), (status.st_mtime_ns, status.st_size)), lambda: _load(path))


def named(name: str) -> Model:
    """Return the model that ``name`` means on a command line: a bundled name, a file, else a run's id.

    Raises:
        ModelError, RunError: as ``resolve``.
    """
    return resolve(reference(name))


def reference(name: str) -> ModelRef:
    """Return which model ``name`` means on a command line; raises ModelError where it can be none."""
    if name in bundled_models():
        return ModelRef(f"bundled:{name}")
    if name.partition(":")[0] in ("bundled", "run", "file"):
        return ModelRef.parse(name)
    is_file = Path(name).exists() or name.endswith(".safetensors")
    if not is_file and not _RUN_ID.fullmatch(name):
        raise ModelError(
            "{name}: no such model; a model is one of {bundled}, a .safetensors file, or a run's id",
            name=name[:80],
            bundled=", ".join(bundled_models()),
        )
    return ModelRef(f"file:{name}" if is_file else f"run:{name}")


def _load(path: Path) -> Model:
    from cnnlab.model import Model

    return Model.load(path)


def _of_run(id: str, step: int) -> Model:
    from cnnlab.model import Model

    return Model.from_bytes(engine().model(id, step))


def _keep(key: Key, make: Callable[[], Model]) -> Model:
    with _guard:
        found = _kept.get(key)
        if found is not None:
            _kept.move_to_end(key)
            return found
    made = make()
    with _guard:
        made = _kept.setdefault(key, made)
        for old in [old for old in _kept if old[0] == key[0] and old[1] < key[1]]:  # what it was before
            del _kept[old]
        while len(_kept) > 1 and (len(_kept) > MOST_KEPT or sum(map(_size, _kept.values())) > MOST_BYTES):
            _kept.popitem(last=False)
        return made


def _size(model: Model) -> int:
    return 2 * sum(tensor.nbytes for tensor in model.state.values())
