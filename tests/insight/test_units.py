"""Units: what excites them is what the network's own pass says, and what they like best is better than noise."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch

from cnnlab.errors import ModelError
from cnnlab.insight import halfway, look
from cnnlab.insight.surgery import table_for
from cnnlab.insight.surgery.lesions import found_for
from cnnlab.insight.units import (
    WAYS,
    field_box,
    gallery,
    gallery_of,
    page_of,
    preferred,
    responses,
    unit_layers,
    unit_page,
)  # fmt: skip
from cnnlab.insight.units.preferred import STEPS, _roughness, objective_row
from cnnlab.insight.units.responses import NO_UNITS
from cnnlab.model import Model
from cnnlab.runs.models import named
from tests.insight.makers import NETS, grey, images_for, result, same


@pytest.mark.parametrize("net", NETS)
def test_the_answers_are_those_of_the_networks_own_pass(net):
    model = NETS[net]()
    split = images_for(model, 40).test
    maps = [look(model, image).maps for image in split.images]
    for layer in unit_layers(model):
        found = responses(model, split, layer)
        values = torch.stack([one[layer] for one in maps])  # (N, C, ...)
        flat = values.flatten(2) if values.dim() > 2 else values[:, :, None]
        highest, means = flat.amax(2), flat.mean(2)
        assert found.images == 40 and found.channels == flat.shape[1]
        torch.testing.assert_close(torch.tensor(found.values), highest.T.topk(16).values, rtol=1e-4, atol=1e-5)
        assert (np.diff(found.values, axis=1) <= 0).all()
        for unit in range(found.channels):
            for image, value, answer, row, column in zip(
                found.strongest[unit], found.values[unit], found.answers[unit], found.rows[unit], found.columns[unit]
            ):
                there = values[image, unit] if values.dim() == 2 else values[image, unit, row, column]
                assert float(there) == pytest.approx(float(value), rel=1e-4, abs=1e-5)
                assert float(means[image, unit]) == pytest.approx(float(answer), rel=1e-4, abs=1e-5)
        by_class = [means[split.targets == k].mean(0) for k in range(len(model.class_names))]
        torch.testing.assert_close(torch.tensor(found.by_class).float(), torch.stack(by_class, 1), rtol=1e-4, atol=1e-5)


def test_the_answers_are_the_same_however_few_images_go_through_together(monkeypatch):
    model = grey()
    split = images_for(model, 70).test
    whole = responses(model, split, "conv1")
    monkeypatch.setattr(halfway, "PART_BYTES", 9 * 4 * halfway.numbers(model.network, 1))
    assert halfway.together(model.network, 1) == 9
    found = responses(model, split, "conv1")
    assert (found.strongest == whole.strongest).all()
    assert (found.rows == whole.rows).all() and (found.columns == whole.columns).all()
    np.testing.assert_allclose(found.by_class, whole.by_class, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(found.answers, whole.answers, rtol=1e-4, atol=1e-6)


def test_memory_is_not_fetched_anew_for_each_layer():
    """Maps of more than some megabytes are, and that takes several times as long as the sums in them."""
    assert 4 * 32 * 26 * 26 * halfway.together(named("article-003-keras").network) <= 8 * 2**20


@pytest.mark.parametrize("net", NETS)
def test_the_frame_holds_all_that_moves_the_unit(net):
    model = NETS[net]()
    image = images_for(model, 1).test.images[0]
    x = image[None].float().requires_grad_(True)
    pre = model.preprocessing
    with torch.enable_grad():
        padded = torch.nn.functional.pad(x, pre.padding) / 255
        scaled = (padded - torch.tensor(pre.mean).view(1, -1, 1, 1)) / torch.tensor(pre.std).view(1, -1, 1, 1)
        layer = unit_layers(model)[0]
        out = model.network.run(scaled, model.architecture.trace().row(layer).index + 1)
        if out.dim() == 2:
            assert field_box(model, layer, -1, -1) is None
            return
        for row, column in ((0, 0), (out.shape[2] // 2, out.shape[3] - 1)):
            (grad,) = torch.autograd.grad(out[0, 0, row, column], x, retain_graph=True)
            moved = grad[0].abs().sum(0) > 0
            box = field_box(model, layer, row, column)
            if box is None:
                assert not moved.any()
                continue
            top, left, height, width = box
            inside = torch.zeros_like(moved)
            inside[top : top + height, left : left + width] = True
            assert not (moved & ~inside).any()
            assert moved[top : top + height, left : left + width].any(1).all()


@pytest.mark.parametrize("net", NETS)
def test_a_preferred_picture_is_liked_better_than_noise_and_nothing_is_left_behind(net):
    model = NETS[net]()
    before = copy.deepcopy(model.network.state_dict())
    layer = unit_layers(model)[-1]
    found = result(preferred(model, layer, (0, 1, 2), ("free",) * 3))
    assert (found.after > found.before).all()
    assert found.pictures.shape == (3, *model.preprocessing.data_shape) and found.pictures.dtype == np.uint8
    row = objective_row(model, found.layer)
    for unit, picture, value in zip(found.units, torch.tensor(found.pictures), found.after):
        values = look(model, picture).maps[row.name][unit]
        there = values[found.place] if values.dim() else values
        assert float(there) == pytest.approx(float(value), rel=1e-3, abs=1e-4)
    assert same(before, model.network.state_dict())
    assert all(p.grad is None and not p.requires_grad for p in model.network.parameters())
    assert all(not module._forward_hooks and not module.training for module in model.network.modules())


def test_what_is_held_back_is_smoother_and_likes_less():
    model = named("mnist-sprint")
    found = result(preferred(model, "fc1", [3] * 4, tuple(WAYS)))
    assert found.ways == ("free", "smooth", "jittered", "both")
    free, smooth, jittered, both = found.after
    assert free > max(smooth, jittered, both)
    pictures = torch.tensor(found.pictures).float()
    rough = ((pictures[:, :, 1:] - pictures[:, :, :-1]) ** 2).mean((1, 2, 3))
    assert rough[0] > 2 * rough[1] and rough[2] > 2 * rough[3]
    best = responses(model, table_for(model).dataset.test[:500], "fc1").values[3, 0]
    assert free > best  # no drawn digit excites it as much
    again = result(preferred(model, "fc1", [3] * 4, tuple(WAYS)))
    assert (again.pictures == found.pictures).all()


def test_roughness_is_the_derivative_of_the_squared_differences():
    x = torch.randn(2, 3, 5, 4, dtype=torch.float64, requires_grad=True)
    half = ((x[:, :, 1:] - x[:, :, :-1]) ** 2).sum() / 2 + ((x[:, :, :, 1:] - x[:, :, :, :-1]) ** 2).sum() / 2
    (wanted,) = torch.autograd.grad(half, x)
    torch.testing.assert_close(_roughness(x.detach()), wanted)


def test_an_activation_is_driven_from_before_it():
    model = grey()
    assert objective_row(model, "relu1").name == "bn1"
    assert objective_row(model, "pool1").name == "pool1"
    assert not {model.architecture.trace().row(layer).layer.kind for layer in unit_layers(model)} & NO_UNITS


def test_a_page_fills_step_by_step_and_is_found_again():
    bundled = named("mnist-sprint")
    model = Model(bundled.description, bundled.state)  # nobody has asked about this one
    steps = unit_page(model, "relu2", 4)
    first, _losing, second, third = (next(steps) for _step in range(4))
    assert first.found.responses.channels == 32 and first.found.lesion is None
    assert second.found.lesion.units[second.found.place] == 4 and second.found.pictures is None
    assert third.done == 2
    page = result(steps)
    assert page_of(model, "relu2", 4) is page and page_of(model, "relu2", 5) is None
    assert page.pictures.units == (4,) * 4
    assert page.responses is result(unit_page(model, "relu2", 5)).responses


def test_a_gallery_shows_every_channel():
    bundled = named("mnist-sprint")
    model = Model(bundled.description, bundled.state)  # nobody has asked about this one
    steps = gallery(model, "fc1")
    done = [next(steps).done for _step in range(1 + 10 + 3)]
    assert done[:11] == [0, *range(10)] and done[11:] == [10, 10, 10]  # each channel silenced, then the first pictures
    found = result(steps)
    assert gallery_of(model, "fc1") is found and found_for(model, "fc1") is found.lesions
    alone = result(preferred(model, "fc1", (7,), ("both",)))
    assert found.pictures.shape == (10, 1, 28, 28)
    assert np.abs(found.pictures[7].astype(int) - alone.pictures[0]).max() <= 2  # sums in another order
    assert found.lesions.units == tuple(range(10)) and STEPS > 0


def test_a_channel_that_is_not_there_is_said():
    with pytest.raises(ModelError, match="channels 0 to 5"):
        next(preferred(grey(), "conv2", (6,), ("free",)))
