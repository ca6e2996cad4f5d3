"""What an operation does: the kernels before and after, the change for each class, and the table of lesions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape
from typing import Any

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from cnnlab.figures import theme
from cnnlab.figures.filters import filter_limit
from cnnlab.figures.tiles import filter_png, hard_img, tile_png
from cnnlab.figures.units import strip_png
from cnnlab.i18n import _
from cnnlab.insight.surgery import Effect, Lesions

ROW_PX = 24
"""Height of one class's bar, and of one channel's row."""
_EDGE = "outline:1px solid var(--line);outline-offset:1px"
_LEAST_CHANGE = 0.02
"""The scale of the lesion table never shows less than this as its strongest colour: 2 points."""


def numbers_html(effect: Effect, facts: str) -> str:
    """Return the accuracy before and after, how many answers changed and the loss, as large figures in a row.

    Args:
        facts: what stands below, escaped where need be.
    """
    loss = effect.loss_after - effect.loss_before
    points = _points(100 * effect.change, 1)
    cells = [
        (_("Before"), f"{effect.acc_before:.1%}", ""),
        (_("After"), f"{effect.acc_after:.1%}", _("{points} points", points=points)),
        (_("Other answers"), f"{len(effect.changed):,}", ""),
        (_("Loss"), f"{effect.loss_after:.3f}", _points(loss, 3)),
    ]
    shown = []
    for label, value, change in cells:  # no colours here: blue and red mean lost and gained in the bars and the table
        shown.append(
            f'<div><div style="color:var(--soft);font-size:.875rem">{escape(label)}</div>'
            f'<div style="font-size:1.9rem;line-height:1.3">{value}</div>'
            f'<div style="font-size:.8125rem;min-height:1.3em">{escape(change)}</div></div>'
        )
    pairs = [  # two by two: on a narrow screen no figure stands alone
        f'<div style="flex:1 1 14.5rem;display:grid;grid-template-columns:1fr 1fr;gap:1rem">{first}{second}</div>'
        for first, second in zip(shown[::2], shown[1::2])
    ]
    row = "display:flex;flex-wrap:wrap;gap:.25rem 1rem;max-width:44rem;font-variant-numeric:tabular-nums"
    return f'<div class="lab-effect" style="{row}">{"".join(pairs)}</div><p class="lab-facts">{facts}</p>'


def _points(value: float, digits: int) -> str:
    """Return ``value`` with its sign, a true minus; "0" where nothing is left of it."""
    text = f"{value:+.{digits}f}"
    return text.replace("-", "\u2212") if float(text) else "0"


def channel_img(weight: NDArray[Any], unit: int, alt: str, *, limit: float | None = None, dark: bool = False) -> str:
    """Return the filter of channel ``unit`` as an ``img``: in colour on three channels, else a tile for each input.

    Args:
        limit: of the signed scale; None: of all weights of the layer.

    Shape:
        weight: (C_out, C_in, kH, kW), or (F_out, F_in) of a dense layer
    """
    limit = limit or filter_limit(weight)
    one = weight[unit]
    if weight.ndim == 2:
        return hard_img(
            strip_png(one, scale=(-limit, limit), dark=dark), alt, f"min(100%, {min(64, len(one)) * 5}px)", _EDGE
        )
    if weight.shape[1] == 3:
        return hard_img(
            filter_png(one[None], columns=1, zoom=max(1, 120 // one.shape[-1]), dark=dark), alt, style=_EDGE
        )
    zoom = max(1, (120 if len(one) == 1 else 30 if len(one) <= 16 else 15) // one.shape[-1])
    picture = tile_png(one, "signed", scale=(-limit, limit), columns=max(8, math.isqrt(len(one))), zoom=zoom, dark=dark)
    return hard_img(picture, alt, style=_EDGE)


def class_change(
    counts: Sequence[int], before: Sequence[int], after: Sequence[int], names: Sequence[str], *, dark: bool = False
) -> go.Figure:
    """Return for each class by how many points the accuracy rose or fell, as bars to the right and left of zero.

    Args:
        counts: images of each class.
        before, after: how many of them are named rightly.
        names: of the classes, translated.
        dark: the theme.
    """
    change = 100 * (np.array(after) - np.array(before)) / np.maximum(np.array(counts), 1)
    texts = [_points(value, 1) for value in change]
    low, high = min(0.0, float(change.min())), max(0.0, float(change.max()))
    room = 0.35 * max(1.0, high - low)  # for the number beside the longest bar
    figure = go.Figure(layout={"template": theme.template(dark), "height": class_height(len(names))})
    figure.add_bar(
        x=change, y=list(names), orientation="h", text=texts, textposition="outside", cliponaxis=False,
        textfont={"size": 12},
        marker={"color": [theme.NEGATIVE[dark] if value < 0 else theme.POSITIVE[dark] for value in change]},
        customdata=np.stack([before, after, counts], axis=1),
        hovertemplate="%{y}: %{customdata[0]} → %{customdata[1]} / %{customdata[2]}<extra></extra>",
    )  # fmt: skip
    figure.update_layout(
        bargap=0.3,
        margin={"l": 80, "r": 12, "t": 6, "b": 34},
        xaxis={"range": [low - room, high + room], "title": {"text": _("change of the accuracy, in points")},
               "zeroline": True, "zerolinecolor": theme.QUIET[dark], "showgrid": False, "nticks": 5},
        yaxis={"autorange": "reversed", "type": "category", "showgrid": False},
    )  # fmt: skip
    return figure


def class_height(count: int) -> int:
    """Return how high ``class_change`` is for ``count`` classes."""
    return 50 + ROW_PX * count


def class_text(counts: Sequence[int], before: Sequence[int], after: Sequence[int], names: Sequence[str]) -> str:
    """Return in words what ``class_change`` shows."""
    return "; ".join(
        _("{name}: {before} of {count} before, {after} after", name=name, before=was, after=now, count=count)
        for name, was, now, count in zip(names, before, after, counts)
    )


_LESION_HEAD = 84
"""Room for the bar of colours above the names of the classes: beside the table it would take it from the cells."""


def lesion_heat(
    found: Lesions, order: Sequence[int], names: Sequence[str], *, sure: bool, dark: bool = False
) -> go.Figure:
    """Return the table of lesions: a row for each channel, a column for each class, blue where it loses.

    Args:
        order: the places of the channels in ``found.units``, from the top.
        sure: the mean probability of the true class instead of the accuracy.
    """
    values = 100 * (found.sure_change if sure else found.change)[list(order)]
    limit = max(100 * _LEAST_CHANGE, float(np.abs(values).max(initial=0.0)))
    figure = go.Figure(layout={"template": theme.template(dark), "height": lesion_height(len(order))})
    figure.add_heatmap(
        z=values, x=list(names), y=[str(found.units[place]) for place in order], zmin=-limit, zmax=limit,
        colorscale=theme.signed_scale(dark), xgap=1, ygap=1 if len(order) <= 64 else 0,
        textfont={"size": 11},
        hovertemplate=f"{found.layer}[%{{y}}] · %{{x}}: %{{z:+.2f}}<extra></extra>",
        colorbar={"orientation": "h", "yref": "container", "y": 1, "yanchor": "top", "thickness": 10, "outlinewidth": 0,
                  "nticks": 5, "xref": "paper", "len": 1},
    )  # fmt: skip
    if len(order) <= 64:
        _written(figure, values, names, [str(found.units[place]) for place in order], limit, dark)
    figure.update_layout(
        margin={"l": 46, "r": 8, "t": _LESION_HEAD, "b": 8},
        xaxis={"side": "top", "type": "category", "showgrid": False, "tickangle": 0 if max(map(len, names)) < 4 else -40},
        yaxis={"autorange": "reversed", "type": "category", "showgrid": False, "title": {"text": _("channel")},
               **({"dtick": 1} if len(order) <= 64 else {"nticks": 32})},
    )  # fmt: skip
    return figure


def _written(
    figure: go.Figure, values: NDArray[Any], names: Sequence[str], units: Sequence[str], limit: float, dark: bool
) -> None:
    """Write each change on its cell, light or dark, whichever can be read on the cell's colour; nothing where there is none."""
    ground, ends = (np.array(theme.rgb(theme.GROUND[dark])), (theme.NEGATIVE[dark], theme.POSITIVE[dark]))
    cells = []
    for row, unit in zip(values, units):
        for value, name in zip(row, names):
            if abs(value) >= 0.05:
                share = min(1.0, abs(value) / limit)
                colour = (1 - share) * ground + share * np.array(theme.rgb(ends[int(value > 0)]))
                cells.append((name, unit, _points(float(value), int(abs(value) < 9.95)), ink_on(colour)))
    x, y, text, colours = zip(*cells) if cells else ((), (), (), ())
    figure.add_scatter(
        x=x, y=y, text=text, mode="text", textfont={"color": colours, "size": 11}, hoverinfo="skip", showlegend=False
    )


