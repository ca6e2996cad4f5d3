"""What the small classic networks reach within a lesson: accuracy, parameters, steps and seconds of each one's own recipe.

``python -m cnnlab bench zoo`` measures all of them (most of an hour); ``python -m benchmarks.zoo NAME ...`` those named.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Collection, Iterator
from time import perf_counter

from benchmarks.report import Row, not_measured, row
from benchmarks.training import with_threads
from cnnlab.architecture.preset import Preset
from cnnlab.architecture.zoo import SMALL
from cnnlab.data.loader import load
from cnnlab.errors import DataError
from cnnlab.runs.machine import resolve_recipe
from cnnlab.training.events import TestEvent, TrainEvent
from cnnlab.training.loop import Training
from cnnlab.training.recipe import Recipe

BARS = {"mnist": (0.985, 60), "cifar10": (0.70, 300)}
"""For each data set: the share of its test images that is to be reached, and within how many seconds in steps."""


def measure_zoo(names: Collection[str] = ()) -> Iterator[Row]:
    """Yield a row for each small classic network, or for those of ``names``."""
    for preset in SMALL:
        if not names or preset.name in names:
            yield one(preset)


def one(preset: Preset) -> Row:
    """Return what ``preset`` reaches with its own recipe on its own data set, and how long that takes."""
    least, most_s = BARS[preset.data]
    bar = f"<= {most_s} s, with >= {least:.1%}"
    try:
        dataset = load(preset.data)
    except DataError as error:
        return not_measured(f"{preset.name}, seconds in steps", bar, str(error))
    recipe = resolve_recipe(Recipe.of(preset.recipe), preset.architecture)

    def work() -> tuple[float, int, float]:
        spent, steps, acc = 0.0, 0, 0.0
        began = perf_counter()
        for event in Training(preset.architecture, dataset, recipe).events():
            if isinstance(event, TrainEvent):
                spent, steps = spent + perf_counter() - began, steps + 1
            acc = event.acc if isinstance(event, TestEvent) else acc
            began = perf_counter()
        return acc, steps, spent

    acc, steps, spent = with_threads(1, work)
    count = preset.architecture.trace().num_params
    what = f"{preset.name}: {acc:.2%} of the test images of {preset.data}, {count:,} parameters, {steps:,} steps; seconds in steps"
    return row(what, spent, None, bar, lambda s: s <= most_s and acc >= least, False)


if __name__ == "__main__":
    for measured in measure_zoo(sys.argv[1:]):
        print(json.dumps(measured.as_dict(), ensure_ascii=False), flush=True)  # noqa: T201
