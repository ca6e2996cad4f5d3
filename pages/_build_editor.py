"""The right side of the Build page: edit the chosen layer, or add one after it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from cnnlab.architecture import BLOCKS, LAYERS
from cnnlab.architecture.scopes import enters
from cnnlab.errors import ShapeError
from cnnlab.figures.network import INPUT, shape_text
from cnnlab.i18n import N_, _
from pages import _build_state as state
from pages import _choices, _session, _widgets

if TYPE_CHECKING:
    from cnnlab.architecture import LayerSpec

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
    "block": N_("Blocks"),
}
_OPTIONS = {
    "identity": N_("identity (as it is)"),
    "projection": N_("projection (learned 1×1)"),
    "pad": N_("pad (with zeros)"),
    "concat": N_("concat (one behind the other)"),
    "add": N_("add (number by number)"),
    "multiply": N_("multiply (number by number)"),
    "digits": N_("digits (ten small pictures)"),
    "random": N_("random (drawn once)"),
}
"""What a learner reads for the words that torch and the papers have for a choice."""
_SHAPES = ((1, 28, 28), (1, 32, 32), (3, 32, 32))


def panel() -> None:
    """Draw the panel: edit the chosen layer or add one after it."""
    options = {state.EDIT: _("Edit"), state.ADD: _("Add a layer")}
    chosen = _choices.segments(
        state.PANEL, _("What to do"), list(options), state.EDIT, options.__getitem__, label_visibility="collapsed",
        width="stretch",
    )  # fmt: skip
    if chosen == state.ADD:
        _palette(state.selected())
        return
    _choose_layer()
    if state.selected() == INPUT:
        _block_editor() if state.here().block is not None else _input_editor()
    else:
        _layer_editor(state.selected())


def _choose_layer() -> None:
    """A menu of names: a browser remembers the word that was chosen, and a name tells it when another stands there."""
    names = state.layer_names()
    _choices.seeded(
        st.selectbox, _("Layer"), names, key="build.chosen", now=names[state.selected() - INPUT],
        format_func=lambda name: _("input") if name == "input" else name.rpartition(".")[2],
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
        key = f"{state.FIELD}.input.{len(numbers)}"
        numbers.append(int(_choices.seeded(place.number_input, label, 1, most, key=key, now=value, step=1)))
    _session.set_architecture(architecture.with_input((numbers[0], numbers[1], numbers[2])))


def _block_editor() -> None:
    """What can be changed of the block that is open, at the place of its input."""
    now = state.here()
    if now.block is not None:
        _fields(now.block, now.place, f"{state.FIELD}.inside.{'.'.join(map(str, now.place))}", False)


def _layer_editor(index: int) -> None:
    now = state.here()
    row = now.rows[index]
    broken = row.error is not None  # what is to be mended may be in here
    _fields(row.layer, now.at(index), f"{state.FIELD}.{'.'.join(map(str, now.at(index)))}.{row.layer.kind}", broken)
    _layer_buttons(index, len(now.rows) - 1)
    _block_buttons(index, row.layer)


def _fields(layer: LayerSpec, place: tuple[int, ...], key: str, broken: bool) -> None:
    _about(layer)
    names = [name for name in type(layer).model_fields if name not in ("kind", "layers", "branches")]
    first = [name for name in names if name in _FIRST_FIELDS]
    more = [name for name in names if name not in _FIRST_FIELDS]
    edited: LayerSpec = layer
    if first:
        edited = _widgets.spec_editor(type(layer), edited, key, only=first, columns=2, labels=_OPTIONS)
    if more:
        with st.expander(_("More"), expanded=broken) if first else st.container():
            edited = _widgets.spec_editor(type(layer), edited, key, only=more, labels=_OPTIONS)
    if edited != layer:
        _session.set_architecture(_session.architecture().replace(place, edited))


def _block_buttons(index: int, layer: LayerSpec) -> None:
    """Go into a block, open it up, or make one of this layer and those behind it."""
    now = state.here()
    if enters(layer):
        st.button(
            _("Look inside"), icon=":material/zoom_in:", type="primary", width="stretch", key="build.inside",
            on_click=state.go_inside, args=(now.at(index),),
        )  # fmt: skip
    if layer.nesting:
        st.button(
            _("Open it up"), icon=":material/unfold_more:", width="stretch", key="build.ungroup", on_click=state.ungroup,
            args=(index,), help=_("Puts what the block is made of in its place; the network computes the same."),
        )  # fmt: skip
    if now.parallel:
        return
    with st.expander(_("Make a block of it"), icon=":material/select_all:"):
        names = [row.name.rpartition(".")[2] for row in now.rows[index:]]
        last = _choices.seeded(
            st.selectbox, _("Up to"), names, key=f"{state.FIELD}.until.{now.place}.{index}", now=names[0]
        )
        end = index + (names.index(last) if last in names else 0)
        for kind in ("Sequence", "Residual", "Branches", "DenseBlock"):
            with st.container(gap="xxsmall"):
                st.button(
                    kind, key=f"build.group.{kind}", width="stretch", on_click=state.group, args=(index, end, kind)
                )
                st.caption(_(BLOCKS[kind].explanation))


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


def _palette(after: int) -> None:
    now = state.here()
    where = _("the input") if after == INPUT else now.rows[after].name.rpartition(".")[2]
    groups: dict[str, list[str]] = {group: [] for group in _GROUPS}
    for kind, spec in (LAYERS | BLOCKS).items():
        groups.setdefault(spec.group, []).append(kind)
    chosen = state.kind()
    layer = state.new_layer(after, chosen)
    label = (
        _("Add a branch with {kind}", kind=chosen)
        if now.parallel
        else _("Add {kind} after {name}", kind=chosen, name=where)
    )
    st.button(
        label, icon=":material/add:", type="primary", width="stretch", key="build.add", on_click=state.add,
        args=(after, chosen),
    )  # fmt: skip
    st.caption(_preview(after, layer))
    with st.container(gap="xsmall", key="build_palette"):
        for group, kinds in groups.items():
            st.caption(_(_GROUPS.get(group, group)))
            with st.container(horizontal=True, gap="xsmall"):
                for kind in kinds:
                    st.button(
                        kind, key=f"build.kind.{kind}", type="primary" if kind == chosen else "secondary",
                        on_click=state.choose_kind, args=(kind,),
                    )  # fmt: skip
    _about(layer)


def _preview(after: int, layer: LayerSpec) -> str:
    """Return what would leave the new layer, or why it would not fit there."""
    shape = state.arrives(after)
    if shape is None:
        return _("A layer before it does not fit yet, so its output is not known.")
    try:
        return _("{before} in, {after} out", before=shape_text(shape), after=shape_text(layer.output_shape(shape)))
    except ShapeError as error:
        return error.text()
