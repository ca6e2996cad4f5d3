"""Every gradient and every optimizer's step is the sum that it is said to be: autograd and torch.optim are the judges."""

from __future__ import annotations

import copy
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from cnnlab.architecture import Address
from cnnlab.architecture import layers as L
from cnnlab.errors import ModelError
from cnnlab.insight.backwards import Backward, backward_of, explain_gradient, step_of, walk
from cnnlab.training.optim import make_optimizer
from cnnlab.training.recipe import Recipe
from tests.architecture.strategies import networks, trees
from tests.insight.makers import MODELS, grey, image_of, model_of, picture_for
from tests.insight.test_arithmetic import KINDS, ending_in_a_vector

MSE = Recipe(loss="mse")
SMOOTH = Recipe(label_smoothing=0.1)


def some(back: Backward, seed: int) -> list[Address]:
    """Return two numbers of each layer and of each parameter."""
    draw = torch.Generator().manual_seed(seed)
    found = []
    tensors = {**{name: value[0] for name, value in back.gradients.items()}, **back.weights}
    for name, tensor in tensors.items():
        for _ in range(2):
            index = tuple(int(torch.randint(length, (1,), generator=draw)) for length in tensor.shape)
            layer, _, last = name.rpartition(".")
            found.append(Address(layer, last, index) if name in back.weights else Address(name, None, index))
    return found


def check(back: Backward, unit: Address, image: int, top: int | None = None) -> None:
    told = explain_gradient(back, unit, image, top)
    if not (math.isfinite(told.size) and math.isfinite(told.value)):
        return
    shown = told.bias + math.fsum(term.product for term in told.terms) + told.rest
    assert abs(shown - told.value) <= told.allowed, told
    assert abs(shown - told.value) <= 1e-4 * (told.size + abs(told.bias)) + 1e-7, told
    for term in told.terms:
        entering = term.input_value if term.amount is None else term.amount
        assert term.product == pytest.approx(entering * term.factor, rel=1e-9, abs=1e-300)
        if unit.tensor is None and term.weight is not None:
            weight = back.network.state_dict()[f"{term.weight.layer}.weight"]
            assert term.factor == pytest.approx(float(weight[term.weight.index]), rel=1e-6, abs=1e-12)


def backs(drawn, seed: int) -> list[Backward]:
    architecture = ending_in_a_vector(drawn)
    model = model_of(architecture.input_shape, architecture.layers, seed=seed)
    images = torch.stack([image_of(architecture.input_shape, seed + i) for i in range(3)])
    targets = torch.arange(3) % len(model.class_names)
    return [
        backward_of(model, images, targets, recipe, training=training, seed=seed)
        for recipe, training in ((None, False), (MSE, True), (SMOOTH, True))
    ]


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_on_its_own(kind):
    from cnnlab.architecture import Architecture

    @settings(max_examples=4, deadline=None)
    @given(layer=KINDS[kind], side=st.integers(1, 7))
    def each(layer, side):
        asked = layer.model_copy(update={"in_channels": None, "in_features": None} if hasattr(layer, "bias") else {})
        first = [L.Flatten()] if kind in ("Linear", "RBF") else [L.Conv2d(out_channels=4, kernel_size=1)]
        last = [] if kind in ("Linear", "RBF", "Flatten") else [L.Flatten(), L.Linear(out_features=3)]
        drawn = Architecture(name="one", input_shape=(4, side, side + 1), layers=(*first, asked, *last))
        if drawn.trace().error is None:
            for back in backs(drawn, 1):
                for unit in some(back, side):
                    check(back, unit, 1)

    each()


@settings(max_examples=25, deadline=None)
@given(drawn=networks(), seed=st.integers(0, 1000))
def test_any_network(drawn, seed):
    for back in backs(drawn, seed):
        for unit in some(back, seed):
            check(back, unit, seed % 3)


@settings(max_examples=8, deadline=None)
@given(drawn=trees(), seed=st.integers(0, 1000))
def test_any_network_of_blocks(drawn, seed):
    for back in backs(drawn, seed):
        for unit in some(back, seed):
            check(back, unit, seed % 3, top=3)


