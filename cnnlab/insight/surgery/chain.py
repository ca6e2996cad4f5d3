"""What follows a layer channel by channel, up to the next layer that mixes channels."""

from __future__ import annotations

from cnnlab.architecture import Architecture
from cnnlab.architecture.tape import Row
from cnnlab.insight.arithmetic.curves import ACTIVATIONS

CHANNELWISE = ACTIVATIONS | {
    "MaxPool2d", "AvgPool2d", "AdaptiveAvgPool2d", "BatchNorm2d", "Dropout", "Dropout2d", "ZeroPad2d",
}  # fmt: skip
"""Layers (in evaluation) whose channel k depends on nothing but the channel k that arrives."""


def chain(architecture: Architecture, layer: str) -> tuple[Row, ...]:
    """Return the rows that work on the channels of ``layer`` one by one, as long as nothing else takes their input.

    Raises:
        ArchitectureError: there is no such layer.
    """
    trace = architecture.trace()
    row = trace.row(layer)
    found: list[Row] = []
    while True:
        takers = trace.takers(row)
        if len(takers) != 1 or takers[0].layer.kind not in CHANNELWISE:
            return tuple(found)
        row = takers[0]
        found.append(row)


def norms(architecture: Architecture, layer: str) -> tuple[Row, ...]:
    """Return the batch normalisations among them: a channel is silent only where they, too, add nothing."""
    return tuple(row for row in chain(architecture, layer) if row.layer.kind == "BatchNorm2d")


def silent_from(architecture: Architecture, layer: str) -> Row:
    """Return the row whose output is zero where a channel of ``layer`` is silent: its last normalisation, or itself."""
    return next(reversed(norms(architecture, layer)), architecture.trace().row(layer))
