"""The whole network at a glance: torch's own modules say how much each map contributes to each other one."""

import copy
from base64 import b64decode

import numpy as np
import pytest
import torch
from hypothesis import given, settings

from cnnlab.architecture import blocks as B
from cnnlab.architecture import check_budget
from cnnlab.architecture import layers as L
from cnnlab.architecture.presets import PRESETS
from cnnlab.build import build
from cnnlab.description import ModelAbout, ModelDescription, Preprocessing
from cnnlab.errors import CnnLabError
from cnnlab.figures import sheets, whole
from cnnlab.insight import look, padded
from cnnlab.insight.arithmetic.passes import INPUT, PROBS
from cnnlab.insight.overview import columns, overview, strongest, values
from cnnlab.model import Model
from tests.architecture.strategies import running, trees
from tests.insight.makers import MODELS, image_of, mlp, model_of, picture_for

OTHERS = {"Multiply", "LayerNorm", "GroupNorm", "LocalResponseNorm", "Softmax", "RBF"}
"""Layers that do not add contributions up and do not work on each map by itself."""


def fresh(architecture):
    """Return a model of ``architecture`` with untrained weights and BatchNorm statistics of its own."""
    shape, channels = architecture.input_shape, architecture.input_shape[0]
    pre = Preprocessing(data_shape=shape, input_shape=shape, mean=(0.4,) * channels, std=(0.3,) * channels)
    generator = torch.Generator().manual_seed(0)
    network = build(architecture, generator)
    for module in network:
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.uniform_(-0.3, 0.3, generator=generator)
            module.running_var.uniform_(0.5, 1.5, generator=generator)
    classes = tuple(map(str, range(architecture.output_shape[0])))
    about = ModelDescription(architecture=architecture, preprocessing=pre, class_names=classes, about=ModelAbout())
    return Model(about, network.state_dict())


def contributions(module, arriving, which, item, shape, each):
    """Return how much map ``item`` of input ``which`` alone changes each map that leaves: the definition, carried out."""
    nothing = [torch.zeros_like(x) for x in arriving]
    alone = [x.clone() for x in nothing]
    flat = alone[which].view(-1) if each is None else alone[which].view(-1, each)
    (flat[item]).copy_((arriving[which].view(-1) if each is None else arriving[which].view(-1, each))[item])
    with torch.no_grad():
        apart = module(*(x[None] for x in alone))[0].double() - module(*(x[None] for x in nothing))[0].double()
    return apart.reshape(shape[0], -1)


def check_against_torch(model, image):
    seen = look(model, image)
    found = columns(model.architecture)
    everything = {column.name for column in found}
    view = overview(model, seen, strongest(model.architecture, seen), opened=everything)
    modules = dict(model.network.leaves())
    for index, column in enumerate(found):
        if not column.kind or column.kind in OTHERS:
            continue
        arriving = [
            seen.input if found[source].name == INPUT else seen.maps[found[source].name] for source in column.inputs
        ]
        for which, fed in enumerate(view.fed[index]):
            source = found[fed.source]
            size = arriving[which].abs().max() + values(column, seen).abs().max()
            for place, item in enumerate(view.shown[fed.source][:3]):
                each = arriving[which].numel() // source.count
                apart = contributions(modules[column.name], arriving, which, item, (column.count,), each)
                wanted = apart.norm(dim=1)[list(view.shown[index])]
                got = fed.strength[:, place].double()
                torch.testing.assert_close(got.abs(), wanted, rtol=2e-3, atol=2e-4 * float(1 + size))
                lean = apart.sum(1)[list(view.shown[index])]
                clear = (lean.abs() > 1e-2 * wanted) & (wanted > 1e-3)
                assert (torch.sign(got)[clear] == torch.sign(lean)[clear]).all(), (column.name, source.name)
        assert all(float(fed.rest.abs().max()) == 0 for fed in view.fed[index])


@pytest.mark.parametrize("net", [*MODELS, "mlp"])
def test_a_link_is_as_strong_as_what_its_map_alone_changes(net):
    model = mlp() if net == "mlp" else MODELS[net]()
    check_against_torch(model, picture_for(model))


