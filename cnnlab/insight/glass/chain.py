"""What one or two convolutions make of a picture, stage by stage, in float64, and where each number comes from."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from cnnlab.architecture.address import Address
from cnnlab.errors import PictureError, ShapeError
from cnnlab.i18n import Message
from cnnlab.insight.glass.operation import Operation, problem

LEAK = 0.01
"""Slope of the leaky ReLU below zero: torch.nn.LeakyReLU's own default."""
DRAWN_PX = 28
"""Side of a drawing, as the workspace keeps it."""
_ACTIVATIONS = {
    "relu": functional.relu,
    "leaky_relu": lambda values: functional.leaky_relu(values, LEAK),
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
}


@dataclass(frozen=True)
class Stage:
    """One step of the way and what came of it.

    Attributes:
        name: as the lab's addresses have it: ``input``, ``conv1``, ``relu1``, ``pool1``, ``conv2``, ...
        kind: ``input``, ``conv``, ``max``, ``avg``, or the activation.
        values: its output, float64. Shape: (C, H, W)
        window: ``(kernel_size, stride, padding, dilation)`` of a convolution or pooling.
        layer: 0 for the first operation, 1 for the second.
        operation: the operation it belongs to; None for the input.
    """

    name: str
    kind: str
    values: Tensor
    window: tuple[int, int, int, int] | None = None
    layer: int = 0
    operation: Operation | None = None


@dataclass(frozen=True)
class Term:
    """One product of a sum: an input number, where it stands, and what it is multiplied with.

    Attributes:
        at: ``(channel, row, column)`` in the stage before; None on a rim of zeros.
        tap: ``(channel, row, column)`` in the kernel.
    """

    at: tuple[int, int, int] | None
    tap: tuple[int, int, int]
    value: float
    factor: float
    product: float


@dataclass(frozen=True)
class Sum:
    """One output of a convolution as its products: ``total = sum of products + bias``.

    Attributes:
        unit: which one.
        terms: the products, in the order of the window.
        bias: what is added to them.
        total: the number that stands there.
    """

    unit: Address
    terms: tuple[Term, ...]
    bias: float
    total: float


@dataclass(frozen=True)
class Use:
    """One output that an input number reaches.

    Attributes:
        row, col: where it stands.
        factor: the weight that the number meets on its way there.
    """

    row: int
    col: int
    factor: float


def brightness(image: Tensor, shrink: int = 1) -> Tensor:
    """Return a picture as numbers from 0 (black) to 1, rounded to two decimals, made ``shrink`` times smaller.

    Each pixel of a smaller picture is the mean of the ``shrink`` x ``shrink`` pixels it stands for. Two decimals are
    enough for the eye, and what is shown is then exactly what is calculated with.

    Shape:
        image: (C, H, W) uint8; returned: (C, H // shrink, W // shrink) float64
    """
    values = image.to(torch.float64) / 255
    if shrink > 1:
        values = functional.avg_pool2d(values, shrink)
    return (values * 100).round() / 100


def painted(side: Any, ink: Any) -> NDArray[np.uint8]:
    """Return a picture that was drawn in the browser as a drawing, each of its pixels as large as it has to be.

    Args:
        side: its side in pixels, a divisor of 28.
        ink: ``side * side`` bytes as base64, 0 is black.

    Shape:
        returns (28, 28) uint8

    Raises:
        PictureError: it is none.
    """
    problem = PictureError("This is not a picture that was drawn here.")
    if (
        not isinstance(side, int)
        or not isinstance(ink, str)
        or side < 1
        or DRAWN_PX % side
        or len(ink) > 4 * DRAWN_PX**2
    ):
        raise problem
    try:
        flat = np.frombuffer(base64.b64decode(ink, validate=True), np.uint8)
    except ValueError as error:
        raise problem from error
    if flat.size != side**2:
        raise problem
    times = DRAWN_PX // side
    return flat.reshape(side, side).repeat(times, 0).repeat(times, 1)


def run(picture: Tensor, operations: Sequence[Operation]) -> tuple[Stage, ...]:
    """Return all stages from ``picture`` through ``operations``, the picture itself first.

    Shape:
        picture: (C, H, W) float64

    Raises:
        ShapeError: an operation does not fit what arrives at it, or has another number of planes.
    """
    stages = [Stage("input", "input", picture)]
    for layer, operation in enumerate(operations):
        arriving = stages[-1].values
        channels, height, width = arriving.shape
        if len(operation.kernel) != channels:
            raise ShapeError(
                "layer {layer}: the kernel has {planes} planes, but {channels} channels arrive",
                layer=layer + 1, planes=len(operation.kernel), channels=channels,
            )  # fmt: skip
        if error := problem(operation, height, width):
            raise ShapeError(
                "layer {layer}: {problem}", layer=layer + 1, problem=Message(error.message, **error.values)
            )
        stages += _stages_of(operation, arriving, layer)
    return tuple(stages)


