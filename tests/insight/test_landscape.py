"""The landscape: its centre, its points, its directions and its marbles are what torch says."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from cnnlab.data.loader import load
from cnnlab.description import ModelRef
from cnnlab.errors import CnnLabError, ModelError, RunError
from cnnlab.insight.landscape import (
    WAYS,
    Ask,
    Throw,
    found_for,
    ground_for,
    marble,
    path_plane,
    points_of,
    random_plane,
    roll,
    rules,
    survey,
    surveying,
    weights_plane,
)
from cnnlab.model import Model
from cnnlab.runs import resolve

NAMES = ("article-000-lenet5", "article-003-keras", "mnist-sprint")


@pytest.fixture(autouse=True)
def _few(monkeypatch):
    """Measure few points, so that the tests are quick; the arithmetic is the same."""
    monkeypatch.setattr(surveying, "LEVELS", (3, 5))


def bundled(name):
    return resolve(ModelRef(f"bundled:{name}"))


def own_loss(model, ground):
    """Return the loss by torch alone, from the pictures on."""
    split = load(model.about.data).fit
    logits = model.logits(split.images[ground.index], mirror=False)
    smoothing = model.about.recipe.get("label_smoothing", 0.0)
    return float(torch.nn.functional.cross_entropy(logits, split.targets[ground.index], label_smoothing=smoothing))


def with_weights(model, ground, weights):
    """Return another model whose parameters are ``weights``."""
    state, start = dict(model.state), 0
    for name, shape in ground.shapes:
        size = int(np.prod(shape))
        state[name] = weights[start : start + size].view(shape)
        start += size
    return Model(model.description, state)


def last(steps):
    found = []
    while True:
        try:
            found.append(next(steps))
        except StopIteration as end:
            return end.value, found


@pytest.mark.parametrize("name", NAMES)
def test_the_centre_is_the_model(name):
    model = bundled(name)
    ground = ground_for(model)
    plane = random_plane(ground)
    assert torch.equal(plane.weights(plane.origin), ground.centre)
    assert ground.loss(plane.weights(plane.origin)) == pytest.approx(own_loss(model, ground), rel=1e-5)
    assert ground.loss_of(model) == pytest.approx(own_loss(model, ground), rel=1e-5)


def test_every_point_is_the_loss_of_a_model_with_those_weights():
    model = bundled("mnist-sprint")
    ground = ground_for(model)
    before = {name: tensor.clone() for name, tensor in model.state.items()}
    found, steps = last(survey(model, Ask(seed=3, reach=0.5)))
    assert [step.done for step in steps] == [0, *range(1, 26)] and points_of(found.ask) == 25
    assert found.losses.shape == (5, 5) and found.losses[2, 2] == found.centre
    for row, column in ((0, 0), (1, 3), (4, 2)):
        weights = ground.centre + found.u[column] * found.plane.directions[0] + found.v[row] * found.plane.directions[1]
        other = with_weights(model, ground, weights)
        assert found.losses[row, column] == pytest.approx(own_loss(other, ground), rel=1e-4)
    assert found_for(model, found.ask) is found
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state.items())
    assert not any(parameter.requires_grad for parameter in model.network.parameters())
    assert all(torch.equal(model.network.state_dict()[name], before[name]) for name in before)


@pytest.mark.parametrize("name", NAMES)
def test_directions_are_as_long_as_each_filter(name):
    model = bundled(name)
    ground = ground_for(model)
    plane = random_plane(ground, seed=7)
    for direction in plane.directions:
        start = 0
        for tensor, shape in ground.shapes:
            size = int(np.prod(shape))
            part, weights = direction[start : start + size].view(shape), model.state[tensor]
            start += size
            if len(shape) == 1:
                assert not part.any()
                continue
            for one, other in zip(part, weights):
                assert float(one.norm()) == pytest.approx(float(other.norm()), rel=1e-4)
    assert not torch.equal(*plane.directions)
    assert torch.equal(random_plane(ground, seed=7).directions, plane.directions)


def test_two_weights_are_the_axes():
    model = bundled("article-000-lenet5")
    ground = ground_for(model)
    plane = weights_plane(ground, "conv1.weight[2,0,1,3]", "fc1.bias[4]")
    assert plane.origin == (float(model.state["conv1.weight"][2, 0, 1, 3]), float(model.state["fc1.bias"][4]))
    state = {name: tensor.clone() for name, tensor in model.state.items()}
    state["conv1.weight"][2, 0, 1, 3], state["fc1.bias"][4] = 0.75, -0.25
    other = Model(model.description, state)
    assert ground.loss(plane.weights((0.75, -0.25))) == pytest.approx(own_loss(other, ground), rel=1e-5)


def test_what_is_no_weight_is_said():
    ground = ground_for(bundled("mnist-sprint"))
    for wrong in ("nothing.weight[0]", "conv1.weight[0,0]", "conv1.weight[99,0,0,0]", "conv1[0,0,0]", "1+1", ""):
        with pytest.raises(CnnLabError):
            weights_plane(ground, wrong, "fc1.weight[0,0]")
    with pytest.raises(ModelError, match="two different"):
        weights_plane(ground, "fc1.weight[0,0]", "fc1.weight[0, 0]")


@pytest.mark.parametrize("kind", ["random", "weights"])
def test_the_slope_is_that_of_autograd(kind):
    model = bundled("mnist-sprint")
    ground = ground_for(model)
    plane = (
        random_plane(ground) if kind == "random" else weights_plane(ground, "conv1.weight[0,0,0,0]", "conv2.bias[0]")
    )
    place = torch.tensor([plane.origin[0] + 0.3, plane.origin[1] - 0.2], requires_grad=True)
    network = model.copy_network()
    away = place - torch.tensor(plane.origin)
    weights = ground.centre + away[0] * plane.directions[0] + away[1] * plane.directions[1]
    named, start = {}, 0
    for name, shape in ground.shapes:
        size = int(np.prod(shape))
        named[name] = weights[start : start + size].view(shape)
        start += size
    logits = torch.func.functional_call(network, named, (ground.x,))
    loss = torch.nn.functional.cross_entropy(logits, ground.targets, label_smoothing=ground.recipe.label_smoothing)
    (wanted,) = torch.autograd.grad(loss, place)
    seen, gradient = ground.slope(plane.weights((float(place[0].detach()), float(place[1].detach()))))
    slope, along = plane.slope(gradient)
    assert seen == pytest.approx(float(loss.detach()), rel=1e-5)
    assert slope == pytest.approx(wanted.tolist(), rel=1e-3, abs=1e-5)
    assert 0 < along < 1


def test_a_plane_of_a_path_holds_what_pca_says():
    model = bundled("article-000-lenet5")
    ground = ground_for(model)
    generator = torch.Generator().manual_seed(1)
    ways = torch.randn(3, len(ground.centre), generator=generator)
    weights = torch.tensor([[5.0, 1, 0.2], [3, -2, -0.1], [1, 1, 0.3], [0.5, 0.2, 0.1], [0, 0, 0]])
    moments = [ground.centre + row @ ways for row in weights]
    plane = path_plane(ground, moments)
    matrix = torch.stack(moments).double()
    matrix = matrix - matrix.mean(0)
    values = torch.linalg.svdvals(matrix).square()
    assert plane.held == pytest.approx((values[:2] / values.sum()).tolist(), rel=1e-4)
    gram = plane.directions.double() @ plane.directions.double().T
    assert torch.allclose(gram, torch.eye(2, dtype=torch.float64), atol=1e-5)
    for one in moments:
        place, off = plane.project(one)
        assert all(low <= at <= high for at, (low, high) in zip(place, plane.reach))
        foot = plane.weights(place)
        assert off == pytest.approx(float((one - foot).double().norm()), rel=1e-3, abs=1e-2)
        rest = (one - foot).double() @ plane.directions.double().T
        assert rest.abs().max() < 1e-2 * max(1.0, off)  # what is left stands upright on the plane
    with pytest.raises(RunError, match="3 kept moments"):
        path_plane(ground, moments[:2])
    with pytest.raises(RunError, match="one line"):
        path_plane(ground, [ground.centre] * 4)


@given(
    first=st.lists(st.tuples(st.floats(-5, 5), st.floats(-5, 5)), min_size=1, max_size=12),
    lr=st.floats(1e-4, 1.0),
    rule=st.sampled_from(["descend", "momentum", "adam"]),
)
def test_the_rules_are_those_of_torch(first, lr, rule):
    place = torch.tensor([0.5, -1.5], dtype=torch.float64, requires_grad=True)
    wanted = {
        "descend": lambda: torch.optim.SGD([place], lr),
        "momentum": lambda: torch.optim.SGD([place], lr, momentum=rules.MOMENTUM),
        "adam": lambda: torch.optim.Adam([place], lr, betas=rules.BETAS, eps=rules.EPS),
    }[rule]()
    at, move = (0.5, -1.5), None
    for gradient in first:
        place.grad = torch.tensor(gradient, dtype=torch.float64)
        wanted.step()
        move = getattr(rules, rule)(at, gradient, lr, move)
        at = move.new
        assert at == pytest.approx(place.tolist(), rel=1e-9, abs=1e-12)
        for name, pair in move.state.items():
            assert pair == pytest.approx(wanted.state[place][name].tolist(), rel=1e-9, abs=1e-14)


def test_marbles_roll_from_one_place_by_torch_s_own_steps():
    model = bundled("mnist-sprint")
    ground = ground_for(model)
    plane = random_plane(ground, seed=2)
    throw = Throw((0.4, -0.3), lr=0.01, adam_lr=0.05, steps=4)
    rolled, steps = last(roll(model, plane, throw))
    assert len(steps) == 4 * len(WAYS) == steps[-1].done
    makers = {
        "momentum": lambda p: torch.optim.SGD([p], 0.01, momentum=0.9),
        "adam": lambda p: torch.optim.Adam([p], 0.05),
    }
    for one in rolled:
        place = torch.tensor(throw.place, dtype=torch.float64, requires_grad=True)
        optimizer = makers.get(one.way, lambda p: torch.optim.SGD([p], 0.01))(place)
        for move, images in zip(one.moves, marble.order(ground, one.way, throw)):
            at = (float(place[0].detach()), float(place[1].detach()))
            gradient, _along = plane.slope(ground.slope(plane.weights(at), images)[1])
            place.grad = torch.tensor(gradient, dtype=torch.float64)
            optimizer.step()
            assert move.new == pytest.approx(place.tolist(), rel=1e-5, abs=1e-6)
        assert one.places[0] == throw.place and len(one.losses) == 5
        assert one.losses[-1] == pytest.approx(ground.loss(plane.weights(one.places[-1])))
    assert rolled[0].losses[-1] < rolled[0].losses[0]


def test_each_image_comes_once_before_any_comes_again():
    ground = ground_for(bundled("mnist-sprint"))
    drawn = marble.order(ground, "single", Throw((0, 0), 1, 1, steps=len(ground)))
    assert sorted(int(one[0]) for one in drawn) == list(range(len(ground)))
    assert {len(one) for one in marble.order(ground, "mini", Throw((0, 0), 1, 1))} == {marble.MINI}


def test_a_marble_that_leaves_the_map_is_given_up():
    model = bundled("mnist-sprint")
    rolled, _steps = last(roll(model, random_plane(ground_for(model)), Throw((0.9, 0.9), lr=1e6, adam_lr=0.1, steps=3)))
    assert rolled[0].gone and len(rolled[0].moves) == 1 and not rolled[-1].gone


def test_a_survey_that_is_called_off_leaves_the_model_as_it_was():
    model = bundled("article-003-keras")
    before = {name: tensor.clone() for name, tensor in model.network.state_dict().items()}
    steps = survey(model, Ask())
    for _ in range(4):
        next(steps)
    steps.close()
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.network.state_dict().items())
    assert not any(one._forward_hooks or one.training for one in model.network.modules())
    assert found_for(model, replace(Ask(), seed=99)) is None
