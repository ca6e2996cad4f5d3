"""The loss over a plane as a map and as a surface, the path of a run on it, and the ways that marbles took."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from cnnlab.figures import theme
from cnnlab.i18n import _
from cnnlab.insight.landscape import WAYS, Landscape, Pair, Rolled

HEIGHT_PX = 480
CURVE_PX = 240
LOW = {False: "#FBFCFE", True: "#10161D"}
"""The ground of the valleys, by ``dark``."""
HIGH = {False: "#8FA0C8", True: "#55689F"}
"""The highest ground, by ``dark``; between the two every colour below stands out."""
COLOURS = {
    "batch": {False: "#0072B2", True: "#56B4E9"},
    "mini": {False: "#007A58", True: "#2FD3A5"},
    "single": {False: "#B45F06", True: "#F0A94A"},
    "momentum": {False: "#A03A78", True: "#F095C8"},
    "adam": {False: "#B3261E", True: "#FF8A80"},
}
"""The colour of each marble, by ``dark``."""
SYMBOLS = {"batch": "circle", "mini": "square", "single": "diamond", "momentum": "triangle-up", "adam": "star"}
_LEAST = 1e-6
_TICKS = (1.0, 2.0, 5.0)


def heights(losses: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return log10 of the losses; what is no number is as high as the highest that is."""
    finite = losses[np.isfinite(losses)]
    top = float(finite.max()) if finite.size else 1.0
    clean = np.nan_to_num(losses, nan=top, posinf=top, neginf=_LEAST)
    return np.asarray(np.log10(np.maximum(clean, _LEAST)), dtype=np.float64)


def axis_names(found: Landscape) -> tuple[str, str]:
    """Return what stands at the two axes."""
    plane = found.plane
    if plane.kind == "weights":
        return f"u: {plane.names[0]}", f"v: {plane.names[1]}"
    if plane.kind == "path":
        first, second = plane.held
        return (
            _("u: component 1, {share:.1%} of the path's variance", share=first),
            _("v: component 2, {share:.1%} of the path's variance", share=second),
        )
    return _("u: first direction"), _("v: second direction")


def axis_short(found: Landscape) -> tuple[str, str]:
    """Return the names of the axes alone, for fields."""
    return (_("u: component 1"), _("v: component 2")) if found.plane.kind == "path" else axis_names(found)


def landscape_map(
    found: Landscape, rolled: Sequence[Rolled] = (), marble: Pair | None = None, *, dark: bool = False
) -> go.Figure:
    """Return the plane from above: each line stands for one loss, the path of the run and the marbles upon it.

    Every point of the grid can be chosen with a tap.

    Args:
        rolled: what marbles have done.
        marble: where the next one lies.
    """
    names = axis_names(found)
    figure = go.Figure(layout={"template": theme.template(dark), "height": HEIGHT_PX})
    _ground(figure, found, dark)
    across, down = np.meshgrid(found.u, found.v)
    figure.add_scatter(
        x=across.ravel(), y=down.ravel(), mode="markers", marker={"size": 14, "opacity": 0},
        selected={"marker": {"opacity": 0}}, unselected={"marker": {"opacity": 0}},
        customdata=found.losses.ravel(), name="", hovertemplate=_("loss {loss}", loss="%{customdata:.4g}") + "<extra></extra>",
    )  # fmt: skip
    _path(figure, found, dark)
    for one in rolled:
        _way(figure, one, dark)
    if marble is not None:
        _point(figure, marble, theme.INK[dark], "circle-open-dot", 18, _("the marble"))
    figure.update_layout(
        margin={"l": 56, "r": 8, "t": 12, "b": 48}, clickmode="event+select", uirevision=str(found.ask),
        xaxis={"range": list(found.plane.reach[0]), "title": {"text": names[0]}, "showgrid": False, "zeroline": False},
        yaxis={"range": list(found.plane.reach[1]), "title": {"text": names[1]}, "showgrid": False, "zeroline": False},
    )  # fmt: skip
    return figure


def _ground(figure: go.Figure, found: Landscape, dark: bool) -> None:
    z = heights(found.losses)
    low, high = float(z.min()), float(z.max())
    values = ticks(low, high)
    figure.add_contour(
        x=found.u, y=found.v, z=z, zmin=low, zmax=max(high, low + 1e-6), hoverinfo="skip", ncontours=18, line={"width": 1, "color": theme.LINE[dark]},
        contours={"coloring": "fill"}, colorscale=[[0, LOW[dark]], [1, HIGH[dark]]],
        colorbar={
            "title": {"text": _("loss"), "font": {"size": 12}}, "thickness": 12, "len": 0.9, "outlinewidth": 0,
            "tickvals": [float(np.log10(value)) for value in values], "ticktext": [theme.number(value) for value in values],
            "tickfont": {"size": 12, "color": theme.QUIET[dark]},
        },
    )  # fmt: skip


def ticks(low: float, high: float) -> list[float]:
    """Return round losses between 10^low and 10^high: 1, 2, 5, 10, ...; the two ends where there is none or one."""
    powers = range(int(np.floor(low)) - 1, int(np.ceil(high)) + 1)
    found = [value * 10.0**power for power in powers for value in _TICKS]
    found = [value for value in found if low <= np.log10(value) <= high]
    return found if len(found) > 1 else [float(10**low), float(10**high)]


