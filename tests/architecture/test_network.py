"""Sizes, counts, errors and receptive fields against torch itself, for all that hypothesis can draw."""

from __future__ import annotations

import json

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from cnnlab.architecture import LAYERS, Address, Architecture, Budget, check_budget, make_layer
from cnnlab.architecture.layers import Conv2d, Flatten, Linear, MaxPool2d, ReLU, Softmax
from cnnlab.build import MODULES, Network, build
from cnnlab.errors import ArchitectureError, BudgetError, CnnLabError, ShapeError
from tests.architecture.strategies import LAYER, LAYER_STRATEGIES, networks


def torch_module(layer, shape):
    """Return the torch module as a reader of torch's documentation would write it, explicit sizes included."""
    match layer.kind:
        case "Conv2d":
            return nn.Conv2d(
                layer.in_channels or shape[0], layer.out_channels, layer.kernel_size, layer.stride, layer.padding,
                layer.dilation, layer.groups, layer.bias,
            )  # fmt: skip
        case "Linear":
            return nn.Linear(layer.in_features or shape[-1], layer.out_features, layer.bias)
        case "BatchNorm2d":
            return nn.BatchNorm2d(shape[0])
        case "Dropout" | "Dropout2d":
            return getattr(nn, layer.kind)(layer.p)
    return MODULES[type(layer)](layer, shape)


@given(networks())
@settings(max_examples=300)
def test_trace_agrees_with_torch_layer_by_layer(architecture):
    """Shapes, parameter counts and multiply-adds are torch's; where torch raises, so does the row, and the reverse."""
    x = torch.zeros(2, *architecture.input_shape)
    for row in architecture.trace().rows:
        for_maps = row.layer.kind.endswith("2d") or row.layer.kind in (
            "GroupNorm",
            "LocalResponseNorm",
            "ChannelShuffle",
        )
        if (row.layer.kind == "Linear" and x.dim() == 4) or (for_maps and x.dim() == 2):
            # stricter than torch, which reads (N, F) as one map, and lets Linear work along the last axis of a map
            assert isinstance(row.error, ShapeError)
            return
        if row.layer.kind == "GroupNorm" and x.shape[1:] == (row.layer.num_groups, 1, 1):
            assert isinstance(row.error, ShapeError)  # groups of one number: torch refuses them for a single image
            return
        try:
            module = torch_module(row.layer, tuple(x.shape[1:])).eval()
            with FlopCounterMode(display=False) as counter, torch.no_grad():
                y = module(x)
        except (RuntimeError, ValueError, AssertionError):
            assert isinstance(row.error, ShapeError), row
            return
        assert row.error is None, str(row.error)
        assert row.output_shape == tuple(y.shape[1:])
        assert row.num_params == sum(p.numel() for p in module.parameters())
        assert 2 * row.macs * len(x) == counter.get_total_flops()
        x = y


@given(networks())
@settings(max_examples=100)
def test_build_agrees_with_trace_or_raises_its_error(architecture):
    error = architecture.trace().error
    if error:
        with pytest.raises(ShapeError) as raised:
            build(architecture)
        assert str(raised.value) == str(error)
        assert f"layer {next(r.index for r in architecture.trace().rows if r.error) + 1} (" in str(error)
        return
    network = build(architecture, torch.Generator().manual_seed(0)).eval()
    assert [name for name, _ in network.named_children()] == list(architecture.names)
    assert network.leaves() == list(network.named_children())
    assert tuple(network(torch.zeros(1, *architecture.input_shape)).shape[1:]) == architecture.output_shape
    assert sum(p.numel() for p in network.parameters()) == architecture.trace().num_params


def all_ones(architecture):
    """Return the network with weights of one and means in place of maxima: its gradient shows who sees whom."""
    modules = []
    for row in architecture.trace().rows:
        if row.layer.kind in ("Conv2d", "Linear"):
            module = torch_module(row.layer, row.input_shape).double()
            for parameter in module.parameters():
                nn.init.ones_(parameter)
            modules.append(module)
        elif row.layer.kind == "MaxPool2d":
            modules.append(
                nn.AvgPool2d(row.layer.kernel_size, row.layer.stride, row.layer.padding, row.layer.ceil_mode)
            )
        elif row.layer.kind in ("AvgPool2d", "AdaptiveAvgPool2d", "Flatten"):
            modules.append(torch_module(row.layer, row.input_shape))
    return nn.Sequential(*modules)


