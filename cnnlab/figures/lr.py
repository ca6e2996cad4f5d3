"""The learning-rate finder's curve: the loss over growing learning rates, where it falls fastest and where it breaks."""

from __future__ import annotations

import math
from collections.abc import Sequence

from cnnlab.figures.live import svg_img
from cnnlab.figures.theme import number
from cnnlab.i18n import _
from cnnlab.training.lr_finder import HIGHEST, LOWEST, Finding, Trial

WIDTH, HEIGHT = 420, 220
_LEFT, _RIGHT, _TOP, _BOTTOM = 40, 12, 24, 36
_ABOVE = 1.3
_DECADES = range(round(math.log10(LOWEST)), round(math.log10(HIGHEST)) + 1)

_STYLE = """<style>
line{stroke:light-dark(#D5DBE1,#2C3742);stroke-width:1}
.best{stroke:light-dark(#1B7F4B,#5CC98F);stroke-width:2}
.edge{stroke:light-dark(#C0392B,#FF8A80);stroke-width:1.5;stroke-dasharray:4 3}
.now{stroke:light-dark(#566573,#9DA9B5);stroke-width:1.5;stroke-dasharray:1 3}
text{font:11px system-ui,sans-serif;fill:light-dark(#566573,#9DA9B5)}
text.best{fill:light-dark(#1B7F4B,#5CC98F);stroke:none;font-weight:600}
text.edge{fill:light-dark(#A93226,#FF8A80);stroke:none}
text.now{stroke:none}
.middle{text-anchor:middle}.end{text-anchor:end}
</style>"""


def rate_text(lr: float) -> str:
    """Return a learning rate with two significant digits: ``0.0032``."""
    return f"{float(f'{lr:.2g}'):.7f}".rstrip("0").rstrip(".")


def search_html(trials: Sequence[Trial], finding: Finding | None = None, now: float | None = None) -> str:
    """Return the losses over the learning rate, each power of ten as wide as the next.

    Args:
        trials: the steps so far; faint.
        finding: what they say: the smoothed curve, the suggestion and the edge.
        now: the learning rate that the recipe has.
    """
    losses = [trial.loss for trial in trials]
    top = _ABOVE * max(losses[:5], default=1.0)
    x = [_across(trial.lr) for trial in trials]
    parts = [_frame(top), _line("raw", x, losses, top)]
    said = [_("{count} learning rates tried", count=len(trials))]
    if finding is not None:
        parts.append(_line("train", x, finding.smoothed, top))
    marks: list[tuple[str, float | None, str]] = [("now", now, _("now"))]
    if finding is not None:
        marks += [("edge", finding.edge, _("falls apart")), ("best", finding.suggested, _("falls fastest"))]
    for style, lr, name in marks:
        if lr is not None and LOWEST <= lr <= HIGHEST:
            parts.append(_mark(style, lr, f"{name} {rate_text(lr)}"))
            said.append(f"{name} {rate_text(lr)}")
    return (
        f'<figure class="lab-figure">'
        f"{svg_img(_STYLE + ''.join(parts), f'0 0 {WIDTH} {HEIGHT}', ', '.join(said), 'lab-health')}</figure>"
    )


def _across(lr: float) -> float:
    low, high = math.log10(LOWEST), math.log10(HIGHEST)
    return _LEFT + (WIDTH - _LEFT - _RIGHT) * (math.log10(lr) - low) / (high - low)


def _down(loss: float, top: float) -> float:
    return _TOP + (HEIGHT - _TOP - _BOTTOM) * (1 - min(loss / top, 1.02))


def _frame(top: float) -> str:
    floor = HEIGHT - _BOTTOM
    rows = "".join(
        f'<line x1="{_LEFT}" x2="{WIDTH - _RIGHT}" y1="{_down(tick, top):.1f}" y2="{_down(tick, top):.1f}"/>'
        f'<text class="end" x="{_LEFT - 6}" y="{_down(tick, top) + 4:.1f}">{number(float(f"{tick:.2g}"))}</text>'
        for tick in (0.0, top / 2, top)
    )
    columns = "".join(
        f'<text class="middle" x="{min(_across(10.0**k), WIDTH - _RIGHT - 4):.1f}" y="{floor + 15}">{rate_text(10.0**k)}</text>'
        for k in _DECADES
    )
    named = f'<text class="middle" x="{(_LEFT + WIDTH - _RIGHT) / 2:.0f}" y="{floor + 31}">{_("Learning rate")}</text>'
    return f'{rows}{columns}{named}<text x="4" y="14">{_("Loss")}</text>'


def _line(style: str, x: Sequence[float], losses: Sequence[float], top: float) -> str:
    if len(x) < 2:
        return ""
    points = " ".join(f"{a:.1f},{_down(loss, top):.1f}" for a, loss in zip(x, losses))
    return f'<polyline class="{style}" points="{points}"/>'


def _mark(style: str, lr: float, text: str) -> str:
    """Return an upright line with its text: ``now`` at the foot, the others above each other at the top."""
    x, floor = _across(lr), HEIGHT - _BOTTOM
    y = {"now": floor - 6, "edge": _TOP + 26, "best": _TOP + 11}[style]
    late = x > (_LEFT + WIDTH) / 2
    anchor, at = (" end", x - 5) if late else ("", x + 5)
    return (
        f'<line class="{style}" x1="{x:.1f}" x2="{x:.1f}" y1="{_TOP}" y2="{floor}"/>'
        f'<text class="{style}{anchor}" x="{at:.1f}" y="{y}">{text}</text>'
    )
