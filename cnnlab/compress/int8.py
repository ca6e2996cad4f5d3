"""Weights and activations as bytes: post-training static quantisation by torchao's PT2E, run by oneDNN's int8 kernels.

    q = clamp(round(x / scale) + zero_point, low, high),   x ~ (q - zero_point) * scale

Weights are int8, symmetric, with a scale for each output channel; what flows between layers is uint8, with one scale and
zero point for each place, fixed by looking at training images. Sums are int32. A normalisation right behind a convolution is
multiplied into its weights first.

Source: Jacob et al. 2018, arXiv:1712.05877, section 2; https://docs.pytorch.org/ao/stable/pt2e_quantization/index.html.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Literal

import safetensors.torch
import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, fx

from cnnlab.architecture import Architecture
from cnnlab.build import build
from cnnlab.compress import pt2e
from cnnlab.compress.compare import Subject
from cnnlab.compress.magnitude import weight_names
from cnnlab.description import INT8_FORMAT as FORMAT
from cnnlab.description import ModelAbout, ModelDescription, Preprocessing, described
from cnnlab.errors import DataError, ModelError
from cnnlab.home import write_whole
from cnnlab.model import Model, read_file

CALIBRATION = 256
"""How many training images the ranges of the activations are taken from."""

_CHUNK = 500


class Int8Description(BaseModel):
    """All of an int8 model but its tensors.

    Attributes:
        model: what it was made from.
        activations: scale and zero point of each place where numbers become bytes, in the order of execution.
        toolkit: what made it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    format: Literal["cnnlab.int8"] = FORMAT  # type: ignore[assignment]
    version: Literal[1] = 1
    model: ModelDescription
    activations: tuple[tuple[float, int], ...] = Field(max_length=10_000)
    toolkit: str = Field("", max_length=80)


class Int8Model:
    """A model that computes in int8; it answers for pictures as ``Model`` does, and never changes.

    Attributes:
        description: what it was made from, and the scales of what flows through it.
        weights: filters and dense weights as it computes with them, as float32, by name.
        exact: the same before they were rounded, normalisation multiplied in; empty where it comes from a file.
        int8_layers: the layers whose weights are bytes.
    """

    def __init__(
        self, description: Int8Description, graph: fx.GraphModule, exact: Mapping[str, Tensor] | None = None
    ) -> None:
        self.description, self.exact = description, dict(exact or {})
        self._graph = graph
        self._tensors = {name: tensor.clone().contiguous() for name, tensor in pt2e.tensors(graph).items()}
        found = dict(zip(weight_names(description.model.architecture), pt2e.weights(graph)))
        self.weights = {name: weight for name, (_node, weight, _is_bytes) in found.items()}
        self.int8_layers = tuple(name.removesuffix(".weight") for name, one in found.items() if one[2])

    @property
    def architecture(self) -> Architecture:
        """The description of the network that it was made from."""
        return self.description.model.architecture

    @property
    def preprocessing(self) -> Preprocessing:
        """From the bytes of a picture to the network's input."""
        return self.description.model.preprocessing

    @property
    def class_names(self) -> tuple[str, ...]:
        """One name for each output."""
        return self.description.model.class_names

    @property
    def about(self) -> ModelAbout:
        """Where it comes from."""
        return self.description.model.about

    @cached_property
    def lowered(self) -> fx.GraphModule:
        """What is carried out: the graph with int8 kernels in it."""
        return pt2e.lower(self._graph, self.description.model.architecture.input_shape)

    @property
    def kernels(self) -> dict[str, int]:
        """How often each int8 kernel stands in what is carried out."""
        return pt2e.kernels(self.lowered)

    @torch.no_grad()
    def forward(self, x: Tensor) -> Tensor:
        """Return the logits.

        Shape:
            x: (N, C, H, W) float32, as ``Preprocessing.apply`` gives it.
            returns: (N, classes) float32.
        """
        logits: Tensor = self.lowered(x)
        return logits

    @torch.no_grad()
    def logits(self, images: Tensor) -> Tensor:
        """Return the scores of ``images`` for each class, with the mirrored view where the model has one.

        Shape:
            images: (N, C, h, w) uint8.
            returns: (N, classes) float32.
        """
        parts = []
        for chunk in images.split(_CHUNK):
            x = self.description.model.preprocessing.apply(chunk)
            logits = self.forward(x)
            parts.append((logits + self.forward(x.flip(3))) / 2 if self.description.model.about.mirror else logits)
        return torch.cat(parts) if parts else torch.zeros(0, len(self.description.model.class_names))

    def probs(self, images: Tensor) -> Tensor:
        """Return the probabilities of ``images`` for each class; shapes as ``logits``."""
        return self.logits(images).softmax(1)

    def to_bytes(self) -> bytes:
        """Return the model as the bytes of one safetensors file, its weights a byte each."""
        return safetensors.torch.save(self._tensors, {FORMAT: self.description.model_dump_json()})

    def save(self, path: Path | str) -> None:
        """Write the model to ``path``, whole or not at all."""
        write_whole(Path(path), self.to_bytes())

    @classmethod
    def load(cls, path: Path | str) -> Int8Model:
        """Return the model that ``save`` wrote; its answers are the same to the bit on the same machine.

        Raises:
            ModelError: absent, too large, no such file, or its tensors are not those of its network.
        """
        metadata, tensors = read_file(Path(path))
        description = _described(metadata)
        return cls(description, _rebuilt(description, tensors))

    def subject(self, name: str = "") -> Subject:
        """Return it as something to measure."""
        model = self.description.model
        name = name or model.about.name or model.architecture.name
        return Subject(
            name, model.architecture, model.preprocessing, self.weights, self.forward, self.logits, self.to_bytes()
        )


