"""Charts: axes that stay, labels that do not touch, the right numbers in the right colours."""

from __future__ import annotations

import math

import numpy as np
import pytest

from cnnlab.figures import curves, theme, units
from cnnlab.figures.tiles import limits
from cnnlab.i18n import set_language


@pytest.mark.parametrize("dark", [False, True])
def test_the_template_is_transparent_and_quiet(dark):
    layout = theme.template(dark).layout
    assert layout.paper_bgcolor == layout.plot_bgcolor == "rgba(0,0,0,0)"
    assert layout.font.color == theme.INK[dark]
    assert layout.showlegend is False
    assert theme.CONFIG["displayModeBar"] is False


def test_smoothing_is_a_corrected_moving_average():
    values = np.random.default_rng(1).normal(size=40)
    weight = 0.9
    for t in (0, 1, 7, 39):
        shares = np.array([(1 - weight) * weight ** (t - i) for i in range(t + 1)])
        wanted = float((shares * values[: t + 1]).sum() / shares.sum())
        assert curves.smooth(values, weight)[t] == pytest.approx(wanted)
    assert curves.smooth([3.0, 3.0, 3.0]).tolist() == pytest.approx([3.0, 3.0, 3.0])


def test_thinning_keeps_both_ends():
    x = np.arange(10_000)
    thin_x, thin_y = curves.thin(x, x * 2)
    assert len(thin_x) <= curves.MAX_POINTS
    assert (thin_x[0], thin_x[-1]) == (0, 9_999)
    assert np.array_equal(thin_y, thin_x * 2)


@pytest.mark.parametrize("count", [0, 1, 400])
def test_axes_do_not_move_while_a_run_goes_on(count):
    steps = list(range(1, count + 1))
    losses = [2.3 * math.exp(-step / 100) for step in steps]
    loss = curves.loss_figure(steps, losses, steps[-1:], losses[-1:], steps=900)
    accuracy = curves.accuracy_figure(steps, [1 - one / 2.3 for one in losses], steps=900)
    assert tuple(loss.layout.xaxis.range) == tuple(accuracy.layout.xaxis.range) == (0, 900)
    assert tuple(loss.layout.yaxis.range) == pytest.approx((0, 1.2 * math.log(10)))
    assert tuple(accuracy.layout.yaxis.range) == (0, 1)
    assert (loss.layout.height, accuracy.layout.height) == (260, 260)


def test_the_loss_axis_grows_only_when_the_loss_stays_above_it():
    assert curves.loss_top([30.0] + [1.0] * 60) == pytest.approx(1.2 * math.log(10))
    assert curves.loss_top([30.0] * 60) > 30
    assert curves.loss_top([math.nan, math.inf]) == pytest.approx(1.2 * math.log(10))
    assert curves.loss_top([], classes=26) == pytest.approx(1.2 * math.log(26))


def test_raw_smoothed_and_validation_are_drawn_and_labelled():
    figure = curves.accuracy_figure([1, 2, 3], [0.1, 0.5, 0.9], [3], [0.905], steps=10, whole=[True])
    assert [trace.name for trace in figure.data] == ["each step", "training", "validation"]
    assert list(figure.data[0].y) == [0.1, 0.5, 0.9]
    assert list(figure.data[2].y) == [0.905]
    texts = [note.text for note in figure.layout.annotations]
    assert "<b>90.5%</b><br>validation" in texts
    assert "guessing" in texts


def test_two_labels_do_not_touch():
    figure = curves.accuracy_figure([1, 2], [0.9, 0.9], [2], [0.9], steps=4)
    places = [note.y for note in figure.layout.annotations if note.xref == "paper"]
    assert abs(places[0] - places[1]) * (260 - 72) >= 30
    assert all(0 <= place <= 1 for place in places)


def test_curves_speak_chinese():
    set_language("zh_CN")
    figure = curves.loss_figure([1], [2.0], [1], [2.0], steps=4)
    assert figure.layout.title.text == "损失"
    assert [trace.name for trace in figure.data][1:] == ["训练集", "验证集"]


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
