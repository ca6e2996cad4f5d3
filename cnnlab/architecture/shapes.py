"""Sizes, receptive fields and costs of layers as pure integers: no torch, so a page can answer at once."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from operator import le

from cnnlab.errors import ShapeError

Shape = tuple[int, ...]
"""Shape of one example: ``(C, H, W)`` for a map, ``(F,)`` for a vector."""

Span = tuple[int, int]
"""First and last pixel of an interval, both included."""

_NOWHERE = sys.maxsize


def conv_size(
    size: int, kernel: int, stride: int = 1, padding: int = 0, dilation: int = 1, ceil_mode: bool = False
) -> int:
    """Return the output length of a convolution or pooling along one axis, in pixels.

        out = floor((size + 2*padding - dilation*(kernel - 1) - 1) / stride) + 1

    With ``ceil_mode`` the division rounds up, but a window that would start in the right padding or beyond is left out.

    Source: Dumoulin & Visin 2016, arXiv:1603.07285; the same rule as torch.nn.Conv2d and torch.nn.MaxPool2d.

    Raises:
        ShapeError: the dilated kernel is longer than the padded input (with ``ceil_mode``: by a whole stride or more).
    """
    reach = dilation * (kernel - 1) + 1
    slack = stride - 1 if ceil_mode else 0
    if reach > size + 2 * padding + slack:
        raise ShapeError(
            "a window of {reach} px does not fit an input of {size} px with padding {padding}",
            reach=reach,
            size=size,
            padding=padding,
        )
    count = (size + 2 * padding - reach + slack) // stride + 1
    return count - (ceil_mode and (count - 1) * stride >= size + padding)


def adaptive_window(position: int, size: int, output: int) -> Span:
    """Return the first and last input pixel that adaptive pooling averages for one output ``position``.

        first = floor(position * size / output);  last = ceil((position + 1) * size / output) - 1

    Source: torch.nn.AdaptiveAvgPool2d (ATen, ``start_index`` and ``end_index``).
    """
    return position * size // output, -(-(position + 1) * size // output) - 1


def join(spans: Sequence[Span | None]) -> Span | None:
    """Return the smallest interval that holds all ``spans``; None stands for an empty one."""
    real = [span for span in spans if span is not None]
    return (min(first for first, _ in real), max(last for _, last in real)) if real else None


@dataclass(frozen=True)
class AxisField:
    """Which input pixels reach each output position along one axis.

    Attributes:
        spans: for each output position its first and last input pixel, or None where only padding reaches it.
            Pixels between the two may be skipped (dilation, stride).
        size: length of the field in pixels as theory counts it, padding included; the longest span where the
            fields are not uniform.
        stride: input pixels from one output position to the next, or None where that is not uniform.
        start: first pixel of position 0 as theory counts it; negative where it begins in the padding.
    """

    spans: tuple[Span | None, ...]
    size: int
    stride: int | None
    start: int = 0

    @classmethod
    def identity(cls, size: int) -> AxisField:
        """Return the field of the input itself: each of ``size`` pixels sees itself."""
        return cls(tuple((pixel, pixel) for pixel in range(size)), 1, 1)

    def through_window(
        self, kernel: int, stride: int, padding: int, dilation: int, ceil_mode: bool = False
    ) -> AxisField:
        """Return the field after a convolution or pooling with this window.

            size_out = size + (kernel - 1) * dilation * stride_in;  stride_out = stride_in * stride

        Source: Araujo, Norris & Sim 2019, Computing Receptive Fields of Convolutional Neural Networks, Distill.
        """
        if (kernel, stride, padding) == (1, 1, 0):
            return self
        count = conv_size(len(self.spans), kernel, stride, padding, dilation, ceil_mode)
        spans = _slid(self.spans, count, kernel, stride, padding, dilation)
        if self.stride is None:
            return AxisField(spans, _longest(spans), None)
        size = self.size + (kernel - 1) * dilation * self.stride
        return AxisField(spans, size, self.stride * stride, self.start - padding * self.stride)

    def through_adaptive(self, output: int) -> AxisField:
        """Return the field after adaptive pooling to ``output`` positions."""
        size = len(self.spans)
        if size % output == 0:
            return self.through_window(size // output, size // output, 0, 1)
        windows = [adaptive_window(position, size, output) for position in range(output)]
        spans = tuple(join(self.spans[first : last + 1]) for first, last in windows)
        return AxisField(spans, _longest(spans), None)

    def whole(self) -> AxisField:
        """Return the field of a unit that sees every position."""
        spans = (join(self.spans),)
        if self.stride is None:
            return AxisField(spans, _longest(spans), None)
        return AxisField(spans, self.size + (len(self.spans) - 1) * self.stride, None, self.start)

    def everywhere(self) -> AxisField:
        """Return the field of as many units as there are, each of which sees every position."""
        whole = self.whole()
        return AxisField(whole.spans * len(self.spans), whole.size, None, self.start)

    def padded(self, before: int, after: int) -> AxisField:
        """Return the field with ``before`` and ``after`` positions more that see nothing."""
        start = self.start - before * (self.stride or 0)
        return AxisField((None,) * before + self.spans + (None,) * after, self.size, self.stride, start)

    def joined(self, other: AxisField) -> AxisField:
        """Return, for each position, the hull of both fields; a field of one position stands for every one."""
        count = max(len(self.spans), len(other.spans))
        one, two = (axis.spans if len(axis.spans) == count else axis.spans * count for axis in (self, other))
        spans = one if one == two else tuple(join(pair) for pair in zip(one, two))
        if self.stride is None or self.stride != other.stride or len(self.spans) != len(other.spans):
            return AxisField(spans, _longest(spans), None)
        start = min(self.start, other.start)
        end = max(self.start + self.size, other.start + other.size)
        return AxisField(spans, end - start, self.stride, start)


def _slid(
    spans: Sequence[Span | None], count: int, kernel: int, stride: int, padding: int, dilation: int
) -> tuple[Span | None, ...]:
    """Return what each of ``count`` windows over ``spans`` sees."""
    firsts = [span[0] if span else _NOWHERE for span in spans]
    lasts = [span[1] if span else -1 for span in spans]
    reach = (kernel - 1) * dilation
    low = high = (
        0  # from here to there windows lie wholly inside, and their outermost taps see furthest: no need to ask all
    )
    if lasts[0] >= 0 and _ascending(firsts) and _ascending(lasts):
        low = min(count, -(-padding // stride))
        high = max(low, min(count, (len(firsts) - 1 - reach + padding) // stride + 1))
    begin = low * stride - padding
    inside = islice(zip(firsts[begin::stride], lasts[begin + reach :: stride]), high - low) if high > low else ()

    def asked(positions: range) -> Iterator[Span | None]:
        for start in (position * stride - padding for position in positions):
            yield _hull(firsts, lasts, range(start, start + kernel * dilation, dilation))

    return (*asked(range(low)), *inside, *asked(range(high, count)))


def _hull(firsts: list[int], lasts: list[int], taps: range) -> Span | None:
    """Return the interval from the first to the last pixel that any of ``taps`` reaches, None if they reach none.

    All taps are asked: at a padded edge a dilated window's outermost tap need not be the one that reaches furthest.
    """
    begin = max(0, -(taps.start // taps.step))  # the first tap at or right of position 0
    end = min(len(taps) - 1, (len(firsts) - 1 - taps.start) // taps.step)
    if begin > end:
        return None
    inside = slice(taps[begin], taps[end] + 1, taps.step)
    first, last = min(firsts[inside]), max(lasts[inside])
    return (first, last) if last >= 0 else None


def _ascending(numbers: list[int]) -> bool:
    return all(map(le, numbers, numbers[1:]))


def _longest(spans: Sequence[Span | None]) -> int:
    return max((last - first + 1 for span in spans if span for first, last in [span]), default=0)


@dataclass(frozen=True)
class ReceptiveField:
    """Which input pixels reach each unit of a layer.

    Attributes:
        rows: along the height.
        cols: along the width.
        flat_from: the ``(C, H, W)`` whose units a flat layer still shows one by one (right after Flatten), else None.
    """

    rows: AxisField
    cols: AxisField
    flat_from: Shape | None = None

    @classmethod
    def identity(cls, shape: Shape) -> ReceptiveField:
        """Return the field of the input itself, of shape ``(C, H, W)``."""
        rows = AxisField.identity(shape[1])
        return cls(rows, rows if shape[1] == shape[2] else AxisField.identity(shape[2]))

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in input pixels, padding included."""
        return self.rows.size, self.cols.size

    @property
    def stride(self) -> tuple[int, int] | None:
        """Input pixels between neighbouring units (height, width), or None where that is not uniform."""
        if self.rows.stride is None or self.cols.stride is None:
            return None
        return self.rows.stride, self.cols.stride

    def through_window(
        self, kernel: int, stride: int, padding: int, dilation: int = 1, ceil_mode: bool = False
    ) -> ReceptiveField:
        """Return the field after a convolution or pooling with a square window."""
        rows = self.rows.through_window(kernel, stride, padding, dilation, ceil_mode)
        if self.cols is self.rows:  # then once is enough
            return ReceptiveField(rows, rows)
        return ReceptiveField(rows, self.cols.through_window(kernel, stride, padding, dilation, ceil_mode))

    def through_adaptive(self, output: int) -> ReceptiveField:
        """Return the field after adaptive pooling to ``output`` x ``output``."""
        return ReceptiveField(self.rows.through_adaptive(output), self.cols.through_adaptive(output))

    def flattened(self, shape: Shape) -> ReceptiveField:
        """Return the same fields, addressed by the flat index of a map of ``shape`` ``(C, H, W)``."""
        return ReceptiveField(self.rows, self.cols, shape)

    def whole(self) -> ReceptiveField:
        """Return the field of units that each see every position."""
        return ReceptiveField(self.rows.whole(), self.cols.whole())

    def everywhere(self) -> ReceptiveField:
        """Return the field of as many units as there are, each of which sees every position."""
        return ReceptiveField(self.rows.everywhere(), self.cols.everywhere(), self.flat_from)

    def padded(self, left: int, right: int, top: int, bottom: int) -> ReceptiveField:
        """Return the field after a border of pixels that see nothing."""
        return ReceptiveField(self.rows.padded(top, bottom), self.cols.padded(left, right))

    def keeps_place_at(self, shape: Shape) -> bool:
        """Return whether maps or vectors of ``shape``, one behind the other, still show their place by their index."""
        if len(shape) == 3 or self.flat_from is None:
            return True
        return shape[0] % (self.flat_from[1] * self.flat_from[2]) == 0

    def joined(self, other: ReceptiveField) -> ReceptiveField:
        """Return, for each position, the hull of both fields, as where branches meet.

        Vectors whose units show different maps one by one have no common position: then every unit gets the hull of all.
        """
        if self == other:
            return self
        if (self.flat_from or (0,))[1:] != (other.flat_from or (0,))[1:]:
            return self.whole().joined(other.whole())
        rows = self.rows.joined(other.rows)
        square = self.rows is self.cols and other.rows is other.cols
        return ReceptiveField(rows, rows if square else self.cols.joined(other.cols), self.flat_from)

    def box(self, index: Sequence[int]) -> tuple[Span, Span] | None:
        """Return the rows and columns of the input that reach the unit at ``index``.

        Args:
            index: ``(channel, row, column)`` in a map, ``(unit,)`` in a vector.

        Returns:
            ``((top, bottom), (left, right))``, both ends included, or None where only padding reaches it.
        """
        if len(index) == 3:
            row, col = index[1], index[2]
        elif self.flat_from is not None:
            row, col = divmod(index[0] % (self.flat_from[1] * self.flat_from[2]), self.flat_from[2])
        else:
            row = col = 0
        vertical, horizontal = self.rows.spans[row], self.cols.spans[col]
        return (vertical, horizontal) if vertical and horizontal else None
