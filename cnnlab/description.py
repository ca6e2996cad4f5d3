"""What a model says of itself, readable without torch: the metadata of its one ``.safetensors`` file."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from cnnlab.architecture import Architecture
from cnnlab.errors import CnnLabError, ModelError, ShapeError
from cnnlab.home import ASSETS
from cnnlab.validation import first_finding

if TYPE_CHECKING:
    from torch import Tensor

INT8_FORMAT = "cnnlab.int8"
"""Under which entry of its metadata a file says that its numbers are bytes (``cnnlab.compress.int8``)."""

FORMAT = "cnnlab.model"
VERSION = "1"
MAX_HEADER_BYTES = 4_000_000
MAX_FILE_BYTES = 600_000_000

Sides = tuple[
    Annotated[int, Field(ge=1, le=64)],
    Annotated[int, Field(ge=1, le=1024)],
    Annotated[int, Field(ge=1, le=1024)],
]


class Preprocessing(BaseModel):
    """From the bytes of a picture to the input of a network.

        x = (pad(image) / 255 - mean) / std,  with zeros added evenly on all sides up to the input's size

    Attributes:
        data_shape: ``(C, h, w)`` of the pictures.
        input_shape: ``(C, H, W)`` of the network, at least as high and wide.
        mean, std: for each channel, in [0, 1] units.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    data_shape: Sides
    input_shape: Sides
    mean: tuple[Annotated[float, Field(allow_inf_nan=False)], ...]
    std: tuple[Annotated[float, Field(gt=0, allow_inf_nan=False)], ...]

    @classmethod
    def of(cls, architecture: Architecture, dataset: Any) -> Preprocessing:
        """Return the preprocessing that brings the pictures of ``dataset`` to the input of ``architecture``.

        Args:
            dataset: anything with ``name``, ``image_shape``, ``mean`` and ``std``.

        Raises:
            ShapeError: other channels, or pictures larger than the input.
        """
        given, wanted = tuple(dataset.image_shape), architecture.input_shape
        if given[0] != wanted[0] or given[1] > wanted[1] or given[2] > wanted[2]:
            raise ShapeError(
                "the network's input is {wanted}, but the pictures of {data} are {given}: the channels must be equal, "
                "and the input at least as high and wide; set the input to {given}, or choose another data set",
                wanted="x".join(map(str, wanted)),
                given="x".join(map(str, given)),
                data=dataset.name,
            )
        return cls(data_shape=given, input_shape=wanted, mean=tuple(dataset.mean), std=tuple(dataset.std))

    @property
    def padding(self) -> tuple[int, int, int, int]:
        """Zeros added left, right, top and bottom, in pixels."""
        high, wide = self.input_shape[1] - self.data_shape[1], self.input_shape[2] - self.data_shape[2]
        return wide // 2, wide - wide // 2, high // 2, high - high // 2

    def apply(self, images: Tensor) -> Tensor:
        """Return ``images`` as the network's input.

        Shape:
            images: (N, C, h, w) uint8.
            returns: (N, C, H, W) float32.

        Raises:
            ModelError: the images have another shape than ``data_shape``.
        """
        import torch
        from torch.nn.functional import pad

        if tuple(images.shape[1:]) != self.data_shape:
            raise ModelError(
                "this model looks at pictures of {wanted}, but {given} arrives",
                wanted="x".join(map(str, self.data_shape)),
                given="x".join(map(str, images.shape[1:])),
            )
        mean = torch.tensor(self.mean).view(1, -1, 1, 1)
        std = torch.tensor(self.std).view(1, -1, 1, 1)
        padded = pad(images, self.padding) if any(self.padding) else images
        return (padded.float() / 255 - mean) / std


class ModelAbout(BaseModel):
    """Where a model comes from.

    Attributes:
        name: what people call it.
        data, data_hash: the data set it learned from, and the hash of its content.
        recipe: everything its training was asked to do.
        result: what came of it: ``test_acc`` in [0, 1], ``train_s``, ``steps``, versions, the command.
        mirror: whether its answer averages the logits of the picture and its mirror image.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field("", max_length=80)
    data: str = Field("", max_length=80)
    data_hash: str = Field("", max_length=128)
    recipe: dict[str, Any] = {}
    result: dict[str, Any] = {}
    mirror: bool = False


class ModelDescription(BaseModel):
    """All of a model but its weights."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal["cnnlab.model"] = FORMAT  # type: ignore[assignment]
    version: Literal["1"] = VERSION  # type: ignore[assignment]
    architecture: Architecture
    preprocessing: Preprocessing
    class_names: tuple[Annotated[str, Field(max_length=80)], ...] = Field(max_length=10_000)
    about: ModelAbout = ModelAbout()

    def check(self) -> None:
        """Raise ModelError where the parts do not fit each other."""
        try:
            outputs = self.architecture.output_shape
        except CnnLabError as error:
            raise ModelError("this model's network cannot run: {reason}", reason=error) from error
        channels = self.preprocessing.data_shape[0]
        consistent = (
            outputs == (len(self.class_names),)
            and self.preprocessing.input_shape == self.architecture.input_shape
            and channels
            == self.preprocessing.input_shape[0]
            == len(self.preprocessing.mean)
            == len(self.preprocessing.std)
            and min(self.preprocessing.padding) >= 0
        )
        if not consistent:
            raise ModelError(
                "this model's description contradicts itself: {outputs} outputs for {classes} classes, input {input} "
                "fed with pictures of {data}",
                outputs="x".join(map(str, outputs)),
                classes=len(self.class_names),
                input="x".join(map(str, self.architecture.input_shape)),
                data="x".join(map(str, self.preprocessing.data_shape)),
            )

    @classmethod
    def from_metadata(cls, metadata: dict[str, str] | None) -> ModelDescription:
        """Return the description that the metadata of a safetensors file holds; it may come from anyone.

        Raises:
            ModelError: it is no model of the lab, of another version, or contradicts itself.
        """
        absent = ModelError("this file is no model of CNN Lab: its metadata has no entry {entry}", entry=FORMAT)
        if metadata and INT8_FORMAT in metadata and FORMAT not in metadata:
            absent = ModelError(
                "this is an int8 model, which can only answer: on the Draw page beside another model, or with `python -m "
                "cnnlab predict`; for all else take the model that it was made from"
            )
        description = described(cls, metadata, FORMAT, absent)
        description.check()
        return description


