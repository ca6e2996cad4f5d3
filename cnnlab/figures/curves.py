"""Learning curves: loss and accuracy over the steps of a run, from plain arrays."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from cnnlab.figures.theme import ACCENT, LINE, POSITIVE, QUIET, number, template
from cnnlab.i18n import _

MAX_POINTS = 600
"""Points of one line in a figure; more cannot be seen and cost every watcher time."""


def smooth(values: Sequence[float] | NDArray[Any], weight: float = 0.95) -> NDArray[np.float64]:
    """Return the exponential moving average of ``values``, corrected for its start.

        m[t] = weight*m[t-1] + (1 - weight)*x[t],    returned[t] = m[t] / (1 - weight**(t + 1))

    Source: the bias correction of Kingma & Ba 2015, arXiv:1412.6980, section 3.
    """
    out = np.empty(len(values), dtype=np.float64)
    mean = 0.0
    for t, value in enumerate(values):
        mean = weight * mean + (1.0 - weight) * float(value)
        out[t] = mean / (1.0 - weight ** (t + 1))
    return out


def thin(x: NDArray[Any], y: NDArray[Any], most: int = MAX_POINTS) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return at most ``most`` of the points (x, y), evenly spaced, the first and the last among them."""
    if len(x) <= most:
        return x, y
    keep = np.unique(np.linspace(0, len(x) - 1, most).round().astype(int))
    return x[keep], y[keep]


def _nice_step(span: float, ticks: int = 4) -> float:
    raw = max(span, 1e-9) / ticks
    power = 10.0 ** math.floor(math.log10(raw))
    return next(m * power for m in (1, 2, 2.5, 5, 10) if m * power >= raw * 0.999)


def loss_top(losses: Sequence[float], classes: int = 10) -> float:
    """Return the fixed upper end of a loss axis: 1.2 times the loss of guessing, ln(classes), at least.

    It grows only where a later loss would leave the picture for good: by doubling, so that the axis jumps
    seldom.
    """
    top = 1.2 * math.log(max(classes, 2))
    finite = [value for value in losses if math.isfinite(value)]
    while finite and float(np.median(finite[-50:])) > top:
        top *= 2
    return top


def _line(x: NDArray[Any], y: NDArray[Any], name: str, colour: str, width: float, opacity: float = 1.0) -> go.Scatter:
    x, y = thin(x, y)
    return go.Scatter(
        x=x,
        y=y,
        name=name,
        mode="lines",
        opacity=opacity,
        line={"color": colour, "width": width},
        hoverinfo="skip" if opacity < 1 else "x+y+name",
    )


def _curve_figure(
    train: tuple[Sequence[int], Sequence[float]],
    val: tuple[Sequence[int], Sequence[float]],
    *,
    steps: int,
    title: str,
    y_range: tuple[float, float],
    percent: bool,
    dark: bool,
    height: int,
    weight: float,
    whole: Sequence[bool] | None,
) -> go.Figure:
    train_x, train_y = np.asarray(train[0]), np.asarray(train[1], dtype=np.float64)
    val_x, val_y = np.asarray(val[0]), np.asarray(val[1], dtype=np.float64)
    figure = go.Figure(layout={"template": template(dark), "height": height})
    labels: list[tuple[float, str, str]] = []
    if len(train_x):
        smoothed = smooth(train_y, weight)
        figure.add_trace(_line(train_x, train_y, _("each step"), QUIET[dark], 1.0, 0.3))
        figure.add_trace(_line(train_x, smoothed, _("training"), ACCENT[dark], 2.2))
        labels.append((float(smoothed[-1]), _("training"), ACCENT[dark]))
    if len(val_x):
        sizes = [8 if full else 4 for full in whole] if whole is not None else 6
        figure.add_trace(
            go.Scatter(
                x=val_x,
                y=val_y,
                name=_("validation"),
                mode="lines+markers",
                line={"color": POSITIVE[dark], "width": 2},
                marker={"size": sizes, "color": POSITIVE[dark]},
            )
        )
        labels.append((float(val_y[-1]), _("validation"), POSITIVE[dark]))
    _direct_labels(figure, labels, y_range, percent, height)
    form = ".0%" if percent else None
    figure.update_layout(
        title=title,
        margin={"l": 46, "r": 104, "t": 34, "b": 38},
        xaxis={"range": [0, max(steps, 1)], "title": {"text": _("step")}, "showgrid": False, "nticks": 5},
        yaxis={"range": list(y_range), "tickformat": form, "dtick": _nice_step(y_range[1] - y_range[0])},
        hovermode="x unified",
    )
    return figure


