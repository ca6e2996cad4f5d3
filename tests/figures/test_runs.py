"""Curves over each other, recipes in words, and the small tables."""

import re

import numpy as np
import pytest

from cnnlab.architecture import layers as L
from cnnlab.figures import runs as figures
from cnnlab.figures.theme import rgb
from cnnlab.i18n import set_language
from cnnlab.runs.compare import network_differences, over_seeds, recipe_differences
from cnnlab.training.recipe import Recipe
from tests.runs.labs import NET
from tests.runs.test_compare import run


def line(label="1", place=0, last=0.97, **changes):
    step = np.arange(1, 11) * 10.0
    acc = np.linspace(0.5, last, 10)
    train = np.column_stack([step, 1 - acc, acc, 1 - acc, acc])
    val = [(int(s), 1 - a, a, True) for s, a in zip(step, acc)]
    return figures.RunCurves(label, place, train, changes.pop("val", val), changes.pop("per_step", 1.0), **changes)


def luminance(colour):
    parts = [c / 255 for c in rgb(colour)]
    parts = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return float(np.dot(parts, [0.2126, 0.7152, 0.0722]))


@pytest.mark.parametrize(("dark", "ground"), [(False, "#FAFBFC"), (True, "#0F1419")])
def test_each_runs_colour_can_be_read_on_the_page(dark, ground):
    colours = figures.RUN_COLOURS[dark]
    assert len(set(colours)) == figures.MOST
    for colour in colours:
        low, high = sorted([luminance(colour), luminance(ground)])
        assert (high + 0.05) / (low + 0.05) >= 4.5, colour  # the labels are words in these colours


def test_validation_is_bold_and_ends_in_the_runs_number():
    figure = figures.curves([line("3", 0), line("7", 1, last=0.6)], "acc", "steps")
    assert [trace.line.width for trace in figure.data] == [1, 2.5, 1, 2.5]
    assert {note.text: note.font.color for note in figure.layout.annotations} == {
        "<b>3</b>": figures.RUN_COLOURS[False][0],
        "<b>7</b>": figures.RUN_COLOURS[False][1],
    }
    low, high = figure.layout.yaxis.range
    assert low <= 0.5 and high == 1.0
    assert figures.curves_alt([line("3")], "acc") == "Accuracy: 3 97.0%"


def test_labels_that_would_touch_are_moved_apart_inside_the_axis():
    figure = figures.curves([line(str(n), n, last=0.99) for n in range(8)], "acc", "steps")
    low, high = figure.layout.yaxis.range
    heights = sorted(note.y for note in figure.layout.annotations)
    assert heights[-1] <= high + 1e-9 and heights[0] >= low
    assert min(np.diff(heights)) > 0.06 * (high - low)


def test_a_live_run_keeps_the_whole_axis_and_one_without_curves_is_no_trouble():
    assert figures.curves([line(), line(live=True)], "acc", "steps").layout.yaxis.range == (0.0, 1.0)
    empty = figures.RunCurves("9", 0, np.empty((0, 5)), [], 1.0)
    for what in ("acc", "loss"):
        assert not figures.curves([empty], what, "steps").layout.annotations
    assert figures.curves_alt([empty], "loss") == "Loss: 9 –"


def test_runs_are_laid_along_epochs_or_time():
    figure = figures.curves([line(per_step=0.5)], "loss", "time")
    assert figure.data[1].x[-1] == 50.0
    assert figure.layout.xaxis.title.text == "seconds of training"


def test_a_name_is_never_markup():
    assert "<script>" not in figures.curves([line("<script>")], "acc", "steps").to_json()


def test_a_recipe_in_a_few_words():
    assert figures.recipe_text(Recipe(epochs=1)) == "Adam 0.001 · batch 64 · 1 epoch · seed 0"
    assert figures.recipe_text(Recipe()) == "Adam 0.001 · batch 64 · 3 epochs · seed 0"
    slow = Recipe(epochs=1, layer_lr={"conv1": 0.1, "conv2": 0.1})
    assert figures.recipe_text(slow) == "Adam 0.001 · batch 64 · 1 epoch · conv1 ×0.1, conv2 ×0.1 · seed 0"
    slower = slow.changed(layer_lr={"conv1": 0.1, "conv2": 0.1, "fc1": 2.0})
    assert figures.recipe_text(slower) == "Adam 0.001 · batch 64 · 1 epoch · conv1 ×0.1, conv2 ×0.1, … · seed 0"
    recipe = Recipe(
        optimizer="sgd", momentum=0.9, lr=0.01, schedule="cosine", limit_train=3000, augmentation={"shift": 2}
    )
    said = "SGD 0.01 · momentum 0.9 · cosine · batch 64 · 3 epochs · varied images · 3,000 images"
    assert figures.recipe_text(recipe, seed=False) == said
    set_language("zh_CN")
    assert figures.recipe_text(Recipe(epochs=1)) == "Adam 0.001 · 批量 64 · 1 轮 · 种子 0"
    assert figures.recipe_text(Recipe()) == "Adam 0.001 · 批量 64 · 3 轮 · 种子 0"


def text(html):
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html)).strip()


def test_the_tables_say_what_differs():
    rows = recipe_differences([Recipe(), Recipe(lr=0.01, nesterov=True, momentum=0.9, optimizer="sgd")])
    said = text(figures.differences_html(["run 1", "run 2"], rows, [0, 1]))
    assert said == ("Recipe run 1 run 2 Optimizer Adam SGD Learning rate 0.001 0.01 Momentum 0 0.9 Nesterov no yes")
    other = NET.replace(0, L.Conv2d(out_channels=8, kernel_size=5, stride=2)).insert(3, L.GELU())
    said = text(figures.networks_html(["run 1", "run 2"], network_differences(NET, other), [0, 1]))
    assert said == "Network run 1 run 2 conv1 Conv2d out_channels=4 Conv2d out_channels=8 – / gelu1 – GELU"


def test_seeds_are_told_with_their_number_mean_and_spread():
    groups = over_seeds([run(str(n), Recipe(seed=n), acc) for n, acc in enumerate((0.97, 0.98, 0.96))])
    html = figures.seeds_html([("<b>net", "Adam", group) for group in groups])
    assert "3 97.00% ± 1.00 96.00% – 98.00%" in text(html)
    assert "<b><b>net" not in html and 'aria-label="seeds 0, 1, 2: 97.00%, 98.00%, 96.00%"' in html
    assert html.count('title="seed') == 3
    phone = html[html.index("<tbody>") :]
    assert "lab-compare-stacked" in html and 'data-title="Mean"' in phone  # a narrow window has no room for the head


def test_an_axis_that_is_cut_says_so_and_can_be_whole():
    runs = [line(), line("2", 1, last=0.9)]
    assert figures.curves(runs, "acc", "steps").layout.yaxis.range[0] > 0
    assert (
        figures.cut_text(runs, "acc")
        == f"zoomed in: from {figures.curves(runs, 'acc', 'steps').layout.yaxis.range[0]:.1%} up"
    )
    assert figures.curves(runs, "acc", "steps", zoomed=False).layout.yaxis.range == (0.0, 1.0)
    peak = line()
    peak.train[0, 3] = 9.0
    assert figures.cut_text([peak], "loss").startswith("zoomed in: up to ")
    assert figures.curves([peak], "loss", "steps", zoomed=False).layout.yaxis.range[1] > 9
    assert figures.cut_text([line(live=True)], "acc") == ""
    assert figures.curves(runs, "acc", "steps").layout.xaxis.tickformat.startswith(",")
