"""One map and everything that makes it, as data for the browser, which works out each of its numbers by itself."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from cnnlab.architecture import Address
from cnnlab.figures.sheets import mode_of, pack
from cnnlab.figures.theme import lookup
from cnnlab.figures.tiles import limits
from cnnlab.insight.arithmetic import Pass, explain
from cnnlab.insight.arithmetic.plane import Incoming, Plane
from cnnlab.insight.arithmetic.planes import MOVES, plane

MORE = 8
"""How many more maps come at a time."""

MOST = 250_000
"""How many numbers of incoming maps the browser gets at most, those that it draws aside."""

_MOVES = {kind.__name__ for kind in MOVES}
_SENTENCES = {
    "BatchNorm2d": "norm", "GroupNorm": "norm", "LayerNorm": "norm", "LocalResponseNorm": "scaled",
    "Add": "add", "Multiply": "multiply", "Preprocessing": "pixel",
}  # fmt: skip


def number_data(passed: Pass, unit: Address, count: int = 6, *, dark: bool = False) -> dict[str, Any]:
    """Return what the number view needs of the map that ``unit`` stands in, whose ``count`` strongest inputs it draws.

    The browser gets all maps that go into a convolution, so that the largest terms are really the largest; of a very wide
    layer as many as fit, and the others together as ``rest``.

    Typed arrays go as base64: ``values``, ``kernel`` and ``weight`` float32; ``factor``, ``shift`` and ``rest`` float64;
    ``origin`` int32. ``at`` is the place of ``unit``, counted row by row.
    """
    made = plane(passed, unit, max(count, MOST // _size(passed, unit)))
    width = made.values.shape[1]
    at = unit.index[0] if made.channel is None else unit.index[1] * width + unit.index[2]
    kernels = [one.kernel.numpy() for one in made.incoming if one.kernel is not None]
    return {
        "kind": made.kind,
        "view": made.view,
        "sentence": _sentence(made),
        "out": _map(made.layer, made.channel, made.values),
        "incoming": [_incoming(one) for one in made.incoming],
        "of_incoming": made.of_incoming,
        "drawn": count if made.view == "window" else len(made.incoming),
        "more": MORE,
        "bias": made.bias,
        "rest": _doubles(made.rest),
        "shift": _doubles(made.shift),
        "window": list(made.window) if made.window else None,
        "rows": made.rows,
        "columns": made.columns,
        "tall": made.tall,
        "wide": made.wide,
        "weight": pack(made.weight.numpy()) if made.weight is not None else None,
        "limit": max((limits(one, "signed")[1] for one in kernels), default=1.0),
        "numbers": made.numbers,
        "fold": _fold(passed, made.incoming[0].layer) if made.incoming and made.view in ("flatten", "dense") else None,
        "told": _told(passed, unit) if made.view == "terms" else None,
        "leaf": made.kind in ("Preprocessing", "Picture"),
        "at": at,
        "signed": pack(lookup("signed", dark), np.uint8),
        "sequential": pack(lookup("sequential", dark), np.uint8),
        "grey": pack(lookup("grey"), np.uint8),
    }


def _size(passed: Pass, unit: Address) -> int:
    """Return how many numbers one incoming map of the unit's layer has."""
    sources = passed.look.takes.get(unit.layer, ("",))
    return max(1, passed.values(sources[0] or "input")[0].numel())


def _sentence(made: Plane) -> str:
    if made.kind in _MOVES:
        return "move"
    if made.kind in ("Dropout", "Dropout2d"):
        return "dropped" if made.numbers["training"] else "passes"
    return _SENTENCES.get(made.kind, "curve")


def _fold(passed: Pass, layer: str) -> list[int] | None:
    """Return (C, H, W) of the maps that a vector was before it was flattened, None where it never was any."""
    shape = passed.values(layer).shape
    while len(shape) == 1 and layer in passed.look.maps:
        sources, kind = passed.look.takes[layer], passed.row(layer).layer.kind
        before = passed.values(sources[0] or "input").shape
        if kind != "Flatten" and (len(sources) != 1 or before != shape or kind == "Linear"):
            return None
        layer, shape = sources[0] or "input", before
    return list(shape) if len(shape) == 3 else None


def _told(passed: Pass, unit: Address) -> dict[str, Any]:
    told = explain(passed, unit, 200)
    return {**told.to_json(), "says": told.says.text()}


def _map(layer: str, channel: int | None, values: Tensor) -> dict[str, Any]:
    array: NDArray[Any] = values.numpy()
    mode = "grey" if layer == "image" else mode_of(array)
    low, high = (0.0, 255.0) if mode == "grey" else limits(array, mode)
    return {
        "layer": layer,
        "channel": channel,
        "vector": channel is None,
        "values": pack(array),
        "size": list(array.shape),
        "mode": mode,
        "low": low,
        "high": high,
    }


def _incoming(one: Incoming) -> dict[str, Any]:
    return {
        **_map(one.layer, one.channel, one.values),
        "kernel": pack(one.kernel.numpy()) if one.kernel is not None else None,
        "origin": pack(one.origin.numpy(), np.int32) if one.origin is not None else None,
        "factor": _doubles(one.factor),
    }


def _doubles(values: Tensor | None) -> str | None:
    return None if values is None else pack(values.numpy(), np.float64)
