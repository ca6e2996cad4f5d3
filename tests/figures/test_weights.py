"""The spread of a layer's weights: what is counted, what is cut, what is said."""

import re

import numpy as np
import pytest

from cnnlab.figures import weights as figures
from cnnlab.figures.weights import RunWeights, shares, weights_html
from cnnlab.i18n import set_language


def row(values: np.ndarray, label: str = "run 1", place: int = 0, note: str = "") -> RunWeights:
    return RunWeights(label, note, place, values)


def drawn(html: str) -> list[list[tuple[float, float]]]:
    """Return, for each row, its bars: where they begin and how high they are, in percent."""
    import base64

    found = []
    for code in re.findall(r"base64,([^\"]+)", html):
        svg = base64.b64decode(code).decode()
        bars = re.findall(r"M([\d.]+) 100V([\d.]+)H", svg)
        found.append([(float(x), 100 - float(y)) for x, y in bars])
    return found


def test_shares_are_those_of_a_plain_count() -> None:
    values = np.random.default_rng(0).normal(size=(7, 11, 3, 3))
    limit = float(np.abs(values).max())
    table = shares(values, limit)
    edges = np.linspace(-limit, limit, figures.BINS + 1)
    for k in (0, 20, figures.BINS // 2, figures.BINS - 2):
        assert table[k] == pytest.approx(((values >= edges[k]) & (values < edges[k + 1])).mean())
    assert table.sum() == pytest.approx(1) and table[figures.BINS // 2] > 0
    assert edges[figures.BINS // 2] < 0 < edges[figures.BINS // 2 + 1]  # zero is inside the middle bin


def test_all_rows_have_the_same_axes_and_only_the_bar_at_zero_is_cut() -> None:
    rng = np.random.default_rng(1)
    wide, narrow = rng.normal(0, 0.2, 4000), rng.normal(0, 0.05, 4000)
    spike = np.concatenate([np.zeros(3600), rng.normal(0, 0.2, 400)])
    html = weights_html([row(wide), row(narrow, "run 2", 1), row(spike, "run 3", 2)], "conv2")
    bars = drawn(html)
    assert len(bars) == 3 and max(height for one in bars for _x, height in one) == 100
    assert max(height for _x, height in bars[0]) < 50 < max(height for _x, height in bars[1])
    middle = pytest.approx(100 * (figures.BINS // 2) / figures.BINS, abs=0.01)
    assert [x for x, height in bars[2] if height == 100] == [middle]
    assert re.findall(r"<b style=[^>]+>([\d.]+%)", html)[-1] in ("90.2%", "90.3%", "90.4%", "90.5%", "90.6%", "90.7%")
    limit = max(float(np.abs(values).max()) for values in (wide, narrow, spike))
    assert f">{limit:.4g}</span>" in html and f">−{limit:.4g}</span>" in html


def test_the_row_says_its_numbers_and_shows_no_markup() -> None:
    values = np.array([0.0005, -0.0005, 0.5, -0.5])
    html = weights_html([row(values, "<b>x</b>", 0, "L1 penalty 0.1")], "fc1")
    assert "<b>x</b>" not in html.replace("<b>&lt;b&gt;x&lt;/b&gt;</b>", "")
    assert "closer to 0 than 0.001: 50.0%" in html and "standard deviation 0.3536" in html and "4 weights" in html
    assert 'alt="Weights of fc1 in' in html and "<small>L1 penalty 0.1</small>" in html
    set_language("zh_CN")
    try:
        assert "标准差 0.3536" in weights_html([row(values)], "fc1")
    finally:
        set_language("en")


def test_weights_that_are_all_zero_or_no_numbers_are_drawn() -> None:
    for values in (np.zeros(10), np.full(10, np.nan), np.array([])):
        assert "lab-weights-bars" in weights_html([row(values)], "fc1")


def test_both_themes_have_the_colour_of_the_run() -> None:
    import base64

    for dark in (False, True):
        html = weights_html([row(np.ones(3), place=2)], "fc1", dark=dark)
        svg = base64.b64decode(re.findall(r"base64,([^\"]+)", html)[0]).decode()
        assert f'fill="{figures.RUN_COLOURS[dark][2]}"' in svg and "lab-run-2" in html
