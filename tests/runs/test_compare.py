"""What two runs differ in, and what a recipe reaches over seeds."""

import statistics

import pytest

from cnnlab.architecture import layers as L
from cnnlab.data.augmentation import Augmentation
from cnnlab.runs.compare import layer_fields, network_differences, over_seeds, recipe_differences
from cnnlab.runs.snapshot import Snapshot
from cnnlab.training.recipe import Recipe
from tests.runs.labs import NET


def run(id="a", recipe=None, acc=0.9, **changes):
    values = {
        "id": id, "name": "x", "owner": "o", "state": "done", "net": NET.name, "data": "mnist", "data_hash": "h",
        "step": 10, "steps": 10, "epoch": 1, "epochs": 1, "images_per_s": 1.0, "train_s": 1.0, "time_left_s": None,
        "train_loss": 0.1, "train_acc": 0.9, "val_loss": 0.1, "val_acc": 0.9, "test_loss": 0.1, "test_acc": acc,
        "error": None, "recipe": recipe or Recipe(), "architecture_key": NET.key, "created": 1.0,
    }  # fmt: skip
    return Snapshot(**{**values, **changes})


def test_equal_recipes_differ_in_nothing():
    assert recipe_differences([Recipe(), Recipe(), Recipe()]) == ()
    assert recipe_differences([Recipe()]) == ()


def test_every_field_that_differs_is_found_once_with_a_value_for_each_run():
    recipes = [
        Recipe(seed=1),
        Recipe(seed=1, lr=0.01, augmentation=Augmentation(shift=2)),
        Recipe(seed=2, threads=2, optimizer="sgd", augmentation=Augmentation(shift=2, flip=True)),
    ]
    found = {one.field: one.values for one in recipe_differences(recipes)}
    assert found == {
        "optimizer": ("adam", "adam", "sgd"),
        "lr": (1e-3, 0.01, 1e-3),
        "augmentation.shift": (0, 2, 2),
        "augmentation.flip": (False, False, True),
        "seed": (1, 1, 2),
        "threads": (0, 0, 2),
    }
    assert list(found)[-2:] == ["seed", "threads"]  # chance and the machine last
    assert {one.field: one.title for one in recipe_differences(recipes)}["lr"] == "Learning rate"


def test_networks_that_are_equal_but_for_their_names():
    assert network_differences(NET, NET.model_copy(update={"name": "another"})) == ()


def test_a_changed_layer_stands_beside_what_it_was():
    other = NET.replace(0, L.Conv2d(out_channels=8, kernel_size=5, stride=2))
    (pair,) = network_differences(NET, other)
    assert pair.names == ("conv1", "conv1")
    assert layer_fields(pair) == ({"out_channels": 4}, {"out_channels": 8})


def test_an_added_layer_has_nothing_beside_it_and_shifts_no_other():
    other = NET.insert(1, L.ReLU()).insert(1, L.Conv2d(out_channels=4))
    pairs = network_differences(NET, other)
    assert [pair.names for pair in pairs] == [(None, "conv2"), (None, "relu1")]
    assert [pair.names for pair in network_differences(other, NET)] == [("conv2", None), ("relu1", None)]
    one, both = layer_fields(pairs[0])
    assert one == {} and both == {"out_channels": 4, "kernel_size": 3}


def test_what_is_only_written_differently_is_no_difference():
    written = NET.replace(0, L.Conv2d(out_channels=4, kernel_size=5, stride=2, in_channels=1))
    written = written.replace(3, L.MaxPool2d(kernel_size=2, stride=2)).replace(
        6, L.Linear(out_features=10, in_features=144)
    )
    assert network_differences(NET, written) == ()
    (pair,) = network_differences(NET, NET.replace(3, L.MaxPool2d(kernel_size=2, stride=1)))
    assert layer_fields(pair) == ({"stride": 2}, {"stride": 1})


def test_another_kind_of_layer_is_one_taken_away_and_one_added():
    pairs = network_differences(NET, NET.replace(2, L.GELU()))
    assert [pair.names for pair in pairs] == [("relu1", None), (None, "gelu1")]


def test_mean_and_spread_over_seeds():
    values = [0.97, 0.98, 0.96]
    runs = [run(str(seed), Recipe(seed=seed, threads=1 + seed % 2), acc) for seed, acc in enumerate(values)]
    (found,) = over_seeds(runs)
    assert [one.recipe.seed for one in found.runs] == [0, 1, 2] and found.count == 3
    assert found.mean == pytest.approx(statistics.mean(values))
    assert found.spread == pytest.approx(statistics.stdev(values))
    assert (found.low, found.high) == (0.96, 0.98)


def test_of_two_runs_with_the_same_seed_the_newer_one_counts():
    (found,) = over_seeds([run("old", acc=0.1), run("new", created=2.0), run("other", Recipe(seed=1))])
    assert [one.id for one in found.runs] == ["new", "other"]
    assert over_seeds([run("old"), run("new", created=2.0)]) == ()


@pytest.mark.parametrize(
    "changes",
    [
        {"recipe": Recipe(seed=1, lr=0.01)},
        {"data": "fashion"},
        {"data_hash": "another"},
        {"architecture_key": NET.replace(2, L.GELU()).key},
        {"changes": ({"step": 3, "change": {"lr": 0.1}},)},
        {"parent": "p", "parent_step": 4},
        {"state": "stopped"},
        {"acc": None},
    ],
)
def test_runs_that_differ_in_more_than_the_seed_do_not_belong_together(changes):
    other = run("other", **{"recipe": Recipe(seed=1), **changes})
    assert over_seeds([run("one"), other]) == ()
    same = run("third", **{**changes, "recipe": changes.get("recipe", Recipe(seed=1)).changed(seed=2)})
    assert len(over_seeds([run("one"), other, same])) == (0 if {"state", "acc"} & set(changes) else 1)


def test_the_name_of_a_network_is_no_difference():
    renamed = NET.model_copy(update={"name": "another"})
    assert len(over_seeds([run("a"), run("b", Recipe(seed=1), architecture_key=renamed.key)])) == 1
