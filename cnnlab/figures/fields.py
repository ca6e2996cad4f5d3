"""What a unit sees, as pictures: the input with a frame on it, and how much each pixel counts."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnnlab.architecture.shapes import Span
from cnnlab.figures.theme import lookup
from cnnlab.figures.tiles import enlarge, levels, png

SIDE_PX = 224
"""How large the pictures are at most; each pixel of the input becomes a whole number of theirs."""
_FRAME = (255, 45, 149)

Box = tuple[Span, Span] | None


def framed_png(picture: NDArray[np.uint8], box: Box) -> bytes:
    """Return the input with a frame around the pixels that can reach a unit; what lies outside is dimmed.

    Shape:
        picture: (1, H, W) or (3, H, W) uint8
    """
    channels = picture if picture.shape[0] == 3 else np.repeat(picture[:1], 3, axis=0)
    pixels = channels.transpose(1, 2, 0).astype(np.float64)
    inside = np.zeros(pixels.shape[:2], dtype=bool)
    if box is not None:
        (top, bottom), (left, right) = box
        inside[top : bottom + 1, left : right + 1] = True
    pixels[~inside] = 0.45 * pixels[~inside] + 0.55 * 110
    return png(_with_frame(np.round(pixels).astype(np.uint8), box, SIDE_PX))


def effect_png(effect: NDArray[Any], box: Box, *, room: int = SIDE_PX, dark: bool = False) -> bytes:
    """Return how much each pixel counts, dark for not at all, with the same frame.

    Shape:
        effect: (H, W), >= 0
    """
    shades = levels(effect, 0.0, float(effect.max()) or 1.0)
    return png(_with_frame(lookup("sequential", dark)[shades], box, room))


def _with_frame(pixels: NDArray[np.uint8], box: Box, room: int) -> NDArray[np.uint8]:
    """Return RGB ``pixels`` enlarged by a whole factor, with a frame two pixels wide just outside ``box``."""
    zoom = max(1, room // max(pixels.shape[:2]))
    large = np.ascontiguousarray(enlarge(pixels, zoom))
    if box is None:
        return large
    (top, bottom), (left, right) = box
    height, width = large.shape[:2]
    rows = max(0, top * zoom - 2), min(height, (bottom + 1) * zoom + 2)
    cols = max(0, left * zoom - 2), min(width, (right + 1) * zoom + 2)
    large[rows[0] : rows[0] + 2, cols[0] : cols[1]] = _FRAME
    large[rows[1] - 2 : rows[1], cols[0] : cols[1]] = _FRAME
    large[rows[0] : rows[1], cols[0] : cols[0] + 2] = _FRAME
    large[rows[0] : rows[1], cols[1] - 2 : cols[1]] = _FRAME
    return large