def quantise(model: Model, images: Tensor, about: ModelAbout | None = None) -> Int8Model:
    """Return ``model`` in int8, its ranges taken from what it makes of ``images``.

    Args:
        model: it does not change.
        images: of the kind that it will see, and not its test images.
        about: what the int8 model says of itself; None: what ``model`` says.

    Shape:
        images: (N, C, h, w) uint8; ``CALIBRATION`` of them are enough.

    Raises:
        DataError: there are fewer than two images.
        ModelError: torchao is not there, this processor has no int8 kernels for it, or the network has nothing to round.
    """
    pt2e.check_here()
    if len(images) < 2:
        raise DataError("the ranges are taken from two images or more; there are {given}", given=len(images))
    graph, exact = pt2e.calibrated(model.copy_network(), model.preprocessing.apply(images))
    names = {node: name for name, (node, *_rest) in zip(weight_names(model.architecture), pt2e.weights(graph))}
    description = Int8Description(
        model=model.description.model_copy(update={"about": about or model.about}),
        activations=pt2e.activations(graph),
        toolkit=pt2e.toolkit(),
    )
    made = Int8Model(description, graph, {names[node]: weight for node, weight in exact.items()})
    if not made.int8_layers:
        raise ModelError("this network has no filters or dense weights that could be kept as bytes")
    return made


def _described(entries: Mapping[str, str] | None) -> Int8Description:
    absent = ModelError("this file is no int8 model of CNN Lab: its metadata has no entry {entry}", entry=FORMAT)
    description = described(Int8Description, entries, FORMAT, absent)
    description.model.check()
    return description


def _rebuilt(description: Int8Description, given: Mapping[str, Tensor]) -> fx.GraphModule:
    """Return the graph of ``description``'s network with the tensors and scales of a file in it."""
    pt2e.check_here()
    architecture = description.model.architecture
    generator = torch.Generator().manual_seed(0)
    network = build(architecture, generator).eval().requires_grad_(False)
    graph, _exact = pt2e.calibrated(network, torch.rand(2, *architecture.input_shape, generator=generator))
    wanted = pt2e.tensors(graph)
    shapes = [{name: (tensor.shape, tensor.dtype) for name, tensor in one.items()} for one in (wanted, given)]
    if shapes[0] != shapes[1] or len(pt2e.activations(graph)) != len(description.activations):
        raise ModelError(
            "the tensors of this int8 model are not those of its network; it was made by {made}, here is {here}",
            made=description.toolkit or "-",
            here=pt2e.toolkit(),
        )
    for name, tensor in wanted.items():
        tensor.copy_(given[name])
    pt2e.with_activations(graph, description.activations)
    return graph
