"""What stands below the whole network: the chosen map, its numbers and where they come from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pages import _fields
from pages._magnifier_number import number_view

if TYPE_CHECKING:
    from cnnlab.insight import Look
    from cnnlab.model import Model, Tensor


def below(model: Model, seen: Look, picture: Tensor, column: str, item: int) -> None:
    """Draw where the numbers of the chosen map come from, and below which pixels reach it.

    Args:
        picture: the input as bytes, with its border. Shape: (C, H, W) uint8
        column, item: what was chosen in the whole network; also the input, and the probabilities behind the last layer.
    """
    from cnnlab.architecture import Address
    from cnnlab.insight.arithmetic.passes import PROBS

    unit = unit_of(model, seen, column, item)
    if unit is None:
        return
    layer, channel = unit
    at = number_view(model, seen, PROBS if column == PROBS else layer, channel)
    if at.layer == PROBS:
        at = Address(layer, None, at.index)
    if at.layer in seen.maps:  # the trail may end at a pixel
        _fields.of_unit(model, seen, picture, at)


def unit_of(model: Model, seen: Look, column: str, item: int) -> tuple[str, int] | None:
    """Return the layer and the map, or unit, that stands behind ``item`` of ``column``; None for the input.

    Of a vector that still holds maps it is the unit with the largest size of that map's; of the probabilities behind
    the last layer, the score.
    """
    from cnnlab.insight.arithmetic.passes import PROBS
    from cnnlab.insight.overview import columns, values

    found = next(one for one in columns(model.architecture) if one.name == column)
    if not found.kind:
        return (model.architecture.names[-1], item) if column == PROBS else None
    if found.is_map:
        return column, item
    return column, item * found.each[1] + int(values(found, seen)[item].flatten().abs().argmax())
