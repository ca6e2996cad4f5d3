"""The whole network with its layers folded: a column for each block or stage, and for each layer with what only follows it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache

import torch
from torch import Tensor

from cnnlab.architecture import Architecture
from cnnlab.insight.activations import Look
from cnnlab.insight.columns import Column, columns, keeps_numbers, placed, values
from cnnlab.insight.links import incoming
from cnnlab.model import Model


@lru_cache(maxsize=64)
def folded(architecture: Architecture, stages: bool = False) -> tuple[Column, ...]:
    """Return the columns of ``architecture`` with its layers folded; ``holds`` says which layers one stands for.

    A block becomes one column: of the layers whose names begin alike, the most that meet in at most one join and that
    nothing leaves but the last of them. So do a layer and those behind it that work on each of its maps alone
    (activation, pooling, BatchNorm, dropout), as long as maps stay maps and nothing else takes what is in between.
    What a column shows is its last layer.

    Args:
        stages: a block may have any number of joins: where blocks stand in one block, that is a column, all of them.
    """
    every = columns(architecture)
    blocks = _blocks(every, stages)
    groups = _chains(every, [members for _name, members in blocks])
    names = {members[0]: name for name, members in blocks}
    place = {member: number for number, group in enumerate(groups) for member in group}
    found: list[Column] = []
    taken: set[tuple[int, int]] = {(0, 0)}
    for number, group in enumerate(groups):
        last = every[group[-1]]
        inputs = tuple(
            dict.fromkeys(place[one] for member in group for one in every[member].inputs if one not in group)
        )
        depth, lane = placed(inputs, found, taken) if number else (0, 0)
        holds = tuple(every[member].name for member in group) if len(group) > 1 else ()
        block = names[group[0]] if holds else ""
        found.append(replace(last, inputs=inputs, depth=depth, lane=lane, holds=holds, block=block))
    return tuple(found)


def _blocks(every: Sequence[Column], stages: bool) -> list[tuple[str, list[int]]]:
    """Return each block's name and the numbers of its columns, in order; a layer that is in none is a block itself.

    A block in a block is not folded by itself.
    """
    groups: list[tuple[str, list[int]]] = []
    start = 0
    while start < len(every):
        parts = every[start].name.split(".")[:-1]
        name, whole = every[start].name, [start]
        for depth in range(1, len(parts) + 1):
            scope = ".".join(parts[:depth]) + "."
            if start and every[start - 1].name.startswith(scope):
                continue
            end = start
            while end < len(every) and every[end].name.startswith(scope):
                end += 1
            members = list(range(start, end))
            if _is_block(every, members, stages):
                name, whole = scope[:-1], members
                break
        groups.append((name, whole))
        start = whole[-1] + 1
    return groups


def _is_block(every: Sequence[Column], members: list[int], stages: bool) -> bool:
    """Return whether nothing leaves ``members`` but the last; where stages are no blocks, they meet in one join at most."""
    joins = 0 if stages else sum(len(every[member].inputs) > 1 for member in members)
    inner = set(members[:-1])
    leaks = any(inner & set(column.inputs) for number, column in enumerate(every) if number not in members)
    return joins <= 1 and not leaks and not any(every[member].classes for member in members)


def _chains(every: Sequence[Column], groups: list[list[int]]) -> list[list[int]]:
    """Return ``groups`` with each layer that works on every map alone put to the one that it follows."""
    takers = [sum(number in column.inputs for column in every) for number in range(len(every))]
    found: list[list[int]] = []
    for group in groups:
        before, first = found[-1][-1] if found else 0, group[0]
        here = every[first]
        follows = (
            len(found) > 1 and len(group) == 1 and here.inputs == (before,) and takers[before] == 1
            and keeps_numbers(every[before], here) and here.is_map == every[before].is_map
            and (not here.is_map or here.each != (1, 1) or every[before].each == (1, 1))
        )  # fmt: skip
        if follows:
            found[-1].append(first)
        else:
            found.append(list(group))
    return found


def stands_in(architecture: Architecture, found: Sequence[Column], layer: str, item: int) -> tuple[int, int | None]:
    """Return the column of ``found`` that ``layer`` stands in, and which of its maps comes from map ``item`` alone.

    None for the map where those of a folded layer are mixed before the column ends.

    Raises:
        StopIteration: there is no such layer.
    """
    number = next(i for i, column in enumerate(found) if layer in (column.name, *column.holds))
    column, every = found[number], columns(architecture)
    here = next(i for i, one in enumerate(every) if one.name == layer)
    while every[here].name != column.name:
        takers = [i for i, one in enumerate(every) if here in one.inputs]
        if len(takers) != 1 or not keeps_numbers(every[here], every[takers[0]]):
            return number, None
        here = takers[0]
    return number, item


def through(model: Model, seen: Look, column: Column, shown: Sequence[int]) -> dict[str, Tensor]:
    """Return what the ``shown`` maps of a folded column are fed by: for each source its maps' shares.

    Shares are multiplied along every way through the layers that are folded away, and added up over the ways:

        share(i -> j) = sum over ways of product of shares

    with the sign of the same sum with signs. The shares of one map add up to 1, less what reaches it from the biases of
    the folded layers alone.

    Shape:
        returned: (n, C_source) float64 for each name of a source
    """
    every = columns(model.architecture)
    place = {one.name: number for number, one in enumerate(every)}
    rows = {row.name: row for row in model.architecture.trace().rows}
    modules = dict(model.network.leaves())
    start = torch.eye(column.count, dtype=torch.float64)[list(shown)]  # (n, C)
    reached = {place[column.name]: (start, start)}
    for name in reversed(column.holds):
        here = every[place[name]]
        if place[name] not in reached:
            continue
        size, signed = reached.pop(place[name])
        wanted = size.any(dim=0).nonzero().flatten()
        arriving = [values(every[source], seen) for source in here.inputs]
        parts = incoming(rows.get(name), modules.get(name), arriving, values(here, seen), wanted)
        total = sum((part.abs().sum(1) for part in parts), torch.zeros(len(wanted), dtype=torch.float64))
        for source, part in zip(here.inputs, parts):
            share = torch.where(total[:, None] > 0, part / total[:, None], 0.0)
            more = size[:, wanted] @ share.abs(), signed[:, wanted] @ share
            known = reached.get(source)
            reached[source] = more if known is None else (known[0] + more[0], known[1] + more[1])
    return {every[source].name: torch.where(signed < 0, -size, size) for source, (size, signed) in reached.items()}
