"""Keras runs what is written for it: same shapes, same parameters, and with the weights the same answers."""

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from torch import nn

from cnnlab.architecture import Architecture, joins, make_layer
from cnnlab.architecture.blocks import BLOCKS, DenseBlock, Residual, Sequence
from cnnlab.architecture.blocks import Branches as Side
from cnnlab.architecture.layers import LAYERS
from cnnlab.architecture.presets import PRESETS
from cnnlab.architecture.rare import RARE
from cnnlab.build import build
from cnnlab.export.keras import to_keras
from cnnlab.export.keras_layers import _MAKERS, keras_name
from tests.architecture.strategies import networks, running, trees


def quick(architecture: Architecture) -> bool:
    """Return whether a test may run it: not the full-size ones."""
    return not architecture.trace().error and architecture.trace().macs < 30_000_000


RUNNING = [name for name, preset in PRESETS.items() if quick(preset.architecture)]


def keras_model(architecture: Architecture) -> Any:
    names: dict[str, Any] = {}
    exec(compile(to_keras(architecture), "keras_source", "exec"), names)
    return names["model"]


def in_keras(module: nn.Module) -> list[np.ndarray]:
    """Return the weights of a torch module as the Keras layer of its name takes them."""
    state = {name: tensor.detach().numpy() for name, tensor in module.state_dict().items()}
    state.pop("num_batches_tracked", None)
    if isinstance(module, nn.Conv2d):
        weight = state["weight"]  # (O, I / groups, k, k)
        if module.groups == module.in_channels > 1:
            weight = weight.reshape(module.groups, -1, *weight.shape[2:]).transpose(2, 3, 0, 1)
        else:
            weight = weight.transpose(2, 3, 1, 0)
        return [weight, *([state["bias"]] if "bias" in state else [])]
    if isinstance(module, nn.Linear):
        return [state["weight"].T, *([state["bias"]] if "bias" in state else [])]
    if isinstance(module, nn.LayerNorm) and len(module.normalized_shape) == 3:
        return [state[name].transpose(1, 2, 0) for name in ("weight", "bias")]
    return [
        state[name] for name in ("weight", "bias", "running_mean", "running_var") if name in state
    ]  # an RBF has codes alone


def check(architecture: Architecture) -> None:
    """Let Keras and torch answer for the same pictures with the same weights."""
    model, network = keras_model(architecture), build(architecture, torch.Generator().manual_seed(1)).eval()
    generator = torch.Generator().manual_seed(2)
    for module in network.modules():
        if isinstance(module, (nn.BatchNorm2d, nn.GroupNorm, nn.LayerNorm)):
            for tensor in [*module.parameters(), *module.buffers()]:
                if tensor.is_floating_point():
                    tensor.data.uniform_(0.5, 1.5, generator=generator)
    output = architecture.output_shape
    assert model.output_shape == (None, *output[1:], output[0])
    assert sum(int(np.prod(v.shape)) for v in model.trainable_variables) == architecture.trace().num_params
    modules = {keras_name(name): module for name, module in network.named_modules()}
    for layer in model.layers:
        if layer.weights:
            layer.set_weights(in_keras(modules[layer.name]))
    x = torch.randn(3, *architecture.input_shape, generator=generator)
    with torch.no_grad():
        wanted = network(x).numpy()
        given = model(x.permute(0, 2, 3, 1).contiguous(), training=False).cpu().numpy()
    if given.ndim == 4:
        given = given.transpose(0, 3, 1, 2)
    np.testing.assert_allclose(given, wanted, rtol=1e-5, atol=1e-5 * max(1.0, float(np.abs(wanted).max())))


def net(*layers: Any, input_shape: tuple[int, int, int] = (4, 9, 7)) -> Architecture:
    return Architecture(input_shape=input_shape, layers=layers)


@pytest.mark.parametrize("name", RUNNING)
def test_a_preset_answers_alike(name: str) -> None:
    check(PRESETS[name].architecture)


def test_every_kind_of_layer_is_known() -> None:
    assert set(_MAKERS) == {*LAYERS.values(), *RARE.values(), *joins.JOINS.values()}


