"""Pictures are opened safely, and a digit on one is found and centred.

A digit is treated as MNIST's own were: cut out, fitted into a 20x20 box, centred by its mass within 28x28.

Source: LeCun, Bottou, Bengio & Haffner 1998, "Gradient-based learning applied to document recognition", section III.A.
"""

from __future__ import annotations

import io
import struct
import zlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter, ImageOps

from cnnlab.errors import PictureError

MAX_BYTES = 20_000_000
"""The largest file that is opened."""
MAX_PIXELS = 40_000_000
"""The largest picture that is unpacked: beyond any phone's usual photo, far below what hurts."""
FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "MPO")
"""What is opened; rarer kinds have rarer decoders."""
_UNREADABLE = (
    OSError, SyntaxError, ValueError, EOFError, LookupError, TypeError, ArithmeticError, AttributeError, AssertionError,
    struct.error, zlib.error, UserWarning,
)  # fmt: skip
"""What Pillow's decoders raise for broken files: most of them were written for whole ones."""
WORKING_SIDE = 640
"""Longer sides are averaged down to this before a digit is looked for."""

Gray = NDArray[np.uint8]


@dataclass(frozen=True)
class Steps:
    """How a digit came to be centred; each array is uint8 with the ink bright on black.

    Args:
        ink: the whole picture, ink bright on black. Shape: (H, W)
        box: the part that holds ink, as ``top, left, bottom, right`` (bottom and right exclusive), in pixels of ``ink``.
        cropped: ``ink`` cut to ``box``. Shape: (h, w)
        scaled: ``cropped`` with its longer side fitted to the box of 20 pixels. Shape: (<= 20, <= 20)
        centred: ``scaled`` placed so that its centre of mass is the centre. Shape: (28, 28)
        thickened_px: by how many pixels of ``cropped`` a hairline was widened; 0 for a usual stroke.
    """

    ink: Gray
    box: tuple[int, int, int, int]
    cropped: Gray
    scaled: Gray
    centred: Gray
    thickened_px: int = 0


def centre_digit(gray: Gray, size: int = 28) -> Steps:
    """Return the digit in ``gray`` (ink bright on black) cut out, fitted and centred by mass, step by step.

        side = size * 20 / 28;  shift = round(size / 2 - centre of mass), per axis

    The mass centre of each of MNIST's test images lies within half a pixel of 14.0, and 20 pixels are their longer
    side, so MNIST's own images come out as they went in. Deviation from the source: a line thinner than 1/17 of the
    digit is widened first (a ballpoint's would fade away in 20 pixels), and a pale result is stretched to white.

    Shape: gray: (H, W) uint8.

    Raises:
        PictureError: there is no ink.
    """
    ink = np.ascontiguousarray(gray, dtype=np.uint8)
    strong = ink > int(ink.max(initial=0)) // 16
    rows, columns = np.flatnonzero(strong.any(axis=1)), np.flatnonzero(strong.any(axis=0))
    if not rows.size:
        raise PictureError("The picture is blank: nothing stands out from its background.")
    box = (int(rows[0]), int(columns[0]), int(rows[-1]) + 1, int(columns[-1]) + 1)
    cropped = ink[box[0] : box[2], box[1] : box[3]]
    solid, extra = _thickened(cropped)
    scaled = _fitted(solid, round(size * 20 / 28))
    return Steps(ink, box, cropped, scaled, _centred(scaled, size), extra)


def _thickened(cropped: Gray) -> tuple[Gray, int]:
    """Return ``cropped`` with a hairline widened to about a tenth of the digit, and by how many pixels."""
    longer = max(cropped.shape)
    bold = np.pad(cropped > 127, 1)
    inner = bold[1:-1, 1:-1] & bold[:-2, 1:-1] & bold[2:, 1:-1] & bold[1:-1, :-2] & bold[1:-1, 2:]
    edge = int(bold.sum() - inner.sum())
    width = 2 * float(bold.sum()) / edge if edge else 0.0  # a long line w wide has 2 edge pixels for each w
    if longer < 40 or width == 0 or width >= longer / 17:
        return cropped, 0
    extra = round((longer / 11 - width) / 2)
    grown = np.pad(cropped, extra)
    for axis in (0, 1):
        grown = _spread(grown, extra, axis)
    return grown, 2 * extra


def _spread(values: Gray, extra: int, axis: int) -> Gray:
    """Return the largest of ``values`` within ``extra`` pixels along ``axis``; wraps around, so pad first."""
    done = 0
    spread = values
    while done < extra:  # doubling: the window of 2 * done + 1 grows by its own size
        step = min(done + 1, extra - done)
        spread = np.maximum(spread, np.maximum(np.roll(spread, step, axis), np.roll(spread, -step, axis)))
        done += step
    return spread


def _fitted(cropped: Gray, side: int) -> Gray:
    """Return ``cropped`` with its longer side scaled to ``side``, bright enough to be seen."""
    height, width = cropped.shape
    factor = side / max(height, width)
    if factor == 1:
        return cropped
    target = (max(1, round(width * factor)), max(1, round(height * factor)))
    small = np.asarray(Image.fromarray(cropped).resize(target, Image.Resampling.LANCZOS))
    peak = int(small.max(initial=0))
    if 0 < peak < 230:
        small = np.minimum(np.rint(small * (255 / peak)), 255).astype(np.uint8)
    return small


