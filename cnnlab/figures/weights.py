"""How the weights of one layer are spread, a row for each run: what L1, weight decay and neither make of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnnlab.figures.live import percent, svg_img
from cnnlab.figures.runs import MOST, RUN_COLOURS
from cnnlab.figures.theme import number
from cnnlab.i18n import _

BINS = 61
"""Bars of a row: an odd number, so that zero lies in the middle of one."""

NEAR = 0.001
"""A weight closer to zero than this is counted as one that has ended there."""


@dataclass(frozen=True)
class RunWeights:
    """The weights of a layer in one run, to be drawn in the colour of its ``place`` among those compared.

    Attributes:
        label: what the run is called.
        note: what pulled at its weights, in words; empty where nothing did.
        values: the weights, in any shape; no biases.
    """

    label: str
    note: str
    place: int
    values: NDArray[Any]


def shares(values: NDArray[Any], limit: float) -> NDArray[np.float64]:
    """Return the share of ``values`` in each of ``BINS`` equal bins from ``-limit`` to ``limit``.

    Shape:
        returned: (BINS,)
    """
    counts, _edges = np.histogram(values, bins=BINS, range=(-limit, limit))
    return counts / max(1, values.size)


def weights_html(runs: Sequence[RunWeights], layer: str, *, dark: bool = False) -> str:
    """Return the histograms of ``runs`` below each other, on the same two axes.

    The horizontal axis reaches as far as the largest weight of all. The vertical one is as high as the highest bar that
    does not hold zero: what L1 puts there would flatten the rest, so that bar is cut where it is higher, and its share
    is written on it.
    """
    finite = [row.values[np.isfinite(row.values)].astype(np.float64).ravel() for row in runs]
    limit = max((float(np.abs(values).max()) for values in finite if values.size), default=0.0) or 1.0
    tables = [shares(values, limit) for values in finite]
    top = max((float(np.delete(table, BINS // 2).max()) for table in tables), default=0.0) or 1.0
    rows = "".join(
        _row(run, values, table, top, limit, layer, dark) for run, values, table in zip(runs, finite, tables)
    )
    axis = "".join(
        f'<span style="left:{at}%">{number(value)}</span>' for at, value in ((0, -limit), (50, 0.0), (100, limit))
    )
    return f'<div class="lab-weights">{rows}<div class="lab-weights-axis">{axis}</div></div>'


def _row(
    run: RunWeights, values: NDArray[Any], table: NDArray[Any], top: float, limit: float, layer: str, dark: bool
) -> str:
    near = float((np.abs(values) < NEAR).mean()) if values.size else 0.0
    figures = _(
        "closer to 0 than {near}: {share} · standard deviation {std} · {count:,} weights",
        near=NEAR,
        share=percent(near),
        std=number(float(values.std())) if values.size else "–",
        count=values.size,
    )
    said = _("Weights of {layer} in {run}: {figures}", layer=layer, run=run.label, figures=figures)
    bars = "".join(
        f"M{100 * k / BINS:.3f} 100V{100 * (1 - min(1.0, share / top)):.2f}H{100 * (k + 1) / BINS:.3f}V100Z"
        for k, share in enumerate(table)
        if share > 0
    )
    colour = RUN_COLOURS[dark][run.place % MOST]
    picture = svg_img(f'<path d="{bars}" fill="{colour}"/>', "0 0 100 100", said, "lab-lines", stretch=True)
    cut = _cut(table, top)
    note = f"<small>{escape(run.note)}</small>" if run.note else ""
    return (
        f'<figure class="lab-figure"><figcaption><i class="lab-swatch lab-run-{run.place % MOST}"></i>'
        f"<b>{escape(run.label)}</b>{note}<span>{escape(figures)}</span></figcaption>"
        f'<div class="lab-weights-bars">{picture}{cut}</div></figure>'
    )


def _cut(table: NDArray[Any], top: float) -> str:
    """Return the share of the bar at zero where it is cut, to stand beside it and those behind it that are as high."""
    middle = BINS // 2
    if table[middle] <= top:
        return ""
    end = next((k for k in range(middle + 1, BINS) if table[k] < 0.7 * top), BINS)
    return f'<b style="left:{100 * end / BINS:.2f}%">{percent(float(table[middle]))}</b>'
