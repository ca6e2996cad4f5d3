"""``Model``: a network's description, its weights, its preprocessing and its class names, in one safetensors file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path

import safetensors.torch
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from cnnlab.architecture import Architecture, Budget, check_budget
from cnnlab.build import Network, build
from cnnlab.description import (
    FORMAT,
    MAX_FILE_BYTES,
    ModelAbout,
    ModelDescription,
    ModelRef,
    Preprocessing,
    bundled_models,
)
from cnnlab.errors import BudgetError, CnnLabError, ModelError
from cnnlab.home import write_whole

__all__ = ["Model", "ModelAbout", "ModelRef", "Preprocessing", "bundled_models"]

RUNNING = Budget(max_params=150_000_000)
"""How large a network may be that only answers: VGG-16 has 138 million parameters."""

_CHUNK = 500
_CHUNK_BYTES = 2_000_000_000


class Model:
    """What every page looks into: it answers for pictures and never changes.

    Args:
        description: architecture, preprocessing, class names and where it comes from.
        state: tensors by name, as ``Network.state_dict()`` has them; cloned and kept as float32 on the CPU.

    Raises:
        ModelError: the tensors are not those of the architecture; both shapes are named.
    """

    def __init__(self, description: ModelDescription, state: Mapping[str, Tensor]) -> None:
        description.check()
        self.description = description
        _check_state(description.architecture, state)
        self.state = {
            name: tensor.detach()
            .to("cpu", torch.float32 if tensor.is_floating_point() else tensor.dtype, copy=True)
            .contiguous()
            for name, tensor in state.items()
        }

    @property
    def architecture(self) -> Architecture:
        """The network's description."""
        return self.description.architecture

    @property
    def preprocessing(self) -> Preprocessing:
        """From the bytes of a picture to the network's input."""
        return self.description.preprocessing

    @property
    def class_names(self) -> tuple[str, ...]:
        """One name for each output."""
        return self.description.class_names

    @property
    def about(self) -> ModelAbout:
        """Where the model comes from."""
        return self.description.about

    @cached_property
    def network(self) -> Network:
        """The built network in evaluation mode, without gradients; hang no hooks on it, see ``copy_network``."""
        return self.copy_network()

    def copy_network(self) -> Network:
        """Return a network of one's own with these weights, in evaluation mode, without gradients."""
        network = build(self.architecture, torch.Generator().manual_seed(0), RUNNING)
        network.load_state_dict(self.state)
        return network.eval().requires_grad_(False)

    @torch.no_grad()
    def logits(self, images: Tensor, mirror: bool | None = None) -> Tensor:
        """Return the scores of ``images`` for each class.

        Args:
            images: pictures as bytes.
            mirror: whether to average with the mirror image's logits; None does as the model was trained.

        Shape:
            images: (N, C, h, w) uint8, of ``preprocessing.data_shape``.
            returns: (N, classes) float32.
        """
        parts = []
        largest = _CHUNK_BYTES // (4 * self.architecture.trace().activation_elements)
        for chunk in images.split(max(1, min(_CHUNK, largest))):
            x = self.preprocessing.apply(chunk)
            logits = self.network.logits(x)
            if self.about.mirror if mirror is None else mirror:
                logits = (logits + self.network.logits(x.flip(3))) / 2
            parts.append(logits)
        return torch.cat(parts) if parts else torch.zeros(0, len(self.class_names))

    def probs(self, images: Tensor) -> Tensor:
        """Return the probabilities of ``images`` for each class.

        Shape:
            images: (N, C, h, w) uint8.
            returns: (N, classes) float32, each row sums to 1.
        """
        return self.logits(images).softmax(1)

    def to_bytes(self) -> bytes:
        """Return the model as the bytes of one safetensors file."""
        return safetensors.torch.save(self.state, {FORMAT: self.description.model_dump_json()})

    def save(self, path: Path | str) -> None:
        """Write the model to ``path``, whole or not at all."""
        write_whole(Path(path), self.to_bytes())

    @classmethod
    def load(cls, path: Path | str) -> Model:
        """Return the model in ``path``; the file may come from anyone.

        Raises:
            ModelError: absent, too large, not a model, or its weights are not those of its network.
        """
        metadata, tensors = read_file(Path(path))
        return cls(ModelDescription.from_metadata(metadata), tensors)

    @classmethod
    def from_bytes(cls, data: bytes) -> Model:
        """Return the model that ``to_bytes`` wrote, or that somebody sent; raises ModelError as ``load`` does."""
        if len(data) > MAX_FILE_BYTES:
            raise ModelError("{name}: larger than {limit} MB", name="model", limit=MAX_FILE_BYTES // 1_000_000)
        try:
            description = ModelDescription.from_metadata(_metadata(data))
            return cls(description, safetensors.torch.load(data))
        except SafetensorError as error:
            raise ModelError("{name}: not a whole safetensors file", name="model") from error


def read_file(path: Path) -> tuple[dict[str, str] | None, dict[str, Tensor]]:
    """Return the metadata and the tensors of a safetensors file, which may come from anyone.

    Raises:
        ModelError: absent, too large, or no whole safetensors file.
    """
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise ModelError("{name}: larger than {limit} MB", name=path.name, limit=MAX_FILE_BYTES // 1_000_000)
        with safe_open(path, framework="pt") as file:
            return file.metadata(), {name: file.get_tensor(name) for name in file.keys()}
    except OSError as error:
        raise ModelError("{name}: cannot be read ({reason})", name=path.name, reason=error.strerror or error) from error
    except SafetensorError as error:
        raise ModelError("{name}: not a whole safetensors file", name=path.name) from error


def _metadata(data: bytes) -> dict[str, str] | None:
    length = int.from_bytes(data[:8], "little")
    try:
        header = json.loads(data[8 : 8 + length]) if length <= len(data) - 8 else None
    except (ValueError, RecursionError):
        header = None
    if not isinstance(header, dict):
        raise ModelError("{name}: not a whole safetensors file", name="model")
    metadata = header.get("__metadata__")
    return metadata if isinstance(metadata, dict) else None


def _check_state(architecture: Architecture, state: Mapping[str, Tensor]) -> None:
    """Raise unless ``state`` has just the tensors of ``architecture``; nothing is allocated to find out."""
    try:
        with torch.device("meta"):
            check_budget(architecture, budget=RUNNING)
            wanted = {name: tuple(tensor.shape) for name, tensor in Network(architecture).state_dict().items()}
    except BudgetError as error:
        raise ModelError("this model is too large: {reason}", reason=error) from error
    except CnnLabError as error:
        raise ModelError("this model's network cannot run: {reason}", reason=error) from error
    for name in sorted(wanted.keys() | state.keys()):
        given = tuple(state[name].shape) if name in state else None
        if given != wanted.get(name):
            raise ModelError(
                "{name}: the network needs {wanted}, the file has {given}",
                name=name,
                wanted=_written(wanted.get(name)),
                given=_written(given),
            )


def _written(shape: tuple[int, ...] | None) -> str:
    return "-" if shape is None else f"[{', '.join(map(str, shape))}]"