@given(
    networks(
        st.one_of(
            *(
                LAYER_STRATEGIES[k]
                for k in ("Conv2d", "MaxPool2d", "AvgPool2d", "AdaptiveAvgPool2d", "Flatten", "Linear")
            )
        ),
        4,
    ),
    st.data(),
)
@settings(max_examples=150)
def test_receptive_field_is_the_support_of_the_gradient(architecture, data):
    trace = architecture.trace()
    assume(trace.error is None)
    module = all_ones(architecture)
    x = torch.ones(1, *architecture.input_shape, dtype=torch.float64, requires_grad=True)
    y = module(x)[0]
    flat = data.draw(st.integers(0, y.numel() - 1))
    index = tuple(int(i) for i in torch.unravel_index(torch.tensor(flat), y.shape))
    y[index].backward()
    seen = x.grad[0].abs().sum(0).nonzero()
    box = trace.rows[-1].receptive_field.box(index)
    if len(seen) == 0:
        assert box is None
    else:
        low, high = seen.min(0).values.tolist(), seen.max(0).values.tolist()
        assert box == ((low[0], high[0]), (low[1], high[1]))


def test_receptive_field_of_two_convolutions_and_pools():
    """LeNet: 5 -> 6 -> 14 -> 16 pixels, strides 1, 2, 2, 4 (by the recurrence of Araujo et al. 2019)."""
    network = Architecture(
        input_shape=(1, 32, 32),
        layers=(Conv2d(kernel_size=5), MaxPool2d(), Conv2d(kernel_size=5), MaxPool2d()),
    )
    fields = [row.receptive_field for row in network.trace().rows]
    assert [field.size[0] for field in fields] == [5, 6, 14, 16]
    assert [field.stride for field in fields] == [(1, 1), (2, 2), (2, 2), (4, 4)]


@pytest.mark.parametrize("kind", LAYERS)
def test_every_kind_has_strategy_module_and_words(kind):
    layer = LAYERS[kind]
    assert kind in LAYER_STRATEGIES
    assert layer in MODULES
    assert layer.explanation and layer.formula and layer.prefix and layer.__doc__
    for name, info in layer.model_fields.items():
        assert name == "kind" or info.description, f"{kind}.{name} has no description"


@given(networks())
def test_json_round_trip(architecture):
    assert Architecture.from_json(architecture.to_json()) == architecture
    assert Architecture.from_json(architecture.key.encode()) == architecture


@given(networks(most=5), LAYER, st.data())
def test_edits_return_copies(architecture, layer, data):
    before = architecture.key
    index = data.draw(st.integers(0, len(architecture.layers) - 1))
    assert architecture.insert(index, layer).remove(index) == architecture
    assert architecture.duplicate(index).layers[index + 1] == architecture.layers[index]
    to = data.draw(st.integers(0, len(architecture.layers) - 1))
    assert architecture.move(index, to).move(to, index) == architecture
    assert architecture.replace(index, layer).layers[index] == layer
    assert architecture.key == before


def test_names_count_by_prefix():
    network = Architecture(
        input_shape=(1, 8, 8),
        layers=(Conv2d(), ReLU(), Conv2d(), ReLU(), Flatten(), Flatten(), Linear(), Softmax()),
    )
    assert network.names == ("conv1", "relu1", "conv2", "relu2", "flatten", "flatten2", "fc1", "softmax")


BAD_DOCUMENTS = {
    "empty": "",
    "not json": "{",
    "a number": "5",
    "no input": '{"layers": []}',
    "unknown kind": '{"input_shape": [1, 8, 8], "layers": [{"kind": "Conv9"}]}',
    "no kind": '{"input_shape": [1, 8, 8], "layers": [{"p": 0.5}]}',
    "out of range": '{"input_shape": [1, 8, 8], "layers": [{"kind": "Conv2d", "kernel_size": 0}]}',
    "wrong type": '{"input_shape": [1, 8, 8], "layers": [{"kind": "Conv2d", "kernel_size": "three"}]}',
    "a bool for a number": '{"input_shape": [1, 8, 8], "layers": [{"kind": "Conv2d", "stride": true}]}',
    "extra field": '{"input_shape": [1, 8, 8], "layers": [{"kind": "ReLU", "p": 1}]}',
    "nan": '{"input_shape": [1, 8, 8], "layers": [{"kind": "Dropout", "p": NaN}]}',
    "a million layers": '{"input_shape": [1, 8, 8], "layers": [' + ",".join(['{"kind":"ReLU"}'] * 1_000_000) + "]}",
    "too many layers": '{"input_shape": [1, 8, 8], "layers": [' + ",".join(['{"kind":"ReLU"}'] * 501) + "]}",
    "200,000 brackets": "[" * 200_000 + "]" * 200_000,
    "a newer version": '{"version": 99, "input_shape": [1, 8, 8], "layers": []}',
    "huge input": '{"input_shape": [1, 100000, 100000], "layers": []}',
}


@pytest.mark.parametrize("name", BAD_DOCUMENTS)
def test_what_is_no_network_is_refused_in_one_sentence(name):
    with pytest.raises(ArchitectureError) as raised:
        Architecture.from_json(BAD_DOCUMENTS[name])
    text = str(raised.value)
    assert "\n" not in text and 10 < len(text) < 400
    assert "pydantic" not in text


