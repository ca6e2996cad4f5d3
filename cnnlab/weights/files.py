"""Read a file of weights that may come from anyone: tensors come out, or one sentence; nothing in it is ever run."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from cnnlab.errors import ModelError

MAX_WEIGHTS_BYTES = 600_000_000
"""VGG-16's file has 553 MB, the largest of those that are known here."""
_MAX_TENSORS = 20_000
_MAX_PICKLE_BYTES = 1_000_000
_MAX_READS = 400_000
"""What the names and shapes of 20,000 tensors need; the largest of the known files needs a tenth of it."""
_WRAPPED = ("state_dict", "model", "model_state_dict")


def read_weights(path: Path | str) -> dict[str, Tensor]:
    """Return the tensors of a ``.pth``, ``.pt`` or ``.safetensors`` file by their names.

    A ``.pth`` is read with ``torch.load(weights_only=True)``, which makes tensors and nothing else out of it; before that
    its zip is checked for what it says it unpacks to. A checkpoint that holds the weights under ``state_dict`` or
    ``model``, and names that begin with ``module.``, are taken as they are meant.

    Raises:
        ModelError: absent, too large, or not weights.
    """
    path = Path(path).expanduser()
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            head = file.read(9)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ModelError("{name}: cannot be read ({reason})", name=path.name[:80], reason=reason) from error
    if size > MAX_WEIGHTS_BYTES:
        raise ModelError("{name}: larger than {limit} MB", name=path.name, limit=MAX_WEIGHTS_BYTES // 1_000_000)
    if head[8:] == b"{":
        return _read_safetensors(path)
    if zipfile.is_zipfile(path):
        _check_zip(path)
    return _tensors(_load(path), path.name)


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    try:
        with safe_open(path, framework="pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}
    except (SafetensorError, OSError) as error:
        raise ModelError("{name}: not a whole safetensors file", name=path.name) from error


def _check_zip(path: Path) -> None:
    """Refuse an archive that unpacks to more than it is: torch keeps its tensors as they are."""
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise _not_weights(path.name) from error
    packed = any(entry.compress_type != zipfile.ZIP_STORED for entry in entries)
    wordy = any(entry.file_size > _MAX_PICKLE_BYTES for entry in entries if entry.filename.endswith(".pkl"))
    if packed or wordy or len(entries) > _MAX_TENSORS or sum(entry.file_size for entry in entries) > MAX_WEIGHTS_BYTES:
        raise _not_weights(path.name)


class _Patient(io.FileIO):
    """A file that can be read so many times and no more: an old ``.pth`` is one pickle, which reads byte by byte."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._left = _MAX_READS

    def read(self, size: int | None = -1) -> bytes:
        """Return the next bytes."""
        self._left -= 1
        if self._left < 0:
            raise ValueError("this pickle never ends")
        return super().read(-1 if size is None else size) or b""


def _load(path: Path) -> object:
    try:
        if zipfile.is_zipfile(path):
            return torch.load(path, map_location="cpu", weights_only=True)
        with _Patient(path) as file:
            return torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # what a hostile pickle makes the reader raise is anybody's guess
        raise _not_weights(path.name) from error


def _tensors(found: object, name: str) -> dict[str, Tensor]:
    if isinstance(found, Mapping) and not any(isinstance(value, Tensor) for value in found.values()):
        found = next((found[key] for key in _WRAPPED if isinstance(found.get(key), Mapping)), found)
    if not isinstance(found, Mapping) or not 0 < len(found) <= _MAX_TENSORS:
        raise _not_weights(name)
    tensors = {key: value for key, value in found.items() if isinstance(key, str) and isinstance(value, Tensor)}
    dense = all(tensor.layout == torch.strided and not tensor.is_quantized for tensor in tensors.values())
    if len(tensors) < len(found) or not dense:
        raise _not_weights(name)
    return {key.removeprefix("module."): tensor for key, tensor in tensors.items()}


def _not_weights(name: str) -> ModelError:
    return ModelError(
        "{name}: no file of weights; a state_dict is read that torch.save or safetensors wrote, and nothing but tensors in it",
        name=name,
    )
