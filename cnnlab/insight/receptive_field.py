"""Which pixels of the input reach a unit, and which patch of its layer's input a filter saw there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from cnnlab.architecture import Architecture
from cnnlab.architecture.shapes import Span
from cnnlab.errors import ModelError, ShapeError
from cnnlab.insight.activations import Look


@dataclass(frozen=True)
class Patch:
    """What a window saw at one output position.

    Attributes:
        values: zero where the window hung over the edge. Shape: (C, kH, kW)
        rows: for each row of the window, the row of the layer's input, negative or too large in the padding.
        cols: the same for the columns.
    """

    values: Tensor
    rows: tuple[int, ...]
    cols: tuple[int, ...]


def field_box(architecture: Architecture, layer: str, index: Sequence[int]) -> tuple[Span, Span] | None:
    """Return the rows and the columns of the network's input that reach the unit ``index`` of ``layer``.

    Returns:
        ``((top, bottom), (left, right))`` in pixels of the padded input, ends included; None where only padding
        reaches the unit.

    Raises:
        ModelError: there is no such layer.
        ShapeError: the layer cannot run, or the index lies outside its output.
    """
    if layer not in architecture.names:
        raise ModelError(
            "{layer}: no such layer; there are {known}", layer=layer[:60], known=", ".join(architecture.names)
        )
    row = architecture.trace().rows[architecture.names.index(layer)]
    if row.receptive_field is None or row.output_shape is None:
        architecture.check()
        raise ShapeError("{layer}: nothing arrives at this layer", layer=layer)
    shape = row.output_shape
    if len(index) != len(shape) or any(not 0 <= at < size for at, size in zip(index, shape)):
        raise ShapeError(
            "{layer}[{index}]: outside the layer's output of {shape}",
            layer=layer,
            index=",".join(map(str, index)),
            shape="x".join(map(str, shape)),
        )
    return row.receptive_field.box(index)


def window(architecture: Architecture, layer: str) -> tuple[int, int, int, int] | None:
    """Return ``(kernel_size, stride, padding, dilation)`` of a convolution or pooling, None for other layers."""
    spec = architecture.layers[architecture.names.index(layer)]
    kernel = getattr(spec, "kernel_size", None)
    if kernel is None:
        return None
    stride = getattr(spec, "stride", None) or kernel
    return int(kernel), int(stride), int(getattr(spec, "padding", 0)), int(getattr(spec, "dilation", 1))


def patch(architecture: Architecture, seen: Look, layer: str, index: Sequence[int]) -> Patch:
    """Return the patch of its own input that ``layer`` saw to compute the unit ``index`` (channel, row, column).

        rows = row*stride - padding + dilation*(0 .. kernel_size-1), and so for the columns

    Raises:
        ShapeError: the layer has no window.
    """
    shape = window(architecture, layer)
    if shape is None:
        raise ShapeError("{layer}: only a convolution or a pooling looks at patches", layer=layer)
    kernel, stride, padding, dilation = shape
    arriving = seen.arriving(layer)
    rows = tuple(index[1] * stride - padding + dilation * k for k in range(kernel))
    cols = tuple(index[2] * stride - padding + dilation * k for k in range(kernel))
    values = torch.zeros(arriving.shape[0], kernel, kernel)
    for i, row in enumerate(rows):
        for j, col in enumerate(cols):
            if 0 <= row < arriving.shape[1] and 0 <= col < arriving.shape[2]:
                values[:, i, j] = arriving[:, row, col]
    return Patch(values, rows, cols)
