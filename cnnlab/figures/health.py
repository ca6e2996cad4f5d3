"""Small charts of a run's health: what was seen of a layer over the steps, and the picture that belongs to a finding.

Each is one SVG in an ``img`` that takes the page's colours by itself, with text that keeps its size down to 300 px of
width and an ``alt`` that carries the numbers.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from html import escape

import numpy as np
from numpy.typing import NDArray

from cnnlab.data.augmentation import Augmentation
from cnnlab.figures.live import percent, svg_img
from cnnlab.figures.theme import number
from cnnlab.figures.tiles import hard_img, image_png
from cnnlab.health.case import Evidence, Finding
from cnnlab.health.history import History
from cnnlab.health.series import LOGARITHMIC, SERIES, SHARES
from cnnlab.i18n import _

Points = Sequence[tuple[int, "float | None"]]

WIDTH, HEIGHT = 320, 150
_LEFT, _RIGHT, _TOP, _BOTTOM = 46, 74, 12, 22
_ROW = 20
_MOST_ROWS = 14
_APART = 13
_MOST_NAMES = 4
_DECADES = 12
_LEAST = 1e-300
_FOLD = 3
"""A loss is drawn up to three times its first value."""

_STYLE = """<style>
line{stroke:light-dark(#D5DBE1,#2C3742);stroke-width:1}
.limit{stroke:light-dark(#C0392B,#FF8A80);stroke-dasharray:4 3;stroke-width:1.5}
.other{stroke:light-dark(#566573,#9DA9B5);stroke-width:1.25;opacity:.6}
.marked{stroke:light-dark(#C0392B,#FF8A80);stroke-width:2.25}
.lost{stroke:light-dark(#C0392B,#FF8A80);stroke-width:2;fill:none}
text{font:11px system-ui,sans-serif;fill:light-dark(#1B2733,#E6EDF3)}
.soft{fill:light-dark(#566573,#9DA9B5)}
.bad{fill:light-dark(#A93226,#FF8A80);font-weight:600}
.start{text-anchor:start}.end{text-anchor:end}.middle{text-anchor:middle}
rect{fill:light-dark(#C5CED6,#3A4753)}
.hot{fill:light-dark(#D6604D,#F08A6C)}
.box{fill:light-dark(#EEF1F4,#1B242D);stroke:light-dark(#AEB9C4,#4A5866)}
.boxhot{fill:light-dark(#FBE6E2,#4A2620);stroke:light-dark(#C0392B,#FF8A80);stroke-width:2}
</style>"""


@dataclass(frozen=True)
class Line:
    """One line of a chart: its name, its points, and whether it is the one that matters."""

    name: str
    points: Points
    marked: bool = False


@dataclass(frozen=True)
class _Axis:
    """The vertical axis: where a value lies, from 0 (bottom) to 1, what stands beside it, and how a value is told."""

    place: Callable[[float], float]
    ticks: tuple[float, ...]
    write: Callable[[float], str]
    tell: Callable[[float], str] = number


def series_html(series: str, lines: Sequence[Line], steps: int, limit: float | None = None, title: str = "") -> str:
    """Return a small chart of ``lines`` over ``steps`` steps, or nothing where no line has a point.

    Args:
        series: which one of ``cnnlab.health.series`` it is: that decides axis and unit.
        limit: a value to draw a dashed line at.
        title: what stands above it; the name of the series if left out.
    """
    lines = [line for line in lines if line.points]
    if not lines:
        return ""
    values = [value for line in lines for _step, value in line.points if value is not None]
    values = values if series in LOGARITHMIC else _in_sight(lines)
    axis = _axis(series, [*values, *([] if limit is None else [limit])])
    x = _across(steps)
    parts = [_frame(axis, steps)]
    if limit is not None:
        y = _down(axis.place(limit))
        parts.append(f'<line class="limit" x1="{_LEFT}" x2="{WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
    for line in sorted(lines, key=lambda line: line.marked):
        parts.append(_polyline(line, axis, x, many=len(lines) > 1))
    parts.append(_ends(lines, axis))
    title = title or _(SERIES[series])
    return _figure(title, "".join(parts), HEIGHT, _alt(title, lines, axis))


def layer_html(
    history: History, layer: str, series: Sequence[str] = ("grad_norm", "update_ratio"), limit: float | None = None
) -> str:
    """Return the charts of some series of one layer, those that it has."""
    return "".join(
        series_html(name, [Line(_(SERIES[name]), history.series(layer, name))], history.steps, limit) for name in series
    )


def evidence_html(
    finding: Finding, history: History, names: Sequence[str], image: NDArray[np.uint8] | None = None
) -> str:
    """Return the pictures of a finding: lines of the run, bars, or the network's layers with the ones it is about.

    Args:
        names: the names of all layers of the network, in order.
        image: a picture of the data, (C, H, W), for the findings that are about how it is varied.
    """
    drawn = [_evidence(evidence, finding, history, image) for evidence in finding.evidence]
    if not any(drawn) and finding.layers:
        drawn = [chain_html(names, finding.layers)]
    return "".join(drawn)


def _evidence(evidence: Evidence, finding: Finding, history: History, image: NDArray[np.uint8] | None) -> str:
    if evidence.values:
        return bars_html(evidence.values, evidence.marked, _(evidence.title) if evidence.title else "")
    if evidence.varied is not None:
        return varied_html(image, evidence.varied) if image is not None else ""
    if not evidence.series:
        return ""
    if not evidence.layers:  # of the run: training and validation on one chart
        first, *second = evidence.series
        lines = [Line(_("training"), history.curve(first))]
        lines += [Line(_("validation"), history.curve(name), marked=True) for name in second]
        return series_html(first, lines, history.steps, evidence.limit, _(SERIES[first]))
    charts = []
    for name in evidence.series:
        lines = [Line(layer, history.series(layer, name), layer in finding.layers) for layer in evidence.layers]
        charts.append(series_html(name, lines, history.steps, evidence.limit))
    return "".join(charts)


def bars_html(values: Mapping[str, float], marked: Sequence[str] = (), title: str = "") -> str:
    """Return a bar for each of ``values``; of many, those that are marked and the largest."""
    ranked = sorted(values, key=lambda name: (name not in marked, -values[name]))[:_MOST_ROWS]
    shown = [name for name in values if name in ranked]
    top = max((values[name] for name in shown), default=0.0) or 1.0
    left, room = 88, WIDTH - 88 - 56
    rows = []
    for i, name in enumerate(shown):
        y, wide = i * _ROW, (max(1.5, room * values[name] / top) if values[name] else 0.0)
        hot = name in marked
        rows.append(
            f'<text class="end{" bad" if hot else ""}" x="{left - 8}" y="{y + 14}">{escape(_short(_(name)))}</text>'
            f'<rect class="{"hot" if hot else ""}" x="{left}" y="{y + 3}" width="{wide:.1f}" height="{_ROW - 6}" rx="2"/>'
            f'<text class="start{" bad" if hot else " soft"}" x="{left + wide + 6:.1f}" y="{y + 14}">{number(values[name])}</text>'
        )
    alt = ", ".join(f"{_(name)} {number(values[name])}" for name in shown)
    return _figure(title, "".join(rows), max(1, len(shown)) * _ROW, alt)


def chain_html(names: Sequence[str], marked: Sequence[str]) -> str:
    """Return the layers of a network in order, with the marked ones in colour."""
    x = y = 0.0
    boxes = []
    for name in names:
        wide = 7.0 * len(name) + 14
        if x + wide > WIDTH:
            x, y = 0.0, y + 30
        hot = name in marked
        boxes.append(
            f'<rect class="{"boxhot" if hot else "box"}" x="{x + 1:.0f}" y="{y + 1:.0f}" width="{wide - 2:.0f}" height="22" rx="4"/>'
            f'<text class="middle{" bad" if hot else ""}" x="{x + wide / 2:.1f}" y="{y + 16:.0f}">{escape(name)}</text>'
        )
        x += wide + 5
    alt = _("{layers} in the network {names}", layers=", ".join(marked), names=", ".join(names))
    return _figure("", "".join(boxes), int(y + 24), alt)


def varied_html(image: NDArray[np.uint8], settings: Augmentation, count: int = 5) -> str:
    """Return ``image`` as it is and varied ``count`` times as training would.

    Shape:
        image: (C, H, W) uint8
    """
    from cnnlab.data.views import strip

    alt = (_("the picture"), *[_("the picture, varied") for _k in range(count)])
    pictures = [image, *strip(image, settings, count=count)]
    tiles = "".join(
        hard_img(image_png(picture), text, 44, "margin:0 3px 3px 0") for picture, text in zip(pictures, alt)
    )
    return f'<figure class="lab-figure"><div>{tiles}</div></figure>'


def _figure(title: str, body: str, height: int, alt: str) -> str:
    caption = f"<figcaption>{escape(title)}</figcaption>" if title else ""
    picture = svg_img(_STYLE + body, f"0 0 {WIDTH} {height}", alt, "lab-health")
    return f'<figure class="lab-figure">{caption}{picture}</figure>'


def _axis(series: str, values: Sequence[float]) -> _Axis:
    positive = [value for value in values if value > _LEAST]
    if series in LOGARITHMIC and positive:
        top = math.ceil(math.log10(max(positive)) - 1e-9)
        bottom = max(min(math.floor(math.log10(min(positive)) + 1e-9), top - 1), top - _DECADES)
        every = -(-(top - bottom) // 4)
        ticks = tuple(10.0**k for k in range(top, bottom - 1, -every))
        place = lambda value: (math.log10(max(value, 10.0**bottom)) - bottom) / (top - bottom)  # noqa: E731
        return _Axis(place, ticks, _power)
    if series in SHARES:
        return _Axis(lambda value: value, (0.0, 0.5, 1.0), lambda value: f"{value:.0%}", percent)
    low, high = min([0.0, *values]), max([1e-12, *values])
    ticks = tuple(k * _round(high) for k in range(int(high / _round(high) + 1e-9) + 1))
    return _Axis(lambda value: (value - low) / (high - low), (*([low] if low < 0 else []), *ticks), number)


def _round(high: float) -> float:
    """Return a round number that goes two to four times into ``high``."""
    power = 10.0 ** math.floor(math.log10(high))
    return next(m * power for m in (2.0, 1.0, 0.5, 0.2) if high / (m * power) >= 2)


def _power(value: float) -> str:
    """Return a power of ten as short as it can be read: 100, 0.01, then 10 with a raised number."""
    exponent = round(math.log10(value))
    if -3 <= exponent <= 3:
        return f"{value:g}"
    return "10" + str(exponent).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))


def _in_sight(lines: Sequence[Line]) -> list[float]:
    """Return the values that decide how high a chart is: of a line that grows beyond all bounds, not its summit."""
    found: list[float] = []
    for line in lines:
        values = [value for _step, value in line.points if value is not None]
        found += [min(value, _FOLD * abs(values[0])) if values[0] else value for value in values]
    return found


def _across(steps: int) -> Callable[[int], float]:
    return lambda step: _LEFT + (WIDTH - _LEFT - _RIGHT) * min(step / max(steps, 1), 1.0)


def _down(share: float) -> float:
    return _TOP + (HEIGHT - _TOP - _BOTTOM) * (1 - min(max(share, 0.0), 1.0))


def _frame(axis: _Axis, steps: int) -> str:
    grid = "".join(
        f'<line x1="{_LEFT}" x2="{WIDTH - _RIGHT}" y1="{_down(axis.place(tick)):.1f}" y2="{_down(axis.place(tick)):.1f}"/>'
        f'<text class="end soft" x="{_LEFT - 6}" y="{_down(axis.place(tick)) + 4:.1f}">{axis.write(tick)}</text>'
        for tick in axis.ticks
    )
    ends = ((0, "start"), (steps, "end"))
    marks = "".join(
        f'<text class="{anchor} soft" x="{_across(steps)(step):.1f}" y="{HEIGHT - 6}">{number(step)}</text>'
        for step, anchor in ends
    )
    return grid + marks


def _polyline(line: Line, axis: _Axis, x: Callable[[int], float], many: bool) -> str:
    """Return a line, with a cross at the upper edge where a value was no number."""
    style = "marked" if line.marked else "other" if many else "train"
    points = [(x(step), _down(axis.place(value))) for step, value in line.points if value is not None]
    drawn = f'<polyline class="{style}" points="{" ".join(f"{a:.1f},{b:.1f}" for a, b in points)}"/>'
    if len(points) == 1:
        drawn = f'<polyline class="{style}" points="{points[0][0] - 2:.1f},{points[0][1]:.1f} {points[0][0] + 2:.1f},{points[0][1]:.1f}"/>'
    for step, value in line.points:
        if value is None:
            a, b = x(step), _down(1.0)
            drawn += f'<path class="lost" d="M{a - 4:.1f} {b - 4:.1f}l8 8m0 -8l-8 8"/>'
    return drawn


def _ends(lines: Sequence[Line], axis: _Axis) -> str:
    """Return the name of each line that matters at its end, kept apart; of a few, of all."""
    named = [line for line in lines if line.marked or len(lines) <= _MOST_NAMES]
    at = []
    for line in named:
        last = next((value for _step, value in reversed(line.points) if value is not None), None)
        at.append((_down(1.0 if last is None else axis.place(last)) + 4, not line.marked, line, last))
    at.sort(key=lambda entry: entry[:2])
    ys = _apart([entry[0] for entry in at])
    labels = []
    for y, (_y, _unmarked, line, last) in zip(ys, at):
        text = axis.tell(last) if len(lines) == 1 and last is not None else line.name
        style = "start bad" if line.marked else "start"
        labels.append(f'<text class="{style}" x="{WIDTH - _RIGHT + 6}" y="{y:.1f}">{escape(_short(text))}</text>')
    return "".join(labels)


def _apart(ys: Sequence[float]) -> list[float]:
    """Return ascending heights moved apart by a line of text, and kept inside the picture where they are not too many."""
    moved: list[float] = []
    for y in ys:
        moved.append(max(y, moved[-1] + _APART) if moved else y)
    bottom = HEIGHT - 4.0
    for i in range(len(moved) - 1, -1, -1):
        moved[i] = min(moved[i], bottom)
        bottom = moved[i] - _APART
    return moved


def _alt(title: str, lines: Sequence[Line], axis: _Axis) -> str:
    told = []
    for line in lines:
        values = [value for _step, value in line.points if value is not None]
        if values:
            first, last = (axis.tell(value) for value in (values[0], values[-1]))
            told.append(_("{name} from {first} to {last}", name=line.name, first=first, last=last))
        else:
            told.append(_("{name}: no number", name=line.name))
    return _("{title} over the steps: {lines}", title=title, lines="; ".join(told))


def _short(text: str) -> str:
    return text if len(text) <= 13 else text[:12] + "…"