def test_the_judge_is_autograd():
    """The gradients that are taken apart are those of an independent backward pass through the model's own network."""
    model = MODELS["softmax"]()
    images = torch.stack([picture_for(model, seed) for seed in range(4)])
    targets = torch.tensor([0, 1, 2, 3])
    back = backward_of(model, images, targets)
    network = model.copy_network().requires_grad_(True)
    loss = torch.nn.functional.nll_loss(network(model.preprocessing.apply(images)).log(), targets)
    loss.backward()
    assert back.loss == pytest.approx(float(loss.detach()), rel=1e-5)
    for name, parameter in network.named_parameters():
        torch.testing.assert_close(back.weights[name], parameter.grad, rtol=1e-4, atol=1e-6)


def test_a_kernel_weight_is_a_sum_over_images_and_positions():
    model = grey()
    images = torch.stack([picture_for(model, seed) for seed in range(2)])
    back = backward_of(model, images, torch.tensor([1, 2]))
    told = explain_gradient(back, "conv1.weight[2,0,1,1]")
    assert len(told.terms) == 2 * 12 * 12  # the middle of the kernel never meets the padding
    assert {term.image for term in told.terms} == {0, 1}
    assert all(term.input.index == (0, *term.weight.index[1:]) for term in told.terms)


def test_a_score_is_probability_minus_target():
    model = grey()
    back = backward_of(model, picture_for(model)[None], torch.tensor([3]))
    told = explain_gradient(back, "fc1[3]")
    assert told.value == pytest.approx(float(back.probs[0, 3]) - 1, abs=1e-6)
    assert "q is what the class should be" in str(told.says)


def test_nothing_is_left_behind():
    model = grey()
    before = copy.deepcopy(model.network.state_dict())
    images = torch.stack([picture_for(model, seed) for seed in range(2)])
    back = backward_of(model, images, torch.tensor([0, 1]), training=True)
    explain_gradient(back, "conv1[0,3,3]")
    for name, tensor in model.network.state_dict().items():
        assert torch.equal(tensor, before[name])
    for network in (model.network, back.network):
        assert not any(p.requires_grad or p.grad is not None for p in network.parameters())
    assert not model.network.training
    with pytest.raises(ModelError, match="no class 9"):
        backward_of(model, images, torch.tensor([0, 9]))
    with pytest.raises(ModelError, match="no gradient arrives"):
        explain_gradient(back, "bn1.running_mean[0]")


RECIPES = [
    Recipe(optimizer="sgd", lr=0.1, momentum=0.0, weight_decay=0.0),
    Recipe(optimizer="sgd", lr=0.1, momentum=0.9, weight_decay=0.01),
    Recipe(optimizer="sgd", lr=0.1, momentum=0.8, nesterov=True, weight_decay=0.01),
    Recipe(optimizer="adam", lr=0.01, weight_decay=0.02),
    Recipe(optimizer="adamw", lr=0.01, weight_decay=0.2),
    Recipe(optimizer="rmsprop", lr=0.01, momentum=0.0, weight_decay=0.01),
    Recipe(optimizer="rmsprop", lr=0.01, momentum=0.9, weight_decay=0.0),
    Recipe(optimizer="adagrad", lr=0.05, weight_decay=0.01),
    Recipe(optimizer="sgd", lr=0.1, momentum=0.9, l1=0.03, weight_decay=0.01),
    Recipe(optimizer="sgd", lr=0.1, momentum=0.0, clip_norm=0.7),
    Recipe(optimizer="adam", lr=0.01, l1=0.2, clip_norm=0.3, weight_decay=0.02),
    Recipe(optimizer="rmsprop", lr=0.01, l1=0.1, clip_norm=1e-4),
]


def recipe_name(recipe: Recipe) -> str:
    words = ("momentum", "weight_decay", "l1", "clip_norm")
    return "-".join([recipe.optimizer, *(str(getattr(recipe, word)) for word in words)])


def torchs_step(loss: torch.Tensor, parameters: list[torch.nn.Parameter], optimizer, recipe: Recipe) -> None:
    """Take one step as one writes it in torch: the penalty is part of the loss, and torch clips."""
    penalty = sum(parameter.abs().sum() for parameter in parameters if parameter.dim() > 1)
    optimizer.zero_grad()
    (loss + recipe.l1 * penalty).backward()
    if recipe.clip_norm:
        torch.nn.utils.clip_grad_norm_(parameters, recipe.clip_norm)
    optimizer.step()


