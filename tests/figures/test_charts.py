"""Charts: axes that stay, labels that do not touch, the right numbers in the right colours."""

from __future__ import annotations

import numpy as np
import pytest

from cnnlab.figures import theme, units
from cnnlab.figures.tiles import limits


@pytest.mark.parametrize("dark", [False, True])
def test_the_template_is_transparent_and_quiet(dark):
    layout = theme.template(dark).layout
    assert layout.paper_bgcolor == layout.plot_bgcolor == "rgba(0,0,0,0)"
    assert layout.font.color == theme.INK[dark]
    assert layout.showlegend is False


def test_class_bars_have_the_classes_colours_and_numbers():
    values = np.array([0.01, 0.982, 0.008])
    figure = units.class_bars(values, ["a", "b", "c"], percent=True)
    bars = figure.data[0]
    assert list(bars.text) == ["1.0%", "98.2%", "0.8%"]
    assert list(bars.marker.color) == list(theme.CLASS_COLOURS[:3])
    assert figure.layout.xaxis.range[0] == 0
    assert figure.layout.xaxis.range[1] > 1
    logits = units.class_bars(np.array([-3.0, 12.5]), ["a", "b"])
    assert list(logits.data[0].text) == ["−3", "12.5"]
    assert logits.layout.xaxis.range[0] < -3


@pytest.mark.parametrize("values", [[-16.68, 12.77], [-5.0, -16.68], [-0.7762, 0.1]])
def test_the_number_of_a_negative_bar_does_not_reach_the_names_on_a_phone(values):
    figure = units.class_bars(np.array(values), ["a", "b"])
    low, high = figure.layout.xaxis.range
    plot_px = 358 - figure.layout.margin.l - figure.layout.margin.r
    letter_px = 6.6  # figures at 12 px, and the gap before the bar
    assert (min(values) - low) / (high - low) * plot_px >= letter_px * len(theme.number(min(values)))


@pytest.mark.parametrize("dark", [False, True])
def test_unit_bars_show_the_sign(dark):
    figure = units.unit_bars(np.array([-1.0, 2.0]), dark=dark)
    assert list(figure.data[0].marker.color) == [theme.NEGATIVE[dark], theme.POSITIVE[dark]]
    assert list(figure.data[0].y) == [-1.0, 2.0]
    assert set(units.unit_bars(np.array([1.0, 0.0])).data[0].marker.color) == {theme.ACCENT[False]}


def test_a_strip_has_sixty_four_units_in_a_row():
    import io

    from PIL import Image

    values = np.linspace(0, 1, 130)
    strip = np.asarray(Image.open(io.BytesIO(units.strip_png(values))))
    assert strip.shape == (3, 64, 4)
    assert (strip[2, 2:, 3] == 0).all()
    table = theme.lookup("sequential")
    low, high = limits(values)
    assert tuple(strip[1, 0, :3]) == tuple(table[round(255 * (values[64] - low) / (high - low))])
