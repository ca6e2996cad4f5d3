"""The whole network at a glance: which maps of which layer are shown, where, and how strongly each feeds the next."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from cnnlab.architecture import Architecture
from cnnlab.insight.activations import Look
from cnnlab.insight.arithmetic.passes import INPUT
from cnnlab.insight.columns import Column, columns, keeps_numbers, values
from cnnlab.insight.folding import folded, stands_in, through
from cnnlab.insight.links import incoming
from cnnlab.model import Model

__all__ = [
    "Column",
    "Fed",
    "Fold",
    "Order",
    "Overview",
    "columns",
    "drawn",
    "folded",
    "overview",
    "strongest",
    "values",
]

Fold = Literal["all", "blocks", "stages"]
"""A column for each layer, for each block, or for each outermost block with all the blocks in it."""

LIMIT = 10
"""How many maps of a layer are shown until it is opened."""
_SPARE = 2  # a layer this much larger than the limit is shown whole: nobody opens it for two maps
_LEAST = 3


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
        takers = [one for one in every[index + 1 :] if index in one.inputs and keeps_numbers(column, one)]
        if takers:
            found[column.name] = found[takers[-1].name]
            continue
        size = values(column, seen).abs().mean(dim=(1, 2)).nan_to_num()
        found[column.name] = tuple(size.argsort(descending=True, stable=True).tolist())
    return found


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
        chosen: the column that the chosen map stands in, and its number there; None where it is folded away in it.
    """

    columns: tuple[Column, ...]
    shown: tuple[tuple[int, ...], ...]
    fed: tuple[tuple[Fed, ...], ...]
    chosen: tuple[int, int | None] | None = None


def drawn(architecture: Architecture, fold: Fold = "all") -> tuple[Column, ...]:
    """Return the columns of the picture of ``architecture``, folded or not."""
    return columns(architecture) if fold == "all" else folded(architecture, fold == "stages")


@torch.no_grad()
def overview(
    model: Model, seen: Look, order: Order, opened: Collection[str] = (), *, fold: Fold = "all",
    chosen: tuple[str, int] | None = None,
) -> Overview:  # fmt: skip
    """Return which maps are shown and how strongly each feeds those of the next layers.

    The strength of a link from map i to map j is the size of what i alone contributes:

        strength(i -> j) = || y_j(only map i arrives) - y_j(nothing arrives) ||_2

    For a convolution that is the norm of the partial map that kernel (j, i) makes of map i. ``links`` says what it is
    where a layer does not add up contributions (products, softmax, norms over several maps).

    Args:
        order: what ``strongest`` returned, now or for an earlier look: maps that stay in place can be compared.
        opened: the columns of which all maps are shown, not only the first few.
        fold: for blocks and stages see ``folding.folded``; what feeds them comes as shares, see ``folding.through``.
        chosen: a layer and the number of a map in it, which is shown whether or not it is one of the strongest.
    """
    found = drawn(model.architecture, fold)
    at = stands_in(model.architecture, found, *chosen) if chosen else None
    ranked = [_ranked(column, order) for column in found]
    limits = _limits(found, ranked)
    shown = tuple(
        maps if column.name in opened or column.count <= limit + _SPARE else maps[:limit]
        for column, maps, limit in zip(found, ranked, limits)
    )
    if at is not None and at[1] is not None and at[1] not in shown[at[0]]:
        shown = (*shown[: at[0]], (*shown[at[0]], at[1]), *shown[at[0] + 1 :])
    modules = dict(model.network.leaves())
    rows = {row.name: row for row in model.architecture.trace().rows}
    fed = []
    for column, wanted in zip(found, shown):
        if column.holds:
            shares = through(model, seen, column, wanted)
            fed.append(tuple(_fed(source, shares[found[source].name], shown[source]) for source in column.inputs))
            continue
        arriving = [values(found[source], seen) for source in column.inputs]
        parts = incoming(
            rows.get(column.name), modules.get(column.name), arriving, values(column, seen), torch.tensor(wanted)
        ) if arriving else []  # fmt: skip
        fed.append(tuple(_fed(source, part, shown[source]) for source, part in zip(column.inputs, parts)))
    return Overview(found, shown, tuple(fed), at)


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
