"""Figures of the Data page: the wall of images, the balance of the classes."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go

from cnnlab.data.views import Wall
from cnnlab.figures import theme
from cnnlab.figures.tiles import png

MOST_ROWS = 30
"""Classes that get a row with their name; more become narrow columns."""


def wall_data(wall: Wall, labels: Sequence[str], chosen: int, text: str) -> dict[str, Any]:
    """Return what the component ``image_wall`` draws: one PNG with all images side by side, and their words.

    Args:
        wall: the images.
        labels: what each tile says.
        chosen: position of the chosen image.
        text: what the whole wall is, for those who do not see it.
    """
    count, channels, height, width = wall.images.shape
    strip = wall.images.transpose(2, 0, 3, 1).reshape(height, count * width, channels)  # images side by side
    picture = png(np.ascontiguousarray(strip[:, :, 0] if channels == 1 else strip))
    return {
        "picture": "data:image/png;base64," + base64.b64encode(picture).decode("ascii"),
        "size": [height, width],
        "zoom": zoom(max(height, width)),
        "positions": list(wall.positions),
        "labels": list(labels),
        "chosen": chosen,
        "text": text,
    }


def zoom(side: int) -> float:
    """Return how large an image of ``side`` pixels is drawn: a whole multiple, and less than 1 beyond 64 pixels."""
    return max(1, round(60 / side)) if side <= 64 else 64 / side


def balance(counts: Sequence[int], names: Sequence[str], *, dark: bool = False) -> go.Figure:
    """Return how many images each class has: a labelled bar a class, in the colour of the class."""
    colours = [theme.class_colour(target) for target in range(len(counts))]
    top = max([1, *counts])
    if len(counts) > MOST_ROWS:
        bars = go.Bar(
            x=list(names), y=list(counts), marker_color=theme.ACCENT[dark], hovertemplate="%{x}: %{y:,}<extra></extra>"
        )
        axes: dict[str, Any] = {"xaxis": {"showticklabels": False}, "yaxis": {"range": [0, top * 1.05], "nticks": 4}}
    else:
        bars = go.Bar(
            x=list(counts), y=list(names), orientation="h", marker_color=colours, text=[f"{count:,}" for count in counts],
            textposition="outside", cliponaxis=False, hoverinfo="skip",
        )  # fmt: skip
        axes = {
            "xaxis": {"visible": False, "range": [0, top * 1.22]},
            "yaxis": {
                "autorange": "reversed",
                "type": "category",
                "showgrid": False,
                "ticklabelstandoff": 6,
                "tickfont": {"color": theme.INK[dark]},
            },
        }
    figure = go.Figure(bars)
    figure.update_layout(
        template=theme.template(dark), height=balance_height(len(counts)), bargap=0.35,
        margin={"l": 8, "r": 8, "t": 4, "b": 8}, **axes,
    )  # fmt: skip
    return figure


def balance_height(classes: int) -> int:
    """Return how high the figure of ``balance`` is, in pixels."""
    return 220 if classes > MOST_ROWS else 16 + 25 * classes
