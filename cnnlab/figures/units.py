"""Vectors of units: bars where they can be told apart, a strip of hard pixels where there are many."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from cnnlab.figures.theme import ACCENT, NEGATIVE, POSITIVE, QUIET, class_colour, number, template
from cnnlab.figures.tiles import limits, tile_png
from cnnlab.i18n import _

MOST_BARS = 256
"""Units that are drawn as bars; more become a strip."""
STRIP_COLUMNS = 64


def unit_bars(values: NDArray[Any], *, dark: bool = False, height: int = 260) -> go.Figure:
    """Return one bar for each unit of a vector, in order: blue below zero, orange-red or the accent above.

    Shape:
        values: (F,)
    """
    signed = bool((values < 0).any())
    up = POSITIVE[dark] if signed else ACCENT[dark]
    colours = [NEGATIVE[dark] if value < 0 else up for value in values]
    figure = go.Figure(layout={"template": template(dark), "height": height})
    figure.add_trace(
        go.Bar(
            x=np.arange(len(values)),
            y=values,
            marker={"color": colours, "line": {"width": 0}},
            hovertemplate="%{x}: %{y:.4g}<extra></extra>",
        )
    )
    low, high = limits(values, "signed" if signed else "sequential")
    figure.update_layout(
        bargap=0.15 if len(values) <= 64 else 0.0,
        margin={"l": 46, "r": 8, "t": 10, "b": 36},
        xaxis={"title": {"text": _("unit")}, "showgrid": False, "range": [-0.6, len(values) - 0.4]},
        yaxis={"range": [low * 1.05, high * 1.05], "nticks": 5, "zeroline": True},
    )
    return figure


def class_bars(
    values: NDArray[Any], names: Sequence[str], *, percent: bool = False, dark: bool = False, height: int = 300
) -> go.Figure:
    """Return one horizontal bar for each class with its number at the end, first class on top.

    Args:
        percent: whether ``values`` are probabilities: the axis is fixed to 0 to 100 %.

    Shape:
        values: (classes,)
    """
    texts = [f"{value:.1%}" if percent else number(float(value)) for value in values]
    figure = go.Figure(layout={"template": template(dark), "height": height})
    figure.add_trace(
        go.Bar(
            x=values,
            y=list(names),
            orientation="h",
            text=texts,
            textposition="outside",
            cliponaxis=False,
            textfont={"size": 12},
            marker={"color": [class_colour(k) for k in range(len(names))], "line": {"width": 0}},
            hoverinfo="skip",
        )
    )
    low, high = (0.0, 1.0) if percent else limits(values, "sequential")
    room, left = 0.16 * (high - low), 0.28 * (high - low)  # left of a negative bar its number stands beside a name
    figure.update_layout(
        bargap=0.25,
        margin={"l": 70, "r": 16, "t": 6, "b": 8},
        xaxis={"range": [low - (left if low < 0 else 0), high + room], "visible": False, "zeroline": True},
        yaxis={"autorange": "reversed", "type": "category", "showgrid": False, "tickfont": {"color": QUIET[dark]}},
    )
    return figure


def strip_png(values: NDArray[Any], *, scale: tuple[float, float] | None = None, dark: bool = False) -> bytes:
    """Return a vector as rows of hard pixels, 64 units in a row, the first on the top left.

    Shape:
        values: (F,)
    """
    mode = "signed" if bool((values < 0).any()) else "sequential"
    bounds = scale or limits(values, mode)
    columns = min(STRIP_COLUMNS, len(values))
    return tile_png(values.reshape(-1, 1, 1), mode, scale=bounds, columns=columns, gap=0, dark=dark)
