"""A layer's maps as data for the browser: colour levels for the tiles, numbers and fields for the chosen unit.

The browser draws and answers the pointer by itself; the server is asked again only when another unit is chosen.
"""

from __future__ import annotations

import base64
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnnlab.architecture import Architecture
from cnnlab.architecture.layers import Conv2d
from cnnlab.figures.theme import lookup
from cnnlab.figures.tiles import levels, limits
from cnnlab.insight import Filters, Look, window

SCALES = ("unit", "layer", "network")
"""What shares one colour scale: a single map, all maps of a layer, all layers."""
MOST_CHANNELS = 8
"""Input channels whose kernels are shown beside a large map: those whose kernels weigh most."""


def pack(values: NDArray[Any], kind: type = np.float32) -> str:
    """Return ``values`` as base64 of their bytes, little-endian, for a typed array in the browser."""
    array = np.ascontiguousarray(values, dtype=np.dtype(kind).newbyteorder("<"))
    return base64.b64encode(array.tobytes()).decode("ascii")


def mode_of(values: NDArray[Any]) -> str:
    """Return ``signed`` where something is below zero, else ``sequential``."""
    return "signed" if bool((values < 0).any()) else "sequential"


def scale_of(seen: Look, layer: str, scale: str) -> tuple[str, float, float]:
    """Return the mode of ``layer`` and the (low, high) that its maps share; for ``network`` all layers decide.

    On a common scale of the network a sequential layer runs from zero to the largest size of any layer.
    """
    values = seen.maps[layer].numpy()
    mode = mode_of(values)
    if scale != "network":
        return (mode, *limits(values, mode))
    largest = max(limits(one.numpy(), "signed")[1] for one in seen.maps.values())
    return mode, -largest if mode == "signed" else 0.0, largest


def layer_data(seen: Look, layer: str, scale: str = "layer", *, dark: bool = False) -> dict[str, Any]:
    """Return what the grid of tiles needs: levels of all maps, their means, limits and colour tables.

    ``tiles`` is uint8 (C, H, W), ``low`` and ``high`` hold one number for each map.

    Raises:
        ValueError: ``layer`` gives a vector, not maps.
    """
    values = seen.maps[layer].numpy()
    if values.ndim != 3:
        raise ValueError(f"{layer} gives a vector")
    mode, low, high = scale_of(seen, layer, scale)
    if scale == "unit":
        bounds = np.array([limits(one, mode) for one in values])
    else:
        bounds = np.tile(np.array([low, high]), (len(values), 1))
    shared = levels(values, bounds[:, 0, None, None], bounds[:, 1, None, None])
    return {
        "layer": layer,
        "shape": list(values.shape),
        "mode": mode,
        "scale": scale,
        "tiles": pack(shared, np.uint8),
        "low": bounds[:, 0].tolist(),
        "high": bounds[:, 1].tolist(),
        "means": [_finite(one) for one in values.mean(axis=(1, 2), dtype=np.float64)],
        "signed": pack(lookup("signed", dark), np.uint8),
        "sequential": pack(lookup("sequential", dark), np.uint8),
    }


def unit_data(architecture: Architecture, seen: Look, layer: str, unit: int, found: Filters | None) -> dict[str, Any]:
    """Return what the large view of map ``unit`` needs: its numbers, its fields, its filter and what that saw.

    ``fields`` has, for each row and each column of the map, the first and last pixel of the input that reach it, or
    None. ``channels`` are the input channels whose kernels weigh most, each with the map that arrived there.

    Args:
        found: the filters of ``layer`` or, behind it, of the convolution whose maps it passes on; None without one.
    """
    row = architecture.trace().row(layer)
    field = row.receptive_field
    own = found is not None and found.layer == layer
    return {
        "unit": unit,
        "values": pack(seen.maps[layer][unit].numpy()),
        "fields": {"rows": list(field.rows.spans), "cols": list(field.cols.spans)} if field else None,
        "window": list(window(architecture, layer) or ()) if own else [],
        "filter": found.layer if found else None,
        "bias": _finite(float(found.bias[unit])) if found is not None and found.bias is not None else None,
        "channels": _channels(seen, found, unit, own) if found is not None else [],
        "of_channels": found.weight.shape[1] if found is not None else 0,
    }


def _finite(value: float) -> float | None:
    """Return ``value``, or None for what JSON cannot say: a network whose training failed has such numbers."""
    return float(value) if np.isfinite(value) else None


def _channels(seen: Look, found: Filters, unit: int, own: bool) -> list[dict[str, Any]]:
    kernels = found.weight[unit].numpy()  # (C_in, kH, kW)
    weight = np.abs(kernels).sum(axis=(1, 2))
    strongest = sorted(np.argsort(-weight, kind="stable")[:MOST_CHANNELS].tolist())
    limit = limits(found.weight.numpy(), "signed")[1]
    arriving = seen.arriving(found.layer).numpy()
    mode = mode_of(arriving)
    low, high = limits(arriving, mode)
    first = found.channels_of(unit)[0]
    return [
        {
            "index": first + channel,
            "kernel": pack(kernels[channel]),
            "size": list(kernels.shape[1:]),
            "limit": limit,
            "map": pack(arriving[first + channel]) if own else None,
            "map_size": list(arriving.shape[1:]),
            "map_mode": mode,
            "map_low": low,
            "map_high": high,
        }
        for channel in strongest
    ]


def source_filters(architecture: Architecture, layer: str) -> str | None:
    """Return the convolution whose filter made map k of ``layer``: itself, or the one behind channel-wise layers.

    None where several branches meet between them, or where the channels change their places.
    """
    rows = architecture.trace().rows
    row = architecture.trace().row(layer)
    while not isinstance(row.layer, Conv2d):
        moved = row.layer.kind in ("ChannelShuffle", "Chunk", "PadShortcut") or len(row.inputs) > 1
        if moved or row.inputs[0] < 0 or row.output_shape is None or len(row.output_shape) != 3:
            return None
        row = rows[row.inputs[0]]
    return row.name


def picture_data(picture: NDArray[np.uint8]) -> dict[str, Any]:
    """Return the input as red, green and blue bytes for a canvas.

    Shape:
        picture: (1, H, W) or (3, H, W) uint8
    """
    channels = picture if picture.shape[0] == 3 else np.repeat(picture[:1], 3, axis=0)
    return {"rgb": pack(channels.transpose(1, 2, 0), np.uint8), "size": list(picture.shape[1:])}
