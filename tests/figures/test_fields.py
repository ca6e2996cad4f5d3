"""What a unit sees, and how a moved picture is followed, as pictures: frames where they belong, every curve named."""

import struct
import zlib

import numpy as np

from cnnlab.figures import fields, shift, theme


def pixels_of(data):
    """Return the RGB pixels of a PNG that the lab wrote."""
    width, height = struct.unpack(">II", data[16:24])
    length = struct.unpack(">I", data[33:37])[0]
    rows = np.frombuffer(zlib.decompress(data[41 : 41 + length]), np.uint8).reshape(height, 1 + 3 * width)
    return rows[:, 1:].reshape(height, width, 3)


def test_the_frame_goes_round_the_box_and_dims_what_lies_outside():
    picture = np.full((1, 28, 28), 200, np.uint8)
    pixels = pixels_of(fields.framed_png(picture, ((4, 9), (20, 27))))
    zoom = fields.SIDE_PX // 28
    assert pixels.shape == (28 * zoom, 28 * zoom, 3)
    frame = (pixels == fields._FRAME).all(axis=2)
    rows, cols = frame.any(axis=1).nonzero()[0], frame.any(axis=0).nonzero()[0]
    assert (rows[0], rows[-1]) == (4 * zoom - 2, 10 * zoom + 1)
    assert (cols[0], cols[-1]) == (20 * zoom - 2, 28 * zoom - 1)  # cut off at the picture's edge
    assert (pixels[7 * zoom, 24 * zoom] == 200).all()
    assert (pixels[20 * zoom, 3 * zoom] < 200).all()


def test_the_effect_is_drawn_from_nothing_to_most_and_without_a_box():
    effect = np.zeros((4, 6))
    effect[1, 2] = 3.0
    pixels = pixels_of(fields.effect_png(effect, None, room=60))
    assert pixels.shape == (40, 60, 3)
    table = theme.lookup("sequential")
    assert (pixels[15, 25] == table[255]).all()
    assert (pixels[0, 0] == table[0]).all()
    assert pixels_of(fields.effect_png(np.zeros((4, 4)), None)).std(axis=(0, 1)).max() == 0


def test_every_curve_is_named_and_the_present_shift_marked():
    layers = {"conv1": [0.0, 0.0, 0.0], "pool1": [0.4, 0.0, 0.4]}
    for dark in (False, True):
        figure = shift.apart_figure((-1, 0, 1), layers, [0.1, 0.0, 0.1], 1, dark=dark)
        assert [trace.name for trace in figure.data] == ["conv1", "pool1", "answer"]
        assert list(figure.data[1].y) == layers["pool1"]
        assert figure.layout.shapes[0].x0 == 1
        assert len({trace.line.color for trace in figure.data}) == 3
    figure = shift.right_figure((-1, 0, 1), {"one": [0.9, 1.0, 0.9], "other": [0.1, 1.0, 0.1]}, 0, dark=False)
    assert [trace.name for trace in figure.data] == ["one", "other"]
