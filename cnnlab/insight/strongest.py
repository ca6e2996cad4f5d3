"""Which feature maps answer an image most."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from cnnlab.architecture import Architecture, Row
from cnnlab.insight.activations import look
from cnnlab.model import Model

_SIGNED = {"Conv2d", "BatchNorm2d", "GroupNorm", "LayerNorm", "LocalResponseNorm"}
_SAME = {"Dropout", "Dropout2d", "Chunk"}


@dataclass(frozen=True)
class LayerMaps:
    """The strongest maps of one layer.

    Attributes:
        layer: its name.
        channels: how many maps it has.
        height, width: of a map, in pixels.
        strongest: indices of the maps below, strongest first.
        means: the mean absolute value of each.
        maps: Shape: (len(strongest), height, width) float32.
    """

    layer: str
    channels: int
    height: int
    width: int
    strongest: tuple[int, ...]
    means: tuple[float, ...]
    maps: NDArray[np.float32]


def strongest_maps(model: Model, image: Tensor, count: int = 8) -> tuple[LayerMaps, ...]:
    """Return the ``count`` maps of each layer with the largest mean |activation| for ``image``, strongest first.

    Layers whose output is one pixel or no map are left out, dropout too (it passes everything here, as a share of the
    channels does), and so is a
    convolution or normalisation that goes straight into another layer of maps of the same size: what passes the
    activation is shown instead.

    Shape:
        image: (C, h, w) uint8, of ``model.preprocessing.data_shape``.
    """
    maps = look(model, image).maps
    rows = [row for row in model.architecture.trace().rows if row.layer.kind not in _SAME]
    goes_to = _takers(model.architecture)
    found = []
    for row in rows:
        values = maps[row.name]
        passes_on = any(taker.output_shape == row.output_shape for taker in goes_to[row.index])
        if values.ndim != 3 or values.shape[1] * values.shape[2] == 1 or (row.layer.kind in _SIGNED and passes_on):
            continue
        size = values.abs().mean(dim=(1, 2))
        order = size.argsort(descending=True, stable=True)[:count]
        found.append(
            LayerMaps(
                row.name, values.shape[0], values.shape[1], values.shape[2],
                tuple(order.tolist()), tuple(size[order].tolist()), values[order].numpy(),
            )
        )  # fmt: skip
    return tuple(found)


def _takers(architecture: Architecture) -> dict[int, list[Row]]:
    """Return for each row those that work on its output, behind whatever passes it on."""
    rows = architecture.trace().rows
    found: dict[int, list[Row]] = {row.index: [] for row in rows}
    for row in rows:
        for source in row.inputs if row.layer.kind not in _SAME else ():
            while source >= 0 and rows[source].layer.kind in _SAME:
                source = rows[source].inputs[0]
            if source >= 0:
                found[source].append(row)
    return found
