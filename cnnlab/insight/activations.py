"""All feature maps of a model for one image, from one pass, without a hook."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from cnnlab.errors import ModelError
from cnnlab.model import Model


@dataclass(frozen=True)
class Look:
    """What one image did inside a model.

    Attributes:
        input: what the network received, after padding and normalisation. Shape: (C, H, W)
        maps: the output of each layer by name, in order: (C, H, W) for a map, (F,) for a vector.
        logits: the scores; what arrives at a last Softmax, else the last output. Shape: (classes,)
        probs: their softmax, in [0, 1]. Shape: (classes,)
    """

    input: Tensor
    maps: dict[str, Tensor]
    logits: Tensor
    probs: Tensor

    def arriving(self, layer: str) -> Tensor:
        """Return what arrives at ``layer``: the output of the layer before it, or the network's input."""
        names = list(self.maps)
        place = _place(names, layer)
        return self.maps[names[place - 1]] if place else self.input


@torch.no_grad()
def look(model: Model, image: Tensor) -> Look:
    """Return all maps of ``model`` for ``image``.

    The image steps through the network's children one by one, so nothing is hung on them and nothing is left behind,
    also after a failure. One view only: a model that averages with the mirror image (``about.mirror``) answers for
    the picture as it stands here.

    Shape:
        image: (C, h, w) uint8, of ``model.preprocessing.data_shape``.

    Raises:
        ModelError: the image has another shape than the model's pictures.
    """
    network = model.network
    x = model.preprocessing.apply(image.unsqueeze(0))
    maps: dict[str, Tensor] = {}
    value = x
    for name, module in network.named_children():
        value = module(value)
        maps[name] = value[0].clone()
    names = list(maps)
    logits = x[0].flatten() if not names else maps[names[-1]]
    if model.architecture.ends_in_softmax:
        logits = maps[names[-2]] if len(names) > 1 else x[0].flatten()
    return Look(x[0].clone(), maps, logits.flatten(), logits.flatten().softmax(0))


def padded(model: Model, image: Tensor) -> Tensor:
    """Return ``image`` with the black border that the network's input adds around it, still as bytes.

    Shape:
        image: (C, h, w) uint8; returned: (C, H, W) uint8, of the network's input.
    """
    return functional.pad(image, model.preprocessing.padding)


def _place(names: list[str], layer: str) -> int:
    if layer not in names:
        raise ModelError("{layer}: no such layer; there are {known}", layer=layer[:60], known=", ".join(names))
    return names.index(layer)
