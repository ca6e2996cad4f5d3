"""From scratch against borrowed, over set sizes: the mean of several seeds with its spread, and each seed as a point."""

from __future__ import annotations

import math
from collections.abc import Sequence

import plotly.graph_objects as go

from cnnlab.figures import theme
from cnnlab.i18n import N_, _
from cnnlab.runs.set_sizes import Point

HEIGHT_PX = 340
WAYS: dict[bool, str] = {False: N_("from scratch"), True: N_("borrowed")}
COLOURS = {
    False: {False: "#BF4F00", True: "#F08A4B"},
    True: {False: "#3D5AFE", True: "#8C9EFF"},
}
"""The colour of each way (borrowed or not), by ``dark``; the marks differ in shape as well."""
_SYMBOLS = {False: "diamond", True: "circle"}
_ASIDE = {False: -0.025, True: 0.025}
"""By how much, in powers of ten, the points of one way stand beside the size, so that bars do not hide each other."""


def sizes(found: Sequence[Point], *, dark: bool = False) -> go.Figure:
    """Return test accuracy over images of each class (logarithmic): a line through the means, bars of one spread.

    The spread is the sample standard deviation over the seeds; small marks are the seeds themselves.
    """
    figure = go.Figure(layout={"template": theme.template(dark), "height": HEIGHT_PX})
    shown = [point for point in found if point.values]
    for way in (False, True):
        mine = sorted((point for point in shown if point.borrowed == way), key=lambda point: point.size)
        if mine:
            _way(figure, mine, way, dark)
    ticks = sorted({point.size for point in found})
    low = min((value for point in shown for value in point.values), default=0.0)
    figure.update_layout(
        margin={"l": 56, "r": 96, "t": 10, "b": 46},
        showlegend=False,
        xaxis={
            "title": {"text": _("training images of each class")}, "type": "log", "showgrid": False,
            "range": [math.log10(ticks[0]) - 0.15, math.log10(ticks[-1]) + 0.15] if ticks else None,
            "tickvals": ticks, "ticktext": [f"{tick:,}" for tick in ticks],
        },
        yaxis={"title": {"text": _("test accuracy")}, "range": [max(0.0, low - 0.08), 1.0], "tickformat": ".0%"},
    )  # fmt: skip
    return figure


def _way(figure: go.Figure, mine: Sequence[Point], way: bool, dark: bool) -> None:
    colour = COLOURS[way][dark]
    x = [point.size * 10 ** _ASIDE[way] for point in mine]
    figure.add_scatter(
        x=x, y=[point.mean for point in mine], mode="lines+markers",
        line={"color": colour, "width": 2, "dash": "solid" if way else "dash"},
        marker={"size": 10, "symbol": _SYMBOLS[way], "color": colour},
        error_y={"type": "data", "array": [point.spread or 0.0 for point in mine], "color": colour, "thickness": 1.5},
        text=[_said(point) for point in mine], hovertemplate="%{text}<extra></extra>",
    )  # fmt: skip
    figure.add_scatter(
        x=[place for place, point in zip(x, mine) for _value in point.values],
        y=[value for point in mine for value in point.values], mode="markers", hoverinfo="skip",
        marker={"size": 5, "symbol": _SYMBOLS[way] + "-open", "color": colour, "opacity": 0.8},
    )  # fmt: skip
    figure.add_annotation(
        x=math.log10(mine[-1].size) + max(_ASIDE.values()), y=mine[-1].mean, text=_(WAYS[way]), showarrow=False, xanchor="left", xshift=14,
        yshift=9 if way else -9, font={"color": colour, "size": 13},
    )  # fmt: skip


def _said(point: Point) -> str:
    """Return one point in words: how, with how many images, mean, spread and number of seeds."""
    values = {
        "way": _(WAYS[point.borrowed]), "size": point.size, "mean": f"{point.mean:.1%}", "count": len(point.values)
    }  # fmt: skip
    if point.spread is None:
        return _("{way}, {size:,} images a class: {mean} (one seed, so no spread is known)", **values)
    return _("{way}, {size:,} images a class: {mean} ± {spread} points over {count} seeds",
             spread=f"{100 * point.spread:.1f}", **values)  # fmt: skip


def sizes_alt(found: Sequence[Point]) -> str:
    """Return in words what :func:`sizes` shows."""
    return "; ".join(_said(point) for point in found if point.values)


def steps_text(found: Sequence[Point]) -> str:
    """Return how many steps each run has: the same for both ways at each size."""
    each = {point.size: point.steps for point in found}
    if len(set(each.values())) == 1:
        return _("Every run has {steps:,} steps.", steps=next(iter(each.values())))
    told = _(", ").join(
        _("{steps:,} with {size:,} images a class", steps=steps, size=size) for size, steps in each.items()
    )
    return _("Steps of each run, the same for both ways: {told}.", told=told)