@settings(max_examples=25)
@given(architecture=trees().map(running))
def test_a_link_of_any_network_is_as_strong_as_what_its_map_alone_changes(architecture):
    rows = architecture.trace().rows
    if not rows or len(rows[-1].output_shape or ()) == 3:
        architecture = architecture.with_layers((*architecture.layers, L.Flatten(), L.Linear(out_features=3)))
    model = fresh(architecture)
    check_against_torch(model, image_of(architecture.input_shape))


@pytest.mark.parametrize("first", [True, False])
def test_one_map_that_scales_all_others_feeds_each_of_them(first):
    gate = B.Sequence(layers=(L.Conv2d(out_channels=1, kernel_size=1), L.Sigmoid()))
    branches = (gate, B.Sequence()) if first else (B.Sequence(), gate)
    model = model_of(
        (3, 9, 9),
        [
            L.Conv2d(out_channels=5, kernel_size=3),
            B.Branches(branches=branches, join="multiply"),
            L.Flatten(),
            L.Linear(out_features=3),
        ],
    )
    seen = look(model, picture_for(model))
    view = overview(model, seen, strongest(model.architecture, seen))
    number = next(index for index, column in enumerate(view.columns) if column.kind == "Multiply")
    product = values(view.columns[number], seen)[list(view.shown[number])].flatten(1).norm(dim=1)
    by_name = {view.columns[fed.source].kind: fed.strength.abs() for fed in view.fed[number]}
    torch.testing.assert_close(by_name["Sigmoid"], product[:, None])
    torch.testing.assert_close(by_name["Conv2d"], torch.diag(product))


def test_the_links_of_a_softmax_are_the_shares_that_torch_gives():
    shape = (3, 12, 12)
    between = [L.Conv2d(out_channels=4, kernel_size=3), L.Softmax(), L.Conv2d(out_channels=3, kernel_size=9)]
    model = model_of(shape, [*between, L.Flatten()])
    seen = look(model, picture_for(model))
    view = overview(model, seen, strongest(model.architecture, seen))
    maps, ends = view.fed[2][0], view.fed[-1][0]
    shares = seen.maps["conv1"].softmax(0).mean((1, 2))[list(view.shown[1])]
    torch.testing.assert_close(maps.strength, shares.expand(4, 4))
    flat = seen.logits.softmax(0).view(3, -1).sum(1)
    torch.testing.assert_close(ends.strength, flat[list(view.shown[ends.source])].expand(len(view.shown[-1]), 3))


def runs(preset):
    try:
        check_budget(preset.architecture)
    except CnnLabError:
        return False
    return not preset.full_size


@pytest.mark.parametrize("name", [name for name, preset in PRESETS.items() if runs(preset)])
def test_every_preset_has_its_picture(name):
    model = fresh(PRESETS[name].architecture)
    image = image_of(model.preprocessing.data_shape)
    seen = look(model, image)
    order = strongest(model.architecture, seen)
    view = overview(model, seen, order)
    rows = model.architecture.trace().rows
    assert [column.name for column in view.columns if column.kind] == [row.name for row in rows]
    assert view.columns[0].name == INPUT
    ends = view.columns[-1]
    assert ends.name == (rows[-1].name if model.architecture.ends_in_softmax else PROBS)
    torch.testing.assert_close(values(ends, seen).flatten(), seen.probs)
    places = {(column.depth, column.lane) for column in view.columns}
    assert len(places) == len(view.columns)
    for column, shown, fed in zip(view.columns, view.shown, view.fed):
        assert len(set(shown)) == len(shown)
        assert column.depth == max((view.columns[source].depth + 1 for source in column.inputs), default=0)
        assert [one.source for one in fed] == list(column.inputs)
        for one in fed:
            assert one.strength.shape == (len(shown), len(view.shown[one.source]))
            assert torch.isfinite(one.strength).all() and (one.rest >= 0).all()
    data = whole.to_data(view, seen, padded(model, image).numpy(), model.class_names, "layer")
    assert [one["name"] for one in data["columns"]] == [column.name for column in view.columns]


