"""A suggestion is tried before it is made: the network runs after it, and the whole lab can build it."""

import time

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from cnnlab.architecture import Architecture, LayerSpec, make_layer
from cnnlab.architecture.network import MAX_LAYERS
from cnnlab.architecture.presets import PRESETS
from cnnlab.architecture.repair import MOST, MOST_FURTHER, suggest, suggest_head
from cnnlab.build import build
from cnnlab.i18n import catalogue
from tests.architecture.strategies import networks


def broken(*layers: LayerSpec, shape: tuple[int, int, int] = (3, 8, 8)) -> Architecture:
    return Architecture(name="broken", input_shape=shape, layers=layers)


def labels(architecture: Architecture) -> list[str]:
    return [str(suggestion.label) for suggestion in suggest(architecture)]


@settings(max_examples=300)
@given(networks())
def test_suggestions_run(architecture: Architecture) -> None:
    suggestions = suggest(architecture)
    if architecture.trace().error is None:
        assert suggestions == ()
        return
    assert 1 <= len(suggestions) <= MOST
    for suggestion in suggestions:
        suggestion.architecture.check()
        assert suggestion.architecture != architecture
        assert len(suggestion.further) <= MOST_FURTHER
    assert len({suggestion.architecture.key for suggestion in suggestions}) == len(suggestions)


@settings(max_examples=40)
@given(networks())
def test_torch_agrees(architecture: Architecture) -> None:
    assume(architecture.trace().error is not None)
    mended = suggest(architecture)[0].architecture
    assume(mended.trace().activation_elements < 1_000_000)
    with torch.no_grad():
        output = build(mended).eval()(torch.zeros(1, *mended.input_shape))
    assert tuple(output.shape) == (1, *mended.output_shape)


@settings(max_examples=60)
@given(networks(), st.sampled_from(["zh_CN"]))
def test_every_label_is_translated(architecture: Architecture, language: str) -> None:
    for suggestion in suggest(architecture):
        for label in (suggestion.label, *suggestion.further):
            assert label.template in catalogue(language)
            assert "{" not in label.text(language)


conv, pool, linear, flatten = (
    lambda **fields: make_layer("Conv2d", **fields),
    lambda **fields: make_layer("MaxPool2d", **fields),
    lambda **fields: make_layer("Linear", **fields),
    make_layer("Flatten"),
)
CASES = {
    "a kernel larger than its input, odd stays odd": (broken(conv(kernel_size=11)), "conv1: set kernel_size to 7"),
    "or the input padded": (broken(conv(kernel_size=11)), "conv1: set padding to 2"),
    "or closer taps": (broken(conv(kernel_size=5, dilation=3)), "conv1: set dilation to 1"),
    "a pool larger than its input": (broken(pool(kernel_size=9)), "pool1: set kernel_size to 7"),
    "too much padding in a pool": (broken(pool(padding=2)), "pool1: set padding to 1"),
    "wrong channels": (broken(conv(in_channels=1)), "conv1: set in_channels to 3"),
    "or whatever arrives": (broken(conv(in_channels=1)), "conv1: leave in_channels empty, take whatever arrives"),
    "groups that divide nothing": (broken(conv(groups=2)), "conv1: set groups to 1"),
    "groups that divide one of the two": (broken(conv(out_channels=4, groups=3)), "conv1: set out_channels to 6"),
    "no Flatten": (broken(linear()), "Insert Flatten before fc1"),
    "or averages": (broken(linear()), "Insert AdaptiveAvgPool2d(1) and Flatten before fc1"),
    "wrong features": (broken(flatten, linear(in_features=3136)), "fc1: set in_features to 192"),
    "a convolution behind Flatten": (broken(flatten, conv(), linear()), "Move conv1 before flatten"),
    "or Flatten behind it": (broken(flatten, make_layer("ReLU"), conv(), linear()), "Move flatten behind conv1"),
    "two faults in one layer": (broken(conv(in_channels=1, kernel_size=9)), "conv1: set in_channels to 3"),
    "Dropout2d on a vector": (broken(flatten, make_layer("Dropout2d")), "drop1: use Dropout instead of Dropout2d"),
    "what cannot be mended is removed": (broken(flatten, make_layer("BatchNorm2d"), linear()), "Remove bn1"),
    "no layer at all": (broken(), "Add Flatten and Linear(10)"),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_the_edit_that_a_teacher_would_name(case: str) -> None:
    architecture, wanted = CASES[case]
    assert wanted in labels(architecture)


def test_layers_below_are_mended_with_the_first() -> None:
    first = suggest(PRESETS["article-000-lenet5"].architecture.with_input((3, 28, 28)))[0]
    assert str(first.label) == "conv1: set in_channels to 3"
    assert [str(label) for label in first.further] == ["fc1: set in_features to 256"]


def test_an_input_that_fits_is_offered() -> None:
    assert "Feed 1×32×32 pictures" in labels(PRESETS["article-000-lenet5"].architecture.with_input((1, 28, 28)))


def test_a_head_lets_maps_name_a_class() -> None:
    maps = broken(conv())
    assert suggest_head(maps).architecture.output_shape == (10,)


def test_the_longest_network_is_answered_while_a_page_waits() -> None:
    start = time.perf_counter()
    found = suggest(broken(*[make_layer("ReLU")] * (MAX_LAYERS - 2), conv(kernel_size=100), linear()))
    assert found
    for suggestion in found:
        suggestion.architecture.check()
    assert suggest(broken(*[conv(kernel_size=100, in_channels=7)] * MAX_LAYERS)) == ()  # more edits than are offered
    assert time.perf_counter() - start < 10  # measured 0.1 s; a guard against an endless search only


def test_a_residual_whose_convolutions_shrink_the_maps_is_mended_by_their_rims() -> None:
    shrinking = make_layer("Residual", layers=(make_layer("Conv2d", out_channels=4, kernel_size=5),))
    network = Architecture(name="n", input_shape=(1, 12, 12), layers=(shrinking, make_layer("Flatten")))
    assert "shortcut=projection or" not in str(network.trace().error)
    mended = [suggestion.architecture.layers[0] for suggestion in suggest(network)]
    assert any(getattr(layer, "shortcut", "") == "projection" and layer.layers[0].padding == 2 for layer in mended)
    same = network.replace((0, 0), make_layer("Conv2d", out_channels=1, kernel_size=3))
    assert all(".add" not in str(suggestion.label) for suggestion in suggest(same))
    kept = [suggestion.architecture.layers[0] for suggestion in suggest(same)]
    assert any(getattr(layer, "shortcut", "") == "identity" and layer.layers[0].padding == 1 for layer in kept)
