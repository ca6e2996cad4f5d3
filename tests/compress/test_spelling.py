"""A network spelled out is the same network: the same rows, the same answers to the bit."""

import pytest
import torch
from hypothesis import assume, given, settings

from cnnlab.architecture.blocks import (
    Branches,
    DenseBlock,
    DepthwiseSeparable,
    InvertedResidual,
    Sequence,
    SqueezeExcitation,
)
from cnnlab.architecture.layers import BatchNorm2d, Conv2d, Flatten, Linear, ReLU
from cnnlab.compress.channels import apart, channel_groups, masked_channels, weakest, without_channels
from cnnlab.compress.making import pruned
from cnnlab.compress.pruning import Plan
from cnnlab.compress.spelling import spelled_out
from cnnlab.data.dataset import DataSet, Split
from cnnlab.description import bundled_path
from cnnlab.model import Model
from tests.architecture.strategies import running, trees
from tests.compress.makers import HEAD, model_of, pictures


@settings(max_examples=60)
@given(trees())
def test_whatever_nests_answers_the_same_spelled_out(tree):
    body = running(tree)
    assume(body.trace().rows)
    flat = () if len(body.output_shape) == 1 else (Flatten(),)
    model = model_of(*body.layers, *flat, Linear(out_features=10), shape=body.input_shape)
    spelled = spelled_out(model)
    rows = [
        [(row.layer, row.output_shape, row.inputs) for row in one.architecture.trace().rows] for one in (model, spelled)
    ]
    assert rows[0] == rows[1]
    x = torch.rand(2, *body.input_shape, generator=torch.Generator().manual_seed(0))
    assert torch.equal(model.network.logits(x), spelled.network.logits(x))
    assert spelled_out(spelled) is spelled


REPEATED = {
    "copies": (Conv2d(out_channels=8), Sequence(layers=(Conv2d(out_channels=8, padding=1), ReLU()), repeat=3)),
    "dense": (Conv2d(out_channels=8), DenseBlock(layers=(BatchNorm2d(), ReLU(), Conv2d(out_channels=4, padding=1)), repeat=3)),
    "inverted": (Conv2d(out_channels=8), InvertedResidual(out_channels=8), InvertedResidual(out_channels=12, stride=2)),
    "separable": (Conv2d(out_channels=8), DepthwiseSeparable(out_channels=12), DepthwiseSeparable(out_channels=16)),
    "squeeze": (Conv2d(out_channels=8), ReLU(), SqueezeExcitation()),
    "branches": (
        Conv2d(out_channels=8),
        Branches(branches=(Sequence(layers=(Conv2d(out_channels=8, padding=1),), repeat=2, name="two"), Sequence()), join="add"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("layers", REPEATED.values(), ids=list(REPEATED))
def test_channels_of_copies_and_shorthands_can_go_one_by_one(layers):
    model = model_of(*layers, *HEAD)
    spelled = spelled_out(model)
    assert apart(model, spelled, pictures()) == 0
    assert [str(group.held) for group in channel_groups(spelled.architecture) if group.held] == ["the classes stay"]
    gone = weakest(spelled, 0.5)
    smaller = without_channels(spelled, gone)
    assert apart(masked_channels(spelled, gone), smaller, pictures()) <= 1e-5
    assert smaller.architecture.trace().num_params < 0.55 * model.architecture.trace().num_params


def test_a_network_without_repeats_comes_back_as_it_is():
    model = Model.load(bundled_path("mnist-sprint"))
    assert spelled_out(model) is model


def test_pruning_spells_out_by_itself():
    model = model_of(*REPEATED["dense"], *HEAD)
    images = pictures(count=40)
    split = Split(images, torch.arange(40) % 10)
    data = DataSet("noise", "noise", model.class_names, split, split, "")
    work = pruned(model, Plan(share=0.5, per="channel"), data)
    with pytest.raises(StopIteration) as end:
        next(work)
    made = end.value.value
    assert made.how["kept"] == {"fc1": "the classes stay"}
    comparison, _alone = made.measured(data, seconds=0)
    assert comparison.after.macs < 0.4 * comparison.before.macs
    layers = [one.layer for one in comparison.histograms]
    assert layers == ["", "conv1", "dense1.layer1.conv1", "dense2.layer1.conv1", "dense3.layer1.conv1", "fc1"]
    for one in comparison.histograms:
        assert sum(one.after) < sum(one.before)
