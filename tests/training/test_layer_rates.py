"""Learning rates of single layers, and so many images of each class."""

import pytest
import torch

from cnnlab.architecture import Architecture
from cnnlab.architecture.layers import Conv2d, Flatten, Linear, MaxPool2d, ReLU
from cnnlab.data.loader import load
from cnnlab.errors import RecipeError
from cnnlab.training.change import Change
from cnnlab.training.checks import check_trainable
from cnnlab.training.images import count_images, training_split
from cnnlab.training.loop import Training
from cnnlab.training.recipe import Recipe

NET = Architecture(
    name="two layers",
    input_shape=(1, 28, 28),
    layers=(Conv2d(out_channels=4, kernel_size=5, stride=2), ReLU(), MaxPool2d(), Flatten(), Linear(out_features=10)),
)
SMALL = Recipe(
    epochs=1, batch_size=20, limit_train=100, precision="float32", memory_format="contiguous", threads=1, lr=0.05
)


def weights(recipe, changes=()):
    training = Training(NET, load("mnist"), recipe)
    events = training.events()
    while next(event for event in events if event.kind == "train").step < 4:
        for step, change in changes:
            if step == training.step:
                training.apply(change)
    return training.state()


def test_a_step_of_sgd_is_the_factor_times_as_long():
    def moved(factors):
        training = Training(NET, load("mnist"), SMALL.changed(optimizer="sgd", layer_lr=factors))
        before = training.state()
        next(training.events())
        return {name: tensor - before[name] for name, tensor in training.state().items()}

    plain, slow = moved({}), moved({"conv1": 0.1})
    assert torch.allclose(slow["conv1.weight"], plain["conv1.weight"] * 0.1, rtol=1e-3, atol=1e-9)
    assert torch.equal(slow["fc1.weight"], plain["fc1.weight"])


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "adamw", "rmsprop", "adagrad"])
def test_the_same_as_torch_with_groups_of_parameters(optimizer):
    recipe = SMALL.changed(optimizer=optimizer, layer_lr={"conv1": 0.25}, lr=0.01)
    training = Training(NET, load("mnist"), recipe)
    groups = {group["factor"]: group for group in training._optimizer.param_groups}
    assert set(groups) == {0.25, 1.0}
    assert [id(p) for p in groups[0.25]["params"]] == [id(p) for p in training.network.conv1.parameters()]
    training.learn_next(0.01)
    assert groups[0.25]["lr"] == pytest.approx(0.0025) and groups[1.0]["lr"] == 0.01


def test_factors_of_one_change_nothing_and_are_not_kept():
    assert Recipe(layer_lr={"conv1": 1.0}) == Recipe() and hash(Recipe(layer_lr={"conv1": 1})) == hash(Recipe())
    one, other = Recipe(layer_lr={"b": 2, "a": 0.5}), Recipe(layer_lr={"a": 0.5, "b": 2})
    assert one == other and hash(one) == hash(other) and one.model_dump_json() == other.model_dump_json()
    assert one != Recipe(layer_lr={"a": 0.5})
    assert Recipe.from_json(one.model_dump_json()) == one


def test_a_change_while_it_learns_is_the_same_as_a_restart_there():
    change = {"layer_lr": {"conv1": 0.01}}
    changed = weights(SMALL, [(2, change)])
    training = Training(NET, load("mnist"), SMALL)
    events = training.events()
    while next(event for event in events if event.kind == "train").step < 2:
        pass
    kept = training.checkpoint()
    again = Training.restore(NET, load("mnist"), kept)
    again.apply(change)
    assert again.recipe.layer_lr == {"conv1": 0.01}
    middle = Training.restore(NET, load("mnist"), again.checkpoint())  # the factors come back with the changes
    for one in (again, middle):
        events = one.events()
        while next(event for event in events if event.kind == "train").step < 4:
            pass
        assert all(torch.equal(tensor, changed[name]) for name, tensor in one.state().items())
    again.apply({"layer_lr": {}})
    assert again.recipe.layer_lr == {} and len(again._optimizer.param_groups) == 1


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"layer_lr": {"conv1": 0}}, "freeze it instead"),
        ({"layer_lr": {"conv1": -1}}, "a factor above 0"),
        ({"layer_lr": {"conv1": float("nan")}}, "layer_lr"),
        ({"layer_lr": {"conv1": "much"}}, "layer_lr"),
        ({"limit_train": 5, "limit_per_class": 5}, "not both"),
        ({"limit_per_class": 0}, "limit_per_class"),
    ],
)
def test_what_is_no_factor_or_limit_is_refused(values, said):
    with pytest.raises(RecipeError, match=said):
        Recipe.of(values)


@pytest.mark.parametrize("name", ["conv7", "relu1"])
def test_a_layer_without_weights_is_refused_with_those_there_are(name):
    with pytest.raises(RecipeError, match=f"{name} is no layer with weights.*conv1, fc1"):
        check_trainable(NET, load("mnist"), Recipe(layer_lr={name: 0.1}))
    with pytest.raises(RecipeError, match="conv1, fc1"):
        Change.of({"layer_lr": {name: 0.1}}).check_layers(NET)


@pytest.mark.parametrize("whole", [False, True])
def test_so_many_images_of_each_class_in_their_order(whole):
    dataset = load("mnist")
    recipe = Recipe(limit_per_class=7, full_train=whole)
    split = training_split(dataset, recipe)
    assert split.counts(10) == (7,) * 10 and count_images(dataset, recipe) == 70 == len(split)
    larger = training_split(dataset, recipe.changed(limit_per_class=9))
    assert {bytes(image.numpy()) for image in split.images} <= {bytes(image.numpy()) for image in larger.images}
    full = dataset.train if whole else dataset.fit
    first = full.of_class(3)[:7]
    assert torch.equal(split.images[split.of_class(3)], full.images[first])
    everything = recipe.changed(limit_per_class=10_000_000)
    assert len(training_split(dataset, everything)) == count_images(dataset, everything) == len(full)