def _path(figure: go.Figure, found: Landscape, dark: bool) -> None:
    ink = theme.INK[dark]
    if found.path:
        figure.add_scatter(
            x=[one.place[0] for one in found.path], y=[one.place[1] for one in found.path], mode="lines+markers",
            line={"color": ink, "width": 2, "dash": "dot"}, marker={"size": 5, "color": ink},
            customdata=[[one.step, one.loss, one.below] for one in found.path],
            hovertemplate=_(
                "step {step}: loss {loss}, of the place below it {below}",
                step="%{customdata[0]:,}", loss="%{customdata[1]:.4g}", below="%{customdata[2]:.4g}",
            ) + "<extra></extra>",
        )  # fmt: skip
    _point(figure, found.plane.origin, ink, "cross-thin", 12, _("the model: loss {loss:.4g}", loss=found.centre))


def _way(figure: go.Figure, one: Rolled, dark: bool) -> None:
    colour = COLOURS[one.way][dark]
    steps = [[number, loss] for number, loss in enumerate(one.losses)]
    figure.add_scatter(
        x=[place[0] for place in one.places], y=[place[1] for place in one.places], mode="lines+markers",
        line={"color": colour, "width": 2}, customdata=steps,
        marker={
            "color": colour, "symbol": SYMBOLS[one.way], "size": [4] * len(one.moves) + [13],
            "line": {"width": 1, "color": theme.GROUND[dark]},
        },
        hovertemplate=_(
            "{way}, after step {step}: loss {loss}",
            way=_(WAYS[one.way].name), step="%{customdata[0]}", loss="%{customdata[1]:.4g}",
        ) + "<extra></extra>",
    )  # fmt: skip


def _point(figure: go.Figure, place: Pair, colour: str, symbol: str, size: int, text: str) -> None:
    figure.add_scatter(
        x=[place[0]], y=[place[1]], mode="markers", hovertemplate=text + "<extra></extra>",
        marker={"size": size, "symbol": symbol, "color": colour, "line": {"width": 2.5, "color": colour}},
    )  # fmt: skip


def landscape_text(found: Landscape, rolled: Sequence[Rolled] = ()) -> str:
    """Return in words what the map or the surface shows."""
    finite = found.losses[np.isfinite(found.losses)]
    lowest = np.unravel_index(int(np.nanargmin(found.losses)), found.losses.shape)
    said = [
        _(
            "The loss over {first} and {second}: {centre} at the model, from {low} at ({u}, {v}) to {high}.",
            first=axis_names(found)[0], second=axis_names(found)[1], centre=theme.number(found.centre),
            low=theme.number(float(finite.min())), high=theme.number(float(finite.max())),
            u=theme.number(float(found.u[lowest[1]])), v=theme.number(float(found.v[lowest[0]])),
        )
    ]  # fmt: skip
    if found.path:
        said.append(_("The path of the run has {count} moments.", count=len(found.path)))
    said += [
        _(
            "{way}: after {steps} steps at ({u}, {v}), loss {loss}.",
            way=_(WAYS[one.way].name), steps=len(one.moves), u=theme.number(one.places[-1][0]),
            v=theme.number(one.places[-1][1]), loss=theme.number(one.losses[-1]),
        )
        for one in rolled
    ]  # fmt: skip
    return " ".join(said)


def descent_curves(rolled: Sequence[Rolled], steps: int, *, dark: bool = False) -> go.Figure:
    """Return the loss of all images over the steps of each marble, on a logarithmic axis."""
    figure = go.Figure(layout={"template": theme.template(dark), "height": CURVE_PX})
    for one in rolled:
        figure.add_scatter(
            x=list(range(len(one.losses))), y=list(one.losses), mode="lines", name=_(WAYS[one.way].name),
            line={"color": COLOURS[one.way][dark], "width": 2},
            hovertemplate="%{y:.4g}<extra>" + _(WAYS[one.way].name) + "</extra>",
        )  # fmt: skip
    losses = heights(np.array([loss for one in rolled for loss in one.losses]))
    values = ticks(float(losses.min()), float(losses.max()))
    axis: dict[str, Any] = {"title": {"text": _("step")}, "range": [0, steps], "showgrid": False}
    figure.update_layout(
        xaxis=axis, yaxis={"type": "log", "title": {"text": _("loss")}, "tickvals": values, "ticktext": [theme.number(one) for one in values]}, margin={"l": 52, "r": 8, "t": 12, "b": 40},
    )  # fmt: skip
    return figure


def legend_html(found: Landscape, rolled: Sequence[Rolled], *, dark: bool = False) -> str:
    """Return what each colour means, the loss that its marble has come to, and whether it is still to be seen."""
    row = "display:flex;flex-wrap:wrap;gap:.25rem 1.25rem;margin:0;font-variant-numeric:tabular-nums"
    cells = "".join(
        f'<span><span style="color:{COLOURS[one.way][dark]};font-weight:700">{_GLYPHS[one.way]}</span> '
        f"{escape(_(WAYS[one.way].name))} <b>{theme.number(one.losses[-1])}</b>"
        f"{' ' + escape(_('(left the map)')) if one.gone or not found.plane.shows(one.places[-1]) else ''}</span>"
        for one in rolled
    )
    return f'<p style="{row}">{cells}</p>'


_GLYPHS = {"batch": "●", "mini": "■", "single": "◆", "momentum": "▲", "adam": "★"}
