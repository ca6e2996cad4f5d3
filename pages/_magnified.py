"""What stands below the whole network: the chosen map, its numbers and where they come from."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING

import streamlit as st

from cnnlab.i18n import _
from pages import _fields, _maps

if TYPE_CHECKING:
    from cnnlab.insight import Look
    from cnnlab.model import Model, Tensor

_NUMBER_VIEW = "pages._magnifier_number"


def below(model: Model, seen: Look, picture: Tensor, column: str, item: int) -> None:
    """Draw the chosen map large, beside the input with its receptive field.

    Args:
        picture: the input as bytes, with its border. Shape: (C, H, W) uint8
        column, item: what was chosen in the whole network; also the input, and the probabilities behind the last layer.
    """
    unit = unit_of(model, seen, column, item)
    if unit is None:
        return
    layer, channel = unit
    _numbers(model, seen, picture, layer, channel)
    _fields.of_unit(model, seen, picture, layer, channel)


def _numbers(model: Model, seen: Look, picture: Tensor, layer: str, channel: int) -> None:
    """Draw the numbers of a map or a unit with where they come from; without that view, the map large."""
    if find_spec(_NUMBER_VIEW):
        import_module(_NUMBER_VIEW).number_view(model, seen, layer, channel)
        return
    st.subheader(f"{layer}[{channel}]", anchor=False)
    if seen.maps[layer].dim() == 3:
        _maps.draw_map(model, seen, picture, layer, channel)
    else:
        st.markdown(_("{unit} = {value:.4g}", unit=f"{layer}[{channel}]", value=float(seen.maps[layer][channel])))


def unit_of(model: Model, seen: Look, column: str, item: int) -> tuple[str, int] | None:
    """Return the layer and the map, or unit, that stands behind ``item`` of ``column``; None for the input.

    Of a vector that still holds maps it is the unit with the largest size of that map's; of the probabilities behind
    the last layer, the score.
    """
    from cnnlab.insight.overview import PROBS, columns, values

    found = next(one for one in columns(model.architecture) if one.name == column)
    if not found.kind:
        return (model.architecture.names[-1], item) if column == PROBS else None
    if found.is_map:
        return column, item
    return column, item * found.each[1] + int(values(found, seen)[item].flatten().abs().argmax())
