"""The whole network at a glance: which maps of which layer are shown, where, and how strongly each feeds the next."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import lru_cache
from math import prod

import torch
from torch import Tensor

from cnnlab.architecture import Architecture, Row
from cnnlab.insight.activations import Look
from cnnlab.insight.arithmetic.passes import INPUT, PROBS
from cnnlab.insight.links import MIXING, incoming
from cnnlab.model import Model

LIMIT = 10
"""How many maps of a layer are shown until it is opened."""
_SPARE = 2  # a layer this much larger than the limit is shown whole: nobody opens it for two maps
_LEAST = 3


@dataclass(frozen=True)
class Column:
    """One layer in the picture, or the input, or the probabilities behind the last layer.

    Attributes:
        name: the layer's name, ``input`` or ``probs``.
        kind: its kind; ``""`` for the two that are no layers.
        inputs: the columns that feed it.
        depth: the longest way from the input, in layers.
        lane: which of the branches side by side it stands in.
        count: how many maps it has; of a vector how many units, or how many maps its numbers come from.
        each: numbers in one of them: (height, width), (1, n) where a vector still holds whole maps, (1, 1) for units.
        shape: of the whole layer.
        classes: whether there is one for each class.
    """

    name: str
    kind: str
    inputs: tuple[int, ...]
    depth: int
    lane: int
    count: int
    each: tuple[int, int]
    shape: tuple[int, ...]
    classes: bool = False

    @property
    def is_map(self) -> bool:
        """Whether it has two-dimensional maps."""
        return len(self.shape) == 3


@lru_cache(maxsize=64)
def columns(architecture: Architecture) -> tuple[Column, ...]:
    """Return the columns of the picture of ``architecture``: input, every single layer in order, probabilities."""
    rows = architecture.trace().rows
    last = architecture.ends_in_softmax
    channels, *side = architecture.input_shape
    found = [Column(INPUT, "", (), 0, 0, channels, (side[0], side[1]), architecture.input_shape)]
    taken: set[tuple[int, int]] = {(0, 0)}
    final = len(rows) - 1
    for row in rows:
        inputs = tuple(source + 1 for source in row.inputs)
        depth, lane = _placed(inputs, found, taken)
        shape = row.output_shape or ()
        classes = row.index == final or (last and row.index in rows[final].inputs)
        count, each = _items(row)
        found.append(Column(row.name, row.layer.kind, inputs, depth, lane, count, each, shape, classes))
    shape = found[-1].shape
    if not last and len(shape) == 1:
        depth = found[-1].depth + 1
        found.append(Column(PROBS, "", (len(rows),), depth, found[-1].lane, shape[0], (1, 1), shape, True))
    return tuple(found)


def _placed(inputs: tuple[int, ...], before: list[Column], taken: set[tuple[int, int]]) -> tuple[int, int]:
    """Return depth and lane: behind its deepest input, in that one's lane where it is free there, else the next free.

    ``taken`` is added to. A join returns to the lowest lane of its inputs.
    """
    depth = 1 + max(before[source].depth for source in inputs)
    lane = min(before[source].lane for source in inputs)
    while (depth, lane) in taken:
        lane += 1
    taken.add((depth, lane))
    return depth, lane


def _items(row: Row) -> tuple[int, tuple[int, int]]:
    shape = row.output_shape or (0,)
    if len(shape) == 3:
        return shape[0], (shape[1], shape[2])
    flat = row.receptive_field.flat_from if row.receptive_field else None
    size = prod(flat[1:]) if flat else 1
    return (shape[0] // size, (1, size)) if shape[0] % size == 0 else (shape[0], (1, 1))


def values(column: Column, seen: Look) -> Tensor:
    """Return the numbers of ``column``, one row of its picture for each of its maps.

    Shape:
        returned: (count, height, width), (count, 1, n) or (count, 1, 1)
    """
    if column.name == INPUT and not column.kind:
        return seen.input
    if column.name == PROBS and not column.kind:
        return seen.probs.view(-1, 1, 1)
    return seen.maps[column.name].reshape(column.count, *column.each)


Order = Mapping[str, tuple[int, ...]]
"""For each column the numbers of its maps, in the order in which they are shown."""


def strongest(architecture: Architecture, seen: Look) -> dict[str, tuple[int, ...]]:
    """Return all maps of each column, those with the largest mean |value| first; input and classes keep their order.

    A layer whose map k comes from map k of the layer before, and a sum, decide for what feeds them: map k stands in one
    line from the convolution to the last layer that works on it alone.
    """
    found: dict[str, tuple[int, ...]] = {}
    every = columns(architecture)
    for index, column in reversed([*enumerate(every)]):
        if column.classes or column.name == INPUT:
            found[column.name] = tuple(range(column.count))
            continue
        takers = [one for one in every[index + 1 :] if index in one.inputs and _keeps_numbers(column, one)]
        if takers:
            found[column.name] = found[takers[-1].name]
            continue
        size = values(column, seen).abs().mean(dim=(1, 2)).nan_to_num()
        found[column.name] = tuple(size.argsort(descending=True, stable=True).tolist())
    return found


def _keeps_numbers(column: Column, taker: Column) -> bool:
    """Return whether map k of ``taker`` comes from map k of ``column``."""
    return taker.kind not in MIXING and not taker.classes and taker.count == column.count


@dataclass(frozen=True)
class Fed:
    """How strongly the shown maps of one column are fed by those of one of its inputs.

    Attributes:
        source: the number of the column that feeds.
        strength: with the sign of the sum of what is contributed. Shape: (shown here, shown there) float32
        rest: strengths from maps that are not shown, added up. Shape: (shown here,) float32
    """

    source: int
    strength: Tensor
    rest: Tensor


@dataclass(frozen=True)
class Overview:
    """What the picture shows of one look into a model.

    Attributes:
        columns: input, layers, probabilities.
        shown: for each column the numbers of its maps that are shown, in order.
        fed: for each column, one entry for each of its inputs.
    """

    columns: tuple[Column, ...]
    shown: tuple[tuple[int, ...], ...]
    fed: tuple[tuple[Fed, ...], ...]


@torch.no_grad()
def overview(model: Model, seen: Look, order: Order, opened: Collection[str] = ()) -> Overview:
    """Return which maps are shown and how strongly each feeds those of the next layers.

    The strength of a link from map i to map j is the size of what i alone contributes:

        strength(i -> j) = || y_j(only map i arrives) - y_j(nothing arrives) ||_2

    For a convolution that is the norm of the partial map that kernel (j, i) makes of map i. ``links`` says what it is
    where a layer does not add up contributions (products, softmax, norms over several maps).

    Args:
        order: what ``strongest`` returned, now or for an earlier look: maps that stay in place can be compared.
        opened: the columns of which all maps are shown, not only the first few.
    """
    found = columns(model.architecture)
    ranked = [_ranked(column, order) for column in found]
    limits = _limits(found, ranked)
    shown = tuple(
        maps if column.name in opened or column.count <= limit + _SPARE else maps[:limit]
        for column, maps, limit in zip(found, ranked, limits)
    )
    modules = dict(model.network.leaves())
    rows = {row.name: row for row in model.architecture.trace().rows}
    fed = []
    for column, wanted in zip(found, shown):
        arriving = [values(found[source], seen) for source in column.inputs]
        parts = incoming(
            rows.get(column.name), modules.get(column.name), arriving, values(column, seen), torch.tensor(wanted)
        ) if arriving else []  # fmt: skip
        fed.append(tuple(_fed(source, part, shown[source]) for source, part in zip(column.inputs, parts)))
    return Overview(found, shown, tuple(fed))


def _fed(source: int, strength: Tensor, shown: tuple[int, ...]) -> Fed:
    kept = strength[:, list(shown)]
    rest = (strength.abs().sum(1) - kept.abs().sum(1)).clamp(min=0) if len(shown) < strength.shape[1] else None
    return Fed(source, kept.float(), torch.zeros(len(kept)) if rest is None else rest.float())


def _ranked(column: Column, order: Order) -> tuple[int, ...]:
    maps = order.get(column.name, ())
    return maps if sorted(maps) == list(range(column.count)) else tuple(range(column.count))  # of another network


def _limits(found: tuple[Column, ...], ranked: list[tuple[int, ...]]) -> list[int]:
    """Return how many maps of each column are shown: fewer where branches stand below each other.

    Columns in one order show equally many, so that a map does not vanish on its way.
    """
    beside = Counter(column.depth for column in found)
    limits = [max(_LEAST, LIMIT // beside[column.depth]) for column in found]
    least: dict[tuple[int, ...], int] = {}
    for maps, limit in zip(ranked, limits):
        least[maps] = min(limit, least.get(maps, LIMIT))
    return [least[maps] for maps in ranked]
