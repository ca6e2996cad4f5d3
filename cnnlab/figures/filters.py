"""All filters of a layer: pictures of hard pixels, and the numbers of a sheet in the browser."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnnlab.figures.sheets import pack
from cnnlab.figures.theme import lookup, signed_limit
from cnnlab.figures.tiles import enlarge, levels, png, tile_png
from cnnlab.insight import Filters

MOST_KERNELS = 16_384
"""Kernels on one sheet; a larger layer is looked at in parts."""
MANY = 2_000
"""From so many weights on, the colour scale leaves out the few largest."""


def shown_filters(weight: NDArray[Any]) -> int:
    """Return how many filters of ``weight`` (C_out, C_in, kH, kW) are on one sheet."""
    return max(1, min(weight.shape[0], MOST_KERNELS // weight.shape[1]))


def filter_limit(weight: NDArray[Any]) -> float:
    """Return the limit of the colour scale of a layer's weights: all of them for small layers, else 99.5 % of them.

    Among tens of thousands a few stray weights would leave all others pale; beyond the limit the end's colour stays.
    """
    if weight.size < MANY:
        return signed_limit(weight)
    limit = float(np.percentile(np.abs(weight), 99.5))
    return limit if limit > 0 else signed_limit(weight)


def sheet_data(found: Filters, places: Sequence[int], *, dark: bool = False) -> dict[str, Any]:
    """Return what the sheet of kernels needs: a column for each filter at ``places``, a row for each input channel.

    ``weights`` is float32 (places, C_in / groups, kH, kW), ``firsts`` the first input channel that each filter sees,
    ``limit`` where the colours of the layer end.
    """
    weight = found.weight.numpy()
    return {
        "layer": found.layer,
        "shape": [len(places), *weight.shape[1:]],
        "filters": list(places),
        "firsts": [found.channels_of(unit)[0] for unit in places],
        "weights": pack(weight[list(places)]),
        "limit": filter_limit(weight),
        "signed": pack(lookup("signed", dark), np.uint8),
    }


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


def matrix_side(weight: NDArray[Any]) -> int:
    """Return how many CSS pixels a weight of a dense layer is wide: 3 to 12, so that the eye can tell it from the next.

    Shape:
        weight: (F_out, F_in)
    """
    return max(3, min(12, 1080 // weight.shape[1]))
