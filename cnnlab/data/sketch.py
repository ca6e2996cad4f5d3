"""What the canvas sends: the ink as a small grey grid, and, when a stroke ends, the strokes, so that a drawing outlives its page.

Nothing in a message is believed before it is checked: it comes from a browser.
"""

from __future__ import annotations

import base64
import binascii
from pathlib import Path
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from cnnlab.errors import PictureError
from cnnlab.home import write_whole

GRID = 112
"""Side of the canvas's grid: four times the 28 pixels a digit is given."""
MAX_STROKES = 400
MAX_NUMBERS = 40_000
"""Strokes are written in whole 1/2000 of the side: width, then x and y of each point."""
_FILE = "sketch.json"
_MAX_FILE_BYTES = 1_000_000

_Side = Annotated[int, Field(ge=0, le=GRID)]
_Stroke = Annotated[list[Annotated[int, Field(ge=-100, le=2100)]], Field(min_length=3, max_length=MAX_NUMBERS)]


class Sketch(BaseModel):
    """One message of the canvas.

    Attributes:
        n: counts the messages; the answer gives it back.
        end: whether a stroke ended (or was undone), not merely grew.
        box: top, left, height, width of the part of the grid that holds ink; zeros where there is none.
        ink: that part, one byte a pixel, row by row, as base64; 255 is ink.
        strokes: [width, x, y, x, y, ...] of each stroke, where ``end``.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    n: int = Field(ge=0, le=2**53)
    end: bool = False
    box: tuple[_Side, _Side, _Side, _Side] = (0, 0, 0, 0)
    ink: str = Field("", max_length=4 * GRID * GRID // 3 + 8)
    strokes: list[_Stroke] | None = Field(None, max_length=MAX_STROKES)

    @classmethod
    def read(cls, message: object) -> Sketch:
        """Return the message as a sketch.

        Raises:
            PictureError: it is none.
        """
        try:
            sketch = cls.model_validate(message)
        except ValidationError as error:
            raise PictureError("This is not a drawing of the canvas.") from error
        sketch.pixels()
        return sketch

    @property
    def blank(self) -> bool:
        """Return whether nothing is drawn."""
        return not self.box[2] or not self.box[3]

    def pixels(self) -> NDArray[np.uint8]:
        """Return the whole grid, ink bright on black.

        Shape:
            returned: (112, 112) uint8

        Raises:
            PictureError: the bytes do not fill the box, or the box leaves the grid.
        """
        top, left, height, width = self.box
        try:
            data = base64.b64decode(self.ink, validate=True)
        except (binascii.Error, ValueError) as error:
            raise PictureError("This is not a drawing of the canvas.") from error
        if len(data) != height * width or top + height > GRID or left + width > GRID:
            raise PictureError("This is not a drawing of the canvas.")
        field = np.zeros((GRID, GRID), np.uint8)
        field[top : top + height, left : left + width] = np.frombuffer(data, np.uint8).reshape(height, width)
        return field

    def keep(self, folder: Path) -> None:
        """Write the sketch to ``folder``, so that a reload or another page brings it back."""
        write_whole(folder / _FILE, self.model_dump_json().encode())


def kept(folder: Path) -> Sketch | None:
    """Return the sketch that was last kept in ``folder``, or None where there is none that can be read."""
    path = folder / _FILE
    try:
        if path.stat().st_size > _MAX_FILE_BYTES:
            return None
        sketch = Sketch.model_validate_json(path.read_bytes())
        sketch.pixels()
    except (OSError, ValidationError, PictureError):
        return None
    return sketch
