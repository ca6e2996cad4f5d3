"""Changes between two steps: what they do to the rest of the run, and what is refused."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from cnnlab.architecture import Architecture
from cnnlab.architecture.layers import BatchNorm2d, Conv2d, Dropout, Flatten, Linear, ReLU
from cnnlab.architecture.presets import PRESETS
from cnnlab.data.loader import load
from cnnlab.errors import BudgetError, RecipeError, RunError
from cnnlab.training.change import LIVE_FIELDS, Change
from cnnlab.training.events import TrainEvent
from cnnlab.training.loop import Training
from cnnlab.training.recipe import Recipe

NET = Architecture(
    input_shape=(1, 28, 28),
    layers=(
        Conv2d(out_channels=3, kernel_size=5, stride=4),
        BatchNorm2d(),
        ReLU(),
        Dropout(p=0.2),
        Flatten(),
        Linear(out_features=10),
    ),
)
LINEAR = Architecture(input_shape=(1, 28, 28), layers=(Flatten(), Linear(out_features=10)))
RECIPE = Recipe(epochs=3, batch_size=10, limit_train=64, precision="float32", memory_format="contiguous", threads=1)


@pytest.fixture(scope="module")
def mnist():
    return load("mnist")


def _steps(training, count):
    events = training.events()
    return [next(e for e in events if isinstance(e, TrainEvent)) for _ in range(count)]


@given(
    sizes=st.lists(st.tuples(st.integers(0, 5), st.integers(1, 70)), min_size=1, max_size=4),
    count=st.integers(2, 40),
    batch=st.integers(1, 12),
)
def test_another_batch_size_leaves_no_image_out_and_shows_none_twice(sizes, count, batch):
    """The plan alone, without the arithmetic of a step: each epoch's batches are its order, cut at the end as ever."""
    training = Training(LINEAR, load("mnist"), RECIPE.changed(batch_size=batch, limit_train=count))
    seen = {}
    changes = list(sizes)
    for _ in range(2000):
        if training.step == training.steps:
            break
        if changes and training.step >= changes[0][0]:
            training.apply({"batch_size": changes.pop(0)[1]})
        before, left = training.steps, training.steps - training.step
        index = training._order.next()
        training.step += 1
        assert training.steps == before
        assert left > 0
        seen.setdefault(training.epoch, []).append(index)
    assert training.epoch == 3 == len(seen)
    for order in seen.values():
        images = torch.cat(order)
        assert len(images.unique()) == len(images)
        assert min(map(len, order)) > 1 or max(map(len, order)) == 1 or batch == 1 or 1 in [s for _, s in sizes]
    first = torch.cat(seen[1])
    planned = {size: count // min(size, count) * min(size, count) for size in {batch, *(s for _, s in sizes)}}
    assert len(first) in planned.values()


def test_the_batches_after_a_change(mnist):
    training = Training(LINEAR, mnist, RECIPE)  # 64 images: 6 batches of 10
    assert (training.steps, training.steps_per_epoch) == (18, 6)
    assert [e.images for e in _steps(training, 2)] == [10, 10]
    training.apply({"batch_size": 13})
    assert (training.steps, training.steps_per_epoch) == (2 + 3 + 8, 4)
    assert [e.images for e in _steps(training, 5)] == [13, 13, 14, 13, 13]
    training.apply({"batch_size": 1000})
    assert training.batch_size == 64
    assert [e.images for e in _steps(training, 2)] == [26, 64]
    assert training.step == training.steps
    with pytest.raises(RunError, match="last step"):
        training.apply({"lr": 1})


def test_a_changed_learning_rate_scales_the_schedule(mnist):
    recipe = RECIPE.changed(lr=0.1, schedule="cosine")
    plain = [e.lr for e in _steps(Training(LINEAR, mnist, recipe), 18)]
    training = Training(LINEAR, mnist, recipe)
    rates = [e.lr for e in _steps(training, 7)]
    training.apply({"lr": 0.03})
    rates += [e.lr for e in _steps(training, 11)]
    assert rates[:7] == plain[:7]
    assert rates[7:] == pytest.approx([0.3 * lr for lr in plain[7:]])


def test_another_batch_size_keeps_the_place_in_the_schedule(mnist):
    training = Training(LINEAR, mnist, RECIPE.changed(lr=1.0, schedule="cosine", limit_train=60, epochs=2))
    assert _steps(training, 6)[-1].lr == pytest.approx((1 + math.cos(math.pi * 5 / 12)) / 2)
    training.apply({"batch_size": 20})
    rates = [e.lr for e in _steps(training, 3)]
    assert rates == pytest.approx([(1 + math.cos(math.pi * t / 6)) / 2 for t in (3, 4, 5)])
    assert training.step == training.steps == 9


def test_frozen_layers_stand_still_and_wake_up_again(mnist):
    training = Training(NET, mnist, RECIPE.changed(optimizer="sgd", momentum=0.9, weight_decay=0.1))
    _steps(training, 1)
    training.apply({"frozen": ["conv1", "bn1"]})
    before = training.state()
    _steps(training, 8)  # across the look at the end of an epoch, which changes the mode
    after = training.state()
    still = {name for name in before if torch.equal(before[name], after[name])}
    assert still == {name for name in before if name.startswith(("conv1", "bn1"))}
    training.apply({"frozen": []})
    _steps(training, 1)
    assert all(not torch.equal(after[n], t) for n, t in training.state().items() if n != "conv1.bias")


def test_freezing_from_the_start_is_torch_without_those_parameters(mnist):
    recipe = RECIPE.changed(optimizer="sgd", lr=0.1, momentum=0.9)
    training = Training(NET, mnist, recipe)
    training.apply({"frozen": ["fc1"]})
    _steps(training, 3)
    training.apply({"frozen": []})
    before = training.state()
    _steps(training, 1)
    moved = before["fc1.weight"] - training.state()["fc1.weight"]
    grad = training.network.get_parameter("fc1.weight").grad
    torch.testing.assert_close(moved, 0.1 * grad, rtol=1e-3, atol=1e-7)  # a first step: momentum has nothing yet


def test_momentum_switched_off_and_on_begins_anew(mnist):
    recipe = RECIPE.changed(optimizer="rmsprop", momentum=0.9)
    training = Training(LINEAR, mnist, recipe)
    _steps(training, 2)
    training.apply({"momentum": 0})
    assert not [n for n in training.checkpoint().tensors if n.endswith("momentum_buffer")]
    _steps(training, 1)
    training.apply({"momentum": 0.5})
    assert not any(t.any() for n, t in training.checkpoint().tensors.items() if n.endswith("momentum_buffer"))
    _steps(training, 1)


def test_dropout_and_augmentation_are_those_of_the_change(mnist):
    loud = Training(NET, mnist, RECIPE)
    loud.apply({"dropout": {"drop1": 0.0}, "augmentation": {"flip": True}})
    quiet = Training(NET.replace(3, Dropout(p=0.0)), mnist, RECIPE.changed(augmentation={"flip": True}))
    assert _steps(loud, 4) == _steps(quiet, 4)
    assert loud.dropout == {"drop1": 0.0}
    assert loud.description().about.result["changes"] == [
        {"step": 0, "dropout": {"drop1": 0.0}, "augmentation": loud.recipe.augmentation.model_dump()}
    ]
    assert loud.description().about.recipe["augmentation"]["flip"] is False  # as it was begun


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({}, "changes nothing"),
        ({"epochs": 3}, "epochs: there is no such field"),
        ({"lr": 0}, "lr: 0 is too small; use more than 0"),
        ({"lr": 100.0}, "lr: 100 is too large; use 10 or less"),
        ({"lr": float("nan")}, "lr"),
        ({"batch_size": 0}, "batch_size"),
        ({"momentum": 0.9}, "it belongs to sgd and rmsprop"),
        ({"nesterov": True}, "it needs SGD"),
        ({"augmentation": {"shift": 99}}, "augmentation.shift"),
        ({"dropout": {"drop2": 0.5}}, "drop2 is no dropout layer of this network; it has drop1"),
        ({"dropout": {"drop1": 1}}, "use less than 1"),
        ({"frozen": ["relu1"]}, "it has conv1, bn1, fc1"),
        ({"frozen": ["conv1", "bn1", "fc1"]}, "leave one free"),
        ({"frozen": "conv1"}, "frozen: 'conv1' is not a list"),
    ],
)
def test_a_wrong_change_is_refused_with_what_works_and_changes_nothing(mnist, change, told):
    training = Training(NET, mnist, RECIPE)
    before = training.checkpoint()
    with pytest.raises(RecipeError, match=told) as caught:
        training.apply(change)
    assert caught.value.text("zh_CN") != str(caught.value)
    assert "\n" not in str(caught.value)
    after = training.checkpoint()
    assert after.standing == before.standing
    assert training.recipe == RECIPE


