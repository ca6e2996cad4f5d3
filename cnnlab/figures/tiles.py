"""Many small maps as hard pixels: a colour table and a PNG instead of dozens of Plotly heat maps.

A 28x28 map costs some hundred bytes as a palette PNG; a wall of sixty-four is one picture and a millisecond.
"""

from __future__ import annotations

import base64
import html
import struct
import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnnlab.figures.theme import lookup, signed_limit

_SIGNATURE = b"\x89PNG\r\n\x1a\n"


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(pixels: NDArray[np.uint8], palette: NDArray[np.uint8] | None = None) -> bytes:
    """Return ``pixels`` as the bytes of a PNG file, lossless.

    Shape:
        pixels: (H, W) uint8 grey or palette index, (H, W, 3) uint8 RGB, or (H, W, 4) uint8 RGBA
        palette: (n <= 256, 3) uint8; makes (H, W) pixels indices into it

    Source: PNG specification, third edition, W3C 2025 (colour types 0, 2, 3 and 6, filter 0).
    """
    height, width = pixels.shape[:2]
    channels = 1 if pixels.ndim == 2 else pixels.shape[2]
    colour_type = 3 if palette is not None else {1: 0, 3: 2, 4: 6}[channels]
    rows = np.zeros((height, 1 + width * channels), dtype=np.uint8)  # filter byte 0, then the row
    rows[:, 1:] = pixels.reshape(height, width * channels)
    parts = [_SIGNATURE, _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, colour_type, 0, 0, 0))]
    if palette is not None:
        parts.append(_chunk(b"PLTE", palette.astype(np.uint8).tobytes()))
    parts += [_chunk(b"IDAT", zlib.compress(rows.tobytes(), 6)), _chunk(b"IEND", b"")]
    return b"".join(parts)


def data_url(png_bytes: bytes) -> str:
    """Return ``png_bytes`` as a ``data:`` URL for an ``img`` element."""
    return "data:image/png;base64," + base64.b64encode(png_bytes).decode("ascii")


def limits(maps: NDArray[Any], mode: str = "sequential") -> tuple[float, float]:
    """Return the (lowest, highest) value that one colour scale for all of ``maps`` has to show.

    Signed scales are symmetric about zero. A sequential one starts at zero, or below where something is
    negative, so that a map of nothing is dark. Never an empty range.
    """
    if mode == "signed":
        limit = signed_limit(maps)
        return -limit, limit
    finite = maps[np.isfinite(maps)]
    low = min(0.0, float(finite.min())) if finite.size else 0.0
    high = float(finite.max()) if finite.size else 0.0
    return low, high if high > low else low + 1.0


def levels(maps: NDArray[Any], low: float | NDArray[Any], high: float | NDArray[Any]) -> NDArray[np.uint8]:
    """Return ``maps`` as rows of a colour table: ``low`` is 0, ``high`` is 255, what lies outside is cut.

    Shape:
        maps: (...) numbers; low, high: anything that broadcasts against it
        returned: (...) uint8
    """
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        share = (maps.astype(np.float64) - low) / (np.asarray(high, dtype=np.float64) - low)
    return np.round(np.nan_to_num(np.clip(share, 0.0, 1.0)) * 255).astype(np.uint8)


def map_limits(maps: NDArray[Any], mode: str, scale: str | tuple[float, float]) -> list[tuple[float, float]]:
    """Return the (low, high) of each map: its own for ``scale="unit"``, else one for all.

    Shape:
        maps: (N, H, W)
    """
    if scale == "unit":
        return [limits(one, mode) for one in maps]
    shared = limits(maps, mode) if isinstance(scale, str) else scale
    return [shared] * len(maps)


def tile_png(
    maps: NDArray[Any],
    mode: str = "sequential",
    *,
    scale: str | tuple[float, float] = "layer",
    columns: int = 8,
    zoom: int = 1,
    gap: int = 1,
    dark: bool = False,
) -> bytes:
    """Return one PNG with all ``maps`` as a tight grid, row by row; the gaps are transparent.

    Args:
        maps: what to draw.
        mode: ``signed``, ``sequential`` or ``grey``.
        scale: ``unit`` (each map its own colours), ``layer`` (one scale for all), or the (low, high) to use.
        columns: maps in a row.
        zoom: pixels of the picture for one number, a whole multiple.
        gap: pixels between two maps, before the zoom.
        dark: whether zero of a signed scale is near-black instead of white.

    Shape:
        maps: (N, H, W)
    """
    count = len(maps)
    bounds = np.array(map_limits(maps, mode, scale), dtype=np.float64).reshape(count, 2)
    coloured = lookup(mode, dark)[levels(maps, bounds[:, 0, None, None], bounds[:, 1, None, None])]
    return png(enlarge(sheet(coloured, columns, gap), zoom))


