"""Pictures of surgery and of single units: the numbers in them are those that were measured."""

import base64
import io
import itertools
import re

import numpy as np
import pytest
from PIL import Image

from cnnlab.figures.filters import filter_tiles
from cnnlab.figures.surgery import (
    channel_img,
    class_change,
    class_text,
    ink_on,
    lesion_heat,
    lesion_height,
    lesion_text,
    numbers_html,
    points_lost,
)
from cnnlab.figures.theme import rgb
from cnnlab.figures.unit_page import bars_height, marked_html, mean_bars, mean_text
from cnnlab.insight.surgery import Effect, Lesions

NAMES = ["a", "b"]
EFFECT = Effect((10, 30), (9, 30), (4, 30), 0.1, 0.5, ())
FOUND = Lesions(
    "conv1", (0, 1, 2), np.array([10, 30]), np.array([9, 30]), np.array([[9, 30], [4, 30], [10, 28]]),
    np.array([0.9, 0.8]), np.array([[0.9, 0.8], [0.5, 0.8], [0.95, 0.7]]), 40,
)  # fmt: skip


def pixels(html: str) -> np.ndarray:
    found = re.search(r"base64,([^\"]+)", html)
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(found[1]))).convert("RGB"))


def test_ink_stands_out_on_every_colour():
    for colour in itertools.product((0, 60, 120, 180, 255), repeat=3):
        assert ratio(rgb(ink_on(np.array(colour))), colour) >= 4.5, colour


def ratio(one, other):
    def light(colour):
        share = np.array(colour) / 255
        return np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4) @ [0.2126, 0.7152, 0.0722]

    low, high = sorted((light(one), light(other)))
    return (high + 0.05) / (low + 0.05)


def test_the_number_of_the_longest_bar_has_room():
    low, high = class_change((100, 100), (95, 90), (4, 90), NAMES).layout.xaxis.range
    assert low < -91 - 0.2 * (high - low) and high < 91  # and none is kept free where nothing gains


def test_large_figures_tell_the_change():
    told = numbers_html(EFFECT, "facts")
    for text in ("97.5%", "85.0%", "\u221212.5 points", "0.500", "+0.400", "facts"):
        assert text in told, text


def test_bars_and_words_are_the_change_of_each_class():
    numbers = (EFFECT.counts, EFFECT.before, EFFECT.after)
    bar = class_change(*numbers, NAMES).data[0]
    assert list(bar.x) == pytest.approx([-50, 0]) and list(bar.text) == ["\u221250.0", "0"]
    assert class_text(*numbers, NAMES) == "a: 9 of 10 before, 4 after; b: 30 of 30 before, 30 after"


@pytest.mark.parametrize("sure", [False, True])
def test_the_table_of_lesions_has_a_row_for_each_channel_in_order(sure):
    figure = lesion_heat(FOUND, [1, 2, 0], NAMES, sure=sure)
    heat = figure.data[0]
    wanted = [[-40, 0], [5, -10], [0, 0]] if sure else [[-50, 0], [10, -100 * 2 / 30], [0, 0]]
    assert np.asarray(heat.z) == pytest.approx(np.array(wanted))
    assert list(heat.y) == ["1", "2", "0"] and heat.zmin == -heat.zmax
    assert figure.layout.height == lesion_height(3)
    words = figure.data[1]
    assert words.text[0] == ("\u221240" if sure else "\u221250")  # two figures fit into a cell on a phone
    assert words.textfont.color[0] == "#FFFFFF"  # on full blue
    assert ("+5.0" if sure else "\u22126.7") in words.text
    assert len(words.text) == 3  # none where nothing changes
    assert points_lost(FOUND, 1) == "\u221212.5" and points_lost(FOUND, 0) == "0"
    assert "channel 1: \u221212.5 points; channel 2: \u22122.5 points" in lesion_text(FOUND, [0, 1, 2])


@pytest.mark.parametrize("shape", [(4, 1, 5, 5), (4, 3, 3, 3), (4, 16, 3, 3), (4, 96, 1, 1), (4, 100)])
def test_a_filter_of_any_shape_is_a_picture(shape):
    weight = np.random.default_rng(0).normal(size=shape)
    assert pixels(channel_img(weight, 2, "alt")).size
    assert not (pixels(channel_img(weight, 2, "alt")) == pixels(channel_img(-weight, 2, "alt"))).all()


@pytest.mark.parametrize("channels", [1, 3])
def test_filters_by_themselves_share_one_scale(channels):
    weight = np.zeros((3, channels, 4, 4))
    weight[0], weight[1] = 1.0, -1.0
    first, second, third = (np.asarray(Image.open(io.BytesIO(one)).convert("RGB")) for one in filter_tiles(weight))
    assert first.shape[:2] == (48, 48)
    assert len({tuple(one[0, 0]) for one in (first, second, third)}) == 3


def test_the_frame_stands_where_the_field_is():
    images = np.zeros((2, 1, 20, 10), dtype=np.uint8)
    told = marked_html(images, [(5, 1, 10, 4), None], ["one\ntwo", "<b>"], ["x", "y"])
    assert "top:25.00%;left:10.00%;height:50.00%;width:40.00%" in told
    assert told.count("<i ") == 1 and "one<br>two" in told and "&lt;b&gt;" in told
    assert "<i " not in marked_html(images[:1], [(0, 0, 20, 10)], [""], [""])  # all of it


def test_mean_answers_are_bars_on_both_sides_of_zero():
    values = np.array([-2.0, 1.0])
    figure = mean_bars(values, NAMES)
    low, high = figure.layout.xaxis.range
    assert list(figure.data[0].x) == [-2.0, 1.0] and low < -2 and high > 1
    assert figure.layout.height == bars_height(2) and mean_text(values, NAMES) == "a: \u22122; b: 1"
