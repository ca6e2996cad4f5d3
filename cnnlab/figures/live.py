"""The live view of a run as HTML that takes its colours from the page's style: made once, shared by all watchers.

A curve is an SVG stretched over a box of fixed height; axis labels and readings are HTML above it, so that they
keep their size on a phone. Axes are fixed from the first step on. A pointer over the chart reads it (style alone,
no script), and the figure's text says the last values.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Callable, Sequence
from html import escape

import numpy as np

from cnnlab.figures.theme import number
from cnnlab.figures.tiles import filter_png, hard_img, image_png
from cnnlab.i18n import _

_READINGS = 60
_HIGH = 100.0
_APART = 0.1  # half of what two lines of text need, as a part of the chart's height
_FILTERS_PX = 216  # room for the filters in their column
_Points = Sequence[tuple[float, float]]
_Marks = Sequence[tuple[int, str]]


_INK = """
:root{color-scheme:light dark}
.raw{stroke:light-dark(#566573,#9DA9B5);stroke-width:1;opacity:.45}
.train{stroke:light-dark(#3D5AFE,#8C9EFF);stroke-width:2.25}
.val{stroke:light-dark(#B8432F,#F08A6C);stroke-width:1.5}
polyline{fill:none;vector-effect:non-scaling-stroke;stroke-linejoin:round}
.sheet{fill:light-dark(#E8ECFF,#1E2650);stroke:light-dark(#3D5AFE,#8C9EFF)}
.vector{fill:light-dark(#3D5AFE,#8C9EFF)}
.more{fill:light-dark(#566573,#9DA9B5)}
.broken{stroke:light-dark(#C0392B,#FF8A80);stroke-width:4;stroke-linecap:round}
"""


def svg_img(body: str, view: str, alt: str, style: str = "", stretch: bool = False) -> str:
    """Return SVG as an ``img`` (Streamlit's HTML lets no inline SVG through) that follows the page's theme.

    Colours inside are ``light-dark()`` pairs: a picture takes the colour scheme of the element that shows it.
    """
    shape = ' preserveAspectRatio="none"' if stretch else ""
    svg = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{view}"{shape}><style>{_INK}</style>{body}</svg>'
    url = "data:image/svg+xml;base64," + base64.b64encode(svg.encode()).decode("ascii")
    return f'<img class="{style}" src="{url}" alt="{escape(alt, quote=True)}">'


def percent(value: float) -> str:
    """Return a share in [0, 1] as percent with one decimal."""
    return f"{value:.1%}"


def loss_html(
    train: np.ndarray,
    val: Sequence[tuple[int, float, float, bool]],
    steps: int,
    blind: float,
    least: float = 0.0,
    seen: bool = False,
    marks: _Marks = (),
) -> str:
    """Return the loss over the steps: each point faint, smoothed bold, validation beside it.

    Args:
        blind: what guessing reaches (``bounds.blind_loss``).
        least: below which it cannot fall (``bounds.least_loss``); a line is drawn there unless it is 0.
        seen: whether ``val`` was measured on images that the run learns from; the line is then named so.
        marks: steps at which something was changed, with the number that stands there; without one it is the moment
            that is looked at.

    Shape:
        train: (points, 5): step, loss, acc, smoothed loss, smoothed acc
        val: step, loss, acc, whole
    """
    top = 1.25 * blind
    smooth = train[:, 3]
    recent = smooth[-40:][np.isfinite(smooth[-40:])]
    while len(recent) and float(np.median(recent)) > top:
        top *= 2
    points = [(s, loss) for s, loss, _acc, _w in val]
    return _chart(
        _("Loss"), train[:, 0], train[:, 1], smooth, points, steps, top, blind, number, checked_on(seen), marks, least
    )


def accuracy_html(
    train: np.ndarray,
    val: Sequence[tuple[int, float, float, bool]],
    steps: int,
    classes: int,
    seen: bool = False,
    marks: _Marks = (),
) -> str:
    """Return the accuracy over the steps, as percent, with that of guessing among ``classes``; else as ``loss_html``."""
    points = [(s, acc) for s, _loss, acc, _w in val]
    return _chart(
        _("Accuracy"),
        train[:, 0],
        train[:, 2],
        train[:, 4],
        points,
        steps,
        1.0,
        1 / max(classes, 2),
        percent,
        checked_on(seen),
        marks,
    )


def checked_on(seen: bool) -> str:
    """Return what the second line was measured on: the validation set, or images that the run learns from."""
    return _("seen images") if seen else _("validation")


def legend_html(seen: bool) -> str:
    """Return which line of the charts is which, with a mark of its colour before each name."""
    dots = _("now and then, on images it has learned from") if seen else _("on the validation set")
    names = {
        "train": _("training: average of the last batches"),
        "raw": _("each batch"),
        "val": _("{name}: {what}", name=checked_on(seen), what=dots),
        "guess": _("guessing"),
    }
    parts = "".join(f'<span><i class="lab-key-{kind}"></i>{escape(name)}</span>' for kind, name in names.items())
    return f'<p class="lab-legend">{parts}</p>'


def sparkline_html(train: np.ndarray, val: Sequence[tuple[int, float, float, bool]], steps: int) -> str:
    """Return the accuracy over the steps as a small picture without axes."""
    x, smooth = train[:, 0] / max(steps, 1), train[:, 4]
    lines = _path("raw", x, train[:, 2]) + _path("train", x, smooth)
    picture = svg_img(lines, "0 0 100 100", _("Accuracy over the steps"), "lab-lines", stretch=True)
    return (
        f'<div class="lab-chart lab-spark">{picture}{_dots([(s / max(steps, 1), acc) for s, _l, acc, _w in val])}</div>'
    )


def _chart(
    title: str,
    step: np.ndarray,
    raw: np.ndarray,
    smooth: np.ndarray,
    val: _Points,
    steps: int,
    top: float,
    guess: float,
    write: Callable[[float], str],
    name: str,
    marks: _Marks,
    least: float = 0.0,
) -> str:
    x = step / max(steps, 1)
    lines = _path("raw", x, raw / top) + _path("train", x, smooth / top)
    dots = [(s / max(steps, 1), value / top) for s, value in val]
    lines += _path("val", np.array([d[0] for d in dots]), np.array([d[1] for d in dots]))
    said, guessing = [title], _("guessing")
    if len(smooth):
        said.append(_("training {value}", value=write(float(smooth[-1]))))
    if val:
        said.append(f"{name} {write(val[-1][1])}")
    grid = "".join(
        f'<span class="lab-y" style="bottom:{tick / top:.1%}">{f"{tick:.0%}" if write is percent else number(tick)}</span>'
        for tick in _ticks(top)
    )
    ticks = "".join(
        f'<span class="lab-x" style="left:{at / max(steps, 1):.1%}">{at:,}</span>' for at in _step_ticks(steps)
    )
    guess_line = f'<span class="lab-guess" style="bottom:{guess / top:.2%}"><em>{guessing}</em></span>'
    if 0 < least < top:
        lowest = _("as low as it gets: {value}", value=write(least)) if guess - least > _APART * top else ""
        guess_line += f'<span class="lab-guess lab-least" style="bottom:{least / top:.2%}"><em>{lowest}</em></span>'
    highest = max((value for value in (*smooth, *(v for _s, v in val)) if math.isfinite(value)), default=0.0)
    if highest > 1.02 * top:
        higher = _("off the chart: up to {value}", value=write(float(highest)))
        guess_line += f'<span class="lab-guess lab-over" style="bottom:100%"><em>{higher}</em></span>'
    picture = svg_img(lines, "0 0 100 100", ", ".join(said), "lab-lines", stretch=True)
    above = _ends(smooth, val, top, write, name) + _readings(step, smooth, val, steps, write, name)
    chart = (
        f'<div class="lab-chart">{grid}{guess_line}{picture}{_dots(dots)}{ticks}{_marked(marks, steps)}{above}</div>'
    )
    return f'<figure class="lab-figure">{chart}</figure>'


def _marked(marks: _Marks, steps: int) -> str:
    """Return an upright line at each marked step, with its number."""
    found = []
    for step, number_of in marks:
        said = _("change {number} at step {step:,}", number=number_of, step=step) if number_of else ""
        said = said or _("looking at step {step:,}", step=step)
        style = "lab-mark" if number_of else "lab-mark lab-mark-now"
        left = min(max(step / max(steps, 1), 0.0), 1.0)
        found.append(f'<span class="{style}" style="left:{left:.2%}" role="img" aria-label="{escape(said)}">'
                     f"<b>{escape(number_of)}</b></span>")  # fmt: skip
    return "".join(found)


def _step_ticks(steps: int) -> list[int]:
    """Return the first, the middle and the last step; a run too short to have a middle goes without."""
    steps = max(steps, 1)
    return sorted({0, round(steps / 2), steps})


def _ticks(top: float) -> list[float]:
    """Return four to six round numbers from 0 to ``top``."""
    raw = top / 5
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(m * power for m in (1, 2, 2.5, 5, 10) if m * power >= raw * 0.999)
    return [round(i * step, 10) for i in range(int(top / step + 1e-9) + 1)]


def _path(style: str, x: np.ndarray, share: np.ndarray) -> str:
    """Return a line through (x, share), both as parts of the chart; what lies above it is cut at its edge."""
    if len(x) < 2:
        return ""
    good = np.isfinite(share)
    y = _HIGH - np.clip(share[good], 0, 1.02) * _HIGH
    points = " ".join(f"{a:.2f},{b:.2f}" for a, b in zip(x[good] * 100, y))
    return f'<polyline class="{style}" points="{points}"/>'


def _dots(points: _Points) -> str:
    return "".join(
        f'<i class="lab-dot" style="left:{x:.2%};bottom:{min(max(y, 0.0), 1.0):.2%}"></i>'
        for x, y in points
        if math.isfinite(y)
    )


def _ends(smooth: np.ndarray, val: _Points, top: float, write: Callable[[float], str], name: str) -> str:
    """Return each line's name and last value at the right edge, kept apart where they would touch."""
    lines = {"train": (_("training"), float(smooth[-1]) if len(smooth) else math.nan)}
    lines["val"] = (name, val[-1][1] if val else math.nan)
    at = {kind: min(value / top, 1.0) for kind, (_name, value) in lines.items() if math.isfinite(value)}
    at = {kind: min(max(share, _APART), 1 - _APART) for kind, share in at.items()}  # below is the axis, above the title
    if len(at) == 2 and abs(at["train"] - at["val"]) < 2 * _APART:
        middle = min(max((at["train"] + at["val"]) / 2, 2 * _APART), 1 - 2 * _APART)
        up = 1 if lines["train"][1] >= lines["val"][1] else -1
        at = {"train": middle + up * _APART, "val": middle - up * _APART}
    return "".join(
        f'<span class="lab-end lab-end-{kind}" style="bottom:{share:.1%}"><b>{write(lines[kind][1])}</b>'
        f"{lines[kind][0]}</span>"
        for kind, share in at.items()
    )


def _readings(
    step: np.ndarray, smooth: np.ndarray, val: _Points, steps: int, write: Callable[[float], str], name: str
) -> str:
    """Return invisible bands over the chart that show the values below the pointer."""
    if not len(step):
        return ""
    bands = []
    width = 1 / _READINGS
    for index in np.unique(np.linspace(0, len(step) - 1, min(_READINGS, len(step))).round().astype(int)):
        text = _("step {step:,}: training {value}", step=int(step[index]), value=write(float(smooth[index])))
        near = [value for at, value in val if at <= step[index]]
        if near:
            text += f" · {name} {write(near[-1])}"
        left = min(max(step[index] / max(steps, 1) - width / 2, 0.0), 1 - width)
        late = " lab-late" if left > 0.5 else ""
        bands.append(f'<span class="lab-band{late}" style="left:{left:.2%};width:{width:.2%}"><b>{text}</b></span>')
    return "".join(bands)


def filters_title(filters: np.ndarray, layer: str) -> str:
    """Return how many filters of which layer :func:`filters_html` shows."""
    return _("{count} filters of {layer}", count=len(filters), layer=layer)


def filters_html(filters: np.ndarray, layer: str, dark: bool, step: int) -> str:
    """Return the filters of a layer after ``step`` as one hard-pixel picture with the limits of its colours.

    Shape:
        filters: (C_out, C_in, kH, kW)
    """
    shown = filters[:32]
    columns = 4 if len(shown) <= 16 else 8
    zoom = max(2, min(10, _FILTERS_PX // (columns * (shown.shape[3] + 1))))
    limit = float(np.abs(shown).max())
    picture = hard_img(filter_png(shown, columns=columns, zoom=zoom, dark=dark), filters_title(filters, layer))
    scale = (
        f'<div class="lab-scale"><span>{number(-limit)}</span><i></i><span>{number(limit)}</span></div>'
        if filters.shape[1] != 3
        else ""
    )
    return f'<figure class="lab-figure">{_after(step)}{picture}{scale}</figure>'


def _after(step: int) -> str:
    return f"<figcaption>{_('after step {step:,}', step=step)}</figcaption>"


def guesses_title(targets: Sequence[int], predictions: Sequence[int]) -> str:
    """Return how many of the images of :func:`guesses_html` are named right."""
    correct = sum(said == target for said, target in zip(predictions, targets))
    return _("{correct} of {count} test images right", correct=correct, count=len(targets))


def guesses_html(
    images: np.ndarray,
    targets: Sequence[int],
    predictions: Sequence[int],
    probs: Sequence[float],
    names: Sequence[str],
    step: int,
) -> str:
    """Return test images with what the network says to each after ``step``, right or wrong in colour and in words.

    Shape:
        images: (N, C, h, w) uint8; the others N long
    """
    cells = []
    for image, target, said, share in zip(images, targets, predictions, probs):
        right = said == target
        mark = "✓" if right else "✗"
        alt = _("{target}, taken for {said}", target=_(names[target]), said=_(names[said]))
        cells.append(
            f'<figure class="lab-guess-{"right" if right else "wrong"}">{_tile(image, alt)}'
            f"<figcaption><b>{mark} {escape(_(names[said]))}</b><span>{share:.0%}</span></figcaption></figure>"
        )
    style = "lab-guesses" if max(map(len, names), default=0) < 3 else "lab-guesses lab-named"  # a word needs a line
    wall = f'<div class="{style}" style="--tile:{_tile_px(images)}px">{"".join(cells)}</div>'
    return f'<figure class="lab-figure">{_after(step)}{wall}</figure>'


def _tile(image: np.ndarray, alt: str) -> str:
    return hard_img(image_png(image), alt, _tile_px(image))


def _tile_px(images: np.ndarray) -> int:
    """Return how wide an image of the wall is drawn: a whole multiple of its pixels, about 60."""
    side = int(images.shape[-1])
    return side * max(1, round(60 / side))


def seconds(value: float | None) -> str:
    """Return a duration in words short enough for a large number: ``41 s``, ``3:05 min``, ``1:20 h``."""
    if value is None:
        return "–"
    whole = max(0, round(value))
    if whole < 60:
        return _("{s} s", s=whole)
    if whole < 3600:
        return _("{m}:{s:02d} min", m=whole // 60, s=whole % 60)
    return _("{h}:{m:02d} h", h=whole // 3600, m=whole % 3600 // 60)
