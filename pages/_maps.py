"""The Explore page's parts: a layer's maps with one of them large, a vector of units."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import streamlit as st

from cnnlab.figures import sheets, theme, tiles, units
from cnnlab.figures.heat import colour_bar_html
from cnnlab.home import ASSETS
from cnnlab.i18n import _
from pages import _session, _widgets

if TYPE_CHECKING:
    from cnnlab.insight import Look
    from cnnlab.model import Model, Tensor

_COMPONENT = st.components.v2.component(
    "cnnlab_map_grid",
    html='<div class="maps-root"></div>',
    css=(ASSETS / "components" / "map_grid.css").read_text(encoding="utf-8"),
    js=(ASSETS / "components" / "map_grid.js").read_text(encoding="utf-8"),
)


def draw_maps(model: Model, seen: Look, picture: Tensor, layer: str, scale: str) -> None:
    """Draw all maps of ``layer``, the chosen one large beside the input with its receptive field."""
    from cnnlab.insight import filters

    key = f"explore.maps.{layer}"
    count = seen.maps[layer].shape[0]
    unit = min(_chosen(key, layer), count - 1)
    source = sheets.source_filters(model.architecture, layer)
    found = filters(model, source) if source else None
    data = sheets.layer_data(seen, layer, scale, dark=_session.dark())
    data["detail"] = sheets.unit_data(model.architecture, seen, layer, unit, found)
    data["picture"] = sheets.picture_data(picture.numpy())
    data["text"] = _texts()
    _COMPONENT(data=data, key=key, on_unit_change=lambda: None)
    st.caption(
        _("Beside the number of each map: the mean of its values, with their signs. Draw shows their mean size instead, "
          "without signs.")
    )  # fmt: skip


def _chosen(key: str, layer: str) -> int:
    """Return which map of ``layer`` was chosen, before a reload too; the first until one was."""
    state: Any = st.session_state.get(key)
    unit = state.get("unit") if state else None
    if isinstance(unit, int) and unit >= 0:
        _session.keep(f"explore.unit.{layer}", unit)
    return int(_session.kept(f"explore.unit.{layer}", 0))


def _texts() -> dict[str, str]:
    """Return the component's words with their places left open; the browser fills them."""
    return {
        "grid": _("All maps of the layer"),
        "tile": _("{layer}, map {index}, mean {mean}", layer="{layer}", index="{index}", mean="{mean}"),
        "map": _("{layer}, map {index}", layer="{layer}", index="{index}"),
        "keys": _("The chosen map; move over it, or press the arrow keys, to point at a number"),
        "input": _("Input and receptive field"),
        "patch": _("What it sees"),
        "sees": _(
            "sees rows {top} to {bottom} and columns {left} to {right} of the input",
            top="{top}", bottom="{bottom}", left="{left}", right="{right}",
        ),
        "padding": _("sees only padding, no pixel of the input"),
        "channel": _("in {index}", index="{index}"),
        "kernel": _("Kernel for input channel {index}", index="{index}"),
        "all": _(
            "Filter {unit} of {filter}: each kernel times the patch under the pointer",
            unit="{unit}", filter="{filter}",
        ),
        "some": _(
            "Filter {unit} of {filter}: the {shown} heaviest of its {all} kernels",
            unit="{unit}", filter="{filter}", shown="{shown}", all="{all}",
        ),
        "made": _("Filter {unit} of {filter}, which made this map", unit="{unit}", filter="{filter}"),
        "sum": _("{shown} + bias {bias} = {value}", shown="{shown}", bias="{bias}", value="{value}"),
        "part": _(
            "{shown} + {others} from {rest} other channels + bias {bias} = {value}",
            shown="{shown}", others="{others}", rest="{rest}", bias="{bias}", value="{value}",
        ),
    }  # fmt: skip


def draw_units(seen: Look, layer: str, names: tuple[str, ...] | None, scale: str) -> None:
    """Draw a vector: bars with class names at the end of the network, bars, or a strip where there are many."""
    values = seen.maps[layer].numpy()
    dark = _session.dark()
    if names is not None:
        percent = bool(values.min() >= 0 and abs(float(values.sum()) - 1) < 1e-3)
        figure = units.class_bars(values, names, percent=percent, dark=dark, height=60 + 26 * len(names))
        alt = "; ".join(f"{name}: {theme.number(float(value))}" for name, value in zip(names, values))
        _widgets.plot(figure, f"explore.units.{layer}", 60 + 26 * len(names), alt=alt)
        return
    if len(values) <= units.MOST_BARS:
        figure = units.unit_bars(values, dark=dark)
        alt = _("{count} units of {layer}, one bar each", count=len(values), layer=layer)
        _widgets.plot(figure, f"explore.units.{layer}", 260, alt=alt)
        return
    mode, low, high = sheets.scale_of(seen, layer, scale)
    alt = _("{count} units of {layer} as a strip, 64 in a row", count=len(values), layer=layer)
    strip = units.strip_png(values, scale=(low, high), dark=dark)
    st.html(tiles.hard_img(strip, alt, width="min(100%, 768px)"))
    st.html(f'<div style="max-width:320px">{colour_bar_html(low, high, mode, dark=dark)}</div>')