def ink_on(colour: NDArray[Any]) -> str:
    """Return black or white, whichever stands out more on ``colour``, (3,) in 0 to 255.

    Source: W3C, Web Content Accessibility Guidelines 2.1, relative luminance and contrast ratio.
    """
    share = np.asarray(colour, dtype=np.float64) / 255
    linear = np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)
    light = float(linear @ np.array([0.2126, 0.7152, 0.0722]))
    return "#FFFFFF" if 1.05 / (light + 0.05) > (light + 0.05) / 0.05 else "#000000"


def points_lost(found: Lesions, place: int) -> str:
    """Return by how many points the accuracy changes without the channel at ``place``."""
    return _points(-100 * float(found.cost[place]), 1)


def lesion_height(count: int) -> int:
    """Return how high ``lesion_heat`` is for ``count`` channels."""
    return _LESION_HEAD + 48 + (20 if count <= 64 else 6) * max(3, count)


def lesion_text(found: Lesions, order: Sequence[int]) -> str:
    """Return in words what ``lesion_heat`` shows: the channels whose loss costs most."""
    worst = sorted(order, key=lambda place: -float(found.cost[place]))[:5]
    rows = [
        _("channel {unit}: {points} points", unit=found.units[place], points=points_lost(found, place))
        for place in worst
    ]
    return _("What silencing each channel of {layer} changes; most: {rows}", layer=found.layer, rows="; ".join(rows))