Described = TypeVar("Described", bound=BaseModel)


def described(kind: type[Described], metadata: Mapping[str, str] | None, entry: str, absent: ModelError) -> Described:
    """Return the description of ``kind`` that stands under ``entry`` in a safetensors file's metadata, from anyone.

    Raises:
        ModelError: ``absent`` where there is no such entry; it nests too deep, or is not understood.
    """
    document = (metadata or {}).get(entry)
    if document is None:
        raise absent
    if document.count("[") + document.count("{") > 100_000:
        raise ModelError("this model's description nests too deep")
    try:
        return kind.model_validate_json(document)
    except ValidationError as error:
        raise ModelError(
            "this model's description is not understood: {finding}", finding=first_finding(error)
        ) from error


@dataclass(frozen=True)
class ModelRef:
    """Which model a page looks into.

    Attributes:
        source: ``bundled:NAME``, ``run:ID`` or ``file:PATH``.
        step: a run's step, or None for its latest weights.
    """

    source: str
    step: int | None = None

    def __str__(self) -> str:
        """Return ``source``, with ``@step`` where there is one."""
        return self.source if self.step is None else f"{self.source}@{self.step}"

    @classmethod
    def parse(cls, text: str) -> ModelRef:
        """Return the reference that ``str()`` wrote.

        Raises:
            ModelError: the source is none of the three.
        """
        source, _at, step = text.rpartition("@") if text.rpartition("@")[2].isdigit() else (text, "", "")
        kind, _colon, value = source.partition(":")
        if kind not in ("bundled", "run", "file") or not value:
            raise ModelError("{text}: not a model; write bundled:NAME, run:ID or file:PATH", text=text[:80])
        return cls(source, int(step) if step else None)

    @property
    def kind(self) -> str:
        """``bundled``, ``run`` or ``file``."""
        return self.source.partition(":")[0]

    @property
    def value(self) -> str:
        """The name, id or path."""
        return self.source.partition(":")[2]


class _Int8(BaseModel):
    """What an int8 model says of what it was made from; the rest is its own business."""

    model: ModelDescription


def read_description(path: Path) -> ModelDescription:
    """Return what the model in ``path`` says of itself, without reading its weights and without torch.

    Raises:
        ModelError: absent, too large, or not a model.
    """
    return ModelDescription.from_metadata(_read_metadata(path))


def read_answering(path: Path) -> tuple[ModelDescription, bool]:
    """Return the same of a model that can at least answer, and whether it is an int8 one; raises as that."""
    metadata = _read_metadata(path)
    if metadata is None or INT8_FORMAT not in metadata:
        return ModelDescription.from_metadata(metadata), False
    found = described(_Int8, metadata, INT8_FORMAT, ModelError("{name}: not a safetensors file", name=path.name)).model
    found.check()
    return found, True


def _read_metadata(path: Path) -> dict[str, str] | None:
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            length = struct.unpack("<Q", file.read(8))[0] if size >= 8 else 0
            if not 2 <= length <= min(MAX_HEADER_BYTES, size - 8):
                raise ModelError("{name}: not a safetensors file", name=path.name)
            header = json.loads(file.read(length))
    except OSError as error:
        raise ModelError("{name}: cannot be read ({reason})", name=path.name, reason=error.strerror) from error
    except (ValueError, RecursionError) as error:
        raise ModelError("{name}: not a safetensors file", name=path.name) from error
    metadata = header.get("__metadata__") if isinstance(header, dict) else None
    return metadata if isinstance(metadata, dict) else None


def bundled_path(name: str) -> Path:
    """Return the file of the bundled model ``name``.

    Raises:
        ModelError: there is none of this name; the sentence lists those there are.
    """
    if name not in bundled_models():
        raise ModelError(
            "{name}: no such bundled model; there are {known}",
            name=name[:80],
            known=", ".join(bundled_models()),
        )
    return ASSETS / "models" / f"{name}.safetensors"


def bundled_models() -> tuple[str, ...]:
    """Return the names of the models that come with the lab."""
    return tuple(sorted(path.stem for path in (ASSETS / "models").glob("*.safetensors")))
