"""What the Draw page shows under the canvas: the way from the hand to the network's input, and the strongest maps."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from cnnlab.figures.theme import number
from cnnlab.figures.tiles import data_url, hard_img, image_png, limits, tile_png

SIDE = 140
"""Side of a step, in CSS pixels: a whole multiple of 20 and of 28."""


def steps_html(
    ink: NDArray[np.uint8],
    box: tuple[int, int, int, int],
    scaled: NDArray[np.uint8],
    centred: NDArray[np.uint8],
    captions: Sequence[tuple[str, str]],
) -> str:
    """Return the three steps side by side: the ink with its box, fitted, centred by mass with the middle marked.

    Args:
        ink, scaled, centred: as :class:`cnnlab.data.pictures.Steps` has them.
        box: top, left, bottom, right in pixels of ``ink``.
        captions: (title, sentence) of each step.

    Shape:
        ink: (H, W) uint8; scaled: (<= 20, <= 20) uint8; centred: (28, 28) uint8
    """  # fmt: skip
    height, width = ink.shape
    top, left, bottom, right = box
    frame = (
        f'<i class="seen-box" style="left:{left / width:.2%};top:{top / height:.2%};'
        f'width:{(right - left) / width:.2%};height:{(bottom - top) / height:.2%}"></i>'
    )
    shape = f"aspect-ratio:{width}/{height};" + ("width:100%" if width >= height else "height:100%")
    side = max(scaled.shape[0], scaled.shape[1], 1)
    share = f"width:{scaled.shape[1] / side:.2%}" if scaled.shape[1] <= scaled.shape[0] else "width:100%"
    pictures = (
        f'<div class="seen-whole" style="{shape}">{hard_img(image_png(ink), captions[0][0], "100%")}{frame}</div>',
        hard_img(image_png(scaled), captions[1][0], None, share),
        hard_img(image_png(centred), captions[2][0], "100%") + '<i class="seen-cross"></i>',
    )
    return _row([(p, *caption) for p, caption in zip(pictures, captions)])


def crops_html(cut: Image.Image, image: NDArray[np.uint8], captions: Sequence[tuple[str, str]]) -> str:
    """Return the square that was cut from a picture, and the few pixels that are left of it, side by side.

    Shape:
        image: (3, H, W) or (1, H, W) uint8
    """
    pictures = (
        f'<img src="{photo_url(cut)}" alt="{escape(captions[0][0])}" width="100%">',
        hard_img(image_png(image), captions[1][0], "100%"),
    )
    side = image.shape[2] * max(1, SIDE // image.shape[2])
    return _row([(p, *c) for p, c in zip(pictures, captions)], side)


def facts_html(text: str) -> str:
    """Return ``text`` as a quiet line."""
    return f'<p class="lab-facts">{escape(text)}</p>'


def photo_url(picture: Image.Image, side: int = 448) -> str:
    """Return ``picture``, at most ``side`` pixels long, as a ``data:`` URL of a JPEG."""
    small = picture.copy()
    small.thumbnail((side, side))
    buffer = io.BytesIO()
    small.save(buffer, "JPEG", quality=85)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")


@dataclass(frozen=True)
class Kept:
    """A kept drawing as the wall shows it: what the model reads, how sure, and whether that is what was meant."""

    pixels: NDArray[np.uint8]
    reads: str
    sure: str
    right: bool | None
    name: str


def wall_html(items: Sequence[Kept]) -> str:
    """Return kept drawings as a wrapping wall of hard-pixel tiles; a frame says right or wrong where that is known."""
    cells = []
    for item in items:
        mark = {True: " ✓", False: " ✗", None: ""}[item.right]
        kind = {True: "right", False: "wrong", None: ""}[item.right]
        said = f"{item.name}: {item.reads}{mark}, {item.sure}"
        cells.append(
            f'<figure class="{kind}">{hard_img(image_png(item.pixels), said, 56)}'
            f"<figcaption><b>{escape(item.reads)}{mark}</b> {escape(item.sure)}<span>{escape(item.name)}</span></figcaption></figure>"
        )
    return f'<div class="kept-wall">{"".join(cells)}</div>'


def _row(cells: Sequence[tuple[str, str, str]], side: int = SIDE) -> str:
    return (
        '<div class="seen-steps">'
        + "".join(
            f'<figure><div class="seen-frame" style="width:{side}px;height:{side}px">{picture}</div>'
            f"<figcaption><b>{index}. {escape(title)}</b><span>{escape(sentence)}</span></figcaption></figure>"
            for index, (picture, title, sentence) in enumerate(cells, 1)
        )
        + "</div>"
    )


def maps_html(layers: Sequence[Any], heads: Sequence[str], alt: str, *, dark: bool = False) -> str:
    """Return a row of hard-pixel tiles for each layer, each layer on one colour scale, index and mean below.

    A layer with something below zero is drawn on the signed scale, as Explore does. The maps of a layer are one picture,
    and each tile shows its part of it (``assets/css/draw.css``): they are drawn after every stroke of every learner.

    Args:
        layers: as :class:`cnnlab.insight.strongest.LayerMaps` has them.
        heads: what stands beside each row.
        alt: text of a tile with places for ``address`` and ``mean``.
    """
    rows = []
    for layer, head in zip(layers, heads):
        mode = "signed" if bool((layer.maps < 0).any()) else "sequential"
        count = len(layer.maps)
        sheet = tile_png(layer.maps, mode, scale=limits(layer.maps, mode), columns=count, dark=dark)
        size = layer.width * max(1, round(72 / layer.width))
        wide = f"{(count * (layer.width + 1) - 1) / layer.width:.4%}"
        tiles = []
        for place, (index, mean) in enumerate(zip(layer.strongest, layer.means)):
            said = alt.format(address=f"{layer.layer}[{index}]", mean=number(mean))
            left = f"{place / max(1, count - 1):.4%}"
            tiles.append(
                f'<figure><div role="img" aria-label="{escape(said)}" style="background-position-x:{left}"></div>'
                f"<figcaption>{index}<span> · {mean:.2f}</span></figcaption></figure>"
            )
        style = f"--sheet:url({data_url(sheet)});--wide:{wide};--size:{size}px;--shape:{layer.width}/{layer.height}"
        name = f"<h4>{escape(layer.layer)}<small>{escape(head)}</small></h4>"
        rows.append(f'<section style="{style}">{name}<div>{"".join(tiles)}</div></section>')
    return f'<div class="seen-maps">{"".join(rows)}</div>'
