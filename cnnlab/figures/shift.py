"""How layers and answers follow a picture that moves, as curves over the shift."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import plotly.graph_objects as go

from cnnlab.figures import theme
from cnnlab.i18n import _

HEIGHT_PX = 300


def apart_figure(
    shifts: Sequence[int], layers: Mapping[str, Sequence[float]], answer: Sequence[float], right: int, *, dark: bool
) -> go.Figure:
    """Return how far each layer is from having moved along, and the answer from having stayed; ``right`` is marked."""
    table = theme.lookup("sequential", dark)
    low, high = (90, 250) if dark else (0, 200)  # seen on the page's ground
    figure = _frame(shifts, right, _("0: as it should be; 1: nothing in common"), dark)
    for number, (name, values) in enumerate(layers.items()):
        red, green, blue = table[low + round((high - low) * number / max(1, len(layers) - 1))]
        line = {"color": f"rgb({red},{green},{blue})", "width": 2}
        figure.add_scatter(
            x=list(shifts), y=list(values), name=name, mode="lines+markers", line=line, marker={"size": 4}
        )
    line = {"color": theme.POSITIVE[dark], "width": 3, "dash": "dot"}
    figure.add_scatter(x=list(shifts), y=list(answer), name=_("answer"), mode="lines", line=line)
    figure.update_yaxes(range=[0, 1.05])
    return figure


def right_figure(shifts: Sequence[int], models: Mapping[str, Sequence[float]], right: int, *, dark: bool) -> go.Figure:
    """Return which share of the test images each model still knows after each shift; ``right`` is marked."""
    figure = _frame(shifts, right, _("known test images"), dark)
    for (name, values), colour in zip(models.items(), (theme.ACCENT[dark], theme.POSITIVE[dark])):
        line = {"color": colour, "width": 2.5}
        figure.add_scatter(
            x=list(shifts), y=list(values), name=name, mode="lines+markers", line=line, marker={"size": 5}
        )
    figure.update_yaxes(range=[0, 1.02], tickformat=".0%")
    return figure


def _frame(shifts: Sequence[int], right: int, title: str, dark: bool) -> go.Figure:
    figure = go.Figure()
    figure.update_layout(template=theme.template(dark), height=HEIGHT_PX, showlegend=True, hovermode="x unified")
    figure.update_layout(legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0, "font": {"size": 12}})
    figure.update_layout(margin={"t": 56})
    figure.update_xaxes(title=_("pixels to the right"), range=[min(shifts) - 0.3, max(shifts) + 0.3], dtick=2)
    figure.update_yaxes(title=title)
    figure.add_vline(x=right, line={"color": theme.QUIET[dark], "width": 1, "dash": "dash"})
    return figure
