"""Published weights that are kept: made into a model once, forgotten again, and asked what a picture shows."""

from __future__ import annotations

import secrets
import tempfile
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import torch

from cnnlab.data.prepare import picture_to_input
from cnnlab.model import Model
from cnnlab.weights import borrow, saved


@dataclass(frozen=True)
class Guess:
    """One of a network's answers.

    Attributes:
        name: the class, as ImageNet calls it.
        prob: how sure the network is, in [0, 1].
    """

    name: str
    prob: float


def keep(name: str, path: Path) -> Path:
    """Make the model of network ``name`` from the file of weights ``path``, and return where it is kept.

    Raises:
        ModelError: the file is none of its weights; nothing has changed then.
    """
    model, target = borrow(name, path), saved(name)
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f".{target.name}.{secrets.token_hex(4)}.part")
    try:
        model.save(part)
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)
    return target


def keep_upload(name: str, file_name: str, content: bytes) -> Path:
    """Do as ``keep`` does with what somebody uploaded under ``file_name``.

    Raises:
        ModelError: it is none of the network's weights; nothing has changed then.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / (Path(file_name).name[:80] or "weights")
        path.write_bytes(content)
        return keep(name, path)


def forget(name: str) -> None:
    """Delete the kept model of network ``name``, if there is one."""
    saved(name).unlink(missing_ok=True)


def guesses(name: str, picture: bytes, count: int = 5) -> tuple[Guess, ...]:
    """Return what network ``name`` with its kept weights takes a picture for, the surest first.

    Raises:
        ModelError: no weights are kept, or the file is none of the lab's models.
        PictureError: the picture cannot be read.
    """
    path = saved(name)
    model = _model(str(path), path.stat().st_mtime_ns if path.is_file() else 0)
    with torch.no_grad():
        probs = model.probs(picture_to_input(picture, model)[None])[0]
    values, places = probs.topk(min(count, len(probs)))
    return tuple(Guess(model.class_names[place], value) for value, place in zip(values.tolist(), places.tolist()))


@lru_cache(maxsize=1)
def _model(path: str, _changed: int) -> Model:
    return Model.load(Path(path))


__all__ = ["Guess", "forget", "guesses", "keep", "keep_upload"]
