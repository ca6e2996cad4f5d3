"""Attributions as pictures: a signed heat map, an overlay on the image, one colour bar for both."""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnnlab.figures.theme import UNSIGNED, lookup, number, rgb, signed_limit, signed_scale
from cnnlab.figures.tiles import data_url, enlarge, hard_img, image_png, levels, png
from cnnlab.i18n import _

ZOOM = 8
"""Pixels of a picture for one pixel of the input."""


def heat_limit(heat: NDArray[Any]) -> float:
    """Return the limit of the colour scale of one heat map: the 99.5th percentile of its sizes.

    One stray pixel would otherwise make all others look like nothing; what lies beyond has the end's colour. Where
    that percentile is zero, the largest size.
    """
    sizes = np.abs(heat[np.isfinite(heat)])
    limit = float(np.percentile(sizes, 99.5)) if sizes.size else 0.0
    return limit if limit > 0 else signed_limit(heat)


def heat_levels(heat: NDArray[Any], signed: bool, limit: float) -> NDArray[np.uint8]:
    """Return ``heat`` as rows of the colour table: zero is row 128 on a signed scale, row 0 on the other.

    Shape:
        heat: (H, W); returned: (H, W) uint8
    """
    return levels(heat, -limit if signed else 0.0, limit)


def heat_png(heat: NDArray[Any], *, signed: bool = True, limit: float | None = None, dark: bool = False) -> bytes:
    """Return ``heat`` as hard pixels on the signed or the sequential scale.

    Shape:
        heat: (H, W)
    """
    table = lookup("signed" if signed else "sequential", dark)
    return png(heat_levels(heat, signed, limit or heat_limit(heat)), table)


