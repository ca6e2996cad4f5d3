"""A network's pass in two halves: what is known before a layer, and the way from there on."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod

import torch
from torch import Tensor

from cnnlab.architecture import tape
from cnnlab.architecture.tape import Row
from cnnlab.build import Network

PART_BYTES = 8 * 2**20
"""What may arrive at one layer at a time; memory for larger maps is fetched anew each time, which takes longer than
the sums in them: 10,000 pictures go through 32 filters in 0.7 s in parts of 20 MB, in 0.1 s in parts of 5 MB."""
_MOST_TOGETHER = 250

Values = dict[int, Tensor]
"""Outputs by the index of their row, ``tape.INPUT`` for the network's input: just those that a later row still takes."""


def rows_of(network: Network) -> tuple[Row, ...]:
    """Return the rows up to the logits: all, without a last Softmax."""
    rows = network.architecture.trace().rows
    return rows[:-1] if network.architecture.ends_in_softmax else rows


def needed(network: Network, start: int) -> set[int]:
    """Return which outputs the rows from ``start`` on take from the rows before it."""
    return {source for row in rows_of(network)[start:] for source in row.inputs if source < start}


def numbers(network: Network, start: int) -> int:
    """Return how many numbers one image leaves in what the rows from ``start`` on need: so much ``before`` holds of it."""
    rows = rows_of(network)
    sources = needed(network, start) if start < len(rows) else {len(rows) - 1}
    shapes = [
        network.architecture.input_shape if source == tape.INPUT else rows[source].output_shape for source in sources
    ]
    return sum(prod(shape or ()) for shape in shapes)


def together(network: Network, stop: int | None = None, passes: int = 1) -> int:
    """Return how many images go through the rows before ``stop`` (None: all) together, ``passes`` times each."""
    last = len(rows_of(network)) if stop is None else stop
    largest = max(numbers(network, start) for start in range(last + 1))
    return max(1, min(_MOST_TOGETHER, PART_BYTES // (4 * largest * passes)))


def before(network: Network, x: Tensor, start: int) -> Values:
    """Return what the rows from ``start`` on need, for the input ``x``.

    Shape:
        x: (N, C, H, W); each value returned: (N, ...)
    """
    values: Values = {tape.INPUT: x}
    advance(network, values, 0, start)
    return values


def onward(network: Network, values: Mapping[int, Tensor], start: int) -> Tensor:
    """Return the logits, from what ``before`` gave; ``values`` stay as they are.

    Shape:
        returned: (N, classes)
    """
    rows = rows_of(network)
    if start >= len(rows):
        return values[len(rows) - 1]
    held = dict(values)
    advance(network, held, start, len(rows))
    return held[len(rows) - 1]


def output(network: Network, x: Tensor, index: int) -> Tensor:
    """Return what leaves row ``index``; with a gradient where ``x`` has one.

    Shape:
        x: (N, C, H, W); returned: (N, ...)
    """
    return network.run(x, index + 1)


@torch.no_grad()
def advance(network: Network, values: Values, start: int, stop: int) -> None:
    """Carry out the rows from ``start`` to before ``stop`` on ``values``; what nobody needs afterwards is let go."""
    rows = rows_of(network)
    keep = needed(network, stop) | ({stop - 1} if stop == len(rows) else set())
    last = {source: row.index for row in rows[start:stop] for source in row.inputs}
    for row in rows[start:stop]:
        values[row.index] = network[row.index](*(values[source] for source in row.inputs))
        for source in set(row.inputs):
            if last[source] == row.index and source not in keep:
                del values[source]
    for index in [index for index in values if index not in keep]:
        del values[index]
