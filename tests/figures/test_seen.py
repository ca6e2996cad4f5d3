"""What stands under the canvas: every picture says what it is, and text from outside stays text."""

import base64
import io
import re

import numpy as np
import pytest
from PIL import Image

from cnnlab.data.pictures import centre_digit
from cnnlab.figures import seen
from cnnlab.figures.tiles import tile_png
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


def sheets(html):
    """Return the picture of each layer, as (H, W, 4) pixels."""
    found = re.findall(r"--sheet:url\(data:image/png;base64,([^)]*)\)", html)
    return [np.asarray(Image.open(io.BytesIO(base64.b64decode(one))).convert("RGBA")) for one in found]


def test_a_tile_for_each_map_with_its_address():
    maps = np.stack([np.full((24, 24), 2.0), np.zeros((24, 24)), np.ones((24, 24))]).astype(np.float32)
    layer = LayerMaps("relu1", 16, 24, 24, (5, 2, 7), (0.5, 0.25, 0.1), maps)
    html = seen.maps_html([layer], ["3 of 16"], "map {address}, mean {mean}")
    assert re.findall(r'aria-label="([^"]*)"', html) == [
        "map relu1[5], mean 0.5",
        "map relu1[2], mean 0.25",
        "map relu1[7], mean 0.1",
    ]
    assert "--size:72px;--shape:24/24" in html
    (sheet,) = sheets(html)
    assert sheet.shape == (24, 3 * 24 + 2, 4)
    wide = float(re.search(r"--wide:([\d.]+)%", html)[1]) / 100 * 72  # of the whole sheet, in CSS pixels
    for place, left in enumerate(re.findall(r"background-position-x:([\d.]+)%", html)):
        begins = float(left) / 100 * (wide - 72) / 3  # CSS percentages: of what the picture is wider than its box
        assert begins == pytest.approx(25 * place, abs=1e-3)
        np.testing.assert_array_equal(sheet[:, 25 * place : 25 * place + 24], drawn(maps[place : place + 1], 0.0, 2.0))


def drawn(maps, low, high, mode="sequential", dark=False):
    return np.asarray(Image.open(io.BytesIO(tile_png(maps, mode, scale=(low, high), dark=dark))).convert("RGBA"))


@pytest.mark.parametrize("value", [0.0, -1.5])
def test_a_map_of_one_value_is_drawn(value):
    layer = LayerMaps("tanh1", 1, 5, 5, (0,), (abs(value),), np.full((1, 5, 5), value, np.float32))
    (sheet,) = sheets(seen.maps_html([layer], [""], "{address} {mean}"))
    assert sheet.shape == (5, 5, 4)


def test_a_layer_with_negative_numbers_is_signed_as_in_explore():
    values = np.array([[[-1.0, 0.0], [0.0, 3.0]]], np.float32)
    layer = LayerMaps("conv1", 1, 2, 2, (0,), (1.0,), values)
    for dark in (False, True):
        (sheet,) = sheets(seen.maps_html([layer], [""], "", dark=dark))
        np.testing.assert_array_equal(sheet, drawn(values, -3.0, 3.0, "signed", dark))


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