def test_a_finding_names_its_place_and_what_works():
    with pytest.raises(ArchitectureError, match=r"layers\[1\]\.kernel_size: 0 is too small; use 1 or more"):
        Architecture.from_json('{"input_shape":[1,8,8],"layers":[{"kind":"ReLU"},{"kind":"Conv2d","kernel_size":0}]}')


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5),
        lambda c: (
            st.lists(c, max_size=4)
            | st.dictionaries(st.sampled_from(["kind", "layers", "input_shape", "p", "version"]), c, max_size=4)
        ),
        max_leaves=12,
    )
)
def test_any_json_is_a_network_or_an_architecture_error(value):
    text = json.dumps(value)
    try:
        network = Architecture.from_json(text)
    except ArchitectureError:
        return
    assert Architecture.from_json(network.to_json()) == network


def test_budget_refuses_before_anything_is_allocated():
    huge = Architecture(input_shape=(3, 224, 224), layers=(Flatten(), Linear(out_features=10_000_000)))
    assert huge.trace().num_params == 10_000_000 * (3 * 224 * 224 + 1)
    with pytest.raises(BudgetError, match="50,000,000"):
        build(huge)
    wide = Architecture(input_shape=(1, 512, 512), layers=(Conv2d(out_channels=64, padding=1), Flatten(), Linear()))
    limit = Budget(max_params=10**9, max_activation_bytes=10**9)
    works = 10**9 // (4 * wide.trace().activation_elements)
    check_budget(wide, works, limit)
    with pytest.raises(BudgetError, match=f"batch size of {works} or less"):
        check_budget(wide, works + 1, limit)


def test_error_is_placed_and_translated():
    network = Architecture(input_shape=(3, 32, 32), layers=(Flatten(), Linear(in_features=3136)))
    error = network.trace().error
    assert str(error) == (
        "layer 2 (fc1, Linear): 3072 features arrive where in_features=3136 are expected; use in_features=3072"
    )
    assert "3072" in error.text("zh_CN") and "features arrive" not in error.text("zh_CN")
    with pytest.raises(ArchitectureError, match="no layer yet"):
        Architecture(input_shape=(1, 8, 8)).check()


@given(networks(most=3))
def test_address_round_trip(architecture):
    for name in architecture.names:
        for text in (
            name,
            f"{name}[3,4,5]",
            f"{name}[7]",
            f"{name}.weight[3,1,0,2]",
            f"stage2.block1.{name}[0,0,0]",
        ):
            assert str(Address.parse(text)) == text


@pytest.mark.parametrize(
    "text", ["", "conv2[", "conv2[a]", "conv2[1,]", "conv2[-1]", "[1]", "a b", "x" * 300, "conv2[1][2]"]
)
def test_what_is_no_address_is_refused(text):
    with pytest.raises(ArchitectureError, match="not an address"):
        Address.parse(text)


def test_softmax_at_the_end_is_what_logits_stop_before():
    network = Architecture(input_shape=(1, 4, 4), layers=(Flatten(), Linear(), Softmax()))
    module: Network = build(network, torch.Generator().manual_seed(0)).eval()
    x = torch.randn(2, 1, 4, 4, generator=torch.Generator().manual_seed(1))
    assert torch.equal(module.logits(x).softmax(1), module(x))
    plain = build(
        Architecture(input_shape=(1, 4, 4), layers=(Flatten(), Linear())), torch.Generator().manual_seed(0)
    ).eval()
    assert torch.equal(plain.logits(x), plain(x)) and torch.equal(plain(x), module.logits(x))


def test_initialisation_is_torchs_own_under_the_same_seed():
    network = Architecture(
        input_shape=(1, 28, 28),
        layers=(Conv2d(out_channels=4), ReLU(), make_layer("Dropout", p=0.3), Conv2d(out_channels=4, groups=2, bias=False),
                make_layer("Dropout2d", p=0.4), Flatten(), Linear(out_features=5)),
    )  # fmt: skip
    ours = build(network, torch.Generator().manual_seed(7))
    with torch.random.fork_rng():
        torch.manual_seed(7)
        theirs = nn.Sequential(
            nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Dropout(0.3), nn.Conv2d(4, 4, 3, groups=2, bias=False), nn.Dropout2d(0.4),
            nn.Flatten(), nn.Linear(2304, 5),
        )  # fmt: skip
        assert all(torch.equal(a, b) for a, b in zip(ours.parameters(), theirs.parameters()))
        x = torch.randn(3, 1, 28, 28)
        torch.manual_seed(11)
        ours.use_generator(torch.Generator().manual_seed(11))
        assert torch.equal(ours(x), theirs(x))


def test_errors_survive_copying_with_their_values():
    import copy

    error = Architecture(input_shape=(3, 32, 32), layers=(Linear(),)).trace().error
    assert isinstance(error, CnnLabError) and str(copy.copy(error)) == str(error)
