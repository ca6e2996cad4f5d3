"""Kernels that people made by hand, long before networks learned theirs: each with its formula and its source.

They are written as torch applies them: laid on the picture as they stand, not flipped (Goodfellow, Bengio & Courville
2016, "Deep Learning", section 9.1: cross-correlation).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from cnnlab.errors import ShapeError
from cnnlab.i18n import N_

Plane = tuple[tuple[float, ...], ...]
"""One kernel for one input channel: rows of weights."""

MAX_SIZE = 7
DIGITS = 4
"""Weights are rounded to this many decimals, so that what stands on the screen is what is calculated with."""
ODD = (1, 3, 5, 7)
EVERY = tuple(range(1, MAX_SIZE + 1))


@dataclass(frozen=True)
class KernelPreset:
    """A kernel with a name.

    Attributes:
        id: how it is called in code.
        title: what people call it (marked id).
        does: one sentence that says what it finds or makes (marked id).
        formula: how its weights come about, as LaTeX.
        source: who described it (Markdown).
        sizes: the sides it exists in, in pixels.
        make: its weights for a side in pixels and an angle in degrees.
        turns: whether the angle matters.
    """

    id: str
    title: str
    does: str
    formula: str
    source: str
    sizes: tuple[int, ...]
    make: Callable[[int, float], Plane]
    turns: bool = False

    def nearest(self, size: int) -> int:
        """Return the side, of those it exists in, that comes closest to ``size``; the larger of two."""
        return min(self.sizes, key=lambda own: (abs(own - size), -own))


def kernel(id: str, size: int, angle: float = 0.0) -> Plane:
    """Return the weights of preset ``id`` with a side of ``size`` pixels, rounded to ``DIGITS`` decimals.

    Args:
        angle: in degrees, for a preset that ``turns``.

    Raises:
        ShapeError: there is no such preset, or not in this size; the sentence says what there is.
    """
    preset = KERNELS.get(id)
    if preset is None:
        raise ShapeError("{id}: no such kernel; there are {known}", id=id[:40], known=", ".join(KERNELS))
    if size not in preset.sizes:
        raise ShapeError(
            "{id}: this kernel has no side of {size} px; it has {known}",
            id=id,
            size=size,
            known=", ".join(map(str, preset.sizes)),
        )
    return rounded(preset.make(size, angle))


def rounded(plane: Plane) -> Plane:
    """Return ``plane`` rounded to ``DIGITS`` decimals, without negative zeros."""
    return tuple(tuple(round(weight, DIGITS) + 0.0 for weight in row) for row in plane)


def resized(plane: Plane, size: int) -> Plane:
    """Return ``plane`` cut, or surrounded by zeros, to a side of ``size`` pixels; its middle stays the middle.

    Of two possible middles it is the upper left one.
    """
    old = len(plane)
    shift = (old - 1) // 2 - (size - 1) // 2
    inside = range(old)
    return tuple(
        tuple(plane[r + shift][c + shift] if r + shift in inside and c + shift in inside else 0.0 for c in range(size))
        for r in range(size)
    )


def _identity(size: int, angle: float) -> Plane:
    middle = size // 2
    return tuple(tuple(float(r == c == middle) for c in range(size)) for r in range(size))


def _box(size: int, angle: float) -> Plane:
    return ((1 / size**2,) * size,) * size


def _gaussian(size: int, angle: float) -> Plane:
    sigma = 0.3 * ((size - 1) / 2 - 1) + 0.8
    middle = (size - 1) / 2
    line = [math.exp(-((i - middle) ** 2) / (2 * sigma**2)) for i in range(size)]
    total = sum(line) ** 2
    return tuple(tuple(a * b / total for b in line) for a in line)


def _fixed(*rows: tuple[float, ...]) -> Callable[[int, float], Plane]:
    return lambda size, angle: rows


def _gabor(size: int, angle: float) -> Plane:
    middle, wavelength = (size - 1) / 2, (size + 1) / 2
    sigma, theta = 0.56 * wavelength, math.radians(angle)

    def weight(x: float, y: float) -> float:
        along, across = x * math.cos(theta) + y * math.sin(theta), -x * math.sin(theta) + y * math.cos(theta)
        envelope = math.exp(-(along**2 + 0.25 * across**2) / (2 * sigma**2))
        return envelope * math.cos(2 * math.pi * along / wavelength)

    raw = [[weight(c - middle, r - middle) for c in range(size)] for r in range(size)]
    mean = sum(map(sum, raw)) / size**2
    return tuple(tuple(one - mean for one in row) for row in raw)


_BOOK = "[Gonzalez & Woods 2018, *Digital Image Processing*](https://www.imageprocessingplace.com), "
_SOBEL = "[Sobel & Feldman 1968](https://en.wikipedia.org/wiki/Sobel_operator); "
_PRESETS = (
    KernelPreset(
        "identity", N_("Identity"), N_("Leaves the picture as it is: a 1 in the middle, 0 around it."),
        r"w_{i,j} = 1\ \text{at}\ i=j=\tfrac{k-1}{2},\ \text{else}\ 0", "", ODD, _identity,
    ),
    KernelPreset(
        "box", N_("Box blur"), N_("Takes the mean of what lies under the window: noise fades, edges soften."),
        r"w_{i,j} = \frac{1}{k^2}", _BOOK + "3.5", EVERY, _box,
    ),
    KernelPreset(
        "gaussian", N_("Gaussian blur"), N_("A mean in which the middle counts most: blurs without boxy traces."),
        r"w_{i,j} = \frac{1}{Z}\,e^{-\frac{x^2+y^2}{2\sigma^2}},\quad \sigma = 0.3\left(\tfrac{k-1}{2}-1\right)+0.8",
        _BOOK + "3.5; σ: OpenCV, [`getGaussianKernel`](https://docs.opencv.org/4.x/d4/d86/group__imgproc__filter.html)", ODD, _gaussian,
    ),
    KernelPreset(
        "sharpen", N_("Sharpen"), N_("Adds to each pixel what sets it apart from its neighbours."),
        r"w = \text{identity} - \text{Laplacian}", _BOOK + "3.6", (3,), _fixed((0, -1, 0), (-1, 5, -1), (0, -1, 0)),
    ),
    KernelPreset(
        "sobel_x", N_("Sobel, upright edges"), N_("Right minus left: answers where brightness changes from left to right."),
        r"w = \begin{pmatrix}1\\2\\1\end{pmatrix}\begin{pmatrix}-1&0&1\end{pmatrix}",
        _SOBEL + _BOOK + "3.6", (3,), _fixed((-1, 0, 1), (-2, 0, 2), (-1, 0, 1)),
    ),
    KernelPreset(
        "sobel_y", N_("Sobel, level edges"), N_("Below minus above: answers where brightness changes from top to bottom."),
        r"w = \begin{pmatrix}-1\\0\\1\end{pmatrix}\begin{pmatrix}1&2&1\end{pmatrix}",
        _SOBEL + _BOOK + "3.6", (3,), _fixed((-1, -2, -1), (0, 0, 0), (1, 2, 1)),
    ),
    KernelPreset(
        "laplacian", N_("Laplacian"), N_("Neighbours minus four times the middle: 0 on flat ground, strong on lines and corners."),
        r"w \approx \frac{\partial^2}{\partial x^2} + \frac{\partial^2}{\partial y^2}", _BOOK + "3.6", (3,),
        _fixed((0, 1, 0), (1, -4, 1), (0, 1, 0)),
    ),
    KernelPreset(
        "emboss", N_("Emboss"), N_("Light from one corner: edges look as if pressed into the paper."),
        r"w_{i,j} = i + j - 2,\quad w_{1,1} = 1", "[GIMP](https://docs.gimp.org/2.2/en/plug-in-convmatrix.html)", (3,),
        _fixed((-2, -1, 0), (-1, 1, 1), (0, 1, 2)),
    ),
    KernelPreset(
        "gabor", N_("Gabor, at an angle"), N_("A wave in a window: answers stripes of one width and one direction."),
        r"w = e^{-\frac{x'^2+\gamma^2y'^2}{2\sigma^2}}\cos\frac{2\pi x'}{\lambda} - \text{mean},\quad "
        r"x' = x\cos\theta + y\sin\theta,\ y' = -x\sin\theta + y\cos\theta,\ "
        r"\lambda = \tfrac{k+1}{2},\ \sigma = 0.56\lambda,\ \gamma = \tfrac12",
        "[Daugman 1985, *Journal of the Optical Society of America A* 2(7)](https://doi.org/10.1364/JOSAA.2.001160)", (3, 5, 7), _gabor, turns=True,
    ),
)  # fmt: skip
KERNELS: dict[str, KernelPreset] = {preset.id: preset for preset in _PRESETS}
"""The presets by id, in the order in which they are offered."""
