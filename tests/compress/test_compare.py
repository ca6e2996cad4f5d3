"""What is measured is what is there: counted again here, by other means."""

import json
import zlib
from dataclasses import replace
from itertools import cycle

import pytest
import torch

from cnnlab.compress import compare as module
from cnnlab.compress.compare import BINS, compare, latencies, subject_of
from cnnlab.compress.magnitude import masked, weight_masks
from cnnlab.compress.making import labelled
from cnnlab.compress.pruning import with_state
from cnnlab.data.dataset import Split
from cnnlab.data.loader import load
from cnnlab.description import bundled_path
from cnnlab.errors import DataError
from cnnlab.model import Model


@pytest.fixture(scope="module")
def pair():
    model = Model.load(bundled_path("mnist-sprint"))
    pruned = with_state(model, masked(model.state, weight_masks(model.architecture, model.state, 0.6)))
    return model, labelled(pruned, model, "pruned", {"prune": {"share": 0.6}})


@pytest.fixture(scope="module")
def comparison(pair):
    return compare(*map(subject_of, pair), load("mnist").test[:1500], "mnist", seconds=0.05)


def test_each_figure_is_what_counting_gives(pair, comparison):
    for model, measured in zip(pair, (comparison.before, comparison.after)):
        test = load("mnist").test[:1500]
        right = sum(int(model.logits(x[None]).argmax()) == int(y) for x, y in zip(*test[:100]))
        one = compare(subject_of(model), subject_of(model), test[:100], seconds=0)
        assert (one.before.right, one.before.images) == (right, 100)
        assert not one.changed
        assert measured.file_bytes == len(model.to_bytes())
        assert measured.zip_bytes == len(zlib.compress(model.to_bytes(), 9))
        assert measured.num_params == sum(p.numel() for p in model.network.parameters()) == 18474
        assert measured.macs == 1_054_720
    assert comparison.before.zero_weights == 0 and comparison.before.macs_nonzero == 1_054_720
    assert comparison.after.zero_weights == round(0.6 * 18320)
    state = pair[1].state
    sides = {"conv1.weight": 24 * 24, "conv2.weight": 8 * 8, "fc1.weight": 1}
    assert comparison.after.macs_nonzero == sum(int(state[name].count_nonzero()) * n for name, n in sides.items())
    assert comparison.after.zip_bytes < 0.7 * comparison.before.zip_bytes


def test_the_changed_answers_are_those_that_changed(pair, comparison):
    test = load("mnist").test[:1500]
    before, after = (model.logits(test.images).argmax(1) for model in pair)
    assert [one.image for one in comparison.changed] == (before != after).nonzero().flatten().tolist()
    for one in comparison.changed:
        assert (one.target, one.before, one.after) == (test.targets[one.image], before[one.image], after[one.image])
    right = comparison.after.right - comparison.before.right
    assert len(comparison.changed) > 5
    assert right == comparison.became_right - comparison.became_wrong


def test_every_weight_is_in_a_bar_or_a_zero(comparison):
    assert [histogram.layer for histogram in comparison.histograms] == ["", "conv1", "conv2", "fc1"]
    for histogram, count in zip(comparison.histograms, (18320, 400, 12800, 5120)):
        assert len(histogram.edges) == BINS + 1 and histogram.edges[0] == -histogram.edges[-1]
        assert sum(histogram.before) + histogram.zeros_before == count
        assert sum(histogram.after) + histogram.zeros_after == count
    assert comparison.histograms[0].zeros_after == comparison.after.zero_weights
    assert comparison.histograms[0].after[BINS // 2] == 0 < comparison.histograms[0].before[BINS // 2]


def test_times_are_there_for_one_image_and_for_64(comparison):
    for measured in (comparison.before, comparison.after):
        assert measured.latency_s.keys() == {1, 64}
        assert 0 < measured.latency_s[1] < measured.latency_s[64] < 1
    assert all(count >= 5 for count in comparison.rounds.values())
    assert comparison.threads == torch.get_num_threads() == 1
    json.dumps(comparison.as_dict(), allow_nan=False)


@pytest.mark.parametrize(("calls", "seconds"), [([1.0], 6), ([1.0, 4.0, 4.0], 21)])
def test_on_a_busy_machine_the_clock_runs_longer(pair, monkeypatch, calls, seconds):
    now, lasts = [0.0], cycle(calls)

    def forward(_x):
        now[0] += next(lasts)

    monkeypatch.setattr(module, "perf_counter", lambda: now[0])
    (times,) = latencies((replace(subject_of(pair[0]), forward=forward),), load("mnist").test.images[:2], seconds=5)
    for batch in (1, 64):
        assert seconds <= sum(times[batch]) < seconds + 4


def test_unrest_is_the_worst_of_the_medians_over_the_fastest(comparison):
    before = replace(comparison.before, latency_s={1: 3.0, 64: 5.0}, fastest_s={1: 1.0, 64: 4.0})
    after = replace(comparison.after, latency_s={1: 2.0, 64: 8.0}, fastest_s={1: 1.0, 64: 4.0})
    assert replace(comparison, before=before, after=after).unrest == 3


def test_without_images_nothing_is_measured(pair):
    nothing = Split(torch.zeros(0, 1, 28, 28, dtype=torch.uint8), torch.zeros(0, dtype=torch.long))
    with pytest.raises(DataError, match="no test images"):
        compare(*map(subject_of, pair), nothing)
