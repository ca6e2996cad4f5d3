"""The learning-rate finder: on curves whose answer is known, and on real digits."""

import json
import math

import pytest
import torch
from click.testing import CliRunner

from cnnlab.architecture.presets import PRESETS
from cnnlab.cli import main
from cnnlab.data.loader import load
from cnnlab.training.events import TrainEvent
from cnnlab.training.loop import Training
from cnnlab.training.lr_finder import HIGHEST, LOWEST, STEPS, Trial, find_lr, read_curve
from cnnlab.training.recipe import Recipe

MLP = PRESETS["mlp-lenet"].architecture
RECIPE = Recipe(batch_size=64, precision="float32", memory_format="contiguous", threads=1)


@pytest.fixture(scope="module")
def mnist():
    return load("mnist")


def finding(search):
    while True:
        try:
            next(search)
        except StopIteration as end:
            return end.value


def curve(loss_of, steps=STEPS):
    rates = [LOWEST * (HIGHEST / LOWEST) ** (t / (steps - 1)) for t in range(steps)]
    return tuple(Trial(t + 1, lr, loss_of(lr)) for t, lr in enumerate(rates))


@pytest.mark.parametrize("middle", [1e-4, 1e-3, 1e-2])
def test_on_a_smooth_fall_it_suggests_the_middle(middle):
    found = read_curve(curve(lambda lr: 2.3 / (1 + (lr / middle) ** 1.5)))
    assert math.log10(found.suggested / middle) == pytest.approx(0, abs=0.1)
    assert found.edge is None
    assert len(found.smoothed) == len(found.trials) == STEPS


def test_the_edge_is_where_the_loss_is_a_quarter_above_its_minimum():
    found = read_curve(curve(lambda lr: 1 / (1 + (lr / 1e-4) ** 2) + 0.5 + (lr / 0.1) ** 4))
    assert found.edge == pytest.approx(0.1 * (0.25 * 0.5) ** 0.25, rel=0.2)
    assert 5e-5 < found.suggested < 1e-4 * 2


def test_a_flat_curve_and_a_short_one_suggest_nothing():
    assert read_curve(curve(lambda lr: 2.3)).suggested is None
    assert read_curve(curve(lambda lr: 2.3 + lr * 9)).suggested is None
    assert read_curve(curve(lambda lr: 2.3, 100)[:5]).suggested is None
    assert read_curve(()).suggested is None


@pytest.mark.parametrize(
    ("optimizer", "low", "high"),
    [({"optimizer": "adam"}, 5e-4, 1e-2), ({"optimizer": "sgd", "momentum": 0.9}, 5e-3, 0.1)],
)
def test_on_real_digits_the_suggestion_learns_and_the_edge_does_not(mnist, optimizer, low, high):
    recipe = RECIPE.changed(**optimizer)
    found = finding(find_lr(MLP, mnist, recipe))
    assert low <= found.suggested <= high
    assert found.suggested < found.edge < 1

    def loss_at(lr):
        events = Training(MLP, mnist, recipe.changed(lr=lr)).events()
        losses = [next(e for e in events if isinstance(e, TrainEvent)).loss for _ in range(120)]
        return sum(losses[-20:]) / 20

    suggested = loss_at(found.suggested)
    assert suggested < 0.6
    assert suggested < 0.6 * loss_at(found.suggested / 100)
    assert suggested < 0.6 * loss_at(found.edge * 5)


def test_the_steps_are_those_of_the_recipe_and_nothing_lasts(mnist):
    torch.manual_seed(1)
    before = torch.get_rng_state()
    training = Training(MLP, mnist, RECIPE)
    events = training.events()
    first = next(events)
    kept = training.checkpoint()
    fresh = [trial for trial, _ in zip(find_lr(MLP, mnist, RECIPE), range(3))]
    assert fresh[0].loss == first.loss
    assert [trial.lr for trial in fresh] == pytest.approx([1e-6 * 10 ** (6 * t / 99) for t in range(3)])
    later = next(find_lr(MLP, mnist, RECIPE, kept))
    assert later.loss == next(events).loss  # the next batch of that run, with its weights
    assert torch.equal(torch.get_rng_state(), before)
    assert training.step == 2


def test_the_search_is_the_same_twice_and_ends_when_the_loss_is_lost(mnist):
    recipe = RECIPE.changed(optimizer="rmsprop")
    one, two = finding(find_lr(MLP, mnist, recipe)), finding(find_lr(MLP, mnist, recipe))
    assert one == two
    assert len(one.trials) < STEPS
    assert one.edge < one.trials[-1].lr * 1.001


def test_the_command_prints_suggestion_and_curve(lab_home):
    arguments = ["train", "--net", "mlp-lenet", "--find-lr", "--precision", "float32", "--threads", "1"]
    arguments += ["--memory-format", "contiguous"]
    told = CliRunner().invoke(main, [*arguments, "--json"])
    assert told.exit_code == 0, told.output
    result = json.loads(told.stdout)
    assert result.keys() == {"suggested_lr", "edge_lr", "curve"}
    assert result["suggested_lr"] in [point["lr"] for point in result["curve"]]
    assert result["curve"][0].keys() == {"lr", "loss", "smoothed"}
    said = CliRunner().invoke(main, arguments)
    assert f"suggested learning rate {result['suggested_lr']:.2g}" in said.stdout
    refused = CliRunner().invoke(main, ["train", "--net", "article-004-cnn", "--find-lr"])
    assert refused.exit_code == 2
    assert "fc1" in refused.stderr
