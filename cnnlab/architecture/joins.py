"""What blocks are held together by: sums, products, concatenations, shares of channels, shortcuts without weights.

They stand in a network's rows like any layer, with words, formula and shape, but are made by blocks alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from typing import ClassVar, Literal

from pydantic import Field

from cnnlab.architecture.shapes import ReceptiveField, Shape
from cnnlab.architecture.spec import MAX_CHANNELS, LayerSpec
from cnnlab.errors import ShapeError
from cnnlab.i18n import N_

MAX_FEATURES = 1_000_000_000
"""How long a vector may be that is put together from several."""


class JoinSpec(LayerSpec):
    """Several inputs, one output."""

    group: ClassVar[str] = "join"
    counted: ClassVar[bool] = False

    def joined_shape(self, shapes: Sequence[Shape]) -> Shape:
        """Return the shape that leaves when ``shapes`` arrive.

        Raises:
            ShapeError: they do not fit each other.
        """
        raise NotImplementedError

    def output_shape(self, shape: Shape) -> Shape:
        return self.joined_shape((shape,))

    def joined_field(self, fields: Sequence[ReceptiveField], shapes: Sequence[Shape]) -> ReceptiveField:
        """Return, for each position, the hull over all inputs."""
        return reduce(_hull, fields)


class Add(JoinSpec):
    """Sum of the inputs, number by number."""

    kind: Literal["Add"] = "Add"
    prefix: ClassVar[str] = "add"
    explanation: ClassVar[str] = N_("Adds what its branches bring, number by number.")
    formula: ClassVar[str] = r"y = \sum_b x^{(b)}"

    def joined_shape(self, shapes: Sequence[Shape]) -> Shape:
        if len(set(shapes)) > 1:
            raise ShapeError(
                "{where}: {shapes} cannot be added; let all branches end in the same shape",
                where=self.kind,
                shapes=written(shapes),
            )
        return shapes[0]


class Multiply(JoinSpec):
    """Product of the inputs, number by number; an axis of length 1 is repeated."""

    kind: Literal["Multiply"] = "Multiply"
    prefix: ClassVar[str] = "multiply"
    explanation: ClassVar[str] = N_(
        "Multiplies what its branches bring, number by number; one number for a whole map scales that map."
    )
    formula: ClassVar[str] = r"y = \prod_b x^{(b)}"

    def joined_shape(self, shapes: Sequence[Shape]) -> Shape:
        fits = len({len(shape) for shape in shapes}) == 1
        if fits:
            fits = all(len({length for length in lengths if length != 1}) <= 1 for lengths in zip(*shapes))
        if not fits:
            raise ShapeError(
                "{where}: {shapes} cannot be multiplied; let all branches end in the same shape, "
                "or one of them in one number for each map",
                where=self.kind,
                shapes=written(shapes),
            )
        return tuple(max(lengths) for lengths in zip(*shapes))


class Concat(JoinSpec):
    """The inputs' channels one after another."""

    kind: Literal["Concat"] = "Concat"
    prefix: ClassVar[str] = "concat"
    explanation: ClassVar[str] = N_("Puts the maps of its branches one behind the other.")
    formula: ClassVar[str] = r"y = \left[x^{(1)}, x^{(2)}, \dots\right]"

    def joined_shape(self, shapes: Sequence[Shape]) -> Shape:
        if len({shape[1:] for shape in shapes}) > 1:
            raise ShapeError(
                "{where}: {shapes} cannot stand one behind the other; let all branches end in the same height and width",
                where=self.kind,
                shapes=written(shapes),
            )
        channels, limit = sum(shape[0] for shape in shapes), MAX_CHANNELS if len(shapes[0]) == 3 else MAX_FEATURES
        if channels > limit:
            raise ShapeError(
                "{where}: {count:,} channels come together; {limit:,} at most are taken",
                where=self.kind,
                count=channels,
                limit=limit,
            )
        return (channels, *shapes[0][1:])

    def joined_field(self, fields: Sequence[ReceptiveField], shapes: Sequence[Shape]) -> ReceptiveField:
        whole = all(field.keeps_place_at(shape) for field, shape in zip(fields, shapes))
        return reduce(_hull, fields if whole else [field.whole() for field in fields])


class Chunk(LayerSpec):
    """One of several equal shares of the channels."""

    kind: Literal["Chunk"] = "Chunk"
    prefix: ClassVar[str] = "chunk"
    counted: ClassVar[bool] = False
    group: ClassVar[str] = "join"
    explanation: ClassVar[str] = N_("Takes one share of the channels; the other branches take the others.")
    formula: ClassVar[str] = r"y_c = x_{b\,C/n + c}"

    index: int = Field(0, ge=0, description=N_("Which share, counted from 0."))
    chunks: int = Field(2, ge=1, description=N_("How many shares there are."))

    def output_shape(self, shape: Shape) -> Shape:
        if shape[0] % self.chunks:
            raise ShapeError(
                "{where}: {given} channels cannot be split into {chunks} equal shares; let a multiple of {chunks} arrive",
                where=self.kind,
                given=shape[0],
                chunks=self.chunks,
            )
        return (shape[0] // self.chunks, *shape[1:])

    def field(self, field: ReceptiveField, shape: Shape) -> ReceptiveField:
        return field if field.keeps_place_at((shape[0] // self.chunks, *shape[1:])) else field.whole()


class PadShortcut(LayerSpec):
    """A shortcut without weights: every ``stride``-th pixel, and channels of zeros before and after.

    Half of the new channels stands before the old ones, the rest after.
    Source: He et al. 2016, arXiv:1512.03385, section 3.3, option A (which leaves the place of the zeros open).
    """

    kind: Literal["PadShortcut"] = "PadShortcut"
    prefix: ClassVar[str] = "pad"
    counted: ClassVar[bool] = False
    group: ClassVar[str] = "join"
    explanation: ClassVar[str] = N_(
        "Brings the input past the block without weights: keeps some of its pixels and adds maps of zeros."
    )
    formula: ClassVar[str] = r"y_{c,i,j} = x_{c - a,\; s i,\; s j},\quad 0 \text{ for the added maps}"

    out_channels: int = Field(ge=1, description=N_("How many maps come out."))
    stride: int = Field(
        1, ge=1, description=N_("How far apart the pixels are that are kept; 2 keeps every second one.")
    )

    def before(self, channels: int) -> int:
        """Return how many maps of zeros stand before the ``channels`` that arrive."""
        return (self.out_channels - channels) // 2

    def output_shape(self, shape: Shape) -> Shape:
        self._need_map(shape)
        return self.out_channels, (shape[1] - 1) // self.stride + 1, (shape[2] - 1) // self.stride + 1

    def field(self, field: ReceptiveField, shape: Shape) -> ReceptiveField:
        return field.through_window(1, self.stride, 0)


JOINS: dict[str, type[LayerSpec]] = {kind.__name__: kind for kind in (Add, Multiply, Concat, Chunk, PadShortcut)}
"""What blocks put into a network's rows by themselves."""


def written(shapes: Sequence[Shape]) -> str:
    """Return shapes as an error writes them: ``16x14x14, 8x28x28``."""
    return ", ".join("x".join(map(str, shape)) for shape in shapes)


def _hull(one: ReceptiveField, other: ReceptiveField) -> ReceptiveField:
    return one.joined(other)