@pytest.mark.parametrize("kind", LAYERS)
def test_a_single_layer_answers_alike(kind: str) -> None:
    fields = {"GroupNorm": {"num_groups": 2}}.get(kind, {})
    before = [make_layer("Flatten")] if kind == "Linear" else []
    check(net(*before, make_layer(kind, **fields)))


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        ("Conv2d", {"padding": 1, "stride": 2}),
        ("Conv2d", {"padding": 2}),
        ("Conv2d", {"padding": 1, "kernel_size": 2, "bias": False}),
        ("Conv2d", {"dilation": 2, "stride": 2, "padding": 1}),
        ("Conv2d", {"dilation": 2, "padding": 2}),
        ("Conv2d", {"groups": 2}),
        ("Conv2d", {"groups": 4, "out_channels": 4}),
        ("Conv2d", {"groups": 4, "out_channels": 12, "stride": 2, "padding": 1, "dilation": 2}),
        ("MaxPool2d", {"kernel_size": 3, "stride": 2, "padding": 1}),
        ("MaxPool2d", {"kernel_size": 2, "ceil_mode": True}),
        ("MaxPool2d", {"kernel_size": 3, "stride": 2, "padding": 1, "ceil_mode": True}),
        ("AvgPool2d", {"kernel_size": 3, "stride": 2, "padding": 1}),
        ("AvgPool2d", {"kernel_size": 2, "ceil_mode": True}),
        ("AvgPool2d", {"kernel_size": 4, "stride": 3, "padding": 1, "ceil_mode": True}),
        ("AdaptiveAvgPool2d", {"output_size": 2}),
        ("AdaptiveAvgPool2d", {"output_size": 3}),
        ("LocalResponseNorm", {"size": 3, "alpha": 0.5, "beta": 0.6, "k": 2.0}),
        ("LocalResponseNorm", {"size": 2, "alpha": 0.5}),
        ("ZeroPad2d", {"left": 0, "right": 2, "top": 3, "bottom": 1}),
        ("LayerNorm", {"eps": 0.1}),
        ("BatchNorm2d", {"eps": 0.1, "momentum": 0.3}),
    ],
)
def test_what_keras_does_in_another_way_answers_alike(kind: str, fields: dict[str, Any]) -> None:
    check(net(make_layer(kind, **fields)))
    check(net(make_layer(kind, **fields), make_layer("Flatten"), make_layer("Linear", out_features=3)))


@pytest.mark.parametrize("codes", ["digits", "random"])
def test_rare_layers_answer_alike(codes: str) -> None:
    check(
        net(
            RARE["SelectChannels"](channels=(0, 2, 2, 3, 1, 0)),
            make_layer("Conv2d", out_channels=9, groups=3),
            make_layer("Flatten"),
            make_layer("Linear", out_features=84),
            RARE["RBF"](codes=codes),
        )
    )


@pytest.mark.parametrize("kind", BLOCKS)
def test_a_block_answers_alike(kind: str) -> None:
    conv = make_layer("Conv2d", out_channels=4, padding=1)
    inside = {
        "Sequence": {"layers": (conv, make_layer("ReLU")), "repeat": 2, "name": "stage"},
        "Residual": {"layers": (conv, make_layer("BatchNorm2d"))},
        "Branches": {"branches": (Sequence(layers=(conv,)), Sequence())},
        "DenseBlock": {"layers": (conv,), "repeat": 3},
    }
    check(net(make_layer(kind, **inside.get(kind, {})), make_layer("Flatten"), make_layer("Linear")))


@pytest.mark.parametrize(
    "block",
    [
        Residual(layers=(make_layer("Conv2d", out_channels=7, stride=2, padding=1),), shortcut="pad"),
        Residual(layers=(make_layer("Conv2d", out_channels=6, stride=2, padding=1),), shortcut="projection"),
        Side(branches=(Sequence(layers=(make_layer("ReLU"),)), Sequence()), split=True),
        Side(branches=(Sequence(layers=(make_layer("ReLU"),), repeat=2), Sequence(), Sequence()), join="add"),
        DenseBlock(layers=(Residual(layers=(make_layer("Tanh"),)),), repeat=2),
        Residual(layers=()),
    ],
)
def test_joins_answer_alike(block: Any) -> None:
    check(net(block))
    check(net(make_layer("Conv2d", out_channels=4), block, make_layer("AdaptiveAvgPool2d"), make_layer("Flatten")))


@pytest.mark.filterwarnings(
    "ignore:[^a-z]*(Exception encountered|You are using a softmax over axis)"
)  # true, and drawn here
@settings(max_examples=40)
@given(networks(most=5) | trees())
def test_any_network_answers_alike(architecture: Architecture) -> None:
    architecture = running(architecture)
    assume(architecture.trace().rows)
    check(architecture)
