"""Build: assemble a network, see it to scale, mend what does not fit."""

import streamlit as st

from cnnlab.architecture.network import MAX_NAME
from cnnlab.errors import CnnLabError
from cnnlab.home import ASSETS
from cnnlab.i18n import N_, _
from cnnlab.lessons import lesson
from pages import (
    _build_drawer,
    _build_editor,
    _build_parts,
    _build_weights,
    _choices,
    _fault,
    _fault_state,
    _fields,
    _health,
    _recipe,
    _session,
    _widgets,
)
from pages import _build_state as state
from pages._links import go_to
from pages._said import told

_widgets.begin_page(
    N_("Build"), N_("Put layers together; every number in the drawing follows at once. Click a block to change it.")
)
_session.leave(_recipe.FROM_BUILD, True)
state.open_link()
_fault.draw_on_build()


@st.fragment
def bench() -> None:
    """Draw the drawing with its editor beside it, and what follows from the network below."""
    _session.enter()
    st.html(ASSETS / "css" / "build.css")
    bar = st.container(key="build_bar", horizontal=True, vertical_alignment="bottom", gap="small")
    with st.container(key="build_bench"):
        left, right = st.columns([2.35, 1], gap="medium")
    with right.container(key="build_panel"):
        _build_editor.panel()  # first, so that everything else shows what was just typed
    with bar:
        _bar()
    architecture = _session.architecture()
    with left:
        _said()
        with st.container(border=True, key="build_drawing"):
            _build_parts.draw_network(architecture)
        _build_parts.show_problem(architecture)
        _health.of_network(architecture)
        _build_parts.totals(architecture)
        if architecture.layers and architecture.trace().error is None:
            go_to("search", _("Let the lab search around this network"))
        _fields.at_start(architecture)
        _build_drawer.story(architecture)
        _build_weights.offer(architecture)
    _build_drawer.drawer(architecture)


def _bar() -> None:
    _choices.seeded(st.text_input,
        _("Name"), key=state.NAME, now=_session.architecture().name, max_chars=MAX_NAME, width=320,
        on_change=state.rename,
    )  # fmt: skip
    back, forth = _session.undo_steps()
    first = not back or _fault_state.is_planted(_session.architecture())  # what was before is not to be seen yet
    st.button(_("Undo"), icon=":material/undo:", disabled=first, on_click=state.undo, key="build.undo")
    st.button(_("Redo"), icon=":material/redo:", disabled=not forth, on_click=state.redo, key="build.redo")
    _widgets.what_is_this(lesson("build"), _("How to read this"))
    if _session.architecture().layers and _session.architecture().trace().error is None:
        go_to("train", _("Train it"))


def _said() -> None:
    said = state.notice()
    if isinstance(said, CnnLabError):
        _widgets.show_error(said)
    elif said:
        st.info(told(said), icon=":material/info:")


bench()
