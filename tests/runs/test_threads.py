"""How many threads a run has: by the size of its step and this machine's timing, never by who else is training."""

from __future__ import annotations

import pytest

from cnnlab.architecture.presets import PRESETS
from cnnlab.runs import machine
from cnnlab.training.recipe import Recipe


@pytest.fixture(autouse=True)
def _timed(monkeypatch):
    best = {"precision": "bfloat16", "memory_format": "channels_last", "threads": 2}
    monkeypatch.setattr(machine, "timings", lambda: best)
    monkeypatch.setattr(machine, "cores", lambda: 4)


@pytest.mark.parametrize(
    ("net", "batch_size", "threads"),
    [
        ("article-000-lenet5", 64, 2),
        ("article-000-lenet5", 8, 1),
        ("mnist-sprint", 16, 1),
        ("mnist-sprint", 128, 2),
        ("article-003-keras", 32, 2),
        ("cifar-blocks", 512, 4),
    ],
)
def test_the_size_of_a_step_decides(net, batch_size, threads):
    recipe = machine.resolve_recipe(Recipe(batch_size=batch_size), PRESETS[net].architecture)
    assert recipe.threads == threads
    assert (recipe.precision, recipe.memory_format) == ("bfloat16", "channels_last")


def test_what_a_recipe_says_is_left_alone():
    asked = Recipe(batch_size=64, threads=3, precision="float32", memory_format="contiguous")
    assert machine.resolve_recipe(asked, PRESETS["article-000-lenet5"].architecture) == asked
