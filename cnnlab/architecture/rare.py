"""Kinds of layers that one famous network needs and hardly any other: they stand in presets, the palette leaves them out."""

from __future__ import annotations

import re
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, field_validator

from cnnlab.architecture.shapes import ReceptiveField, Shape
from cnnlab.architecture.spec import MAX_CHANNELS, LayerSpec
from cnnlab.errors import ShapeError
from cnnlab.i18n import N_

CODE_SIDES = (12, 7)
"""Height and width of the pictures that ``RBF`` compares with, in pixels."""


class SelectChannels(LayerSpec):
    """Some of the maps that arrive, in a chosen order; one may be chosen more than once.

    With ``Conv2d(groups=...)`` behind it, each filter sees just the maps of a table, as in layer C3 of LeNet-5.
    Source: LeCun et al. 1998, section II.B and table I.
    """

    kind: Literal["SelectChannels"] = "SelectChannels"
    prefix: ClassVar[str] = "select"
    group: ClassVar[str] = "reshape"
    explanation: ClassVar[str] = N_(
        "Picks some of the maps, in a chosen order, so that the next layer sees only those."
    )
    formula: ClassVar[str] = r"y_{c,i,j} = x_{k_c,\,i,\,j}"

    channels: tuple[Annotated[int, Field(ge=0, lt=MAX_CHANNELS)], ...] = Field(
        (0,), min_length=1, max_length=4096, description=N_("Which maps are taken, counted from 0.")
    )

    @field_validator("channels", mode="before")
    @classmethod
    def _from_text(cls, channels: Any) -> Any:
        """Return numbers typed into one line (``0, 1, 2``) as a tuple."""
        if isinstance(channels, str) and re.fullmatch(r"[\s\d,()]{1,40000}", channels):
            return tuple(int(number) for number in re.findall(r"\d{1,9}", channels))
        return tuple(channels) if isinstance(channels, list) else channels  # a strict reader sees no list in a tuple

    def output_shape(self, shape: Shape) -> Shape:
        self._need_map(shape)
        if max(self.channels) >= shape[0]:
            raise ShapeError(
                "{where}: map {asked} is asked for, but {given} arrive, counted from 0; use numbers up to {limit}",
                where=self.kind,
                asked=max(self.channels),
                given=shape[0],
                limit=shape[0] - 1,
            )
        return (len(self.channels), *shape[1:])


class RBF(LayerSpec):
    """Minus the squared distance to one fixed code of +1 and -1 for each class: the nearest code wins.

    The paper's output layer has the distance itself, and the smallest wins; with the sign turned, the largest does, as
    everywhere in the lab. With cross-entropy this is the paper's equation (9) without its constant.
    Source: LeCun et al. 1998, section II.B and equation (7).
    """

    kind: Literal["RBF"] = "RBF"
    prefix: ClassVar[str] = "rbf"
    group: ClassVar[str] = "learned"
    explanation: ClassVar[str] = N_(
        "Compares the numbers with one fixed code of +1 and -1 for each class; the nearest code wins. Nothing is learned here."
    )
    formula: ClassVar[str] = r"y_o = -\sum_i (x_i - w_{o,i})^2,\quad w_{o,i} \in \{-1, +1\}"

    out_features: int = Field(
        10, ge=1, le=1000, description=N_("How many numbers come out; in the last layer, one for each class.")
    )
    codes: Literal["digits", "random"] = Field(
        "random",
        description=N_("Where the codes come from: digits are ten pictures of 12×7 pixels, random are drawn once."),
    )

    def output_shape(self, shape: Shape) -> Shape:
        needed = CODE_SIDES[0] * CODE_SIDES[1]
        if len(shape) != 1:
            raise ShapeError(
                "{where}: needs a vector, but maps of {channels}x{height}x{width} arrive; put Flatten before it",
                where=self.kind,
                channels=shape[0],
                height=shape[1],
                width=shape[2],
            )
        if self.codes == "digits" and (shape[0], self.out_features) != (needed, len(DIGITS)):
            raise ShapeError(
                "{where}: the ten digits have {needed} pixels each, but {given} numbers arrive for {out} classes; "
                "let {needed} arrive for 10 classes, or use codes=random",
                where=self.kind,
                needed=needed,
                given=shape[0],
                out=self.out_features,
            )
        return (self.out_features,)

    def field(self, field: ReceptiveField, shape: Shape) -> ReceptiveField:
        return field.whole()


DIGITS = (
    "....... ..###.. .#...#. #.....# #.....# #.....# #.....# #.....# #.....# .#...#. ..###.. .......",
    "....... ...#... ..##... .#.#... ...#... ...#... ...#... ...#... ...#... ...#... .#####. .......",
    "....... .####.. #....#. ......# ......# .....#. ....#.. ...#... ..#.... .#..... ####### .......",
    "....... .#####. #.....# ......# ......# ..####. ......# ......# ......# #.....# .#####. .......",
    "....... .....#. ....##. ...#.#. ..#..#. .#...#. #....#. ####### .....#. .....#. .....#. .......",
    "....... ####### #...... #...... #...... ######. ......# ......# ......# #.....# .#####. .......",
    "....... ..####. .#..... #...... #...... #.####. ##....# #.....# #.....# #.....# .#####. .......",
    "....... ####### ......# .....#. .....#. ....#.. ....#.. ...#... ...#... ..#.... ..#.... .......",
    "....... .#####. #.....# #.....# #.....# .#####. #.....# #.....# #.....# #.....# .#####. .......",
    "....... .#####. #.....# #.....# #.....# #....## .####.# ......# ......# .....#. .####.. .......",
)
"""Ten digits of 12 rows and 7 columns, drawn for this lab; the paper's own are in its figure 3."""


def digit_codes() -> tuple[tuple[int, ...], ...]:
    """Return the ten digits as codes: +1 where there is ink, -1 elsewhere, row by row."""
    return tuple(tuple(1 if mark == "#" else -1 for mark in digit.replace(" ", "")) for digit in DIGITS)


RARE: dict[str, type[LayerSpec]] = {kind.__name__: kind for kind in (SelectChannels, RBF)}
"""These kinds by their names: the registry beside ``LAYERS``."""
