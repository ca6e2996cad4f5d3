"""How soon an operation, a lesion table, a channel's page and a layer's gallery are there, on the networks of the articles."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from functools import partial
from time import perf_counter
from typing import Any

from benchmarks.report import Row, row
from benchmarks.training import with_threads
from cnnlab.description import bundled_path
from cnnlab.insight.surgery import Edit, Table, lesion_table, operated
from cnnlab.insight.surgery.table import table_for
from cnnlab.insight.units import gallery, unit_page
from cnnlab.model import Model

ARTICLES = ("article-000-lenet5", "article-003-keras")
EDIT_S, LESIONS_S, PAGE_S, GALLERY_S = 1.0, 5.0, 3.0, 30.0


def measure_surgery() -> Iterator[Row]:
    """Yield the slowest layer of each promise, for each network, with one thread and nothing remembered beforehand."""
    for name in ARTICLES:
        yield from with_threads(1, partial(_measured, name))


def _measured(name: str) -> list[Row]:
    layers = _layers(_fresh(name))
    images = len(table_for(_fresh(name)).index)
    asked: list[tuple[str, float, Callable[[str], float]]] = [
        (f"an operation's effect on {images:,} test images", EDIT_S, partial(_edit_s, name)),
        ("the lesion table of a layer", LESIONS_S, partial(_lesions_s, name)),
        ("a channel's page, the first of its layer", PAGE_S, partial(_page_s, name)),
        ("the gallery of all channels of a layer", GALLERY_S, partial(_gallery_s, name)),
    ]
    rows = []
    for what, bar, seconds in asked:
        taken = {layer: seconds(layer) for layer in layers}
        slowest = max(taken, key=taken.__getitem__)
        told = f"{what}, {name}, s (slowest layer: {slowest})"
        rows.append(row(told, taken[slowest], None, f"<= {bar:g} s", partial(_within, bar), False))
    return rows


def _within(bar: float, seconds: float) -> bool:
    return seconds <= bar


def _fresh(name: str) -> Model:
    """Return the model read anew: what was remembered for another object of it does not count."""
    return Model.load(bundled_path(name))


def _layers(model: Model) -> tuple[str, ...]:
    return tuple(row.name for row in model.architecture.trace().rows if row.layer.kind in ("Conv2d", "Linear"))


def _seconds(work: Callable[[], object]) -> float:
    began = perf_counter()
    work()
    return perf_counter() - began


def _drained(steps: Generator[Any, None, Any]) -> None:
    for _step in steps:
        pass


def _edit_s(name: str, layer: str) -> float:
    """Return the seconds of the first operation on a layer; the way up to it is not remembered yet."""
    table = table_for(_fresh(name))
    edit = Edit(do="silence", layer=layer, unit=0)
    return _seconds(lambda: table.effect(operated(table.model, [edit])))


def _lesions_s(name: str, layer: str) -> float:
    table: Table = table_for(_fresh(name))
    return _seconds(lambda: _drained(lesion_table(table, layer)))


def _page_s(name: str, layer: str) -> float:
    model = _fresh(name)
    return _seconds(lambda: _drained(unit_page(model, layer, 0)))


def _gallery_s(name: str, layer: str) -> float:
    model = _fresh(name)
    return _seconds(lambda: _drained(gallery(model, layer)))
