"""Hard-pixel pictures: decoded by Pillow, every pixel is the number's own colour."""

from __future__ import annotations

import base64
import io
import itertools
import re

import numpy as np
import pytest
import torch
from PIL import Image

from cnnlab.figures import filters, heat, theme, tiles
from cnnlab.insight import Filters


def decode(data: bytes, mode: str | None = None) -> np.ndarray:
    image = Image.open(io.BytesIO(data))
    return np.asarray(image.convert(mode) if mode else image)


def rng() -> np.random.Generator:
    return np.random.default_rng(7)


# ------------------------------------------------------------------ theme
def _linear(colour):
    c = np.array(theme.rgb(colour)) / 255
    return np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)


def _lab(linear):
    xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]) @ linear
    f = xyz / np.array([0.9505, 1, 1.089])
    f = np.where(f > 0.008856, np.cbrt(np.clip(f, 1e-9, None)), 7.787 * f + 16 / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


VISIONS = {  # Machado, Oliveira & Fernandes 2009, severity 1.0
    "normal": np.eye(3),
    "protanopia": np.array([[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]),
    "deuteranopia": np.array([[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.01182, 0.04294, 0.968881]]),
    "tritanopia": np.array([[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.3039]]),
}  # fmt: skip


@pytest.mark.parametrize("vision", VISIONS)
def test_ten_classes_can_be_told_apart_with_any_colour_vision(vision):
    colours = [_lab(np.clip(VISIONS[vision] @ _linear(colour), 0, 1)) for colour in theme.CLASS_COLOURS]
    closest = min(np.linalg.norm(a - b) for a, b in itertools.combinations(colours, 2))
    assert len(set(theme.CLASS_COLOURS)) == 10
    assert closest >= 16  # as close as two of the seven that Okabe and Ito chose


def luminance(colour):
    return float(_linear(colour) @ [0.2126, 0.7152, 0.0722])


@pytest.mark.parametrize(("dark", "ground"), [(False, "#FAFBFC"), (True, "#0F1419")])
def test_text_of_charts_has_aa_contrast_in_both_themes(dark, ground):
    for colour in (theme.INK[dark], theme.QUIET[dark], theme.ACCENT[dark]):
        light, low = sorted([luminance(colour), luminance(ground)], reverse=True)
        assert (light + 0.05) / (low + 0.05) >= 4.5


@pytest.mark.parametrize("dark", [False, True])
def test_colour_tables_begin_and_end_as_the_scales_do(dark):
    signed = theme.lookup("signed", dark)
    assert tuple(signed[0]) == theme.rgb(theme.NEGATIVE[dark])
    assert tuple(signed[255]) == theme.rgb(theme.POSITIVE[dark])
    assert np.abs(signed[127:129].astype(int) - theme.rgb(theme.GROUND[dark])).max() <= 2
    assert tuple(theme.lookup("sequential", dark)[0]) == theme.rgb("#440154")
    assert tuple(theme.lookup("grey")[77]) == (77, 77, 77)


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0, "0"), (0.12345, "0.1235"), (-3.0, "−3"), (12345.0, "12.35k"), (2_500_000, "2.5M"), (1e-5, "1.0e−05"), (999_960, "1M")],
)  # fmt: skip
def test_numbers_have_four_digits_at_most(value, text):
    assert theme.number(value) == text


# ------------------------------------------------------------------ tiles
@pytest.mark.parametrize("channels", [(), (3,), (4,)])
def test_png_is_lossless(channels):
    pixels = rng().integers(0, 256, (5, 7, *channels), dtype=np.uint8)
    assert np.array_equal(decode(tiles.png(pixels)), pixels)


def test_a_palette_png_shows_the_tables_colours():
    index = rng().integers(0, 256, (6, 4), dtype=np.uint8)
    table = theme.lookup("sequential")
    assert np.array_equal(decode(tiles.png(index, table), "RGB"), table[index])


