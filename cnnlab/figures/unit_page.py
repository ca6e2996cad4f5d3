"""What a channel's page shows: the images that excite it with the place marked, its pictures, the gallery of a layer."""

from __future__ import annotations

import html
from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from cnnlab.figures import theme
from cnnlab.figures.tiles import hard_img, image_png
from cnnlab.figures.units import class_bars

TILE = 84
"""Width of a tile, in CSS pixels: three times 28."""
_MARK = "position:absolute;border:2px solid var(--positive);box-shadow:0 0 0 1px var(--ground);box-sizing:border-box"
_SMALL = "font-size:12px;line-height:1.35;color:var(--soft)"

Box = tuple[int, int, int, int]


def marked_html(
    images: NDArray[np.uint8],
    boxes: Sequence[Box | None],
    captions: Sequence[str],
    alts: Sequence[str],
    tile: int = TILE,
) -> str:
    """Return images as a wrapping wall of hard-pixel tiles, each with a frame around what excites the channel.

    Args:
        boxes: (top, left, height, width) in pixels of the image, or None.
        captions: what stands under each, a line or two.
        alts: what each shows, in words.
        tile: width of a tile in CSS pixels.

    Shape:
        images: (N, C, H, W) uint8
    """
    height, width = images.shape[2:]
    cells = []
    for image, box, caption, alt in zip(images, boxes, captions, alts):
        frame = ""
        if box is not None and box[2:] != (height, width):
            top, left, high, wide = box
            frame = (
                f'<i style="{_MARK};top:{top / height:.2%};left:{left / width:.2%};height:{high / height:.2%};'
                f'width:{wide / width:.2%}"></i>'
            )
        picture = hard_img(image_png(np.ascontiguousarray(image)), alt, tile, "display:block")
        cells.append(
            f'<figure style="margin:0;width:{tile}px"><div style="position:relative;line-height:0">{picture}{frame}</div>'
            f'<figcaption style="{_SMALL}">{"<br>".join(map(html.escape, caption.splitlines()))}</figcaption></figure>'
        )
    return f'<div style="display:flex;flex-wrap:wrap;gap:6px">{"".join(cells)}</div>'


def mean_bars(by_class: NDArray[np.float64], names: Sequence[str], *, dark: bool = False) -> go.Figure:
    """Return a channel's mean answer to the images of each class as bars in the colours of the classes.

    Shape:
        by_class: (classes,)
    """
    figure = class_bars(by_class, names, dark=dark, height=bars_height(len(names)))
    if bool((by_class < 0).any()):
        low, high = min(0.0, float(by_class.min())), max(0.0, float(by_class.max()))
        room = 0.32 * (high - low or 1.0)
        figure.update_xaxes(range=[low - room, high + room])
    return figure


def bars_height(count: int) -> int:
    """Return how high the bars of ``count`` classes are."""
    return 30 + 26 * count


def mean_text(by_class: NDArray[np.float64], names: Sequence[str]) -> str:
    """Return in words what ``mean_bars`` shows."""
    return "; ".join(f"{name}: {theme.number(float(value))}" for name, value in zip(names, by_class))
