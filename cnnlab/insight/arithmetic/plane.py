"""One map that leaves a layer, with what makes it, as a browser is given it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from torch import Tensor

View = Literal["window", "pool", "points", "dense", "softmax", "flatten", "terms"]


@dataclass(frozen=True)
class Incoming:
    """One map that goes in, or one vector as a map of a single row.

    Attributes:
        layer: whose output it is, or ``input``, ``image``.
        channel: which map of it; None for a vector.
        values: Shape: (H, W) float32
        kernel: what a convolution multiplies it by. Shape: (k, k) float32
        origin: for each number that leaves, which of ``values`` (counted row by row) goes into it; -1: none. Shape: (H', W')
        factor: what that is multiplied by. Shape: (H', W') float64
    """

    layer: str
    channel: int | None
    values: Tensor
    kernel: Tensor | None = None
    origin: Tensor | None = None
    factor: Tensor | None = None


@dataclass(frozen=True)
class Plane:
    """One map that leaves a layer (a vector: as a map of a single row), and what makes it.

        window   value[y, x] = bias + sum over incoming of (patch times kernel) + rest[y, x]
        pool     value[y, x] = the largest number of the window, or sum of the window / (tall[y] * wide[x])
        points   value[y, x] = shift[y, x] + sum over incoming of factor[y, x] * values[origin[y, x]]
        dense    value = bias + sum of weight * incoming, or minus the sum of (incoming - weight)^2
        softmax  value = e^(x - m) / sum of e^(x - m)
        flatten  value[i] = incoming[i], which stands in map i // (H * W), row (i % (H * W)) // W, column i % W
        terms    one number alone, as ``explain`` takes it apart

    Attributes:
        layer, channel: which map; the channel is None for a vector.
        kind: the kind of layer.
        view: which of the sums above it is.
        values: the map itself. Shape: (H, W) float32
        incoming: what goes in, the strongest first.
        of_incoming: how many maps go in; those that are not among ``incoming`` are in ``rest``.
        bias: what is added everywhere.
        rest: what the other incoming maps add. Shape: (H, W) float64
        shift: what is added to ``points``. Shape: (H, W) float64
        window: kernel size, stride, padding, dilation of a convolution.
        rows, columns: of a pooling: the first pixel and the one behind the last, for each output row and column.
        tall, wide: of a mean: the sides of the window that is divided by; None for a maximum.
        weight: of a dense unit. Shape: (F,) float32
        numbers: what the formula speaks of.
    """

    layer: str
    channel: int | None
    kind: str
    view: View
    values: Tensor
    incoming: tuple[Incoming, ...]
    of_incoming: int = 1
    bias: float = 0.0
    rest: Tensor | None = None
    shift: Tensor | None = None
    window: tuple[int, int, int, int] | None = None
    rows: tuple[tuple[int, int], ...] = ()
    columns: tuple[tuple[int, int], ...] = ()
    tall: tuple[int, ...] | None = None
    wide: tuple[int, ...] | None = None
    weight: Tensor | None = None
    numbers: dict[str, float] = field(default_factory=dict)
