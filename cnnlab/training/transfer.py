"""Borrowed weights: what a run begins with that another model has learned, layer by layer (no torch until it is done).

A layer is taken where the model has one of the same name whose tensors have the same shapes; all others begin with new
weights, as from scratch. The network sees its pictures normalised by its own data, as ever.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import PurePath
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict, Field

from cnnlab.architecture import Architecture
from cnnlab.errors import RecipeError
from cnnlab.i18n import Message
from cnnlab.training.recipe import LayerName

if TYPE_CHECKING:
    from torch import Tensor

    from cnnlab.model import Model
    from cnnlab.training.loop import Training

Shapes = Mapping[str, tuple[int, ...]]


class Start(BaseModel):
    """What a run is to begin with instead of new weights.

    Attributes:
        model: whose weights, as a ``ModelRef`` is written: ``bundled:NAME``, ``run:ID``, ``run:ID@STEP``, ``file:PATH``.
        fresh: layers that begin with new weights all the same.
        frozen: layers that stand still from the first step on, until a live change frees them.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: str = Field(max_length=1000)
    fresh: tuple[LayerName, ...] = Field((), max_length=500)
    frozen: tuple[LayerName, ...] = Field((), max_length=200)


class Started(Start):
    """What a run has begun with.

    Attributes:
        model: as ``as_told`` gives it.
        title: what the model is called.
        taken: the layers whose weights were taken.
        weights: a hash of what was taken; the same for the same weights, wherever they came from.
    """

    title: str = Field("", max_length=80)
    taken: tuple[LayerName, ...] = ()
    weights: str = Field("", max_length=64)


def as_told(model: str) -> str:
    """Return the reference of a model as a run remembers it: of a file its name, not the place that it has here."""
    kind, colon, value = model.partition(":")
    return f"file:{PurePath(value).name}" if kind + colon == "file:" else model


@dataclass(frozen=True)
class LayerStart:
    """How one layer begins.

    Attributes:
        layer: its name.
        reason: why it begins with new weights: ``asked`` for, another ``shape``, ``absent`` from the model; None where
            its weights are taken.
        why: the reason in words; None where its weights are taken.
    """

    layer: str
    reason: Literal["asked", "shape", "absent"] | None = None
    why: Message | None = None

    @property
    def taken(self) -> bool:
        """Whether it begins with the model's weights."""
        return self.reason is None


@dataclass(frozen=True)
class Borrowed:
    """How each layer with weights begins, in the network's order, and a hash of what was taken (empty: not yet done)."""

    layers: tuple[LayerStart, ...]
    weights: str = ""

    @property
    def taken(self) -> tuple[str, ...]:
        """The layers whose weights are taken."""
        return tuple(one.layer for one in self.layers if one.taken)

    @property
    def fresh(self) -> tuple[str, ...]:
        """The layers that begin with new weights."""
        return tuple(one.layer for one in self.layers if not one.taken)


def plan(architecture: Architecture, source: Architecture, fresh: Collection[str] = ()) -> Borrowed:
    """Return how each layer of ``architecture`` would begin with weights of ``source``; nothing is copied.

    Args:
        architecture, source: the network that is to learn, and the one that has learned.
        fresh: layers that are to begin with new weights all the same.

    Raises:
        RecipeError: ``fresh`` names a layer that is not there.
        ShapeError, ArchitectureError: one of the networks cannot run.
    """
    wanted, given = _shapes(architecture), _shapes(source)
    for name in fresh:
        if name not in wanted:
            raise RecipeError(
                "fresh: {name} is no layer with weights in this network; it has {known}",
                name=name[:80],
                known=", ".join(wanted),
            )
    return Borrowed(tuple(_layer(name, shapes, given.get(name), name in fresh) for name, shapes in wanted.items()))


def _layer(name: str, wanted: Shapes, given: Shapes | None, asked: bool) -> LayerStart:
    if given is None:
        return LayerStart(name, "absent", Message("the model has no layer of this name"))
    for tensor in sorted(wanted.keys() | given.keys(), key=lambda tensor: tensor != "weight"):
        if wanted.get(tensor) != given.get(tensor):
            why = Message(
                "other shape: {tensor} is {given} in the model and {wanted} here",
                tensor=tensor,
                given=_written(given.get(tensor)),
                wanted=_written(wanted.get(tensor)),
            )
            return LayerStart(name, "shape", why)
    return LayerStart(name, "asked", Message("you asked for new weights")) if asked else LayerStart(name)


def _written(shape: tuple[int, ...] | None) -> str:
    return "–" if shape is None else "×".join(map(str, shape)) or "1"


@lru_cache(maxsize=256)
def _shapes(architecture: Architecture) -> Mapping[str, Shapes]:
    """Return the shape of each tensor of each layer that has some, in the network's order; nothing is allocated."""
    import torch

    from cnnlab.build import Network

    architecture.check()
    with torch.device("meta"):
        state = Network(architecture).state_dict()
    layers: dict[str, dict[str, tuple[int, ...]]] = {}
    for name, tensor in state.items():
        layer, _dot, kind = name.rpartition(".")
        layers.setdefault(layer, {})[kind] = tuple(tensor.shape)
    return layers


def borrow(training: Training, model: Model, fresh: Collection[str] = ()) -> Borrowed:
    """Copy the weights and running statistics of every layer of ``model`` that fits into ``training``; return which.

    Args:
        training: one at step 0; nothing else of it changes.
        model: it stays as it is.
        fresh: layers that keep their new weights all the same.

    Raises:
        RecipeError: ``fresh`` names a layer that is not there, no layer is taken, or the training has begun.
    """
    if training.step:
        raise RecipeError("start: this run has begun already; weights are borrowed before the first step")
    found = plan(training.architecture, model.architecture, fresh)
    if not found.taken:
        first = next((one for one in found.layers if one.reason != "asked"), None)
        raise RecipeError(
            "start: no layer of {model} fits this network ({layer}: {why}); build that model's network with a new last "
            "layer, or choose another model",
            model=model.about.name or model.architecture.name,
            layer=first.layer if first else "-",
            why=(first.why if first else None) or Message("every layer is to be new"),
        )
    state = training.network.state_dict()
    tensors = {name: model.state[name] for name in state if name.rpartition(".")[0] in found.taken}
    for name, tensor in tensors.items():
        state[name].copy_(tensor)
    return Borrowed(found.layers, hash_of(tensors))


def hash_of(tensors: Mapping[str, Tensor]) -> str:
    """Return what tells these very weights from all others, in whatever order they come."""
    digest = hashlib.sha256()
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name} {tuple(tensor.shape)}\n".encode())
        digest.update(tensor.contiguous().view(-1).numpy().tobytes())
    return digest.hexdigest()
