"""Gradients as data for the number view: a map of dL/d(unit), and one kernel weight's sum over its positions."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from cnnlab.architecture import Address
from cnnlab.architecture import layers as specs
from cnnlab.figures.sheets import mode_of, pack
from cnnlab.figures.theme import lookup
from cnnlab.figures.tiles import limits
from cnnlab.insight.arithmetic.terms import Explanation
from cnnlab.insight.backwards import Backward, explain_gradient

TERMS = 200
"""How many terms the browser gets of one gradient; the others come as one rest."""


def gradient_data(back: Backward, unit: Address, *, dark: bool = False) -> dict[str, Any]:
    """Return what the number view needs to show dL/d(unit) of the first image, with its map around it."""
    told = explain_gradient(back, unit, 0, TERMS)
    channel = unit.index[0] if len(unit.index) == 3 else None
    whole = back.gradients[unit.layer][0]
    values = whole[channel] if channel is not None else whole.unsqueeze(0)
    at = unit.index[0] if channel is None else unit.index[1] * values.shape[1] + unit.index[2]
    return {**_frame("terms", unit, channel, values, at, dark), "told": _told(told)}


def weight_data(back: Backward, weight: Address, *, dark: bool = False) -> dict[str, Any] | None:
    """Return what the number view needs to show dL/dw of one kernel weight: input, upstream gradient, their products.

    The maps are those of the first image; what the others of the batch add comes as one rest. None for other weights.
    """
    layer = back.architecture.trace().row(weight.layer).layer
    if not isinstance(layer, specs.Conv2d) or weight.tensor != "weight":
        return None
    channel, k, m, n = weight.index
    source = back.sources(weight.layer)[0]
    arriving, upstream = back.values[source][0], back.gradients[weight.layer][0][channel]
    per_group = back.weights[f"{weight.layer}.weight"].shape[1]
    came = channel // (layer.out_channels // layer.groups) * per_group + k
    _kernel, stride, padding, dilation = layer.window()
    height, width = arriving.shape[1:]
    rows = torch.arange(upstream.shape[0])[:, None] * stride - padding + m * dilation
    columns = torch.arange(upstream.shape[1])[None, :] * stride - padding + n * dilation
    inside = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
    origin = torch.where(inside, rows * width + columns, torch.tensor(-1))
    told = explain_gradient(back, weight, 0, 0)
    met = arriving[came].flatten()[origin.clamp(min=0)].double() * inside
    own = float((met * upstream.double()).sum())
    data = _frame("weight", weight, channel, upstream, int((met * upstream).abs().argmax()), dark)
    return {
        **data,
        "incoming": [{
            **_map(source, came, arriving[came], True), "kernel": None, "factor": None,
            "origin": pack(origin.numpy(), np.int32),
        }],
        "others_sum": told.total - own,
        "images": len(back.targets),
        "says_unit": str(weight),
        "told": {**_told(told), "says": told.says.text()},
    }  # fmt: skip


def _frame(view: str, unit: Address, channel: int | None, values: Tensor, at: int, dark: bool) -> dict[str, Any]:
    return {
        "kind": "Gradient", "view": view, "sentence": "", "out": _map(unit.layer, channel, values), "incoming": [],
        "of_incoming": 0, "more": 0, "drawn": 1, "bias": 0.0, "rest": None, "shift": None, "window": None, "rows": [], "columns": [],
        "tall": None, "wide": None, "weight": None, "limit": 1.0, "numbers": {}, "fold": None, "leaf": True, "at": at,
        "gradient": True, "remark": "", "start": None, "trail": [], "classes": [],
        "signed": pack(lookup("signed", dark), np.uint8),
        "sequential": pack(lookup("sequential", dark), np.uint8),
        "grey": pack(lookup("grey"), np.uint8),
    }  # fmt: skip


def _map(layer: str, channel: int | None, values: Tensor, given: bool = False) -> dict[str, Any]:
    array = values.numpy()
    mode = mode_of(array) if given else "signed"
    low, high = limits(array, mode)
    return {
        "layer": layer, "channel": channel, "vector": channel is None, "values": pack(array),
        "size": list(values.shape), "mode": mode, "low": low, "high": high,
    }  # fmt: skip


def _told(told: Explanation) -> dict[str, Any]:
    return {**told.to_json(), "says": told.says.text()}
