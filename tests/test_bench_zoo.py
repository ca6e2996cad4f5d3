"""The zoo's benchmark says what was reached in how many steps, and judges by its bars."""

from dataclasses import replace

from benchmarks.zoo import BARS, one
from cnnlab.architecture.presets import PRESETS
from cnnlab.architecture.zoo import SMALL


def test_a_row_names_what_was_reached_and_in_how_many_steps() -> None:
    preset = PRESETS["squeezenet-mnist"]
    recipe = {**preset.recipe, "epochs": 1, "limit_train": 256, "precision": "float32", "threads": 1}
    found = one(replace(preset, recipe={**recipe, "memory_format": "contiguous"}))
    assert found.what.startswith("squeezenet-mnist: ") and "40,346 parameters, 2 steps" in found.what
    assert isinstance(found.value, float) and found.value > 0
    assert found.met is False  # two steps are not enough
    assert {preset.data for preset in SMALL} == set(BARS)
