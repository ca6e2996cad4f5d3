"""The whole chain as one picture: what goes in, the network to scale, how it learned, its answer.

Plain HTML and SVG that take their colours from the page's style (``assets/css/lab.css``); no torch.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import numpy as np

from cnnlab.architecture import Architecture, Row, Shape
from cnnlab.figures.live import svg_img
from cnnlab.figures.tiles import hard_img, image_png
from cnnlab.i18n import _

MAX_STAGES = 14
"""How many stages are drawn at most."""

MOST_ROWS = 60
"""A network of more layers than this shows each of its blocks as one stage."""

_SIDE_PX = 72.0
_SHIFT_PX = 4.0


@dataclass(frozen=True)
class Answer:
    """What a network says to an image: the classes and their probabilities."""

    class_names: tuple[str, ...]
    probs: tuple[float, ...]


@dataclass(frozen=True)
class _Stage:
    name: str
    shape: Shape
    broken: bool = False

    @property
    def drawn(self) -> bool:
        """Whether there is something to draw to scale."""
        return bool(self.shape)


def chain_html(image: str, network: str, learning: str, answer: str) -> str:
    """Return the four parts as one picture: image, then network above its learning, then answer."""
    arrow = '<div class="lab-arrow" aria-hidden="true"></div>'
    return (
        f'<div class="lab-chain"><section>{image}</section>{arrow}'
        f'<section class="lab-chain-middle">{network}{learning}</section>{arrow}<section>{answer}</section></div>'
    )


def part(title: str, body: str, caption: str) -> str:
    """Return one part of the chain: a small title, the picture, and a caption with the facts."""
    return f'<h3 class="lab-part">{escape(title)}</h3>{body}<p class="lab-facts">{escape(caption)}</p>'


def image_html(pixels: np.ndarray, alt: str) -> str:
    """Return an image large, with hard pixels.

    Shape:
        pixels: (H, W) or (C, H, W) uint8
    """
    side = pixels.shape[-1]
    zoom = max(1, 168 // side)
    return f'<div class="lab-digit">{hard_img(image_png(pixels), alt, side * zoom)}</div>'


def network_html(architecture: Architecture) -> str:
    """Return the network to scale: a stack of sheets for maps (side = the map's side), a bar for a vector.

    Layers that keep the shape (activations, normalisation, dropout) are drawn with the layer before them. A layer that
    does not fit is a red mark, and what stands below it is left out. The stages wrap like words: a phone shows them all.
    """
    stages = _stages(architecture)
    largest = max((max(s.shape[1:]) for s in stages if len(s.shape) == 3), default=1)
    label = _(
        "{name}: {shapes}", name=architecture.name, shapes=" → ".join(_written(s.shape) for s in stages if s.drawn)
    )
    figures = "".join(_stage_html(stage, largest) for stage in stages)
    return f'<div class="lab-network" role="img" aria-label="{escape(label, quote=True)}">{figures}</div>'


def _stages(architecture: Architecture) -> list[_Stage]:
    """Return the input and each layer that changes the shape; at most ``MAX_STAGES``, the middle left out and counted."""
    stages = [_Stage(_("input"), tuple(architecture.input_shape))]
    trace = architecture.trace()
    for row in trace.rows if len(trace.rows) <= MOST_ROWS else trace.folded:
        if row.error is not None or row.output_shape is None:
            stages.append(_Stage(row.name, (), broken=True))
            break
        if row.output_shape != stages[-1].shape or _learns(row):
            stages.append(_Stage(row.name, row.output_shape))
    if len(stages) <= MAX_STAGES:
        return stages
    first = MAX_STAGES // 2
    last = MAX_STAGES - 1 - first
    return [*stages[:first], _Stage(_("{count} more", count=len(stages) - first - last), ()), *stages[-last:]]


def _learns(row: Row) -> bool:
    return row.layer.kind in ("Conv2d", "Linear") or row.layer.nesting > 0


def _stage_html(stage: _Stage, largest: int) -> str:
    drawing, width, height = _drawing(stage, largest)
    picture = svg_img(drawing, f"-1 -1 {width + 2:.1f} {height + 2:.1f}", "")
    sized = picture.replace("<img ", f'<img style="width:{width + 2:.1f}px;height:{height + 2:.1f}px" ', 1)
    kind = "" if stage.drawn else " lab-stage-broken" if stage.broken else " lab-stage-more"
    return (
        f'<span class="lab-stage{kind}" aria-hidden="true"><span>{sized}</span>'
        f"<b>{escape(stage.name)}</b><small>{_written(stage.shape)}</small></span>"
    )


def _drawing(stage: _Stage, largest: int) -> tuple[str, float, float]:
    """Return a stage's SVG, its width and its height in pixels."""
    if stage.broken:
        return '<path class="broken" d="M4 4l20 20m0-20l-20 20"/>', 28.0, 28.0
    if not stage.drawn:
        return "".join(f'<circle class="more" cx="{x}" cy="2" r="2"/>' for x in (2, 12, 22)), 24.0, 4.0
    if len(stage.shape) == 1:
        high = 20 + 80 * min(1.0, math.log10(max(stage.shape[0], 1)) / 4)
        return f'<rect class="vector" width="9" height="{high:.1f}" rx="2"/>', 9.0, high
    channels, height, width = stage.shape
    sheets = min(7, 1 + round(math.log2(channels)))
    high, wide = (max(7.0, _SIDE_PX * side / largest) for side in (height, width))
    drawn = "".join(
        f'<rect class="sheet" x="{i * _SHIFT_PX:.1f}" y="{i * _SHIFT_PX:.1f}" width="{wide:.1f}" height="{high:.1f}" rx="2"/>'
        for i in range(sheets)
    )
    shifted = (sheets - 1) * _SHIFT_PX
    return drawn, wide + shifted, high + shifted


def _written(shape: Shape) -> str:
    return "×".join(map(str, shape))


def answer_html(answer: Answer | None, most: int = 10) -> str:
    """Return the probabilities as bars, the largest marked; empty bars while nothing has been computed yet."""
    if answer is None:
        rows = "".join(_bar(str(digit), 0.0, False, "") for digit in range(10))
        return f'<div class="lab-bars lab-bars-waiting" aria-busy="true">{rows}</div>'
    best = int(np.argmax(answer.probs))
    order: Sequence[int] = range(len(answer.probs))
    if len(answer.probs) > most:
        order = np.argsort(answer.probs)[::-1][:most].tolist()
    rows = "".join(_bar(_(answer.class_names[k]), answer.probs[k], k == best, f"{answer.probs[k]:.1%}") for k in order)
    return f'<div class="lab-bars">{rows}</div>'


def _bar(name: str, share: float, best: bool, shown: str) -> str:
    return (
        f'<div class="lab-bar-row{" lab-best" if best else ""}"><span>{escape(name)}</span>'
        f'<span class="lab-bar"><i style="width:{share:.1%}"></i></span><span>{shown}</span></div>'
    )


def accuracy_html(accuracy: float, classes: int) -> str:
    """Return one accuracy as a large number and a bar on which guessing is marked."""
    return (
        f'<div class="lab-acc"><strong>{accuracy:.1%}</strong><span class="lab-bar">'
        f'<i style="width:{accuracy:.1%}"></i><b style="left:{1 / max(classes, 1):.1%}"></b></span></div>'
    )
