"""How the channels of a layer answer the test images: which excite each most and where, and their mean by class."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cnnlab.architecture.tape import Row
from cnnlab.data.dataset import Split
from cnnlab.errors import ModelError
from cnnlab.insight.halfway import output, together
from cnnlab.model import Model
from cnnlab.training.images import some_index

STRONGEST = 16
"""How many images are kept for each channel."""
WORK = 16_000_000_000
"""Multiply-adds, and ``ELEMENT`` for each number of a map: as many test images are asked as that is enough for."""
ELEMENT = 50
FEWEST = 500
NO_UNITS = frozenset({"Flatten", "Dropout", "Dropout2d", "Softmax"})
"""Layers whose channels are not worth a page: they hand on what arrives."""


@dataclass(frozen=True)
class Responses:
    """What the channels of one layer say to test images.

    A channel's answer to an image is its mean over the map; its excitement is the largest number in the map.

    Attributes:
        layer: its name.
        images: how many test images were asked.
        counts: of each class. Shape: (classes,)
        by_class: the mean answer to the images of each class. Shape: (channels, classes)
        strongest: the places in the test set of the images that excite each channel most, strongest first.
            Shape: (channels, k) int64, k <= 16
        values: the excitement. Shape: (channels, k)
        answers: the answer to the same images. Shape: (channels, k)
        rows, columns: where in the map it is; -1 in a vector. Shape: (channels, k) int64
    """

    layer: str
    images: int
    counts: NDArray[np.int64]
    by_class: NDArray[np.float64]
    strongest: NDArray[np.int64]
    values: NDArray[np.float32]
    answers: NDArray[np.float32]
    rows: NDArray[np.int64]
    columns: NDArray[np.int64]

    @property
    def channels(self) -> int:
        """Return how many channels the layer has."""
        return len(self.by_class)


def unit_layers(model: Model) -> tuple[str, ...]:
    """Return the layers whose channels have a page."""
    return tuple(row.name for row in model.architecture.trace().rows if row.layer.kind not in NO_UNITS)


def responses(model: Model, split: Split, layer: str) -> Responses:
    """Return how all channels of ``layer`` answer images of ``split``, always the same ones.

    Raises:
        ArchitectureError: there is no such layer.
        ModelError: the images have another shape than the model's pictures.
    """
    row = model.architecture.trace().row(layer)
    index = some_index(len(split), _count(model, row, len(split)))
    targets = split.targets[index]
    at_once = together(model.network, row.index + 1)
    parts = [_part(model, split.images[chosen], row) for chosen in index.split(at_once)]
    mean = torch.cat([part.mean for part in parts])
    classes = len(model.class_names)
    if int(targets.max()) >= classes:
        raise ModelError("the data set has more classes than the model knows")
    sums = torch.zeros(classes, mean.shape[1], dtype=torch.float64).index_add_(0, targets, mean.double())
    counts = torch.bincount(targets, minlength=classes)
    highest = torch.cat([part.highest for part in parts])  # (some images of each part, channels); so the next two
    image = torch.cat([part.image + at_once * number for number, part in enumerate(parts)])
    where = torch.cat([part.where for part in parts])
    values, chosen = highest.T.topk(min(STRONGEST, len(index)))  # (channels, k)
    image, where = image.T.gather(1, chosen), where.T.gather(1, chosen)
    width = row.output_shape[2] if row.output_shape is not None and len(row.output_shape) == 3 else 0
    nowhere = torch.full_like(where, -1)
    return Responses(
        layer,
        len(index),
        counts.numpy(),
        (sums / counts.clamp_min(1)[:, None]).T.numpy(),
        index[image].numpy(),
        values.numpy(),
        mean.T.gather(1, image).numpy(),
        (where // width if width else nowhere).numpy(),
        (where % width if width else nowhere).numpy(),
    )


class _Part(NamedTuple):
    """What some images say.

    Shape:
        mean: (images, channels)
        highest, image, where: (k, channels): the largest numbers of the maps that have the largest ones, whose map
            it is, counted in these images, and where in the map, counted along its rows.
    """

    mean: Tensor
    highest: Tensor
    image: Tensor
    where: Tensor


@torch.no_grad()
def _part(model: Model, images: Tensor, row: Row) -> _Part:
    out = output(model.network, model.preprocessing.apply(images), row.index)
    flat = out.flatten(2) if out.dim() > 2 else out[:, :, None]
    highest, image = flat.amax(2).topk(min(STRONGEST, len(images)), dim=0)
    maps = flat[image, torch.arange(flat.shape[1])]  # (k, channels, places): only of these it matters where
    return _Part(flat.mean(2), highest, image, maps.argmax(2))


def _count(model: Model, row: Row, there_are: int) -> int:
    rows = model.architecture.trace().rows[: row.index + 1]
    work = sum((one.macs or 0) + ELEMENT * prod(one.output_shape or ()) for one in rows)
    return min(there_are, max(FEWEST, WORK // max(1, work) // 100 * 100))


def field_box(model: Model, layer: str, row: int, column: int) -> tuple[int, int, int, int] | None:
    """Return ``(top, left, height, width)`` of what a unit sees of the picture, in its pixels; None where not known.

    What lies in the padding of the network's input is left out; None, too, where nothing else is seen.
    """
    field = model.architecture.trace().row(layer).receptive_field
    if field is None or row < 0 or column < 0:
        return None
    rows, columns = field.rows.spans[row], field.cols.spans[column]
    if rows is None or columns is None:
        return None
    left, _right, top, _bottom = model.preprocessing.padding
    _channels, height, width = model.preprocessing.data_shape
    first, last = max(0, rows[0] - top), min(height - 1, rows[1] - top)
    begin, end = max(0, columns[0] - left), min(width - 1, columns[1] - left)
    return (first, begin, last - first + 1, end - begin + 1) if last >= first and end >= begin else None