def test_hidden_maps_are_counted_in_the_rest():
    model = fresh(PRESETS["article-003-keras"].architecture)
    seen = look(model, picture_for(model))
    order = strongest(model.architecture, seen)
    folded, whole_net = overview(model, seen, order), overview(model, seen, order, set(order))
    for index in range(len(folded.columns)):
        for one, every in zip(folded.fed[index], whole_net.fed[index]):
            kept = len(folded.shown[index])
            total = one.strength.abs().sum(1) + one.rest
            torch.testing.assert_close(total, every.strength[:kept].abs().sum(1), rtol=1e-4, atol=1e-4)
    assert any(len(a) < len(b) for a, b in zip(folded.shown, whole_net.shown))
    assert folded.shown == tuple(b[: len(a)] for a, b in zip(folded.shown, whole_net.shown))


def test_a_map_stands_in_one_line_until_maps_are_mixed_and_the_strongest_is_first():
    model = fresh(PRESETS["mnist-sprint"].architecture)
    seen = look(model, picture_for(model))
    order = strongest(model.architecture, seen)
    assert order["conv1"] == order["bn1"] == order["relu1"] == order["pool1"]
    size = seen.maps["relu1"].abs().mean(dim=(1, 2))
    assert order["pool1"] == tuple(size.argsort(descending=True, stable=True).tolist())
    assert order["conv2"] != order["conv1"]
    assert order["fc1"] == tuple(range(10))


def test_an_order_of_another_network_is_not_taken():
    model = MODELS["grey"]()
    seen = look(model, picture_for(model))
    view = overview(model, seen, {"conv1": (0, 1, 99), "conv2": (0, 0, 1, 2, 3, 4)})
    assert all(shown == tuple(range(len(shown))) for shown in view.shown)


def test_nothing_is_left_behind():
    model = MODELS["tree"]()
    seen = look(model, picture_for(model))
    before = copy.deepcopy(model.network.state_dict())
    modes = [(module.training, len(module._forward_hooks)) for module in model.network.modules()]
    overview(model, seen, strongest(model.architecture, seen))
    assert [(module.training, len(module._forward_hooks)) for module in model.network.modules()] == modes
    assert all(torch.equal(before[name], tensor) for name, tensor in model.network.state_dict().items())
    assert all(p.grad is None and not p.requires_grad for p in model.network.parameters())


@pytest.mark.parametrize("scale", sheets.SCALES)
def test_the_picture_holds_the_maps_numbers(scale):
    model = MODELS["grey"]()
    image = picture_for(model)
    seen = look(model, image)
    view = overview(model, seen, strongest(model.architecture, seen))
    data = whole.to_data(view, seen, padded(model, image).numpy(), model.class_names, scale)
    conv = next(one for one in data["columns"] if one["name"] == "conv1")
    maps = seen.maps["conv1"][list(conv["shown"])].numpy()
    shades = np.frombuffer(b64decode(conv["tiles"]), np.uint8).reshape(maps.shape)
    largest = np.abs(maps).max(axis=(1, 2))[:, None, None] if scale == "unit" else conv["high"]
    np.testing.assert_allclose(shades / 255 * 2 * largest - largest, maps, atol=float(np.max(largest)) / 120)
    assert (conv["low"] is None) == (scale == "unit")
    highs = {one["high"] for one in data["columns"] if one["kind"] and one["map"]}
    assert (len(highs) == 1) == (scale != "layer")


@pytest.mark.parametrize("shape", [(2, 36, 36), (1, 37, 5), (3, 100, 80), (1, 1, 144)])
def test_large_maps_are_shown_as_means_of_their_blocks(shape):
    maps = np.random.default_rng(0).normal(size=shape)
    small = whole.shrunk(maps)
    step = -(-max(shape[1:]) // 36)
    assert max(small.shape[1:]) <= 36
    for row in range(small.shape[1]):
        for col in range(small.shape[2]):
            block = maps[:, row * step : (row + 1) * step, col * step : (col + 1) * step]
            np.testing.assert_allclose(small[:, row, col], block.mean(axis=(1, 2)), atol=1e-12)
