"""The one look of every chart: palette, colour scales and the Plotly template of both themes.

Signed values (weights, attributions, gradients) run blue - background - orange-red, symmetric about zero.
Activations run on viridis. A class has the same colour on every page. Everything is drawn on a transparent
ground, so that a figure sits on the page in either theme.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

INK = {False: "#1B2733", True: "#E6EDF3"}
"""Colour of text and marks, by ``dark``."""
QUIET = {False: "#5A6875", True: "#9DA9B5"}
"""Colour of axis text: AA contrast on the page's ground, by ``dark``."""
LINE = {False: "rgba(27,39,51,0.14)", True: "rgba(230,237,243,0.16)"}
"""Colour of grid and axis lines, by ``dark``."""
GROUND = {False: "#FFFFFF", True: "#0F1419"}
"""What zero looks like on a signed scale, by ``dark``."""
ACCENT = {False: "#3D5AFE", True: "#8C9EFF"}
"""The one accent, by ``dark``."""
NEGATIVE = {False: "#2166AC", True: "#5AA5F0"}
"""The negative end of a signed scale, by ``dark``."""
POSITIVE = {False: "#D6604D", True: "#F08A6C"}
"""The positive end of a signed scale, by ``dark``."""

UNSIGNED = "#7B3294"
"""What a map without sign is laid over a picture in: neither of the two colours that mean for and against."""

CLASS_COLOURS: tuple[str, ...] = (
    "#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7",
    "#56B4E9", "#F0E442", "#990066", "#6633FF", "#CC0033",
)  # fmt: skip
"""Ten colours for ten classes, told apart with any colour vision.

The first seven are those of Okabe & Ito 2008, "Color Universal Design"; three are added so that no pair comes closer
in simulated protanopia, deuteranopia and tritanopia (Machado et al. 2009) than two of the seven do: CIE76 16.
"""

FONT = "Inter, 'Segoe UI', 'Noto Sans', 'Noto Sans CJK SC', 'PingFang SC', 'Microsoft YaHei', system-ui, sans-serif"
"""The pages' own font, so that a chart speaks with the same voice."""

_VIRIDIS = (
    "#440154", "#482878", "#3E4989", "#31688E", "#26828E",
    "#1F9E89", "#35B779", "#6ECE58", "#B5DE2B", "#FDE725",
)  # fmt: skip


def signed_scale(dark: bool = False) -> list[list[Any]]:
    """Return the Plotly colour scale of signed values; zero has the colour of the ground and lies at 0.5."""
    return [[0.0, NEGATIVE[dark]], [0.5, GROUND[dark]], [1.0, POSITIVE[dark]]]


SEQUENTIAL: list[list[Any]] = [[i / (len(_VIRIDIS) - 1), colour] for i, colour in enumerate(_VIRIDIS)]
"""Viridis, for activations, in both themes: a Plotly colour scale, as ``signed_scale`` is of signed values."""


def class_colour(target: int) -> str:
    """Return the colour of class ``target``; beyond ten classes the colours repeat."""
    return CLASS_COLOURS[target % len(CLASS_COLOURS)]


def rgb(colour: str) -> tuple[int, int, int]:
    """Return ``(red, green, blue)`` in 0..255 of a colour written ``#RRGGBB``."""
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


@cache
def lookup(mode: str = "sequential", dark: bool = False) -> NDArray[np.uint8]:
    """Return the colour table of ``mode``: row 0 is the lowest value, row 255 the highest.

    ``signed`` and ``sequential`` are ``signed_scale`` and ``SEQUENTIAL``, ``unsigned`` is paper to ``UNSIGNED`` in both themes,
    ``grey`` is black to white.

    Shape:
        returned: (256, 3) uint8, read-only: one table for all who ask
    """
    table = np.repeat(np.arange(256, dtype=np.uint8)[:, None], 3, axis=1) if mode == "grey" else _shades(mode, dark)
    table.setflags(write=False)
    return table


def _shades(mode: str, dark: bool) -> NDArray[np.uint8]:
    paper = [[0.0, GROUND[False]], [1.0, UNSIGNED]]
    scale = {"signed": signed_scale(dark), "unsigned": paper}.get(mode, SEQUENTIAL)
    stops = np.array([stop for stop, _colour in scale])
    colours = np.array([rgb(colour) for _stop, colour in scale], dtype=np.float64)  # (stops, 3)
    at = np.linspace(0.0, 1.0, 256)
    table = np.stack([np.interp(at, stops, colours[:, channel]) for channel in range(3)], axis=1)
    return np.round(table).astype(np.uint8)


def template(dark: bool = False) -> go.layout.Template:
    """Return the Plotly template of the light or the dark theme."""
    axis = {
        "gridcolor": LINE[dark],
        "linecolor": LINE[dark],
        "zerolinecolor": LINE[dark],
        "tickfont": {"color": QUIET[dark], "size": 12},
        "title": {"font": {"color": QUIET[dark], "size": 12}, "standoff": 6},
        "ticks": "",
        "fixedrange": True,
        "automargin": True,
    }
    layout = go.Layout(
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        font={"family": FONT, "color": INK[dark], "size": 13},
        title={"font": {"size": 14, "color": INK[dark]}, "x": 0.0, "xanchor": "left", "pad": {"l": 2}},
        margin={"l": 44, "r": 12, "t": 28, "b": 36},
        colorway=list(CLASS_COLOURS),
        colorscale={"sequential": SEQUENTIAL, "diverging": signed_scale(dark)},
        xaxis=axis,
        yaxis=axis,
        showlegend=False,
        hoverlabel={"font": {"family": FONT, "size": 12}},
        dragmode=False,
        transition={"duration": 0},
    )
    return go.layout.Template(layout=layout)


def signed_limit(values: NDArray[Any]) -> float:
    """Return the limit L of a scale [-L, L] for ``values``: their largest size, or 1 where all are zero."""
    finite = np.abs(values[np.isfinite(values)])
    largest = float(finite.max()) if finite.size else 0.0
    return largest if largest > 0 else 1.0


def number(value: float) -> str:
    """Return ``value`` as the lab writes it: four significant digits, k and M, a true minus sign."""
    size = abs(value)
    if size >= 999_950:
        text = f"{value / 1e6:.4g}M"
    elif size >= 10_000:
        text = f"{value / 1e3:.4g}k"
    elif size and size < 0.0001:
        text = f"{value:.1e}"
    else:
        text = f"{value:.4g}"
    return text.replace("-", "\u2212")
