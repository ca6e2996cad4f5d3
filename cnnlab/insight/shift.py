"""What becomes of maps and answers when the picture moves: how far a layer is from equivariant, an answer from invariant."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from cnnlab.architecture import Architecture, Row
from cnnlab.architecture.layers import Flatten, Linear, ReLU
from cnnlab.model import Model

FURTHEST = 8
"""How far pictures are moved, in pixels to either side."""
SHIFTS = tuple(range(-FURTHEST, FURTHEST + 1))
_POOLS = ("MaxPool2d", "AvgPool2d", "AdaptiveAvgPool2d")
_MOST_LAYERS = 6


def shifted(images: Tensor, right: int, down: int = 0) -> Tensor:
    """Return ``images`` moved by whole pixels; black comes in, what leaves is lost.

    Shape:
        images: (..., H, W); returned the same
    """
    height, width = images.shape[-2:]
    moved = torch.zeros_like(images)
    rows, cols = max(0, height - abs(down)), max(0, width - abs(right))
    if rows and cols:
        top, left = max(0, down), max(0, right)
        source = images[..., top - down : top - down + rows, left - right : left - right + cols]
        moved[..., top : top + rows, left : left + cols] = source
    return moved


def apart(one: Tensor, other: Tensor) -> float:
    """Return how different two batches are, as a mean over examples.

        d = || a - b || / sqrt(||a||^2 + ||b||^2)

    0: the same; 1: as different as if they had nothing in common (a and b at right angles); 0 where both are nothing.

    Shape:
        one, other: (N, ...) alike
    """
    a, b = one.double().flatten(1), other.double().flatten(1)
    size = (a.square().sum(1) + b.square().sum(1)).sqrt()
    return float(torch.where(size > 0, (a - b).norm(dim=1) / size.clamp(min=1e-300), torch.zeros_like(size)).mean())


def not_moved_along(before: Tensor, after: Tensor, right: float) -> float:
    """Return how far maps are from having moved along by ``right`` of their own columns, where both can be seen.

    Where that is no whole number, the nearer of the two whole numbers beside it counts, that with the smaller distance.

    Shape:
        before, after: (N, C, H, W)
    """
    width = before.shape[3]
    found = []
    for by in {int(right // 1), int(-(-right // 1))}:
        if abs(by) < width:
            kept = before[..., max(0, -by) : width - max(0, by)]
            found.append(apart(after[..., max(0, by) : width - max(0, -by)], kept))
    return min(found, default=1.0)


@dataclass(frozen=True)
class Slide:
    """How a model's layers and its answer follow a picture that moves sideways.

    Attributes:
        shifts: in pixels, to the right.
        layers: for each layer that was asked, one distance for each shift (``not_moved_along``).
        answer: half the sum of |change| of the probabilities: 0 is invariant, 1 a wholly different answer.
    """

    shifts: tuple[int, ...]
    layers: dict[str, tuple[float, ...]]
    answer: tuple[float, ...]


@torch.no_grad()
def slide(model: Model, images: Tensor, shifts: Sequence[int] = SHIFTS) -> Slide:
    """Return how convolutions, poolings and the answer of ``model`` follow ``images`` that move sideways.

    A map is asked whether it has moved along (equivariance): by the shift divided by the layer's own stride on the
    input. The answer is asked whether it has stayed (invariance).

    Shape:
        images: (N, C, h, w) uint8, of ``model.preprocessing.data_shape``
    """
    rows = asked(model.architecture)
    strides = {row.name: _stride(row) for row in rows}
    before, probs = _maps(model, images, strides)
    layers: dict[str, list[float]] = {name: [] for name in strides}
    answer = []
    for by in shifts:
        after, now = _maps(model, shifted(images, by), strides)
        for name, stride in strides.items():
            layers[name].append(not_moved_along(before[name], after[name], by / stride))
        answer.append(float((now - probs).abs().sum(1).mean() / 2))
    return Slide(tuple(shifts), {name: tuple(found) for name, found in layers.items()}, tuple(answer))


def asked(architecture: Architecture) -> tuple[Row, ...]:
    """Return the convolutions and poolings whose maps are larger than one pixel; of many, some spread over the depth."""
    rows = [
        row
        for row in architecture.trace().rows
        if row.layer.kind in ("Conv2d", *_POOLS) and (row.output_shape or (0, 0, 0))[2] > 1 and _stride(row)
    ]
    if len(rows) > _MOST_LAYERS:
        rows = [rows[round(k * (len(rows) - 1) / (_MOST_LAYERS - 1))] for k in range(_MOST_LAYERS)]
    return tuple(rows)


def _stride(row: Row) -> int:
    field = row.receptive_field
    return 0 if field is None or field.cols.stride is None else field.cols.stride


def _maps(model: Model, images: Tensor, wanted: dict[str, int]) -> tuple[dict[str, Tensor], Tensor]:
    found: dict[str, Tensor] = {}

    def keep(name: str, value: Tensor) -> None:
        if name in wanted:
            found[name] = value.clone()

    output = model.network.run(model.preprocessing.apply(images), seen=keep)
    return found, output if model.architecture.ends_in_softmax else output.softmax(1)


def right_answers(model: Model, images: Tensor, targets: Tensor, shifts: Sequence[int] = SHIFTS) -> tuple[float, ...]:
    """Return the share of ``images`` that ``model`` still knows after each shift to the right.

    Shape:
        images: (N, C, h, w) uint8; targets: (N,) int64
    """
    return tuple(float((model.probs(shifted(images, by)).argmax(1) == targets).double().mean()) for by in shifts)


def dense_like(architecture: Architecture) -> Architecture:
    """Return a network of two dense layers with as many parameters as ``architecture``, as nearly as one unit allows."""
    channels, height, width = architecture.input_shape
    classes, features = architecture.output_shape[0], channels * height * width
    hidden = max(1, round((architecture.trace().num_params - classes) / (features + 1 + classes)))
    layers = (Flatten(), Linear(out_features=hidden), ReLU(), Linear(out_features=classes))
    return Architecture(name=f"{architecture.name}-dense"[:60], input_shape=architecture.input_shape, layers=layers)
