"""What a smaller model is shown as: every figure with its factor, both histograms, the images that changed."""

import numpy as np

from cnnlab.compress.compare import ChangedAnswer, Histogram, Measured
from cnnlab.figures.compress import changed_html, milliseconds, table_html, weights_figure, weights_text
from cnnlab.i18n import set_language

BEFORE = Measured("net", 99, 100, 0.99, 40_000, 36_000, 9_000, 8_000, 0, 1_000_000, 1_000_000, {1: 2e-4, 64: 4e-3}, {1: 1e-4, 64: 3e-3})  # fmt: skip
AFTER = Measured("net-pruned", 98, 100, 0.98, 10_000, 9_000, 9_000, 8_000, 6_000, 1_000_000, 250_000, {1: 1e-4, 64: 1e-3}, {1: 1e-4, 64: 1e-3})  # fmt: skip
WEIGHTS = Histogram("conv1", (-1.0, -0.5, 0.5, 1.0), (3, 5, 2), (3, 0, 2), 0, 5)


def test_the_table_has_each_figure_and_what_is_left_of_it():
    table = table_html([BEFORE, AFTER], ["before", "<after>"])
    assert "&lt;after&gt;" in table and "<after>" not in table
    for text in (
        "99.00%",
        "98.00%",
        "40\u202fkB",
        "10\u202fkB",
        "×\u202f0.25",
        "8,000",
        "2,000",
        "0.2\u202fms",
        "1.0\u202fms",
    ):
        assert text in table, text
    assert table.count("<tr>") == 12
    assert table_html([BEFORE, AFTER, AFTER], ["a", "b", "c"]).count("×\u202f0.25") == 2 * table.count("×\u202f0.25")


def test_times_have_three_digits():
    assert [milliseconds(x) for x in (0.0001534, 1.5, 0.02)] == ["0.153\u202fms", "1,500.0\u202fms", "20.0\u202fms"]


def test_both_histograms_are_drawn_over_each_other_and_zeros_are_told():
    figure = weights_figure(WEIGHTS, ("before", "after"))
    assert [list(bar.y) for bar in figure.data] == [[3, 5, 2], [3, 0, 2]]
    assert [list(bar.x) for bar in figure.data] == [[-0.75, 0.0, 0.75]] * 2
    assert [bar.name for bar in figure.data] == ["before", "after, and 5 that are 0"]
    assert weights_text(WEIGHTS) == "Before: 10 weights, 0 of them 0. After: 10 weights, 5 of them 0."
    assert weights_figure(WEIGHTS, ("a", "b"), dark=True).layout.template != figure.layout.template


def test_a_changed_image_says_what_it_was_taken_for():
    changed = [ChangedAnswer(7, 2, 2, 1), ChangedAnswer(9, 0, 1, 0), ChangedAnswer(11, 0, 1, 2)]
    html = changed_html(np.zeros((3, 1, 4, 4), np.uint8), changed, ["cat", "dog", "<b>"])
    assert html.count("<img") == 3
    assert "✗ &lt;b&gt; → dog" in html and "✓ dog → cat" in html and ">dog → &lt;b&gt;" in html
    assert "Test image 7: &lt;b&gt;. Before: &lt;b&gt;. After: dog." in html
    set_language("zh_CN")
    assert "第 7 号测试图像" in changed_html(np.zeros((3, 1, 4, 4), np.uint8), changed, ["a", "b", "c"])
