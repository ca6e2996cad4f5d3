"""Shifts: convolutions move along exactly, strides only at their multiples, dense layers not at all."""

import copy

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from cnnlab.architecture import Architecture
from cnnlab.architecture import layers as L
from cnnlab.architecture.presets import PRESETS
from cnnlab.data import loader
from cnnlab.insight.shift import apart, asked, dense_like, not_moved_along, right_answers, shifted, slide
from cnnlab.runs.models import named
from tests.insight.makers import MODELS, model_of, picture_for


@given(right=st.integers(-9, 9), down=st.integers(-9, 9))
def test_a_shift_is_a_roll_with_black_in_place_of_what_comes_round(right, down):
    images = torch.randint(1, 256, (2, 1, 6, 7), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    wanted = torch.zeros_like(images)
    for y in range(6):
        for x in range(7):
            if 0 <= y - down < 6 and 0 <= x - right < 7:
                wanted[..., y, x] = images[..., y - down, x - right]
    assert torch.equal(shifted(images, right, down), wanted)


def test_the_distance_is_zero_for_the_same_and_one_for_nothing_in_common():
    a = torch.tensor([[3.0, 0.0], [1.0, 2.0]])
    assert apart(a, a) == 0
    assert apart(a, torch.tensor([[0.0, 7.0], [-2.0, 1.0]])) == pytest.approx(1)
    assert apart(a, -a) == pytest.approx(2**0.5)
    assert apart(torch.zeros(2, 2), torch.zeros(2, 2)) == 0


@given(stride=st.integers(1, 3), kernel=st.integers(1, 4), pool=st.integers(1, 2))
def test_without_padding_maps_move_along_at_multiples_of_the_stride_and_only_there(stride, kernel, pool):
    layers = [L.Conv2d(out_channels=3, kernel_size=kernel, stride=stride), L.MaxPool2d(kernel_size=2, stride=pool)]
    model = model_of((1, 24, 24), [*layers, L.Flatten(), L.Linear(out_features=2)], seed=1)
    found = slide(model, picture_for(model)[None], range(-6, 7))
    for name, step in (("conv1", stride), ("pool1", stride * pool)):
        for by, distance in zip(found.shifts, found.layers[name]):
            if by % step == 0:
                assert distance == pytest.approx(0, abs=1e-5)
            else:
                assert distance > 0.01
    assert found.answer[6] == 0


def test_the_nearer_of_two_places_counts():
    maps = torch.randn(1, 1, 3, 8, generator=torch.Generator().manual_seed(0))
    assert not_moved_along(maps, maps, 0.5) == 0
    assert not_moved_along(maps, shifted(maps, 1), 0.5) == 0
    assert not_moved_along(maps, shifted(maps, 2), 0.5) > 0.5
    assert not_moved_along(maps, maps, 99) == 1


@pytest.mark.parametrize("net", MODELS)
def test_any_network_can_be_pushed_and_nothing_is_left_behind(net):
    model = MODELS[net]()
    before = copy.deepcopy(model.network.state_dict())
    found = slide(model, torch.stack([picture_for(model, seed) for seed in range(3)]), (-1, 0, 2))
    assert set(found.layers) == {row.name for row in asked(model.architecture)}
    assert all(values[1] == 0 for values in found.layers.values())
    assert all(0 <= one <= 1.0001 for one in found.answer)
    assert all(torch.equal(before[name], tensor) for name, tensor in model.network.state_dict().items())
    assert not any(module.training or module._forward_hooks for module in model.network.modules())


def test_of_a_deep_network_some_layers_are_asked():
    rows = asked(PRESETS["resnet20-cifar"].architecture)
    assert len(rows) == 6
    assert [row.index for row in rows] == sorted({row.index for row in rows})


def test_unmoved_pictures_are_known_as_the_model_knows_them():
    model, test = named("mnist-sprint"), loader.load("mnist").test
    images, targets = test.images[:60], test.targets[:60]
    found = right_answers(model, images, targets, (-8, 0, 1))
    assert found[1] == pytest.approx(float((model.probs(images).argmax(1) == targets).float().mean()))
    assert found[2] > 0.9 > found[0]


@pytest.mark.parametrize("name", ["article-000-lenet5", "mnist-sprint", "cifar-blocks", "resnet-mnist"])
def test_the_dense_network_has_as_many_parameters(name):
    architecture = PRESETS[name].architecture
    dense = dense_like(architecture)
    apart_ = abs(dense.trace().num_params - architecture.trace().num_params)
    unit = 1 + dense.output_shape[0] + torch.Size(architecture.input_shape).numel()
    assert apart_ <= unit / 2 or dense.layers[1].out_features == 1
    assert dense.output_shape == architecture.output_shape
    assert dense_like(
        Architecture(name="x" * 80, **{k: getattr(architecture, k) for k in ("input_shape", "layers")})
    ).name