@pytest.mark.parametrize("recipe", RECIPES, ids=recipe_name)
@settings(max_examples=15, deadline=None)
@given(
    weight=st.floats(-2, 2, width=32),
    gradients=st.lists(st.floats(-3, 3, width=32), min_size=1, max_size=6),
)
def test_a_step_is_torchs(recipe, weight, gradients):
    parameter = torch.nn.Parameter(torch.tensor([[weight]], dtype=torch.float32))
    optimizer = make_optimizer([parameter], recipe)
    remembered: dict[str, float] = {}
    for number, gradient in enumerate(gradients, 1):
        before = float(parameter.detach())
        told = step_of(recipe, before, gradient, remembered, number)
        torchs_step(gradient * parameter.sum(), [parameter], optimizer, recipe)
        assert told.after == pytest.approx(float(parameter.detach()), abs=1e-5 * max(1.0, abs(before))), told
        state = optimizer.state[parameter]
        assert told.remembers.keys() == {name for name, value in state.items() if value is not None}
        for name, value in told.remembers.items():
            assert value == pytest.approx(float(state[name]), rel=1e-4, abs=1e-6)
        remembered = {name: float(value) for name, value in state.items() if value is not None}
        assert told.lines[-1].value == told.after and all(str(line.says) for line in told.lines)


@settings(max_examples=12, deadline=None)
@given(
    drawn=networks(),
    optimizer=st.sampled_from(["sgd", "adam", "adamw", "rmsprop", "adagrad"]),
    l1=st.sampled_from([0.0, 0.01, 0.5]),
    clip_norm=st.sampled_from([0.0, 1e-3, 0.5, 900.0]),
    seed=st.integers(0, 1000),
)
def test_a_step_in_any_network_is_torchs(drawn, optimizer, l1, clip_norm, seed):
    """Also with the L1 penalty and with clipping, whose factor depends on every weight of the network."""
    architecture = ending_in_a_vector(drawn)
    model = model_of(architecture.input_shape, architecture.layers, seed=seed)
    images = torch.stack([image_of(architecture.input_shape, seed + i) for i in range(3)])
    targets = torch.arange(3) % len(model.class_names)
    recipe = Recipe(optimizer=optimizer, lr=0.01, l1=l1, clip_norm=clip_norm)
    here = walk(model, images, targets, recipe, training=False)
    network = model.copy_network().requires_grad_(True)
    parameters = dict(network.named_parameters())
    scores = network.logits(model.preprocessing.apply(images))
    loss = torch.nn.functional.cross_entropy(scores, targets)
    if not parameters or not math.isfinite(float(loss.detach())):
        return
    torchs_step(loss, list(parameters.values()), make_optimizer(parameters.values(), recipe), recipe)
    draw = torch.Generator().manual_seed(seed)
    for name, parameter in parameters.items():
        index = tuple(int(torch.randint(length, (1,), generator=draw)) for length in parameter.shape)
        layer, _, last = name.rpartition(".")
        told = here.next_step(Address(layer, last, index))
        if recipe.optimizer != "sgd" and 0 < abs(told.gradient) < 1e-6:
            continue  # g / |g| of a gradient that is rounding alone says nothing
        after = float(parameter.detach()[index])
        assert told.after == pytest.approx(after, abs=1e-5 * max(1.0, abs(told.before), abs(after))), told
        names = {line.name for line in told.lines}
        assert ("clipped" in names) == bool(clip_norm) and ("l1" in names) == (bool(l1) and parameter.dim() > 1)


def test_the_page_is_told_the_length_that_is_clipped():
    model = grey()
    images = torch.stack([picture_for(model, seed) for seed in range(4)])
    recipe = Recipe(optimizer="sgd", lr=0.1, l1=0.01, clip_norm=0.2)
    step = walk(model, images, torch.arange(4), recipe, training=False).next_step("conv1.weight[2,0,1,1]")
    network = model.copy_network().requires_grad_(True)
    loss = torch.nn.functional.cross_entropy(network(model.preprocessing.apply(images)), torch.arange(4))
    (loss + 0.01 * sum(p.abs().sum() for p in network.parameters() if p.dim() > 1)).backward()
    length = float(torch.nn.utils.clip_grad_norm_(network.parameters(), 0.2))
    said = {line.name: str(line.says) for line in step.lines}
    assert "L1 penalty: g + l1 · sign(w) = " in said["l1"]
    assert f"together is {length:.4g} long" in said["clipped"] and f"= {0.2 / (length + 1e-6):.4g}: " in said["clipped"]
    assert step.lines[1].value == pytest.approx(float(network.conv1.weight.grad[2, 0, 1, 1]), rel=1e-4)


