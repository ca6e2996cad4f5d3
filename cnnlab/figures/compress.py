"""A model beside the smaller one: a table of what was measured, the weights of both, the images whose answer changed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from html import escape
from typing import Any

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from cnnlab.compress.compare import Histogram, Measured
from cnnlab.figures import theme
from cnnlab.figures.numbers import bytes_text, count_text
from cnnlab.figures.tiles import image_png, tiles_html
from cnnlab.i18n import N_, _
from cnnlab.insight.surgery.table import ChangedAnswer

STYLE = """<style>
.lab-smaller{overflow-x:auto}
.lab-smaller table{border-collapse:collapse;font-size:.9375rem;width:100%;max-width:60rem}
.lab-smaller th,.lab-smaller td{padding:.4rem 1.25rem .4rem 0;border-bottom:1px solid var(--line);text-align:right;white-space:nowrap}
.lab-smaller th:first-child,.lab-smaller td:first-child{text-align:left;white-space:normal;color:var(--soft)}
.lab-smaller th{font-weight:600;vertical-align:bottom}
.lab-smaller small{color:var(--soft);font-size:.8125rem}
@media (max-width:640px){
.lab-smaller table{font-size:.8125rem}
.lab-smaller th,.lab-smaller td{padding:.4rem .5rem .4rem 0}
.lab-smaller th{white-space:normal}
.lab-smaller td small{display:block;font-size:.75rem}
}
</style>"""

HEIGHT = 260
"""How high ``weights_figure`` is, in pixels."""

_Row = tuple[str, Callable[[Measured], float], Callable[[float], str]]


def milliseconds(seconds: float) -> str:
    """Return a time with three significant digits: ``0.153 ms``."""
    return f"{float(f'{seconds * 1000:.3g}'):,}\u202fms"


def _whole(value: float) -> str:
    return count_text(int(value))


def _bytes(value: float) -> str:
    return bytes_text(int(value))


_ROWS: tuple[_Row, ...] = (
    (N_("File"), lambda one: one.file_bytes, _bytes),
    (N_("File, zipped"), lambda one: one.zip_bytes, _bytes),
    (N_("Parameters"), lambda one: one.num_params, _whole),
    (N_("Weights that are not 0"), lambda one: one.num_weights - one.zero_weights, _whole),
    (N_("Multiply-adds for one image"), lambda one: one.macs, _whole),
    (N_("of these with a weight that is not 0"), lambda one: one.macs_nonzero, _whole),
    (N_("Time for 1 image"), lambda one: one.latency_s[1], milliseconds),
    (N_("the fastest call"), lambda one: one.fastest_s[1], milliseconds),
    (N_("Time for 64 images at once"), lambda one: one.latency_s[64], milliseconds),
    (N_("the fastest call"), lambda one: one.fastest_s[64], milliseconds),
)


def table_html(measured: Sequence[Measured], names: Sequence[str]) -> str:
    """Return the figures of the original and of what was made of it, with what is left of each as a factor.

    Args:
        measured: the original first.
        names: what their columns are called.
    """
    head = "".join(f"<th>{escape(name)}</th>" for name in names)
    right = "".join(f"<td>{one.test_acc:.2%}</td>" for one in measured)
    rows = [f"<tr><td>{escape(_('Right on the test images'))}</td>{right}</tr>"]
    for what, read, show in _ROWS:
        first = read(measured[0])
        cells = [f"<td>{show(first)}</td>"]
        cells += [f"<td>{show(read(one))} <small>{_factor(read(one), first)}</small></td>" for one in measured[1:]]
        rows.append(f"<tr><td>{escape(_(what))}</td>{''.join(cells)}</tr>")
    return f'<div class="lab-smaller" tabindex="0"><table><tr><th></th>{head}</tr>{"".join(rows)}</table></div>'


def _factor(value: float, first: float) -> str:
    return f"×\u202f{value / first:.2f}" if first else ""


def weights_figure(one: Histogram, names: tuple[str, str], *, dark: bool = False) -> go.Figure:
    """Return how the weights are spread before and after, as bars over each other; exact zeros are left out of them.

    Args:
        one: what is drawn.
        names: what before and after are called.
        dark: the theme.
    """
    middles = [(low + high) / 2 for low, high in zip(one.edges, one.edges[1:])]
    wide = one.edges[1] - one.edges[0]
    figure = go.Figure()
    for counts, zeros, name, colour, opacity in (
        (one.before, one.zeros_before, names[0], theme.QUIET[dark], 0.45),
        (one.after, one.zeros_after, names[1], theme.ACCENT[dark], 0.75),
    ):
        label = _("{name}, and {zeros:,} that are 0", name=name, zeros=zeros) if zeros else name
        figure.add_bar(
            x=middles, y=list(counts), width=wide, name=label, marker={"color": colour, "line": {"width": 0}},
            opacity=opacity, hovertemplate="%{x:.3f}: %{y:,}<extra></extra>",
        )  # fmt: skip
    figure.update_layout(
        template=theme.template(dark), height=HEIGHT, barmode="overlay", bargap=0, showlegend=True,
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0, "font": {"size": 12}},
        margin={"l": 8, "r": 8, "t": 32, "b": 8},
        xaxis={"title": {"text": _("weight")}, "showgrid": False},
        yaxis={"title": {"text": _("how many")}, "nticks": 4, "rangemode": "tozero"},
    )  # fmt: skip
    return figure


def weights_text(one: Histogram) -> str:
    """Return in words what ``weights_figure`` shows."""
    total = sum(one.before) + one.zeros_before, sum(one.after) + one.zeros_after
    return _(
        "Before: {before:,} weights, {zeros_before:,} of them 0. After: {after:,} weights, {zeros_after:,} of them 0.",
        before=total[0], zeros_before=one.zeros_before, after=total[1], zeros_after=one.zeros_after,
    )  # fmt: skip


def changed_html(images: NDArray[Any], changed: Sequence[ChangedAnswer], names: Sequence[str]) -> str:
    """Return the images whose answer changed as tiles: what was said before and after, and what it is.

    Args:
        images: those of ``changed``.
        changed: their answers.
        names: of the classes, translated.

    Shape:
        images: (N, C, H, W) uint8
    """
    said = [f"{names[one.before]} → {names[one.after]}" for one in changed]
    alts = [
        _("Test image {number}: {truth}. Before: {before}. After: {after}.",
          number=one.image, truth=names[one.target], before=names[one.before], after=names[one.after])
        for one in changed
    ]  # fmt: skip
    marks = ["✓ " if one.after == one.target else "✗ " if one.before == one.target else "" for one in changed]
    captions = [mark + text for mark, text in zip(marks, said)]
    pictures = [image_png(np.ascontiguousarray(image)) for image in images]
    return tiles_html(pictures, alts, captions, size=84, gap=10)
