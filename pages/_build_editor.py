"""The right side of the Build page: edit the chosen layer, or add one after it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from cnnlab.architecture import LAYERS, make_layer
from cnnlab.errors import ShapeError
from cnnlab.figures.network import INPUT, shape_text
from cnnlab.i18n import N_, _
from pages import _build_state as state
from pages import _choices, _session, _widgets

if TYPE_CHECKING:
    from cnnlab.architecture import Architecture, LayerSpec

_FIRST_FIELDS = {
    "out_channels",
    "kernel_size",
    "stride",
    "padding",
    "out_features",
    "output_size",
    "p",
    "negative_slope",
}
_GROUPS = {
    "learned": N_("Learned"),
    "activation": N_("Activation"),
    "pooling": N_("Pooling"),
    "regularisation": N_("Steadying"),
    "reshape": N_("Reshape and output"),
}
_SHAPES = ((1, 28, 28), (1, 32, 32), (3, 32, 32))


def panel() -> None:
    """Draw the panel: edit the chosen layer or add one after it."""
    options = {state.EDIT: _("Edit"), state.ADD: _("Add a layer")}
    chosen = _choices.segments(
        state.PANEL, _("What to do"), list(options), state.EDIT, options.__getitem__, label_visibility="collapsed",
        width="stretch",
    )  # fmt: skip
    if chosen == state.ADD:
        _palette(_session.architecture(), state.selected())
        return
    _choose_layer()
    if state.selected() == INPUT:
        _input_editor()
    else:
        _layer_editor(state.selected())


def _choose_layer() -> None:
    """A menu of names: a browser remembers the word that was chosen, and a name tells it when another stands there."""
    names = state.layer_names()
    key = _session.seed("build.chosen", names[state.selected() - INPUT])
    st.selectbox(
        _("Layer"), names, format_func=lambda name: _("input") if name == "input" else name, key=key,
        on_change=lambda: state.choose_layer(st.session_state["build.chosen"]),
    )  # fmt: skip


def _input_editor() -> None:
    architecture = _session.architecture()
    st.markdown(
        _("The pictures that the network is made for: channels (1 grey, 3 colour), height and width in pixels.")
    )
    with st.container(horizontal=True, gap="small"):
        for shape in _SHAPES:
            st.button(
                shape_text(shape), key=f"build.shape.{shape_text(shape)}", disabled=shape == architecture.input_shape,
                on_click=state.change, args=(lambda network, shape=shape: network.with_input(shape),),
            )  # fmt: skip
    limits = ((_("Channels"), 64), (_("Height"), 1024), (_("Width"), 1024))
    numbers: list[int] = []
    for place, (label, most), value in zip(st.columns(3), limits, architecture.input_shape):
        key = _session.seed(f"{state.FIELD}.input.{len(numbers)}", value)
        numbers.append(int(place.number_input(label, 1, most, step=1, key=key)))
    _session.set_architecture(architecture.with_input((numbers[0], numbers[1], numbers[2])))


def _layer_editor(index: int) -> None:
    architecture = _session.architecture()
    layer = architecture.layers[index]
    _about(layer)
    names = [name for name in type(layer).model_fields if name not in ("kind", "layers", "branches")]
    first = [name for name in names if name in _FIRST_FIELDS]
    more = [name for name in names if name not in _FIRST_FIELDS]
    key = f"{state.FIELD}.{index}.{layer.kind}"
    edited: LayerSpec = layer
    if first:
        edited = _widgets.spec_editor(type(layer), edited, key, only=first, columns=2)
    if more:
        broken = architecture.trace().folded[index].error is not None  # what is to be mended may be in here
        with st.expander(_("More"), expanded=broken) if first else st.container():
            edited = _widgets.spec_editor(type(layer), edited, key, only=more)
    if edited != layer:
        _session.set_architecture(architecture.replace(index, edited))
    _layer_buttons(index, len(architecture.layers) - 1)


def _layer_buttons(index: int, last: int) -> None:
    buttons = (
        (":material/arrow_back:", _("Move towards the input"), index == 0, state.move, (index, index - 1), "back"),
        (":material/arrow_forward:", _("Move towards the output"), index == last, state.move, (index, index + 1), "on"),
        (":material/content_copy:", _("Duplicate"), False, state.duplicate, (index,), "duplicate"),
        (":material/delete:", _("Remove"), False, state.remove, (index,), "remove"),
    )
    with st.container(horizontal=True, gap="small"):
        for icon, label, disabled, do, args, key in buttons:
            st.button(icon, key=f"build.{key}", help=label, disabled=disabled, on_click=do, args=args)


def _about(layer: LayerSpec | type[LayerSpec]) -> None:
    with st.container(gap=None):
        st.markdown(_(layer.explanation))
        st.latex(layer.formula)


def _palette(architecture: Architecture, after: int) -> None:
    where = _("the input") if after == INPUT else architecture.trace().folded[after].name
    groups: dict[str, list[str]] = {group: [] for group in _GROUPS}
    for kind, spec in LAYERS.items():
        groups.setdefault(spec.group, []).append(kind)
    chosen = state.kind()
    with st.container(gap="xsmall", key="build_palette"):
        for group, kinds in groups.items():
            st.caption(_(_GROUPS.get(group, group)))
            with st.container(horizontal=True, gap="xsmall"):
                for kind in kinds:
                    st.button(
                        kind, key=f"build.kind.{kind}", type="primary" if kind == chosen else "secondary",
                        on_click=state.choose_kind, args=(kind,),
                    )  # fmt: skip
    layer = make_layer(chosen)
    st.button(
        _("Add {kind} after {name}", kind=chosen, name=where), icon=":material/add:", type="primary", width="stretch",
        key="build.add", on_click=state.add, args=(after, chosen),
    )  # fmt: skip
    st.caption(_preview(architecture, after, layer))
    _about(layer)


def _preview(architecture: Architecture, after: int, layer: LayerSpec) -> str:
    """Return what would leave the new layer, or why it would not fit there."""
    shape = architecture.input_shape if after == INPUT else architecture.trace().folded[after].output_shape
    if shape is None:
        return _("A layer before it does not fit yet, so its output is not known.")
    try:
        return _("{before} in, {after} out", before=shape_text(shape), after=shape_text(layer.output_shape(shape)))
    except ShapeError as error:
        return error.text()
