"""Build: assemble a network, see it to scale, mend what does not fit."""

import streamlit as st

from cnnlab.errors import CnnLabError
from cnnlab.home import ASSETS
from cnnlab.i18n import N_, _
from cnnlab.lessons import lesson
from pages import _build_drawer, _build_editor, _build_parts, _session, _widgets
from pages import _build_state as state
from pages._links import go_to

_widgets.begin_page(
    N_("Build"), N_("Put layers together; every number in the drawing follows at once. Click a block to change it.")
)
state.open_link()


@st.fragment
def bench() -> None:
    _session.enter()
    st.html(ASSETS / "css" / "build.css")
    bar = st.container(horizontal=True, vertical_alignment="bottom", gap="small")
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
        _build_parts.totals(architecture)
        _build_drawer.story(architecture)
    _build_drawer.drawer(architecture)


def _bar() -> None:
    name = st.text_input(
        _("Name"), key=_session.seed(f"{state.FIELD}.name", _session.architecture().name), max_chars=80, width=320
    )
    if name != _session.architecture().name:
        _session.set_architecture(_session.architecture().renamed(name))
    back, forth = _session.undo_steps()
    st.button(_("Undo"), icon=":material/undo:", disabled=not back, on_click=state.undo, key="build.undo")
    st.button(_("Redo"), icon=":material/redo:", disabled=not forth, on_click=state.redo, key="build.redo")
    if _session.architecture().trace().error is None:
        go_to("train", _("Train it"))
    _widgets.what_is_this(lesson("build"), _("How to read this"))


def _said() -> None:
    said = state.notice()
    if isinstance(said, CnnLabError):
        _widgets.show_error(said)
    elif said:
        st.info(said.text(_session.language()), icon=":material/link:")


bench()
