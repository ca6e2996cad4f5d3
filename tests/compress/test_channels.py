"""Pruning channels: they are really gone, and nothing but they is."""

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from cnnlab.architecture.blocks import Branches, DenseBlock, InvertedResidual, Sequence, SqueezeExcitation
from cnnlab.architecture.layers import (
    AvgPool2d,
    BatchNorm2d,
    Conv2d,
    Dropout,
    Flatten,
    GroupNorm,
    Linear,
    MaxPool2d,
    ReLU,
    Sigmoid,
    Softmax,
    Tanh,
)
from cnnlab.architecture.presets import PRESETS
from cnnlab.compress.channels import apart, channel_groups, cut, masked_channels, thinner, weakest, without_channels
from cnnlab.compress.pruning import Plan, prune
from cnnlab.compress.spelling import spelled_out
from cnnlab.compress.tuning import tuning_recipe
from cnnlab.data.loader import load
from cnnlab.description import bundled_models, bundled_path
from cnnlab.errors import ArchitectureError, ModelError, RecipeError
from cnnlab.model import Model
from tests.architecture.strategies import running, trees
from tests.compress.makers import HEAD, model_of, pictures, residual


def widths(model):
    rows = model.architecture.trace().rows
    return {row.name: row.output_shape[0] for row in rows if isinstance(row.layer, (Conv2d, Linear))}


FLAT = {
    "sigmoid, where a silent channel is not zero": (
        Conv2d(out_channels=8, padding=1), BatchNorm2d(), Sigmoid(), MaxPool2d(), Conv2d(out_channels=6), Sigmoid(),
        Flatten(), Linear(out_features=20), Tanh(), Dropout(), Linear(out_features=10), Softmax(),
    ),
    "numbers of channels that are written down": (
        Conv2d(out_channels=8, in_channels=1), ReLU(), Conv2d(out_channels=6, in_channels=8), AvgPool2d(), Flatten(),
        Linear(out_features=12, in_features=96), ReLU(), Linear(out_features=10, in_features=12),
    ),
    "a convolution for each channel by itself": (
        Conv2d(out_channels=8), ReLU(), Conv2d(out_channels=8, groups=8, padding=1), BatchNorm2d(), ReLU(),
        Conv2d(out_channels=6, kernel_size=1), ReLU(), *HEAD,
    ),
}  # fmt: skip


@pytest.mark.parametrize("layers", FLAT.values(), ids=list(FLAT))
@pytest.mark.parametrize("share", [0.25, 0.6, 0.99])
def test_a_cut_network_answers_as_the_masked_one(layers, share):
    model = model_of(*layers)
    gone = weakest(model, share)
    smaller = without_channels(model, gone)
    assert apart(masked_channels(model, gone), smaller, pictures()) <= 1e-5
    assert apart(model, smaller, pictures()) > 1e-3
    *before, classes = widths(model).items()
    now = widths(smaller)
    for name, wide in before:
        assert now[name] == max(1, wide - round(share * wide)), name
    assert now[classes[0]] == 10
    assert smaller.architecture.trace().num_params == sum(p.numel() for p in smaller.network.parameters())


@pytest.mark.parametrize("name", bundled_models())
def test_channels_of_every_bundled_model_can_go(name):
    model = Model.load(bundled_path(name))
    images = load("cifar10-sample" if model.about.data == "cifar10" else "mnist").test.images[:50]
    gone = weakest(model, 0.5)
    smaller = without_channels(model, gone)
    masked = masked_channels(model, gone)
    assert apart(masked, smaller, images) <= 1e-5
    assert masked.architecture == model.architecture
    assert smaller.architecture.trace().macs < 0.45 * model.architecture.trace().macs
    assert len(smaller.to_bytes()) < 0.5 * len(model.to_bytes())
    assert all(group.held is None for group in channel_groups(model.architecture)[:-1])
    assert str(channel_groups(model.architecture)[-1].held) == "the classes stay"


