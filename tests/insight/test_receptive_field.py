"""What a unit sees: autograd's own gradients, nothing outside the box, nothing left behind."""

import copy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from cnnlab.architecture import Architecture
from cnnlab.architecture import layers as L
from cnnlab.architecture.presets import PRESETS
from cnnlab.build import build
from cnnlab.errors import ArchitectureError, ModelError
from cnnlab.insight.receptive_field import AT_ONCE, Field, field, field_at_start
from tests.architecture.strategies import running, trees
from tests.insight.makers import MODELS, image_of
from tests.insight.test_overview import fresh


def pictures(model, count):
    return torch.stack([image_of(model.preprocessing.data_shape, seed) for seed in range(count)])


def one_by_one(model, images, layer, index):
    """Return the mean |gradient|, image by image, by torch's backward through a network of one's own."""
    network = model.copy_network()
    total = torch.zeros(model.architecture.input_shape[1:], dtype=torch.float64)
    for image in images:
        x = model.preprocessing.apply(image[None]).requires_grad_(True)
        maps = {}
        network.run(x, seen=lambda name, value, maps=maps: maps.update({name: value}))
        maps[layer][(0, *index)].backward()
        total += x.grad[0].abs().double().sum(0)
    return total / len(images)


@pytest.mark.parametrize("net", MODELS)
def test_the_effect_is_torchs_mean_gradient(net):
    model = MODELS[net]()
    images = pictures(model, AT_ONCE + 3)
    for row in model.architecture.trace().rows:
        index = tuple(side // 2 for side in row.output_shape)
        found = field(model, images, row.name, index)
        torch.testing.assert_close(found.effect, one_by_one(model, images, row.name, index), rtol=1e-4, atol=1e-7)
        assert found.images == len(images)


@settings(max_examples=15)
@given(architecture=trees().map(running), data=st.data())
def test_nothing_outside_the_box_moves_a_unit(architecture, data):
    rows = architecture.trace().rows
    if not rows:
        return
    network = build(architecture, torch.Generator().manual_seed(1)).eval().requires_grad_(False)
    from cnnlab.insight.receptive_field import _field

    row = data.draw(st.sampled_from(rows))
    index = tuple(data.draw(st.integers(0, size - 1)) for size in row.output_shape)
    noise = torch.randn(2, *architecture.input_shape, generator=torch.Generator().manual_seed(2))
    found = _field(network, architecture, noise, row.name, [index])
    outside = found.effect.clone()
    if found.box is not None:
        (top, bottom), (left, right) = found.box
        outside[top : bottom + 1, left : right + 1] = 0
    assert float(outside.max()) == 0


@pytest.mark.parametrize("net", MODELS)
def test_nothing_is_left_behind_even_after_a_failure(net):
    model = MODELS[net]()
    images = pictures(model, 2)
    before = copy.deepcopy(model.network.state_dict())
    layer = model.architecture.names[0]
    field(model, images, layer, (0, 1, 1))
    with pytest.raises(ModelError):
        field(model, images, layer, (0, 99, 0))
    with pytest.raises(ModelError):
        field(model, images, layer, (0,))
    with pytest.raises(ArchitectureError):
        field(model, images, "conv99", (0, 0, 0))
    assert all(torch.equal(before[name], tensor) for name, tensor in model.network.state_dict().items())
    assert all(p.grad is None and not p.requires_grad for p in model.network.parameters())
    assert not any(module.training or module._forward_hooks for module in model.network.modules())
    assert torch.is_grad_enabled()
    with torch.no_grad():  # as a page may be
        assert float(field(model, images, layer, (0, 1, 1)).effect.max()) > 0
        assert not torch.is_grad_enabled()


def test_the_core_is_the_fewest_pixels_that_make_up_the_share():
    effect = torch.tensor([[5.0, 1.0], [3.0, 1.0]], dtype=torch.float64)
    found = Field(((0, 1), (0, 1)), effect, 1, 0)
    assert [found.core(share) for share in (0.4, 0.5, 0.6, 0.8, 0.9, 1.0)] == [1, 1, 2, 2, 3, 4]
    assert Field(None, torch.zeros(2, 2, dtype=torch.float64), 1, 1).core() == 0


def test_a_unit_that_is_off_is_silent():
    model = MODELS["softmax"]()
    state = {name: tensor.clone() for name, tensor in model.state.items()}
    state["conv1.bias"].fill_(-1e3)
    from cnnlab.model import Model

    found = field(Model(model.description, state), pictures(model, 3), "relu1", (0, 1, 1))
    assert (found.silent, found.images, float(found.effect.sum())) == (3, 3, 0.0)


def test_at_the_start_the_middle_counts_most_and_a_large_network_is_left_alone():
    deep = Architecture(name="deep", input_shape=(1, 41, 41), layers=(L.Conv2d(out_channels=4),) * 8)
    found = field_at_start(deep, "conv8", images=8)
    assert found.box == ((12, 28), (12, 28))
    assert found.core() < 0.75 * found.pixels
    centre, corner = found.effect[18:23, 18:23].mean(), found.effect[12:15, 12:15].mean()
    assert float(centre) > 10 * float(corner)
    assert torch.equal(found.effect, field_at_start(deep, "conv8").effect)
    assert field_at_start(PRESETS["vgg16"].architecture, "conv10") is None
    model = fresh(deep.with_layers((*deep.layers, L.Flatten(), L.Linear(out_features=2))))
    assert field(model, pictures(model, 2), "conv8", (0, 12, 12)).box == found.box
