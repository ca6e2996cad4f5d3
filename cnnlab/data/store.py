"""Data sets that were fetched or imported, each one file: ``$CNNLAB_HOME/datasets/NAME.safetensors``.

The tensors are the splits; the metadata holds the description as JSON. A file is written whole or not at all.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, ValidationError
from safetensors import SafetensorError, safe_open

from cnnlab.data.causes import cause
from cnnlab.errors import DataError
from cnnlab.home import home, write_whole
from cnnlab.i18n import Message

if TYPE_CHECKING:  # what is here can be listed without torch
    from cnnlab.data.dataset import DataSet

FORMAT = 1
NAME_PATTERN = r"[a-z0-9][a-z0-9_-]{0,39}"


class Note(BaseModel):
    """A sentence about the import, kept with its values so that a page can translate it."""

    model_config = ConfigDict(extra="forbid")

    template: str
    values: dict[str, str | int | float] = {}


class Description(BaseModel):
    """What a file says of the data set in it."""

    model_config = ConfigDict(extra="ignore")

    format: int
    name: str
    title: str
    class_names: tuple[str, ...]
    hash: str
    origin: str
    notes: tuple[Note, ...] = ()
    image_shape: tuple[int, int, int]
    train: int
    test: int


@dataclass(frozen=True)
class Stored:
    """A file in the folder: its description, or why it cannot be read."""

    name: str
    description: Description | None
    error: DataError | None = None


def folder() -> Path:
    """Return the folder of fetched and imported data sets."""
    return home() / "datasets"


def path_of(name: str) -> Path:
    """Return where the data set ``name`` is, or would be.

    Raises:
        DataError: ``name`` is no name (it could climb out of the folder).
    """
    if not re.fullmatch(NAME_PATTERN, name):
        raise DataError(
            "{name} cannot be the name of a data set; use lower-case letters, digits, - and _, 40 at most",
            name=repr(name[:60]),
        )
    return folder() / f"{name}.safetensors"


def names() -> tuple[str, ...]:
    """Return the names of all stored data sets, sorted."""
    found = sorted(folder().glob("*.safetensors"))
    return tuple(path.stem for path in found if re.fullmatch(NAME_PATTERN, path.stem))


def version(name: str) -> tuple[int, int, int] | None:
    """Return what changes when the stored data set does (inode, time, size), or None if it is not here."""
    try:
        status = path_of(name).stat()
    except (DataError, OSError):
        return None
    return status.st_ino, status.st_mtime_ns, status.st_size


def write(dataset: DataSet) -> None:
    """Store ``dataset`` whole or not at all.

    Raises:
        DataError: the disk is full or not writable; what was there is still there.
    """
    import torch
    from safetensors.torch import save

    description = Description(
        format=FORMAT,
        name=dataset.name,
        title=dataset.title,
        class_names=dataset.class_names,
        hash=dataset.hash,
        origin=dataset.origin,
        notes=tuple(Note(template=note.template, values=dict(note.values)) for note in dataset.notes),
        image_shape=dataset.image_shape,
        train=len(dataset.train),
        test=len(dataset.test),
    )
    tensors = {
        "train_images": dataset.train.images.contiguous(),
        "train_targets": dataset.train.targets.to(torch.int16),
        "test_images": dataset.test.images.contiguous(),
        "test_targets": dataset.test.targets.to(torch.int16),
    }
    try:
        write_whole(path_of(dataset.name), save(tensors, {"cnnlab": description.model_dump_json()}))
    except OSError as error:
        raise DataError("{name} could not be stored: {reason}", name=dataset.name, reason=cause(error)) from error


def describe(name: str) -> Description:
    """Return what the file of ``name`` says of itself, without reading its images.

    Raises:
        DataError: the file is damaged or of another format.
    """
    try:
        with safe_open(path_of(name), framework="np") as file:
            metadata = file.metadata() or {}
    except (OSError, SafetensorError) as error:
        raise _damaged(name) from error
    return _description(name, metadata)


def _description(name: str, metadata: dict[str, str]) -> Description:
    try:
        description = Description.model_validate_json(metadata.get("cnnlab", ""))
    except ValidationError as error:
        raise _damaged(name) from error
    if description.format != FORMAT or description.name != name:
        raise _damaged(name)
    return description


def read(name: str) -> DataSet:
    """Return the stored data set ``name``.

    Raises:
        DataError: the file is damaged, or does not hold what it announces.
    """
    from safetensors.torch import load

    from cnnlab.data.dataset import DataSet, Split, checked

    path = path_of(name)
    description = describe(name)
    try:
        tensors = load(path.read_bytes())
    except (OSError, SafetensorError) as error:
        raise _damaged(name) from error
    _check_tensors(name, description, tensors)
    return checked(
        DataSet(
            name,
            description.title,
            description.class_names,
            Split(tensors["train_images"], tensors["train_targets"].long()),
            Split(tensors["test_images"], tensors["test_targets"].long()),
            description.hash,
            description.origin,
            tuple(Message(note.template, **note.values) for note in description.notes),
        )
    )


def _check_tensors(name: str, description: Description, tensors: dict[str, Any]) -> None:
    import torch

    for split, count in (("train", description.train), ("test", description.test)):
        images, targets = tensors.get(f"{split}_images"), tensors.get(f"{split}_targets")
        if images is None or targets is None or images.dtype != torch.uint8 or targets.dtype != torch.int16:
            raise _damaged(name)
        if tuple(images.shape) != (count, *description.image_shape) or tuple(targets.shape) != (count,):
            raise _damaged(name)


def delete(name: str) -> None:
    """Remove the stored data set ``name``.

    Raises:
        DataError: it is not here.
    """
    try:
        path_of(name).unlink()
    except FileNotFoundError as error:
        raise DataError("{name} is not here, so there is nothing to delete", name=name) from error


def stored() -> tuple[Stored, ...]:
    """Return every file of the folder with its description; a damaged one with its error."""
    found = []
    for name in names():
        try:
            found.append(Stored(name, describe(name)))
        except DataError as error:
            found.append(Stored(name, None, error))
    return tuple(found)


def _damaged(name: str) -> DataError:
    return DataError("the file of the data set {name} is damaged; delete it and import it again", name=name)