def _centred(scaled: Gray, size: int) -> Gray:
    """Return a black (size, size) picture that holds ``scaled`` with its centre of mass in the middle."""
    weights = scaled.astype(np.float64) + 1e-9
    corner = []
    for axis, length in enumerate(scaled.shape):
        mass = float((weights.sum(axis=1 - axis) * np.arange(length)).sum() / weights.sum())
        corner.append(min(max(round(size / 2 - mass), 0), size - length))
    field = np.zeros((size, size), np.uint8)
    field[corner[0] : corner[0] + scaled.shape[0], corner[1] : corner[1] + scaled.shape[1]] = scaled
    return field


def find_ink(gray: Gray) -> Gray:
    """Return the ink of a greyscale picture, bright on black, whether it was dark on light or light on dark.

    The background is the plane that fits the picture's rim best (a photo is lit from one side); the ink is what
    lies on the side of it that weighs more, |difference| cubed and summed, less the rim's own noise, stretched so
    that its strongest part is 255.

    Shape: gray: (H, W) uint8 -> (H, W) uint8.

    Raises:
        PictureError: nothing stands out from the background.
    """
    rim = _rim(gray.shape)
    plane, noise = _background(gray.astype(np.float64), rim)
    if noise > 1:  # a photo's grain: smoothed away, or single grains would count as ink
        gray = np.asarray(Image.fromarray(gray).filter(ImageFilter.GaussianBlur(max(gray.shape) / 250)))
        plane, noise = _background(gray.astype(np.float64), rim)
    difference = gray - plane
    light, dark = np.maximum(difference, 0), np.maximum(-difference, 0)
    ink = np.maximum((light if (light**3).sum() >= (dark**3).sum() else dark) - noise, 0)
    count = max(4, ink.size // 2000)
    peak = float(np.partition(ink, -count, axis=None)[-count:].mean()) if ink.size >= count else float(ink.max())
    if peak >= 240:  # full contrast already: a picture that needs no stretching stays as it is
        peak = 255.0
    if peak < 12:
        raise PictureError("The picture is blank: nothing stands out from its background.")
    return np.minimum(np.rint(ink * (255 / peak)), 255).astype(np.uint8)


def _rim(shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """Return a mask of the picture's rim, a thirtieth of its shorter side wide and at least one pixel."""
    width = max(1, min(shape) // 30)
    rim = np.ones(shape, bool)
    rim[width:-width, width:-width] = False
    return rim


def _background(values: NDArray[np.float64], rim: NDArray[np.bool_]) -> tuple[NDArray[np.float64], float]:
    """Return the plane through the rim's usual brightness, outliers left out, and how far the rim strays from it."""
    height, width = values.shape
    y, x = np.linspace(-1, 1, height)[:, None], np.linspace(-1, 1, width)[None, :]
    row, column = np.nonzero(rim)
    design, seen = np.stack([np.ones(row.size), y[row, 0], x[0, column]], axis=1), values[rim]
    kept = np.abs(seen - np.median(seen)) <= 48
    fit, noise = np.array([np.median(seen), 0.0, 0.0]), 0.0
    for _round in range(3):
        if kept.sum() < 8:
            break
        fit = np.linalg.lstsq(design[kept], seen[kept], rcond=None)[0]
        residual = np.abs(seen - design @ fit)
        noise = 9.0 * float(np.median(residual[kept]))  # six standard deviations
        kept = residual <= max(noise / 2, 4.0)
    return fit[0] + fit[1] * y + fit[2] * x, noise


def open_picture(data: bytes) -> Image.Image:
    """Return the picture in ``data``, whole, upright (EXIF orientation applied), its first frame if it moves.

    Raises:
        PictureError: it is too large, truncated, or no picture that can be read.
    """
    if len(data) > MAX_BYTES:
        raise PictureError(
            "The file has {size:.1f} MB; pictures up to {limit} MB are opened. Make it smaller.",
            size=len(data) / 1e6,
            limit=MAX_BYTES // 1_000_000,
        )
    try:
        picture = Image.open(io.BytesIO(data), formats=FORMATS)
        width, height = picture.size
        if width * height > MAX_PIXELS:
            raise PictureError(
                "The picture has {width} x {height} pixels; up to {limit} million are opened. Make it smaller.",
                width=width,
                height=height,
                limit=MAX_PIXELS // 1_000_000,
            )
        picture.load()
        return _flat(ImageOps.exif_transpose(picture))
    except PictureError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning, MemoryError) as error:
        raise PictureError("The picture unpacks to far more pixels than can be opened.") from error
    except _UNREADABLE as error:
        raise PictureError(
            "The picture cannot be read: it is damaged, cut short, or of a kind other than {kinds}.",
            kinds=", ".join(FORMATS),
        ) from error


def _flat(picture: Image.Image) -> Image.Image:
    """Return ``picture`` as 8-bit L or RGB; what is transparent shows white, as paper would."""
    if picture.mode in ("L", "RGB"):
        return picture
    if picture.mode.startswith(("I", "F")):
        values = np.asarray(picture, dtype=np.float64)
        low, high = float(values.min()), float(values.max())
        return Image.fromarray(np.rint((values - low) * (255 / max(high - low, 1e-9))).astype(np.uint8))
    if picture.mode == "1":
        return picture.convert("L")
    if "A" in picture.mode or "a" in picture.mode or "transparency" in picture.info:
        solid = picture.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", solid.size, "white"), solid).convert("RGB")
    return picture.convert("RGB")


def digit_steps(picture: Image.Image, size: int = 28) -> Steps:
    """Return the digit on ``picture`` (dark on light or light on dark), found and centred, step by step.

    Raises:
        PictureError: nothing stands out from the background.
    """
    gray = picture.convert("L")
    if max(gray.size) > WORKING_SIDE:
        gray.thumbnail((WORKING_SIDE, WORKING_SIDE), Image.Resampling.BOX)
    return centre_digit(find_ink(np.asarray(gray)), size)