def sheet(coloured: NDArray[np.uint8], columns: int, gap: int = 1) -> NDArray[np.uint8]:
    """Return pictures of one size as a grid, row by row; gaps and empty places are transparent.

    Shape:
        coloured: (N, H, W, 3) uint8; returned: (rows*(H + gap) - gap, columns*(W + gap) - gap, 4) uint8
    """
    count, height, width = coloured.shape[:3]
    columns = max(1, min(columns, count))
    rows = -(-count // columns)
    cells = np.zeros((rows * columns, height + gap, width + gap, 4), dtype=np.uint8)
    cells[:count, :height, :width, :3] = coloured
    cells[:count, :height, :width, 3] = 255
    grid = cells.reshape(rows, columns, height + gap, width + gap, 4).swapaxes(1, 2)
    grid = grid.reshape(rows * (height + gap), columns * (width + gap), 4)
    return np.ascontiguousarray(grid[: rows * (height + gap) - gap, : columns * (width + gap) - gap])


def enlarge(pixels: NDArray[np.uint8], zoom: int) -> NDArray[np.uint8]:
    """Return ``pixels`` with each one repeated ``zoom`` times along both axes."""
    return pixels if zoom == 1 else pixels.repeat(zoom, axis=0).repeat(zoom, axis=1)


def image_png(image: NDArray[np.uint8], zoom: int = 1) -> bytes:
    """Return an image of the data as a PNG.

    Shape:
        image: (1, H, W) or (3, H, W) or (H, W) uint8
    """
    pixels = image if image.ndim == 2 else (image[0] if image.shape[0] == 1 else image[:3].transpose(1, 2, 0))
    return png(enlarge(np.ascontiguousarray(pixels), zoom))


def hard_img(png_bytes: bytes, alt: str, width: int | str | None = None, style: str = "") -> str:
    """Return an ``img`` element that shows ``png_bytes`` with hard pixels and says ``alt`` aloud.

    Args:
        width: in CSS pixels, or any CSS width; None keeps the picture's own size.
    """
    size = f"width:{width}px;" if isinstance(width, int) else (f"width:{width};" if width else "")
    return (
        f'<img src="{data_url(png_bytes)}" alt="{html.escape(alt, quote=True)}" '
        f'style="{size}max-width:100%;height:auto;image-rendering:pixelated;{html.escape(style)}">'
    )


def tiles_html(
    pictures: Sequence[bytes],
    alts: Sequence[str],
    captions: Sequence[str] | None = None,
    size: int = 56,
    gap: int = 6,
) -> str:
    """Return PNG ``pictures`` as a wrapping grid of equal hard-pixel tiles, each with text and caption.

    For ``st.html``. ``size`` is the width of a tile in CSS pixels; captions stand under the tiles in small
    figures.
    """
    cells = []
    for index, picture in enumerate(pictures):
        caption = html.escape(captions[index]) if captions else ""
        style = "font-size:12px;line-height:1.3;opacity:.8"
        note = f'<figcaption style="{style}">{caption}</figcaption>' if caption else ""
        image = hard_img(picture, alts[index], size, "border-radius:2px;display:block")
        frame = f"margin:0;width:{size}px;font-variant-numeric:tabular-nums"
        cells.append(f'<figure style="{frame}">{image}{note}</figure>')
    return f'<div style="display:flex;flex-wrap:wrap;gap:{gap}px">{"".join(cells)}</div>'


def filter_png(weight: NDArray[Any], *, columns: int = 8, zoom: int = 1, dark: bool = False) -> bytes:
    """Return the filters of a convolution as one grid: in colour on three channels, signed otherwise.

    A filter on RGB is shown as its own picture, grey where it is zero; any other one by its first input
    channel where there is but one, and else by the mean over its input channels. Signed scale common to all.

    Shape:
        weight: (C_out, C_in, kH, kW)
    """
    if weight.shape[1] != 3:
        return tile_png(weight.mean(axis=1), "signed", columns=columns, zoom=zoom, dark=dark)
    limit = signed_limit(weight)
    coloured = levels(weight, -limit, limit).transpose(0, 2, 3, 1)  # (N, kH, kW, 3)
    return png(enlarge(sheet(coloured, columns), zoom))
