"""What a browser says it drew is checked before it is believed, and kept whole."""

import base64

import numpy as np
import pytest

from cnnlab.data import sketch
from cnnlab.data.sketch import GRID, Sketch
from cnnlab.errors import PictureError

GOOD = {
    "n": 3, "end": True, "box": [5, 7, 2, 3], "ink": base64.b64encode(bytes([255, 0, 0, 0, 0, 128])).decode(),
    "strokes": [[150, 10, 20, 30, 40]],
}  # fmt: skip


def test_the_box_is_put_back_in_its_place():
    pixels = Sketch.read(GOOD).pixels()
    assert pixels.shape == (GRID, GRID)
    assert pixels[5, 7] == 255
    assert pixels[6, 9] == 128
    assert np.count_nonzero(pixels) == 2


def test_nothing_drawn_is_blank():
    assert Sketch.read({"n": 1}).blank
    assert not Sketch.read({"n": 1}).pixels().any()


@pytest.mark.parametrize(
    "change",
    [
        {"box": [5, 7, 2, 4]}, {"box": [111, 7, 2, 3]}, {"box": [-1, 7, 2, 3]}, {"box": [5, 7, 2]}, {"box": "5723"},
        {"ink": "!!!"}, {"ink": "A" * 100_000}, {"ink": None}, {"n": -1}, {"n": "x"}, {"extra": 1},
        {"strokes": [[1, 2]]}, {"strokes": [[1, 2, 10**9]]}, {"strokes": [[1, 2, 3]] * 401}, {"strokes": "abc"},
    ],
)  # fmt: skip
def test_a_message_that_lies_is_refused(change):
    with pytest.raises(PictureError, match="not a drawing"):
        Sketch.read({**GOOD, **change})


@pytest.mark.parametrize("message", [None, 5, "x", [], [GOOD]])
def test_what_is_no_message_is_refused(message):
    with pytest.raises(PictureError):
        Sketch.read(message)


def test_a_kept_sketch_comes_back(tmp_path):
    assert sketch.kept(tmp_path) is None
    Sketch.read(GOOD).keep(tmp_path)
    assert sketch.kept(tmp_path) == Sketch.read(GOOD)


@pytest.mark.parametrize("text", ["", "{", '{"n": 1, "box": [0, 0, 9, 9]}', "[" * 100_000])
def test_a_broken_file_is_no_sketch(tmp_path, text):
    (tmp_path / "sketch.json").write_text(text)
    assert sketch.kept(tmp_path) is None