def test_the_weakest_filters_go():
    model = model_of(Conv2d(out_channels=6, kernel_size=1, bias=False), ReLU(), *HEAD)
    sizes = model.state["conv1.weight"].abs().flatten()
    smaller = without_channels(model, weakest(model, 0.5))
    kept = sizes.sort().values[3:]
    assert torch.equal(smaller.state["conv1.weight"].abs().flatten().sort().values, kept)


SEPARATE = Branches(branches=(Sequence(layers=(Conv2d(out_channels=4, padding=1),)), Sequence()))
TREES = {
    "identity": (residual(), {("conv1", "residual1.conv2"): 8, ("residual1.conv1",): 12}),
    "projection": (
        residual("projection", 16, 2),
        {("conv1",): 8, ("residual1.conv1",): 12, ("residual1.conv2", "residual1.shortcut.conv"): 16},
    ),
    "concat": (
        (Conv2d(out_channels=8), ReLU(), SEPARATE, Conv2d(out_channels=6)),
        {("conv1",): 8, ("branches1.branch1.conv1",): 4, ("conv2",): 6},
    ),
    "dense": (
        (Conv2d(out_channels=8), DenseBlock(layers=(ReLU(), Conv2d(out_channels=4, padding=1))), Conv2d(out_channels=6)),
        {("conv1",): 8, ("dense1.layer1.conv1",): 4, ("conv2",): 6},
    ),
}  # fmt: skip


@pytest.mark.parametrize(("layers", "groups"), TREES.values(), ids=list(TREES))
@pytest.mark.parametrize("share", [0.25, 0.5, 0.9])
def test_channels_that_are_added_go_together(layers, groups, share):
    model = model_of(*layers, *HEAD)
    free = {
        tuple(sorted(group.layers)): len(group.labels) for group in channel_groups(model.architecture) if not group.held
    }
    assert free == groups
    gone = weakest(model, share)
    smaller = without_channels(model, gone)
    assert apart(masked_channels(model, gone), smaller, pictures()) <= 1e-5
    now = widths(smaller)
    for names, wide in groups.items():
        assert {now[name] for name in names} == {max(1, wide - round(share * wide))}


HELD = {
    "copies": (
        (Conv2d(out_channels=8), Sequence(layers=(Conv2d(out_channels=8, padding=1), ReLU()), repeat=3)),
        "block1.conv1 stands there in several copies of one block",
    ),
    "one piece": (
        (Conv2d(out_channels=8), ReLU(), SqueezeExcitation()),
        "se1.squeeze.conv1 is part of SqueezeExcitation, which is one piece",
    ),
    "inverted": ((InvertedResidual(out_channels=8),), "inverted1.conv1 is part of InvertedResidual"),
    "groups": (
        (Conv2d(out_channels=8), Conv2d(out_channels=16, groups=4)),
        "conv2 (Conv2d) needs all of its channels",
    ),
    "group normalisation": (
        (Conv2d(out_channels=8), GroupNorm(num_groups=4), ReLU()),
        "gn1 (GroupNorm) needs all of its channels",
    ),
    "zeros beside channels": (residual("pad", 16, 2), "residual1.shortcut.pad (PadShortcut) needs all of its channels"),
}  # fmt: skip


@pytest.mark.parametrize(("layers", "reason"), HELD.values(), ids=list(HELD))
def test_what_cannot_go_says_why(layers, reason):
    model = model_of(*layers, *HEAD)
    reasons = [str(group.held) for group in channel_groups(model.architecture) if group.held]
    assert any(told.startswith(reason) for told in reasons), reasons
    try:
        gone = weakest(model, 0.5)
    except ArchitectureError as error:
        assert reason in str(error)
    else:
        smaller = without_channels(model, gone)
        assert apart(masked_channels(model, gone), smaller, pictures()) <= 1e-5


