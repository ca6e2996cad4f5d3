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
        takes: the names of the layers whose outputs each layer takes, in order; "" is the network's input.
    """

    input: Tensor
    maps: dict[str, Tensor]
    logits: Tensor
    probs: Tensor
    takes: dict[str, tuple[str, ...]]

    def arriving(self, layer: str) -> Tensor:
        """Return what arrives at ``layer``: the output of the layer before it, or the network's input.

        Where several branches meet, it is what the first of them brings.

        Shape:
            returned: (C, H, W) or (F,)

        Raises:
            ModelError: there is no such layer; the sentence names those that there are.
        """
        if layer not in self.maps:
            raise ModelError("{layer}: no such layer; there are {known}", layer=layer[:60], known=", ".join(self.maps))
        sources = self.takes[layer]
        return self.maps[sources[0]] if sources and sources[0] else self.input


@torch.no_grad()
def look(model: Model, image: Tensor) -> Look:
    """Return all maps of ``model`` for ``image``.

    The image steps through the network's layers one by one, so nothing is hung on them and nothing is left behind,
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

    def keep(name: str, value: Tensor) -> None:
        maps[name] = value[0].clone()

    network.run(x, seen=keep)
    rows = model.architecture.trace().rows
    takes = {row.name: tuple(rows[i].name if i >= 0 else "" for i in row.inputs) for row in rows}
    last = rows[-1].inputs[0] if model.architecture.ends_in_softmax else len(rows) - 1
    logits = maps[rows[last].name].flatten() if last >= 0 else x[0].flatten()
    return Look(x[0].clone(), maps, logits, logits.softmax(0), takes)


def padded(model: Model, image: Tensor) -> Tensor:
    """Return ``image`` with the black border that the network's input adds around it, still as bytes.

    Shape:
        image: (C, h, w) uint8; returned: (C, H, W) uint8, of the network's input.
    """
    return functional.pad(image, model.preprocessing.padding)


def blank(model: Model) -> Tensor:
    """Return a picture of nothing, black all over, as ``model`` takes one.

    Shape:
        returned: (C, h, w) uint8
    """
    return torch.zeros(model.preprocessing.data_shape, dtype=torch.uint8)