@pytest.mark.parametrize("scale", ["unit", "layer", (-2.0, 2.0)])
@pytest.mark.parametrize("mode", ["signed", "sequential"])
def test_every_number_has_its_place_and_colour_in_the_grid(mode, scale):
    maps = rng().normal(size=(5, 3, 4))
    zoom, columns = 2, 3
    sheet = decode(tiles.tile_png(maps, mode, scale=scale, columns=columns, zoom=zoom, gap=1))
    assert sheet.shape == (zoom * 7, zoom * 14, 4)
    table = theme.lookup(mode)
    for index, one in enumerate(maps):
        low, high = (
            tiles.limits(one, mode) if scale == "unit" else tiles.limits(maps, mode) if scale == "layer" else scale
        )
        top, left = (index // columns) * 4, (index % columns) * 5
        for row, col in itertools.product(range(3), range(4)):
            level = round(255 * min(max((one[row, col] - low) / (high - low), 0), 1))
            pixel = sheet[zoom * (top + row) : zoom * (top + row + 1), zoom * (left + col) : zoom * (left + col + 1)]
            assert (pixel[..., 3] == 255).all()
            assert np.abs(pixel[..., :3].astype(int) - table[level]).max() <= 3
    assert (sheet[:, zoom * 4 : zoom * 5, 3] == 0).all()  # the gap
    assert (sheet[zoom * 4 :, zoom * 10 :, 3] == 0).all()  # no sixth map


def test_limits_are_never_empty_and_symmetric_where_signed():
    assert tiles.limits(np.zeros((2, 2)), "signed") == (-1.0, 1.0)
    assert tiles.limits(np.zeros((2, 2))) == (0.0, 1.0)
    assert tiles.limits(np.array([-3.0, 1.0]), "signed") == (-3.0, 3.0)
    assert tiles.limits(np.array([0.5, 2.0])) == (0.0, 2.0)
    assert tiles.limits(np.array([np.nan, np.inf, 2.0]), "signed") == (-2.0, 2.0)


def test_what_is_no_number_is_drawn_too():
    maps = np.array([[[np.nan, np.inf], [-np.inf, 1.0]]])
    assert decode(tiles.tile_png(maps)).shape == (2, 2, 4)


def test_images_of_the_data():
    grey = rng().integers(0, 256, (1, 6, 5), dtype=np.uint8)
    assert np.array_equal(decode(tiles.image_png(grey)), grey[0])
    colour = rng().integers(0, 256, (3, 6, 5), dtype=np.uint8)
    assert np.array_equal(decode(tiles.image_png(colour, zoom=3))[::3, ::3], colour.transpose(1, 2, 0))


def test_html_carries_the_text_and_cannot_be_broken_out_of():
    made = tiles.tiles_html([tiles.png(np.zeros((2, 2), np.uint8))], ['"><script>'], ["<b>7</b>"])
    assert "<script>" not in made
    assert "<b>" not in made
    assert "image-rendering:pixelated" in made
    assert re.search(r'alt="&quot;&gt;&lt;script&gt;"', made)


# ------------------------------------------------------------------ filters
def test_filters_on_rgb_are_colour_pictures():
    weight = np.zeros((2, 3, 2, 2))
    weight[0, 0] = 1.0
    weight[1, 2] = -1.0
    first, second = (decode(one) for one in filters.filter_tiles(weight))
    assert tuple(first[0, 0]) == (255, 128, 128)
    assert tuple(second[0, 0]) == (128, 128, 0)


def test_a_sheet_carries_every_weight_in_the_order_that_is_asked_for():
    weight = torch.randn(6, 4, 3, 3)
    data = filters.sheet_data(Filters("conv2", weight, None, groups=2), (5, 0, 2))
    sent = np.frombuffer(base64.b64decode(data["weights"]), dtype="<f4").reshape(data["shape"])
    assert data["shape"] == [3, 4, 3, 3] and data["filters"] == [5, 0, 2]
    assert (sent == weight[[5, 0, 2]].numpy()).all()
    assert data["firsts"] == [4, 0, 0]  # filters 3 to 5 look at the second half of the channels
    assert data["limit"] == pytest.approx(float(weight.abs().max()))


def test_a_huge_layer_is_shown_in_parts():
    assert filters.shown_filters(np.zeros((512, 512, 1, 1), dtype=np.float32)) == filters.MOST_KERNELS // 512 == 32
    assert filters.shown_filters(np.zeros((64, 24, 3, 3), dtype=np.float32)) == 64


def test_dense_weights_are_a_matrix():
    weight = rng().normal(size=(4, 9))
    assert decode(filters.matrix_png(weight), "RGB").shape == (4, 9, 3)


def test_the_eye_can_tell_the_weights_of_a_dense_layer_apart():
    assert [filters.matrix_side(np.zeros((10, inputs))) for inputs in (10, 84, 400, 4096)] == [12, 12, 3, 3]


# ------------------------------------------------------------------ heat maps
def test_the_sign_of_an_attribution_is_its_colour():
    values = np.array([[-2.0, 0.0, 2.0]])
    shown = decode(heat.heat_png(values, limit=2.0), "RGB")
    assert tuple(shown[0, 0]) == theme.rgb(theme.NEGATIVE[False])
    assert tuple(shown[0, 2]) == theme.rgb(theme.POSITIVE[False])
    assert shown[0, 1].min() >= 253
    assert tuple(decode(heat.heat_png(values.clip(0), signed=False, limit=2.0), "RGB")[0, 0]) == theme.rgb("#440154")


@pytest.mark.parametrize("channels", [1, 3])
def test_an_overlay_shows_the_picture_where_nothing_is_attributed(channels):
    picture = np.zeros((channels, 1, 3), dtype=np.uint8)
    picture[:, 0, 0] = 255
    values = np.array([[0.0, 0.0, -1.0]])
    shown = decode(heat.overlay_png(picture, values, limit=1.0)).astype(int)
    ink, paper = (shown[0, 0], shown[0, 1]) if channels == 1 else (shown[0, 1], shown[0, 0])
    assert ink.max() < 140  # a digit's ink is drawn dark on paper, a photograph as it is
    assert paper.min() == 255
    assert shown[0, 2, 2] - shown[0, 2, 0] > 80  # blue


def test_one_stray_pixel_does_not_hide_the_others():
    values = np.ones((28, 28))
    values[3, 3] = 1000.0
    assert heat.heat_limit(values) < 10
    assert heat.heat_limit(np.zeros((4, 4))) == 1.0
    lonely = np.zeros((28, 28))
    lonely[0, 0] = -5.0
    assert heat.heat_limit(lonely) == 5.0


def test_the_sheet_holds_picture_overlay_and_map():
    picture = rng().integers(0, 256, (3, 8, 8), dtype=np.uint8)
    sheet = decode(heat.sheet_png(picture, rng().normal(size=(8, 8))))
    assert sheet.shape == (8 * heat.ZOOM, (3 * 8 + 2) * heat.ZOOM, 3)
    assert np.array_equal(sheet[:: heat.ZOOM, : 8 * heat.ZOOM : heat.ZOOM], picture.transpose(1, 2, 0))


def test_a_cell_says_everything_in_words_and_escapes_names():
    cell = heat.cell_html(
        np.zeros((1, 28, 28), np.uint8), np.ones((28, 28)), title="<i>", alt='a "map"', limit=2.0, note="sum < 3"
    )
    assert "<i>" not in cell
    assert "&lt;i&gt;" in cell
    assert "sum &lt; 3" in cell
    assert 'alt="a &quot;map&quot;"' in cell
    assert "width:168px" in cell
    assert "−2" in cell
    head = heat.class_head_html("<script>", "#000000", "1 %", np.zeros((3, 32, 32), np.uint8), "it")
    assert "<script" not in head
    assert "width:160px" in head and "--small:96px" in head


@pytest.mark.parametrize("dark", [False, True])
def test_the_colour_bar_is_that_of_the_picture_above_it(dark):
    from base64 import b64encode

    def bar(signed, views):
        cell = heat.cell_html(
            np.zeros((1, 8, 8), np.uint8), np.ones((8, 8)), title="", alt="", limit=1.0, signed=signed, views=views,
            dark=dark,
        )  # fmt: skip
        return cell[cell.rindex("base64,") + 7 :].split('"')[0]

    def scale(mode, dark):
        return b64encode(tiles.png(np.arange(256, dtype=np.uint8)[None], theme.lookup(mode, dark))).decode()

    assert bar(True, ("overlay", "heat")) == bar(True, ("heat",)) == scale("signed", dark)
    assert bar(True, ("overlay",)) == scale("signed", False)
    assert bar(False, ("heat",)) == scale("sequential", dark)
    assert bar(False, ("overlay",)) == scale("unsigned", False)
    assert theme.lookup("unsigned")[-1].tolist() == list(theme.rgb(theme.UNSIGNED))


def test_a_few_stray_weights_do_not_leave_the_others_pale():
    weight = np.ones((20, 20, 3, 3))
    weight[0, 0, 0, 0] = 100.0
    assert filters.filter_limit(weight) == 1.0
    assert filters.filter_limit(weight[:2, :2]) == 100.0
    assert filters.filter_limit(np.zeros((20, 20, 3, 3))) == 1.0