def test_a_network_that_has_nothing_to_give_is_refused_in_one_sentence():
    only = model_of(Flatten(), Linear(out_features=10))
    with pytest.raises(ArchitectureError, match="no channel of this network can be taken out: the classes stay"):
        weakest(only, 0.5)
    with pytest.raises(RecipeError, match="share"):
        weakest(model_of(*FLAT["sigmoid, where a silent channel is not zero"]), 1.0)


def test_a_wrong_cut_is_noticed(monkeypatch):
    model = model_of(Conv2d(out_channels=6), ReLU(), *HEAD)
    cut(model, 0.5, pictures())
    monkeypatch.setattr("cnnlab.compress.channels.masked_channels", lambda model, gone: model)
    with pytest.raises(ModelError, match="otherwise than the masked one"):
        cut(model, 0.5, pictures())


def test_channels_go_in_steps_with_learning_between():
    model, test = Model.load(bundled_path("mnist-sprint")), load("mnist").test[:500]
    recipe = tuning_recipe(model, 1, limit_train=2048, precision="float32", full_train=False)
    seen, work = [], prune(model, Plan(share=0.5, per="channel", steps=2, epochs=1), load("mnist"), recipe)
    while True:
        try:
            seen.append(next(work).kind)
        except StopIteration as end:
            smaller = end.value
            break
    assert widths(smaller) == {"conv1": 8, "conv2": 16, "fc1": 10}
    assert seen.count("train") == 32
    once = without_channels(model, weakest(model, 0.5))
    right = [int((one.logits(test.images).argmax(1) == test.targets).sum()) for one in (once, smaller)]
    assert right[0] + 100 < right[1]


def test_a_thinner_network_has_the_same_layers_with_fewer_channels():
    architecture = Model.load(bundled_path("mnist-sprint")).architecture
    half = thinner(architecture, 0.5)
    assert half.names == architecture.names and half.output_shape == (10,)
    assert [row.output_shape[0] for row in half.trace().rows if isinstance(row.layer, Conv2d)] == [8, 16]
    assert thinner(architecture, 0.001).trace().num_params == 226  # one filter in each convolution
    joined = model_of(*residual(), *HEAD).architecture
    assert thinner(joined, 0.5).trace().num_params < joined.trace().num_params
    assert thinner(model_of(Flatten(), Linear(out_features=10)).architecture, 0.5).trace().num_params == 1450


@settings(max_examples=60)
@given(trees(), st.sampled_from([0.3, 0.6, 0.95]), st.integers(0, 100))
def test_whatever_nests_is_cut_as_it_is_masked_or_refused(tree, share, seed):
    body = running(tree)
    assume(body.trace().rows)
    flat = () if len(body.output_shape) == 1 else (Flatten(),)
    model = model_of(*body.layers, *flat, Linear(out_features=10), shape=body.input_shape, seed=seed)
    try:
        gone = weakest(model, share)
    except ArchitectureError as error:
        assert "no channel of this network can be taken out" in str(error)
        return
    smaller, masked = without_channels(model, gone), masked_channels(model, gone)
    assert smaller.architecture.trace().num_params < model.architecture.trace().num_params
    x = torch.rand(3, *body.input_shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    one, other = (each.copy_network().double().logits(x) for each in (masked, smaller))
    assert torch.allclose(one, other, rtol=1e-9, atol=1e-9)


SMALL_PRESETS = [
    name for name, preset in PRESETS.items()
    if preset.architecture.trace().error is None and preset.architecture.trace().num_params < 400_000
]  # fmt: skip


@pytest.mark.parametrize("name", SMALL_PRESETS)
def test_every_small_preset_can_be_cut(name):
    architecture = PRESETS[name].architecture
    model = spelled_out(model_of(*architecture.layers, shape=architecture.input_shape))
    gone = weakest(model, 0.5)
    smaller, shape = without_channels(model, gone), architecture.input_shape
    images = torch.randint(0, 256, (4, *shape), generator=torch.Generator().manual_seed(1)).to(torch.uint8)
    assert apart(masked_channels(model, gone), smaller, images) <= 1e-5
    assert smaller.architecture.trace().num_params < 0.6 * architecture.trace().num_params
