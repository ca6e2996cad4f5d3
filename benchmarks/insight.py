"""How soon one sees inside: the server's part of the pages that look into a network, for the models that come with the lab."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from functools import partial
from statistics import median
from time import perf_counter

from benchmarks.report import Row, row
from benchmarks.surgery import measure_surgery
from benchmarks.training import with_threads
from cnnlab.data.loader import load
from cnnlab.description import bundled_path
from cnnlab.figures import whole
from cnnlab.insight import look, padded
from cnnlab.insight.overview import overview, strongest
from cnnlab.model import Model, Tensor

ROUNDS = 15
FIRST_MS = {"article-000-lenet5": 300, "article-003-keras": 300, "mnist-sprint": 300, "cifar-blocks": 1000}
"""Within how many milliseconds the whole network is to be on the screen, by model."""


def measure_insight() -> Iterator[Row]:
    """Yield a row for each promise: the whole network at a glance, operations on a model, single channels."""
    yield from measure_glances()
    yield from measure_surgery()


def measure_glances(rounds: int = ROUNDS) -> Iterator[Row]:
    """Yield how soon the whole network is there: medians of ``rounds`` rounds in which the models take turns."""
    yield from with_threads(1, partial(_glances, rounds))


def _glances(rounds: int) -> list[Row]:
    """Measure the data for the picture of the whole network: with the model's file read anew, and for a next picture."""
    models = {name: Model.load(bundled_path(name)) for name in FIRST_MS}
    first: dict[str, list[float]] = {name: [] for name in FIRST_MS}
    again: dict[str, list[float]] = {name: [] for name in FIRST_MS}
    for _round in range(rounds):
        for name, model in models.items():
            image = image_for(model)
            first[name].append(_ms(partial(_from_file, name, image)))
            again[name].append(_ms(partial(glance, model, image)))
    return [_row(name, bar, median(first[name]), median(again[name])) for name, bar in FIRST_MS.items()]


def _row(name: str, bar: int, first_ms: float, again_ms: float) -> Row:
    what = f"whole network of {name}, its file read anew, ms on the server; beside it with another picture"
    return row(what, first_ms, again_ms, f"<= {bar} ms", lambda ms: ms <= bar, False)


def _from_file(name: str, image: Tensor) -> str:
    return glance(Model.load(bundled_path(name)), image)


def glance(model: Model, image: Tensor) -> str:
    """Return what the browser is sent to draw the whole network for ``image``."""
    seen = look(model, image)
    view = overview(model, seen, strongest(model.architecture, seen))
    return json.dumps(whole.to_data(view, seen, padded(model, image).numpy(), model.class_names, "layer"))


def image_for(model: Model) -> Tensor:
    """Return a test image that comes with the lab and that ``model`` takes."""
    return load("mnist" if model.preprocessing.data_shape[0] == 1 else "cifar10-sample").test.images[0]


def _ms(work: Callable[[], object]) -> float:
    began = perf_counter()
    work()
    return 1e3 * (perf_counter() - began)