def test_what_is_frozen_or_whitened_stands_still():
    from cnnlab.insight.backwards import Memory

    model = grey()
    images = torch.stack([picture_for(model, seed) for seed in range(4)])
    recipe = Recipe(optimizer="sgd", lr=0.1, whiten=True, clip_norm=0.2)
    here = walk(
        model, images, torch.arange(4), recipe, 2, training=False, memory=Memory(7, False, 0.1, recipe, ("fc1",), {})
    )
    assert here.still == {"conv1.weight", "fc1.weight", "fc1.bias"}
    for name in here.still:
        assert torch.equal(here.model.state[name], model.state[name])
    assert not torch.equal(here.model.state["conv2.weight"], model.state["conv2.weight"])
    moving = [value for name, value in here.back.weights.items() if name not in here.still]
    length = float(torch.nn.utils.get_total_norm(moving))
    assert here.length == pytest.approx(length, rel=1e-5)
    step = here.next_step("fc1.weight[0,3]")
    assert step.after == step.before and "stands still" in str(step.lines[0].says) and step.number == 10


@pytest.mark.parametrize("recipe", RECIPES[1:], ids=recipe_name)
def test_the_step_after_some_steps_is_the_next_one_of_the_walk(recipe):
    model = grey()
    images = torch.stack([picture_for(model, seed) for seed in range(4)])
    targets = torch.tensor([0, 1, 2, 3])
    here = walk(model, images, targets, recipe, 3, training=False)
    there = walk(model, images, targets, recipe, 4, training=False)
    for weight in ("conv1.weight[2,0,1,1]", "fc1.weight[3,7]", "bn1.weight[1]", "fc1.bias[0]"):
        told = here.next_step(weight)
        at = Address.parse(weight)
        name = f"{at.layer}.{at.tensor}"
        assert told.before == float(here.model.state[name][at.index])
        assert told.after == pytest.approx(float(there.model.state[name][at.index]), rel=1e-5, abs=1e-6)
        assert told.number == 4 and bool(told.remembered) == (recipe.optimizer != "sgd" or recipe.momentum > 0)
        check(here.back, at, 0)
    assert torch.equal(model.state["conv1.weight"], grey().state["conv1.weight"])


def test_a_number_that_lost_its_pooling_is_said_to_change_nothing():
    model = model_of(
        (1, 4, 4), [L.Conv2d(out_channels=2), L.MaxPool2d(kernel_size=2), L.Flatten(), L.Linear(out_features=2)]
    )
    back = backward_of(model, picture_for(model)[None], torch.tensor([0]), training=False)
    lost = [
        str(told.says) for row in range(2) for column in range(2)
        if (told := explain_gradient(back, f"conv1[0,{row},{column}]")).value == 0
    ]  # fmt: skip
    assert len(lost) == 3 and all("it changes nothing of what it goes into" in says for says in lost)


def test_what_goes_into_several_layers_one_of_which_mixes_the_batch():
    from cnnlab.architecture import blocks

    body = (L.BatchNorm2d(), L.ReLU(), L.Conv2d(out_channels=3, padding=1))
    model = model_of(
        (1, 5, 5), [L.Conv2d(out_channels=3), blocks.Residual(layers=body), L.Flatten(), L.Linear(out_features=2)]
    )
    images = torch.stack([image_of((1, 5, 5), seed) for seed in range(3)])
    back = backward_of(model, images, torch.tensor([0, 1, 0]), training=True)
    told = explain_gradient(back, "conv1[1,1,1]", 2)
    assert {term.image for term in told.terms} == {None, 0, 1, 2}  # None: the shortcut, which mixes nothing
    check(back, told.unit, 2)
