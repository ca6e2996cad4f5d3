"""Units: all there is to know about one channel, and the gallery of all channels of a layer."""

from __future__ import annotations

import streamlit as st

from cnnlab.i18n import N_, _
from cnnlab.lessons import lesson
from pages import _choices, _gallery, _operation, _session, _unit, _widgets


def main() -> None:
    """Draw the Units page: one channel, or all channels of a layer."""
    from cnnlab.insight.units import unit_layers

    _widgets.begin_page(
        N_("Units"),
        N_("One channel by itself: what excites it, what it likes best, and what would be lost without it."),
    )
    ref, model = _widgets.model_line()
    layers = unit_layers(model)
    first = next((name for name in layers if name.startswith("conv")), layers[0])
    layer = _choices.segments("units.layer", _("Layer"), layers, first, wrap=True)
    count = (model.architecture.trace().row(layer).output_shape or (1,))[0]
    views = {"one": _("one channel"), "all": _("all channels")}
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        view = _choices.segments("units.view", _("Show"), list(views), "one", views.__getitem__)
        unit = _operation.channel("units", layer, count) if view == "one" else 0
        _widgets.what_is_this(lesson("units", _session.language()))
    if view == "one":
        _unit.unit(ref, model, layer, unit)
    else:
        _gallery.channels(ref, model, layer, count)


main()
