"""The columns of the picture of a whole network: input, layers, probabilities, and the numbers in each."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from math import prod

from torch import Tensor

from cnnlab.architecture import Architecture, Row
from cnnlab.insight.activations import Look
from cnnlab.insight.arithmetic.passes import INPUT, PROBS
from cnnlab.insight.links import MIXING


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
        holds: the layers that it stands for, itself the last of them; empty where that is only itself.
        block: what those are called: the name of their block, else of the first of them.
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
    holds: tuple[str, ...] = ()
    block: str = ""

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
        depth, lane = placed(inputs, found, taken)
        shape = row.output_shape or ()
        classes = row.index == final or (last and row.index in rows[final].inputs)
        count, each = _items(row)
        found.append(Column(row.name, row.layer.kind, inputs, depth, lane, count, each, shape, classes))
    shape = found[-1].shape
    if not last and len(shape) == 1:
        depth = found[-1].depth + 1
        found.append(Column(PROBS, "", (len(rows),), depth, found[-1].lane, shape[0], (1, 1), shape, True))
    return tuple(found)


def placed(inputs: tuple[int, ...], before: list[Column], taken: set[tuple[int, int]]) -> tuple[int, int]:
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


def keeps_numbers(column: Column, taker: Column) -> bool:
    """Return whether map k of ``taker`` comes from map k of ``column``."""
    return taker.kind not in MIXING and not taker.classes and taker.count == column.count