def test_a_batch_beyond_memory_or_too_small_for_the_network_is_refused(mnist):
    wide = Architecture(
        input_shape=(1, 28, 28),
        layers=(Conv2d(out_channels=1500, kernel_size=3), BatchNorm2d(), Flatten(), Linear(out_features=10)),
    )
    with pytest.raises(BudgetError, match="batch size of"):
        Training(wide, mnist, RECIPE.changed(limit_train=None)).apply({"batch_size": 4096})
    lonely = Architecture(
        input_shape=(1, 28, 28), layers=(Conv2d(out_channels=10, kernel_size=28), BatchNorm2d(), Flatten())
    )
    with pytest.raises(RecipeError, match="batch_size >= 2"):
        Training(lonely, mnist, RECIPE).apply({"batch_size": 1})


def test_with_fixed_filters_and_the_rest_frozen_nothing_is_left(mnist):
    net = Architecture(
        input_shape=(1, 28, 28),
        layers=(Conv2d(out_channels=4, kernel_size=2, bias=False), Flatten(), Linear(out_features=10)),
    )
    with pytest.raises(RecipeError, match="leave one free"):
        Training(net, mnist, RECIPE.changed(whiten=True)).apply({"frozen": ["fc1"]})


def test_between_two_recipes():
    recipe = Recipe.of(PRESETS["cifar-blocks"].recipe)
    change = Change.between(recipe, recipe.changed(lr=0.1, momentum=0.5, epochs=3))
    assert change.values() == {"lr": 0.1, "momentum": 0.5}
    assert Change.between(recipe, recipe.changed(epochs=3)) is None
    assert set(LIVE_FIELDS) <= set(Recipe.model_fields)
    assert set(LIVE_FIELDS) <= set(Change.model_fields)