def _direct_labels(
    figure: go.Figure,
    labels: list[tuple[float, str, str]],
    y_range: tuple[float, float],
    percent: bool,
    height: int,
) -> None:
    """Write each line's name and last value at the right edge, moved apart where two would touch."""
    span = y_range[1] - y_range[0]
    apart = 32 / max(height - 72, 40)  # of the axis: two lines of 12-px text
    at = [min(max((value - y_range[0]) / span, 0.0), 1.0) if math.isfinite(value) else 1.0 for value, _n, _c in labels]
    if len(at) == 2 and abs(at[0] - at[1]) < apart:
        middle = min(max((at[0] + at[1]) / 2, apart / 2), 1.0 - apart / 2)
        sign = 1 if at[0] >= at[1] else -1
        at = [middle + sign * apart / 2, middle - sign * apart / 2]
    for share, (value, name, colour) in zip(at, labels, strict=True):
        shown = f"{value:.1%}" if percent else number(round(value, 4))
        figure.add_annotation(
            x=1.0,
            xref="paper",
            y=y_range[0] + share * span,
            yref="y",
            xanchor="left",
            yanchor="middle",
            xshift=6,
            text=f"<b>{shown}</b><br>{name}",
            showarrow=False,
            align="left",
            font={"color": colour, "size": 12},
        )


def loss_figure(
    train_steps: Sequence[int],
    train_loss: Sequence[float],
    val_steps: Sequence[int] = (),
    val_loss: Sequence[float] = (),
    *,
    steps: int,
    classes: int = 10,
    whole: Sequence[bool] | None = None,
    weight: float = 0.95,
    dark: bool = False,
    height: int = 260,
) -> go.Figure:
    """Return the loss over the steps: raw and smoothed training loss, validation points, axes that stay.

    Args:
        steps: steps of the whole run, the fixed right end of the axis.
        classes: the dashed line and the upper end are at the loss of guessing among so many, ln(classes).
        whole: for each validation point, whether it used the whole validation set (drawn larger).
        weight: of the moving average (:func:`smooth`).
    """
    top = loss_top([*train_loss], classes)
    figure = _curve_figure(
        (train_steps, train_loss),
        (val_steps, val_loss),
        steps=steps,
        title=_("Loss"),
        y_range=(0.0, top),
        percent=False,
        dark=dark,
        height=height,
        weight=weight,
        whole=whole,
    )
    _guessing(figure, math.log(max(classes, 2)), dark)
    return figure


def accuracy_figure(
    train_steps: Sequence[int],
    train_acc: Sequence[float],
    val_steps: Sequence[int] = (),
    val_acc: Sequence[float] = (),
    *,
    steps: int,
    classes: int = 10,
    whole: Sequence[bool] | None = None,
    weight: float = 0.95,
    dark: bool = False,
    height: int = 260,
) -> go.Figure:
    """Return the accuracy over the steps, shown as percent; arguments as for :func:`loss_figure`."""
    figure = _curve_figure(
        (train_steps, train_acc),
        (val_steps, val_acc),
        steps=steps,
        title=_("Accuracy"),
        y_range=(0.0, 1.0),
        percent=True,
        dark=dark,
        height=height,
        weight=weight,
        whole=whole,
    )
    _guessing(figure, 1.0 / max(classes, 2), dark)
    return figure


def _guessing(figure: go.Figure, level: float, dark: bool) -> None:
    figure.add_hline(
        y=level,
        line={"color": LINE[dark], "width": 1.5, "dash": "dash"},
        layer="below",
        annotation={"text": _("guessing"), "font": {"color": QUIET[dark], "size": 11}, "showarrow": False},
        annotation_position="top left",
    )
