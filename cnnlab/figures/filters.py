"""All filters of a layer as one picture of hard pixels."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnnlab.figures.theme import lookup, signed_limit
from cnnlab.figures.tiles import enlarge, filter_png, levels, png, tile_png

MOST_KERNELS = 65_536
"""Kernels in one picture; of a larger layer the first filters are drawn."""
MANY = 2_000
"""From so many weights on, the colour scale leaves out the few largest."""


def shown_filters(weight: NDArray[Any]) -> int:
    """Return how many filters of ``weight`` (C_out, C_in, kH, kW) fit into the picture."""
    return max(1, min(weight.shape[0], MOST_KERNELS // weight.shape[1]))


def filter_limit(weight: NDArray[Any]) -> float:
    """Return the limit of the colour scale of a layer's weights: all of them for small layers, else 99.5 % of them.

    Among tens of thousands a few stray weights would leave all others pale; beyond the limit the end's colour stays.
    """
    if weight.size < MANY:
        return signed_limit(weight)
    limit = float(np.percentile(np.abs(weight), 99.5))
    return limit if limit > 0 else signed_limit(weight)


def filters_png(weight: NDArray[Any], *, dark: bool = False, zoom: int | None = None) -> bytes:
    """Return all filters of a convolution.

    Filters on one input channel are a grid of tiles, filters on three a grid of small colour pictures. Others are a
    table: one column for each filter, one row for each input channel. One signed scale for the whole layer.

    Shape:
        weight: (C_out, C_in, kH, kW)
    """
    count, channels, height, width = weight.shape
    if channels == 1:
        return tile_png(weight[:, 0], "signed", columns=8, zoom=zoom or max(1, 48 // width), dark=dark)
    if channels == 3:
        return filter_png(weight, columns=8, zoom=zoom or max(1, 48 // width), dark=dark)
    shown = shown_filters(weight)
    kernels = weight[:shown].swapaxes(0, 1).reshape(-1, height, width)
    limit = filter_limit(weight)
    fitting = max(1, min(6, 1080 // (shown * (width + 1)), 480 // (channels * (height + 1))))
    return tile_png(kernels, "signed", scale=(-limit, limit), columns=shown, zoom=zoom or fitting, dark=dark)


def filter_tiles(weight: NDArray[Any], *, dark: bool = False) -> list[bytes]:
    """Return each filter on one or three input channels as a picture by itself, all on one signed scale.

    Shape:
        weight: (C_out, 1 or 3, kH, kW)
    """
    limit = signed_limit(weight)
    zoom = max(1, 48 // weight.shape[-1])
    if weight.shape[1] == 1:
        return [tile_png(one, "signed", scale=(-limit, limit), zoom=zoom, dark=dark) for one in weight]
    coloured = levels(weight, -limit, limit).transpose(0, 2, 3, 1)  # (N, kH, kW, 3)
    return [png(enlarge(np.ascontiguousarray(one), zoom)) for one in coloured]


def matrix_png(weight: NDArray[Any], *, dark: bool = False) -> bytes:
    """Return the weights of a dense layer as hard pixels: one row a unit, one column an input.

    Shape:
        weight: (F_out, F_in)
    """
    limit = filter_limit(weight)
    return png(levels(weight, -limit, limit), lookup("signed", dark))