def grey(picture: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Return the luma of an image of the data, in [0, 255].

    Source: ITU-R BT.601, as used by Pillow's ``convert("L")``.

    Shape:
        picture: (1, H, W) or (3, H, W) uint8; returned: (H, W)
    """
    if picture.shape[0] == 3:
        return np.tensordot(np.array([0.299, 0.587, 0.114]), picture.astype(np.float64), axes=1)
    return picture.astype(np.float64).mean(axis=0)


def _overlay(picture: NDArray[np.uint8], heat: NDArray[Any], signed: bool, limit: float) -> NDArray[np.uint8]:
    ground = grey(picture)
    if picture.shape[0] != 3:
        ground = 255.0 - ground  # ink dark on paper
    ground = 255.0 - 0.5 * (255.0 - ground)
    share = 0.92 * np.clip(np.abs(np.nan_to_num(heat)) / limit, 0.0, 1.0)[..., None]
    ends = signed_scale(dark=False)
    low, high = np.array(rgb(ends[0][1])), np.array(rgb(ends[-1][1]))
    colour = np.where(heat[..., None] < 0, low, high) if signed else np.array(rgb(UNSIGNED))
    return np.round(ground[..., None] * (1.0 - share) + colour * share).astype(np.uint8)


def overlay_png(
    picture: NDArray[np.uint8], heat: NDArray[Any], *, signed: bool = True, limit: float | None = None
) -> bytes:
    """Return the picture in pale grey with the heat map over it: the stronger the value, the more it covers.

    On paper-white in both themes, so that the stroke stays readable under both signs; ink is drawn dark on it.

    Shape:
        picture: (C, H, W) uint8, as large as the heat map; heat: (H, W)
    """
    return png(_overlay(picture, heat, signed, limit or heat_limit(heat)))


def sheet_png(picture: NDArray[np.uint8], heat: NDArray[Any], *, signed: bool = True) -> bytes:
    """Return picture, overlay and heat map side by side, for a file: eight pixels for one of the input.

    Shape:
        picture: (C, H, W) uint8, as large as the heat map; heat: (H, W)
    """
    limit = heat_limit(heat)
    table = lookup("signed" if signed else "sequential")
    plain = np.repeat(picture[:1] if picture.shape[0] != 3 else picture, 1 if picture.shape[0] == 3 else 3, axis=0)
    parts = [plain.transpose(1, 2, 0), _overlay(picture, heat, signed, limit), table[heat_levels(heat, signed, limit)]]
    gap = np.full((heat.shape[0], 1, 3), 255, dtype=np.uint8)
    return png(enlarge(np.concatenate([parts[0], gap, parts[1], gap, parts[2]], axis=1), ZOOM))


def colour_bar_html(low: float, high: float, mode: str, *, dark: bool = False, label: str = "") -> str:
    """Return a colour bar with the numbers at its ends (and zero where it is signed), for ``st.html``."""
    table = lookup(mode, dark)
    bar = png(np.arange(256, dtype=np.uint8)[None], table)
    middle = f"<span>{html.escape(number(0.0))}</span>" if mode == "signed" else ""
    spoken = html.escape(_("colour scale from {low} to {high}", low=number(low), high=number(high)))
    title = f'<div style="font-size:12px;opacity:.85">{html.escape(label)}</div>' if label else ""
    return (
        f'<div style="width:100%;font-variant-numeric:tabular-nums">{title}'
        f'<img src="{data_url(bar)}" alt="{spoken}" style="width:100%;height:10px;display:block;border-radius:2px;'
        f'image-rendering:auto;border:1px solid rgba(128,128,128,.35)">'
        f'<div style="display:flex;justify-content:space-between;font-size:12px;line-height:1.4">'
        f"<span>{html.escape(number(low))}</span>{middle}<span>{html.escape(number(high))}</span></div></div>"
    )


def cell_html(
    picture: NDArray[np.uint8],
    heat: NDArray[Any],
    *,
    title: str,
    alt: str,
    signed: bool = True,
    limit: float,
    views: tuple[str, ...] = ("overlay", "heat"),
    note: str = "",
    dark: bool = False,
    side: int = 168,
) -> str:
    """Return one cell of the table of answers: name, overlay and heat map, colour bar, a line of numbers.

    Args:
        alt: what the pictures say in words.
        limit: of the colour scale, shared by all that shall be compared.
        views: which of ``overlay`` and ``heat``, from top to bottom.
        side: room for the pictures in CSS pixels; they take the largest whole multiple of their own size.
    """
    width = max(1, side // heat.shape[1]) * heat.shape[1]
    pictures = {
        "overlay": overlay_png(picture, heat, signed=signed, limit=limit),
        "heat": heat_png(heat, signed=signed, limit=limit, dark=dark),
    }
    edge = "display:block;border-radius:2px;outline:1px solid rgba(128,128,128,.25)"
    images = "".join(
        f'<div style="margin-bottom:6px">{hard_img(pictures[view], alt if index == 0 else "", width, edge)}</div>'
        for index, view in enumerate(views)
    )
    heats = "heat" in views  # the bar is that of the lowest picture; an overlay stands on paper in both themes
    mode = "signed" if signed else "sequential" if heats else "unsigned"
    bar = colour_bar_html(-limit if signed else 0.0, limit, mode, dark=dark and heats)
    foot = f'<div style="font-size:12px;line-height:1.4;margin-top:2px">{html.escape(note)}</div>' if note else ""
    return (
        f'<figure style="margin:0;width:{width}px;font-variant-numeric:tabular-nums">'
        f'<figcaption style="font-size:13px;font-weight:600;line-height:20px;margin-bottom:4px">{html.escape(title)}'
        f"</figcaption>{images}{bar}{foot}</figure>"
    )


_TABLE = """<style>
.cnnlab-row{padding-bottom:12px;display:grid;grid-template-columns:168px minmax(0,1fr);gap:14px 18px;align-items:start}
.cnnlab-cells{display:grid;grid-template-columns:repeat(auto-fill,minmax(168px,max-content));gap:18px;align-items:start}
.cnnlab-head b{display:flex;align-items:center;gap:7px;font-size:15px;line-height:20px;font-weight:600}
.cnnlab-head i{width:12px;height:12px;border-radius:3px;flex:none}
.cnnlab-head span{display:block;font-size:12.5px;line-height:18px;margin:2px 0 6px;min-height:18px;opacity:.85}
@media(max-width:640px){
.cnnlab-row{grid-template-columns:minmax(0,1fr)}
.cnnlab-cells{grid-template-columns:repeat(2,minmax(0,168px));gap:16px 14px}
.cnnlab-head{display:flex;align-items:center;gap:12px;flex-direction:row-reverse;justify-content:flex-end}
.cnnlab-head img{width:var(--small) !important;flex:none}
}</style>"""


def row_html(head: str, cells: Sequence[str]) -> str:
    """Return one row of the table: ``head`` and then the cells, one below the other where the page is narrow."""
    return f'{_TABLE}<div class="cnnlab-row">{head}<div class="cnnlab-cells">{"".join(cells)}</div></div>'


def class_head_html(name: str, colour: str, facts: str, picture: NDArray[np.uint8], alt: str, side: int = 168) -> str:
    """Return the head of a row: the class with its colour, what the network says of it, and the picture.

    Args:
        alt: what the picture is.
        side: room for the picture in CSS pixels; half of it on a phone. It takes the largest whole multiple.

    Shape:
        picture: (C, H, W) uint8
    """
    wide = picture.shape[2]
    large, small = (max(1, room // wide) * wide for room in (side, side // 2 + 12))
    return (
        f'<div class="cnnlab-head" style="--small:{small}px;font-variant-numeric:tabular-nums"><div>'
        f'<b><i style="background:{colour}"></i>{html.escape(name)}</b><span>{html.escape(facts)}</span></div>'
        f"{hard_img(image_png(picture), alt, large)}</div>"
    )
