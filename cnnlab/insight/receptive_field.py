"""What a unit sees: the pixels that can reach it, and those that do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from cnnlab.architecture import Architecture
from cnnlab.architecture.shapes import Span
from cnnlab.build import Network, build
from cnnlab.errors import ModelError
from cnnlab.model import Model

AT_ONCE = 16
"""Images that go through the network together."""
MOST_CHANNELS = 6
"""Channels of a layer that stand for all of them at initialisation."""
MOST_MACS = 150_000_000
"""Multiply-adds up to which the field at initialisation is worked out while somebody edits: about half a second."""


@dataclass(frozen=True)
class Field:
    """What one unit sees of the input.

    Attributes:
        box: rows and columns that can reach it, both ends included; None where only padding does.
        effect: how much each pixel moves it on average. Shape: (H, W) float64, >= 0
        images: how many images were asked.
        silent: for how many of them no pixel moves it (a ReLU that is off, for example).
    """

    box: tuple[Span, Span] | None
    effect: Tensor
    images: int
    silent: int

    @property
    def pixels(self) -> int:
        """How many pixels the box has."""
        return 0 if self.box is None else (self.box[0][1] - self.box[0][0] + 1) * (self.box[1][1] - self.box[1][0] + 1)

    def core(self, share: float = 0.9) -> int:
        """Return how many pixels it takes, the strongest first, to make ``share`` of the whole effect; 0 without any."""
        effect = self.effect.flatten().sort(descending=True).values
        total = float(effect.sum())
        if total <= 0:
            return 0
        return int((effect.cumsum(0) < share * total * (1 - 1e-9)).sum()) + 1


def field(model: Model, images: Tensor, layer: str, index: Sequence[int]) -> Field:
    """Return what the unit ``layer[index]`` of ``model`` sees: its receptive field, and the mean |gradient| in it.

        effect_{p,q} = 1/N sum_n sum_c | d unit / d x_{n,c,p,q} |

    Source: Luo, Li, Urtasun & Zemel 2016, arXiv:1701.04128, "effective receptive field"; they take the squared
    gradient at random inputs, here it is the absolute one at images.

    Shape:
        images: (N, C, h, w) uint8, of ``model.preprocessing.data_shape``

    Raises:
        ArchitectureError: there is no such layer.
        ModelError: the layer has no such unit.
    """
    return _field(model.network, model.architecture, model.preprocessing.apply(images), layer, [tuple(index)])


def field_at_start(architecture: Architecture, layer: str, seed: int = 0, images: int = 8) -> Field | None:
    """Return what the middle unit of ``layer`` sees before anything is learned, as a mean over some of its channels.

    The input is noise from N(0, 1). None where the network up to there is too large to be asked while it is edited.

    Raises:
        ArchitectureError: there is no such layer.
        ShapeError, ArchitectureError, BudgetError: the network cannot run up to this layer.
    """
    row = architecture.trace().row(layer)
    shape = row.output_shape or ()
    if images * sum(one.macs or 0 for one in architecture.trace().rows[: row.index + 1]) > MOST_MACS:
        return None
    generator = torch.Generator().manual_seed(seed)
    network = build(architecture.with_layers(architecture.layers[: row.top + 1]), generator)
    network.eval().requires_grad_(False)
    channels = range(0, shape[0], max(1, -(-shape[0] // MOST_CHANNELS)))
    middle = tuple(side // 2 for side in shape[1:])
    noise = torch.randn(images, *architecture.input_shape, generator=generator)
    return _field(network, architecture, noise, layer, [(channel, *middle) for channel in channels])


def _field(
    network: Network, architecture: Architecture, x: Tensor, layer: str, indices: list[tuple[int, ...]]
) -> Field:
    row = architecture.trace().row(layer)
    shape = row.output_shape or ()
    for index in indices:
        if len(index) != len(shape) or not all(0 <= place < size for place, size in zip(index, shape)):
            written = "x".join(map(str, shape))
            raise ModelError("{layer}: no unit {index} in {shape}", layer=layer, index=list(index), shape=written)
    effect = torch.zeros(x.shape[2:], dtype=torch.float64)
    silent = 0
    for some in x.split(AT_ONCE):
        gradient = _gradient(network, some, row.index + 1, indices)
        silent += int((gradient.flatten(1).sum(1) == 0).sum())
        effect += gradient.sum(0)
    box = row.receptive_field.box(indices[0]) if row.receptive_field else None
    return Field(box, effect / max(1, len(x)), len(x), silent)


def _gradient(network: Network, x: Tensor, stop: int, indices: list[tuple[int, ...]]) -> Tensor:
    """Return for each image the mean over ``indices`` of |d unit / d input|, summed over the input's channels.

    Shape:
        returned: (N, H, W) float64
    """
    with torch.enable_grad():
        x = x.detach().requires_grad_(True)
        output = network.run(x, stop)
        total = torch.zeros(len(x), *x.shape[2:], dtype=torch.float64)
        for number, index in enumerate(indices, 1):
            at: tuple[slice | int, ...] = (slice(None), *index)
            unit = output[at].sum()  # no image moves another's: evaluation mode
            (gradient,) = torch.autograd.grad(unit, x, retain_graph=number < len(indices), allow_unused=True)
            if gradient is not None:
                total += gradient.abs().double().nan_to_num().sum(1)
    return total / len(indices)
