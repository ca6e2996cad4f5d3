"""Looking inside: the same numbers as the network's own pass, nothing left behind, the right pixels."""

from __future__ import annotations

import copy

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from cnnlab.architecture import layers as L
from cnnlab.errors import ModelError
from cnnlab.insight import ORDERS, filters, look, order, window
from tests.insight.makers import GREY, MODELS, grey, image_of, mlp, model_of, picture_for

NETS = pytest.mark.parametrize("net", [*MODELS, "mlp"])


def make(net):
    return mlp() if net == "mlp" else MODELS[net]()


@NETS
def test_all_maps_are_those_of_the_networks_own_pass(net):
    model = make(net)
    image = picture_for(model)
    caught = {}
    network = model.copy_network()
    for name, module in network.leaves():
        module.register_forward_hook(lambda _m, _i, out, name=name: caught.update({name: out[0].clone()}))
    with torch.no_grad():
        network(model.preprocessing.apply(image[None]))
    seen = look(model, image)
    assert list(seen.maps) == list(model.architecture.names)
    for name, values in caught.items():
        assert torch.equal(seen.maps[name], values)
    rows = model.architecture.trace().rows
    assert [tuple(m.shape) for m in seen.maps.values()] == [row.output_shape for row in rows]
    torch.testing.assert_close(seen.logits, model.logits(image[None], mirror=False)[0])
    torch.testing.assert_close(seen.probs, seen.logits.softmax(0))
    assert torch.equal(seen.input, model.preprocessing.apply(image[None])[0])
    assert torch.equal(seen.arriving(model.architecture.names[0]), seen.input)
    assert torch.equal(seen.arriving(model.architecture.names[-1]), list(seen.maps.values())[-2])


@NETS
def test_a_look_leaves_nothing_behind_even_a_failed_one(net):
    model = make(net)
    before = copy.deepcopy(model.network.state_dict())
    modes = [(module.training, len(module._forward_hooks)) for module in model.network.modules()]
    look(model, picture_for(model))
    with pytest.raises(ModelError):
        look(model, image_of((2, 5, 5)))
    assert torch.is_grad_enabled()
    assert [(module.training, len(module._forward_hooks)) for module in model.network.modules()] == modes
    assert all(p.grad is None and not p.requires_grad for p in model.network.parameters())
    assert all(torch.equal(before[name], tensor) for name, tensor in model.network.state_dict().items())


def test_a_look_cannot_be_changed_through_its_maps():
    model = grey()
    image = picture_for(model)
    seen = look(model, image)
    for values in seen.maps.values():
        values.zero_()
    assert float(look(model, image).maps["conv1"].abs().max()) > 0


def test_an_unknown_layer_is_named_with_those_there_are():
    model = grey()
    with pytest.raises(ModelError, match="conv9.*conv1, bn1"):
        look(model, picture_for(model)).arriving("conv9")


def test_filters_are_copies_of_the_weights():
    model = grey()
    found = filters(model, "conv2")
    assert torch.equal(found.weight, model.state["conv2.weight"])
    assert torch.equal(found.bias, model.state["conv2.bias"])
    assert found.is_conv
    found.weight.zero_()
    assert float(model.state["conv2.weight"].abs().max()) > 0
    assert not filters(model, "fc1").is_conv


@pytest.mark.parametrize("layer", ["relu1", "bn1", "nowhere"])
def test_layers_without_filters_say_so(layer):
    with pytest.raises(ModelError, match="conv1, conv2, fc1"):
        filters(grey(), layer)


def test_groups_tell_which_channels_a_filter_sees():
    found = filters(MODELS["colour"](), "conv2")
    assert found.groups == 3
    assert [list(found.channels_of(unit)) for unit in range(6)] == [[0, 1], [0, 1], [2, 3], [2, 3], [4, 5], [4, 5]]


@pytest.mark.parametrize("layer", ["conv1", "conv2", "fc1"])
def test_filters_are_sorted_by_norm_and_by_likeness(layer):
    found = filters(grey(), layer)
    flat = found.weight.flatten(1).double()
    orders = {by: order(found, by) for by in ORDERS}
    assert all(sorted(one) == list(range(len(flat))) for one in orders.values())
    assert orders["number"] == tuple(range(len(flat)))
    norms = flat.norm(dim=1)[list(orders["norm"])]
    assert (norms.diff() <= 0).all()
    chain = orders["similarity"]
    assert chain[0] == orders["norm"][0]
    for place in range(1, len(chain)):
        likeness = torch.cosine_similarity(flat, flat[chain[place - 1]][None], dim=1)
        assert likeness[chain[place]] == pytest.approx(float(likeness[list(chain[place:])].max()))


def test_only_windows_have_a_window():
    model = grey()
    assert window(model.architecture, "conv1") == (3, 1, 1, 1)
    assert window(model.architecture, "pool1") == (2, 2, 0, 1)
    assert window(model.architecture, "relu1") is None


@given(data=st.data())
def test_the_field_holds_every_pixel_that_moves_the_unit(data):
    """The oracle is autograd: a pixel outside the box has no gradient, and the box is no larger than it must be."""
    kernel = data.draw(st.integers(1, 4), "kernel")
    layers = [
        L.Conv2d(
            out_channels=2,
            kernel_size=kernel,
            stride=data.draw(st.integers(1, 2), "stride"),
            padding=data.draw(st.integers(0, 2), "padding"),
            dilation=data.draw(st.integers(1, 2), "dilation"),
        ),
        L.Tanh(),
        L.AvgPool2d(kernel_size=2, stride=data.draw(st.integers(1, 2), "pool stride")),
    ]
    model = model_of(GREY, [*layers, L.Flatten(), L.Linear(out_features=2)], seed=4)
    shape = model.architecture.trace().rows[2].output_shape
    index = tuple(data.draw(st.integers(0, size - 1), f"index {axis}") for axis, size in enumerate(shape))
    x = model.preprocessing.apply(image_of(GREY)[None]).requires_grad_(True)
    net = model.network
    (grad,) = torch.autograd.grad(net.pool1(net.tanh1(net.conv1(x)))[(0, *index)], x)
    moved = grad[0, 0].abs() > 0
    box = model.architecture.trace().rows[2].receptive_field.box(index)
    if box is None:
        assert not moved.any()
        return
    (top, bottom), (left, right) = box
    rows, cols = moved.any(1).nonzero().flatten().tolist(), moved.any(0).nonzero().flatten().tolist()
    assert rows
    assert (min(rows), max(rows)) == (top, bottom)
    assert (min(cols), max(cols)) == (left, right)