def _stages_of(operation: Operation, arriving: Tensor, layer: int) -> list[Stage]:
    number = layer + 1
    weight = torch.tensor(operation.kernel, dtype=torch.float64)
    rim = (operation.padding,) * 4
    mode = "constant" if operation.padding_mode == "zeros" else "reflect"
    padded = functional.pad(arriving[None], rim, mode=mode)
    bias = torch.tensor([operation.bias], dtype=torch.float64)
    sums = functional.conv2d(padded, weight[None], bias, stride=operation.stride, dilation=operation.dilation)[0]
    window = (operation.kernel_size, operation.stride, operation.padding, operation.dilation)
    made = [Stage(f"conv{number}", "conv", sums, window, layer, operation)]
    if operation.activation != "none":
        values = _ACTIVATIONS[operation.activation](sums)
        made.append(Stage(f"{operation.activation}{number}", operation.activation, values, None, layer, operation))
    if operation.pooling != "none":
        pool = functional.max_pool2d if operation.pooling == "max" else functional.avg_pool2d
        values, size = pool(made[-1].values[None], operation.pool_size)[0], operation.pool_size
        made.append(Stage(f"pool{number}", operation.pooling, values, (size, size, 0, 1), layer, operation))
    return made


def place(position: int, size: int, mode: str) -> int | None:
    """Return which of ``size`` pixels stands at ``position`` of a line with a rim; None on a rim of zeros.

    A mirrored rim repeats the line from its edge inwards, without the edge itself, as torch's ``reflect`` does.
    """
    if 0 <= position < size:
        return position
    if mode != "reflect":
        return None
    return -position if position < 0 else 2 * (size - 1) - position


def total_of(before: Tensor, stage: Stage, row: int, col: int) -> Sum:
    """Return the sum that makes the number at ``row`` and ``col`` of a convolution, product by product.

    Shape:
        before: (C, H, W), what arrived at ``stage``

    Raises:
        ShapeError: ``stage`` is no convolution, or has no such place.
    """
    operation = stage.operation
    height, width = stage.values.shape[1:]
    if stage.kind != "conv" or operation is None or not (0 <= row < height and 0 <= col < width):
        raise ShapeError("{stage}: there is no sum at row {row} and column {col}", stage=stage.name, row=row, col=col)
    _channels, rows, cols = before.shape
    terms = []
    for channel, plane in enumerate(operation.kernel):
        for i, weights in enumerate(plane):
            y = place(row * operation.stride - operation.padding + i * operation.dilation, rows, operation.padding_mode)
            for j, factor in enumerate(weights):
                x = place(
                    col * operation.stride - operation.padding + j * operation.dilation, cols, operation.padding_mode
                )
                at = None if x is None or y is None else (channel, y, x)
                value = 0.0 if at is None else float(before[at])
                terms.append(Term(at, (channel, i, j), value, factor, value * factor))
    total = sum(term.product for term in terms) + operation.bias
    return Sum(Address(stage.name, None, (0, row, col)), tuple(terms), operation.bias, total)


def uses(before: Tensor, stage: Stage, channel: int, row: int, col: int) -> tuple[Use, ...]:
    """Return every output of a convolution that the number at ``row`` and ``col`` of what arrived reaches.

    A mirrored rim can bring a number to the same output more than once: the weights it meets there are added.

    Shape:
        before: (C, H, W)
    """
    operation = stage.operation
    if stage.kind != "conv" or operation is None:
        return ()
    _channels, rows, cols = before.shape
    down = _taps(row, rows, stage.values.shape[1], operation)
    across = _taps(col, cols, stage.values.shape[2], operation)
    found: dict[tuple[int, int], float] = {}
    for out_row, i in down:
        for out_col, j in across:
            at = (out_row, out_col)
            found[at] = found.get(at, 0.0) + operation.kernel[channel][i][j]
    return tuple(Use(r, c, factor) for (r, c), factor in sorted(found.items()))


def _taps(pixel: int, size: int, outputs: int, operation: Operation) -> list[tuple[int, int]]:
    """Return along one axis which outputs see ``pixel``, and with which tap of the kernel."""
    found = []
    for output in range(outputs):
        for tap in range(operation.kernel_size):
            position = output * operation.stride - operation.padding + tap * operation.dilation
            if place(position, size, operation.padding_mode) == pixel:
                found.append((output, tap))
    return found
