"""What stands under the canvas: every picture says what it is, and text from outside stays text."""

import re

import numpy as np
import pytest
from PIL import Image

from cnnlab.data.pictures import centre_digit
from cnnlab.figures import seen
from cnnlab.insight.strongest import LayerMaps

CAPTIONS = (("<Cut>", "a & b"), ("Fit", "20"), ("Centre", "28"))


def alts(html):
    return re.findall(r'alt="([^"]*)"', html)


def test_three_steps_with_the_box_where_the_ink_is():
    ink = np.zeros((112, 112), np.uint8)
    ink[28:84, 56:84] = 255
    steps = centre_digit(ink)
    html = seen.steps_html(steps.ink, steps.box, steps.scaled, steps.centred, CAPTIONS)
    assert "left:50.00%;top:25.00%;width:25.00%;height:50.00%" in html
    assert alts(html) == ["&lt;Cut&gt;", "Fit", "Centre"]
    assert "<Cut>" not in html


def test_a_tile_for_each_map_with_its_address():
    layer = LayerMaps("relu1", 16, 24, 24, (5, 2), (0.5, 0.25), np.ones((2, 24, 24), np.float32))
    html = seen.maps_html([layer], ["2 of 16"], "map {address}, mean {mean}")
    assert alts(html) == ["map relu1[5], mean 0.5", "map relu1[2], mean 0.25"]
    assert html.count("width:72px") == 2


@pytest.mark.parametrize("value", [0.0, -1.5])
def test_a_map_of_one_value_is_drawn(value):
    layer = LayerMaps("tanh1", 1, 5, 5, (0,), (abs(value),), np.full((1, 5, 5), value, np.float32))
    assert "<img" in seen.maps_html([layer], [""], "{address} {mean}")


def test_a_layer_with_negative_numbers_is_signed_as_in_explore():
    from cnnlab.figures.tiles import data_url, tile_png

    values = np.array([[[-1.0, 0.0], [0.0, 3.0]]], np.float32)
    layer = LayerMaps("conv1", 1, 2, 2, (0,), (1.0,), values)
    for dark in (False, True):
        drawn = data_url(tile_png(values, "signed", scale=(-3.0, 3.0), dark=dark))
        assert drawn in seen.maps_html([layer], [""], "", dark=dark)


def test_the_wall_marks_right_and_wrong_and_escapes():
    pixels = np.zeros((28, 28), np.uint8)
    html = seen.wall_html(
        [
            seen.Kept(pixels, "7", "99.0%", True, "one"),
            seen.Kept(pixels, "<b>", "50.0%", False, "two"),
            seen.Kept(pixels, "3", "50.0%", None, "three"),
        ]
    )
    assert re.findall(r'figure class="(\w*)"', html) == ["right", "wrong", ""]
    assert "<b><b>" not in html
    assert alts(html)[0] == "one: 7 ✓, 99.0%"


def test_a_photo_becomes_small():
    url = seen.photo_url(Image.new("RGB", (3000, 2000)))
    assert url.startswith("data:image/jpeg;base64,")
    assert len(url) < 10_000
