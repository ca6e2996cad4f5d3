"""Explore: the maps of every layer for one image, and the filters that made them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from cnnlab.errors import CnnLabError
from cnnlab.figures.sheets import SCALES
from cnnlab.i18n import N_, _
from cnnlab.lessons import lesson
from pages import _answers, _choices, _filters, _live, _maps, _run_line, _session, _widgets

if TYPE_CHECKING:
    from cnnlab.description import ModelRef
    from cnnlab.insight import Look
    from cnnlab.model import Model, Tensor


def _scale_names() -> dict[str, str]:
    return dict(zip(SCALES, (_("each map"), _("each layer"), _("all"))))


def _controls(names: tuple[str, ...]) -> tuple[str, str]:
    """Draw the choice of layer and colour scale."""
    first = next((name for name in names if name.startswith("conv")), names[0])
    labels = _scale_names()
    with st.container(horizontal=True, vertical_alignment="bottom", gap="xsmall", key="explore_choices"):
        layer = _choices.segments("explore.layer", _("Layer"), names, first, wrap=True)
        scale = _choices.segments("explore.scale", _("One colour scale for"), SCALES, "layer", labels.__getitem__)
        _widgets.what_is_this(lesson("explore_maps", _session.language()))
    return layer, scale


def explore(ref: ModelRef, image: Tensor, asked: float | None) -> None:
    """Draw the chosen layer of the model as it is now; ``asked`` is the pace at which this view looks again."""
    _session.enter()
    from cnnlab import runs
    from cnnlab.insight import look

    try:
        model = runs.resolve(ref)
        seen = look(model, image)
        state = _live.state(ref)
    except CnnLabError as error:
        _widgets.show_error(error)
        return
    if _run_line.is_another_pace(asked, _live.pace(state)):  # asking for it also says that somebody still watches
        st.rerun()
    _draw(model, seen, image, state)


def _draw(model: Model, seen: Look, image: Tensor, state: str | None) -> None:
    from cnnlab.insight import padded

    names = model.architecture.names
    layer, scale = _controls(names)
    spec = model.architecture.trace().row(layer).layer
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="explore_says"):
        st.markdown(f"**{layer}** · {spec.kind} · {_(spec.explanation)}", width="content")
        st.markdown(_widgets.verdict(model, seen), width="content")
        if state == "running":
            st.badge(_("still learning"), icon=":material/autorenew:", color="blue")
    if seen.maps[layer].dim() == 3:
        _maps.draw_maps(model, seen, padded(model, image), layer, scale)
    else:
        last = names[-2:] if model.architecture.ends_in_softmax else names[-1:]
        _maps.draw_units(seen, layer, model.class_names if layer in last else None, scale)
    _answers.mirror_remark(model)
    if spec.kind in ("Conv2d", "Linear"):
        _filters.draw_filters(model, layer)


_widgets.begin_page(
    N_("Explore"), N_("Follow one image through the network: what each layer makes of it, and with which filters.")
)
ref, model = _widgets.model_line()
image = _widgets.image_line(model)
if image is not None:
    pace = _live.pace(_live.state(ref))
    st.fragment(explore, run_every=pace)(ref, image, pace)
