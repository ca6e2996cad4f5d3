"""The picture that a channel likes best, made by gradient ascent from noise: with and without what keeps it calm."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from cnnlab.architecture.tape import Row
from cnnlab.errors import ModelError
from cnnlab.insight.arithmetic.curves import ACTIVATIONS
from cnnlab.insight.halfway import output
from cnnlab.model import Model

STEPS = 80
RATE = 0.1
SMOOTHNESS = 2.0
"""Weight of the penalty on differences between neighbouring pixels, against a gradient of root mean square 1."""
_STARTS = ((0.1, 0.0), (1.0, 0.0), (1.0, -2.0), (3.0, 0.0), (3.0, -2.0))
"""Spread and mean of the noise at the start: the calmest from which there is a way up; grey alone may wake no ReLU."""


class Way(NamedTuple):
    """How a picture is kept calm: a penalty on differences between neighbours, a random shift before each step."""

    smooth: bool
    jitter: bool


WAYS: dict[str, Way] = {
    "free": Way(False, False),
    "smooth": Way(True, False),
    "jittered": Way(False, True),
    "both": Way(True, True),
}


@dataclass(frozen=True)
class Preferred:
    """Pictures that excite channels.

    Attributes:
        layer: of which layer.
        units: the channel of each picture.
        ways: how each was kept calm, keys of ``WAYS``.
        pictures: Shape: (N, C, h, w) uint8, of the model's pictures.
        before, after: what the unit in the middle of the channel's map says to the noise at the start and to the
            picture, before an activation. Shape: (N,)
        place: row and column of that unit; -1 in a vector.
    """

    layer: str
    units: tuple[int, ...]
    ways: tuple[str, ...]
    pictures: NDArray[np.uint8]
    before: NDArray[np.float32]
    after: NDArray[np.float32]
    place: tuple[int, int]


def objective_row(model: Model, layer: str) -> Row:
    """Return the row whose channel is driven up: what arrives at an activation, since that has a slope everywhere."""
    rows = model.architecture.trace().rows
    row = model.architecture.trace().row(layer)
    while row.layer.kind in ACTIVATIONS and len(row.inputs) == 1 and row.inputs[0] >= 0:
        row = rows[row.inputs[0]]
    return row


def preferred(
    model: Model, layer: str, units: Sequence[int], ways: Sequence[str], steps: int = STEPS, seed: int = 0
) -> Generator[int, None, Preferred]:
    """Yield the steps that are made; return a picture for each of ``units``, kept calm as ``ways`` says for each.

        x = sigmoid(z),   z <- Adam(z, g),   g = d map_k(shift(x))[middle] / dx, brought to root mean square 1,
        less SMOOTHNESS * d/dx of half the sum of squared differences between neighbours

    from z ~ N(0, 0.1) on; where no ReLU wakes up for that, so that there is no slope, from stronger or darker noise.
    The unit in the middle of the channel's map is driven up, in evaluation mode, with no hook
    and no gradient left behind.

    Source: Olah, Mordvintsev & Schubert 2017, "Feature Visualization", Distill, doi:10.23915/distill.00007: the
    neuron objective; without regularisation high-frequency patterns win; a penalty on neighbours that differ
    (frequency penalization) and small random shifts (transformation robustness) are two of its three remedies.
    There, too, pictures are made in a Fourier basis and with decorrelated colours, rotated and scaled: not here.

    Raises:
        ArchitectureError, ModelError: there is no such layer, channel or way.
    """
    row = objective_row(model, layer)
    count = (row.output_shape or (0,))[0]
    if any(not 0 <= unit < count for unit in units):
        raise ModelError("{layer}: there are the channels 0 to {last}", layer=layer, last=count - 1)
    generator = torch.Generator().manual_seed(seed)
    noise = torch.randn(1, *model.preprocessing.data_shape, generator=generator)
    climber = _Climber(model, row, torch.tensor(list(units)), [WAYS[way] for way in ways])
    z = climber.start(noise)
    first = climber.value(z.sigmoid())
    best = torch.optim.Adam([z], lr=RATE)
    for step in range(steps):
        yield step
        x = z.sigmoid()
        z.grad = -climber.gradient(x, generator) * x * (1 - x)
        best.step()
    pictures = (z.sigmoid() * 255).round().to(torch.uint8)
    last = climber.value(pictures.float() / 255)
    shape = row.output_shape or ()
    place = (shape[1] // 2, shape[2] // 2) if len(shape) == 3 else (-1, -1)
    return Preferred(layer, tuple(units), tuple(ways), pictures.numpy(), first.numpy(), last.numpy(), place)


class _Climber:
    """The way up for a batch of pictures, each with a channel of its own."""

    def __init__(self, model: Model, row: Row, units: Tensor, ways: Sequence[Way]) -> None:
        self.model, self.row, self.units = model, row, units
        self.smooth = torch.tensor([float(way.smooth) for way in ways]).view(-1, 1, 1, 1)
        self.jittered = torch.tensor([way.jitter for way in ways])
        self.most = max(1, round(max(model.preprocessing.data_shape[1:]) / 14))

    @torch.no_grad()
    def value(self, x: Tensor) -> Tensor:
        """Return what each channel says to its picture. Shape: (N,)."""
        return self._objective(x)

    def _objective(self, x: Tensor) -> Tensor:
        out = output(self.model.network, _as_input(self.model, x), self.row.index)
        units = out[:, :, out.shape[2] // 2, out.shape[3] // 2] if out.dim() > 2 else out
        return units.gather(1, self.units[:, None])[:, 0]

    def start(self, noise: Tensor) -> Tensor:
        """Return where each picture begins: z of the calmest of ``_STARTS`` that has a slope, else of the first.

        Shape:
            noise: (1, C, h, w), from N(0, 1); returned: (N, C, h, w).
        """
        starts = [(spread * noise + mean).repeat(len(self.units), 1, 1, 1) for spread, mean in _STARTS]
        z, lost = starts[0], torch.ones(len(self.units), dtype=torch.bool)
        for one in starts:
            better = lost & (self._slope(one.sigmoid()).abs().amax((1, 2, 3)) > 0)
            z, lost = torch.where(better.view(-1, 1, 1, 1), one, z), lost & ~better
            if not lost.any():
                break
        return z

    def _slope(self, x: Tensor, jitter: torch.Generator | None = None) -> Tensor:
        """Return the derivative of each channel's answer by its picture, which ``jitter`` moves aside where asked."""
        with torch.enable_grad():
            x = x.detach().requires_grad_(True)
            (up,) = torch.autograd.grad(self._objective(self._shifted(x, jitter) if jitter else x).sum(), x)
        return up

    def gradient(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """Return which way each pixel of ``x`` (N, C, h, w) should go."""
        up = self._slope(x, generator)
        up = up / up.square().mean((1, 2, 3), keepdim=True).sqrt().clamp_min(1e-12)
        return up - SMOOTHNESS * self.smooth * _roughness(x.detach())

    def _shifted(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """Return the pictures that are to be jittered some pixels aside, their edge repeated; the others as they are."""
        most = self.most
        down, right = torch.randint(0, 2 * most + 1, (2,), generator=generator).tolist()
        height, width = x.shape[2:]
        moved = functional.pad(x, (most,) * 4, "replicate")[:, :, down : down + height, right : right + width]
        return torch.where(self.jittered.view(-1, 1, 1, 1), moved, x)


def _roughness(x: Tensor) -> Tensor:
    """Return the derivative of half the sum of squared differences between neighbours: how far each is from them."""
    found = torch.zeros_like(x)
    down, right = x[:, :, 1:] - x[:, :, :-1], x[:, :, :, 1:] - x[:, :, :, :-1]
    found[:, :, 1:] += down
    found[:, :, :-1] -= down
    found[:, :, :, 1:] += right
    found[:, :, :, :-1] -= right
    return found


def _as_input(model: Model, x: Tensor) -> Tensor:
    """Return pictures in [0, 1] as the network takes them, as ``Preprocessing.apply`` does with bytes."""
    preprocessing = model.preprocessing
    mean = torch.tensor(preprocessing.mean).view(1, -1, 1, 1)
    std = torch.tensor(preprocessing.std).view(1, -1, 1, 1)
    return (functional.pad(x, preprocessing.padding) - mean) / std
