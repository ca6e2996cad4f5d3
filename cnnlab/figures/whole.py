"""The whole network as data for the browser: a column of small maps for each layer, and how strongly each is fed.

The browser draws, folds out and lights links by itself; the server is asked again only when something else is shown.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnnlab.figures.network import shape_text
from cnnlab.figures.sheets import mode_of, pack
from cnnlab.figures.theme import CLASS_COLOURS, lookup
from cnnlab.figures.tiles import levels, limits
from cnnlab.insight import Look
from cnnlab.insight.arithmetic.passes import INPUT, PROBS
from cnnlab.insight.overview import Column, Overview, values

__all__ = ["INPUT", "PROBS", "TILE_PX", "shrunk", "to_data"]

TILE_PX = 36
"""Side of a small map on the screen; larger maps are sent as means over blocks, so that pixels stay whole."""


def to_data(
    view: Overview, seen: Look, picture: NDArray[np.uint8], names: Sequence[str], scale: str, *, dark: bool = False
) -> dict[str, Any]:
    """Return what the component ``whole`` draws.

    Args:
        picture: the input as bytes, with its border. Shape: (C, H, W) uint8
        names: of the classes.
        scale: one of ``sheets.SCALES``: what shares one colour scale.
    """
    numbers = [values(column, seen).numpy() for column in view.columns]
    largest = max(limits(one, "signed")[1] for column, one in zip(view.columns, numbers) if column.kind)
    drawn = [
        _column(view, index, numbers[index], names, scale, largest) for index in range(1, len(view.columns))
    ]  # fmt: skip
    return {
        "columns": [_input(view, picture), *drawn],
        "marked": list(view.chosen) if view.chosen else None,
        "colours": list(CLASS_COLOURS),
        "grey": pack(np.repeat(np.arange(256)[:, None], 3, axis=1), np.uint8),
        "signed": pack(lookup("signed", dark), np.uint8),
        "sequential": pack(lookup("sequential", dark), np.uint8),
    }


def _input(view: Overview, picture: NDArray[np.uint8]) -> dict[str, Any]:
    """Return the input's column: bytes as they are, a grey map for each of its channels."""
    column, small = view.columns[0], shrunk(picture.astype(np.float64))
    means = (picture.mean(axis=(1, 2), dtype=np.float64) / 255).tolist()
    return {
        **_frame(column, view.shown[0], small),
        "mode": "grey", "low": 0.0, "high": 255.0, "tiles": pack(np.round(small), np.uint8), "means": means, "fed": [],
    }  # fmt: skip


def _column(
    view: Overview, index: int, numbers: NDArray[Any], names: Sequence[str], scale: str, largest: float
) -> dict[str, Any]:
    column, shown = view.columns[index], list(view.shown[index])
    mode = mode_of(numbers)
    low, high = limits(numbers, mode)
    if scale == "network" and column.name != PROBS:
        low, high = (-largest if mode == "signed" else 0.0), largest
    picked = numbers[shown]
    bounds = [limits(one, mode) if scale == "unit" and column.is_map else (low, high) for one in picked]
    lows, highs = np.array(bounds).T[:, :, None, None]
    small = shrunk(picked)
    return {
        **_frame(column, shown, small),
        "mode": mode,
        "low": low if scale != "unit" or not column.is_map else None,
        "high": high if scale != "unit" or not column.is_map else None,
        "tiles": pack(levels(small, lows, highs), np.uint8),
        "means": [_finite(one) for one in picked.mean(axis=(1, 2), dtype=np.float64)],
        "classes": [names[item] for item in shown] if column.classes and len(names) == column.count else None,
        "fed": [
            {"source": fed.source, "strength": pack(fed.strength.numpy()), "rest": pack(fed.rest.numpy())}
            for fed in view.fed[index]
        ],
    }


def _frame(column: Column, shown: Sequence[int], small: NDArray[Any]) -> dict[str, Any]:
    return {
        "name": column.name, "kind": column.kind, "inputs": list(column.inputs), "depth": column.depth,
        "lane": column.lane, "count": column.count, "shown": list(shown), "size": list(small.shape[1:]),
        "map": column.is_map, "each": list(column.each), "shape": shape_text(column.shape), "classes": None,
        "holds": list(column.holds), "block": column.block,
    }  # fmt: skip


def shrunk(maps: NDArray[Any], side: int = TILE_PX) -> NDArray[np.float64]:
    """Return ``maps`` as means over equal blocks, the smallest whole blocks with which they fit ``side`` x ``side``.

    Shape:
        maps: (n, H, W); returned: (n, <= side, <= side); the last block of a row or column may be smaller
    """
    _count, height, width = maps.shape
    step = -(-max(height, width) // side)
    if step == 1:
        return maps.astype(np.float64)
    rows, cols = np.arange(0, height, step), np.arange(0, width, step)
    sums = np.add.reduceat(np.add.reduceat(maps.astype(np.float64), rows, axis=1), cols, axis=2)
    sizes = np.minimum(step, height - rows)[:, None] * np.minimum(step, width - cols)
    return sums / sizes


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
