"""The learning-rate finder in the background: it finds, is called off, and one owner's search is nobody else's."""

from pathlib import Path

import pytest

from cnnlab.architecture.presets import PRESETS
from cnnlab.data.loader import load
from cnnlab.errors import RecipeError, ShapeError
from cnnlab.runs import lr_search
from cnnlab.runs.machine import resolve_recipe
from cnnlab.training.lr_finder import find_lr, read_curve
from cnnlab.training.recipe import Recipe

SPRINT = PRESETS["mnist-sprint"].architecture
RECIPE = Recipe(batch_size=32, precision="float32", memory_format="contiguous", threads=1)


@pytest.fixture(autouse=True)
def _home(lab_home: Path) -> None:
    pass


def test_it_finds_what_the_finder_finds() -> None:
    lr_search.start("me", SPRINT, "mnist", RECIPE)
    found = lr_search.wait("me", 120)
    assert found is not None and found.state == "done" and found.finding is not None
    *_trials, last = steps = list(find_lr(SPRINT, load("mnist"), resolve_recipe(RECIPE, SPRINT)))
    assert found.finding == read_curve(tuple(steps)) and found.trials[-1] == last
    assert found.finding.suggested is not None
    assert lr_search.current("somebody else") is None


def test_it_is_called_off() -> None:
    lr_search.start("me", SPRINT, "mnist", RECIPE.changed(batch_size=2048))
    lr_search.cancel("me")
    found = lr_search.wait("me", 60)
    assert found is not None and found.state == "cancelled" and found.finding is None and not found.live


def test_a_new_one_takes_the_place_of_the_one_before() -> None:
    lr_search.start("me", SPRINT, "mnist", RECIPE.changed(batch_size=2048))
    lr_search.start("me", SPRINT, "mnist", RECIPE)
    found = lr_search.wait("me", 120)
    assert found is not None and found.state == "done" and found.recipe.batch_size == 32


def test_what_cannot_be_trained_is_said_at_once() -> None:
    with pytest.raises((ShapeError, RecipeError)):
        lr_search.start("stranger", PRESETS["cifar-blocks"].architecture, "mnist", RECIPE)
    assert lr_search.current("stranger") is None


def test_it_fits_what_it_was_made_for_whatever_the_rate() -> None:
    search = lr_search.Search(SPRINT, "mnist", RECIPE)
    assert search.fits(SPRINT, "mnist", RECIPE.changed(lr=0.5, schedule="cosine", precision="auto"))
    assert not search.fits(SPRINT, "mnist", RECIPE.changed(batch_size=64))
    assert not search.fits(SPRINT, "cifar10", RECIPE)
    assert not search.fits(PRESETS["mlp-lenet"].architecture, "mnist", RECIPE)
