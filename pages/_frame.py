"""The frame around every page: mark, style, current run, words, language, workspace."""

from __future__ import annotations

import streamlit as st

from cnnlab.home import ASSETS, is_full
from cnnlab.i18n import LANGUAGES, _
from pages import _choices, _continue, _run_line, _said, _session
from pages._glossary import glossary_button

_SHORT = {"en": "EN", "zh_CN": "中文"}
_cookie = st.components.v2.component(
    "cnnlab.workspace_cookie", js=(ASSETS / "components" / "workspace_cookie.js").read_text(encoding="utf-8")
)


def draw() -> None:
    """Draw everything that stands around a page; the page itself follows."""
    st.html(ASSETS / "css" / "lab.css")
    st.logo(ASSETS / "css" / "wordmark.svg", icon_image=ASSETS / "css" / "mark.svg", size="large")
    _run_line.draw()
    _continue.arrive()
    _told_full()
    _told_not_kept()
    with st.sidebar, st.container(key="frame", gap="small"):
        glossary_button()
        _continue.offer_button()
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            _language_switch()
            _workspace_menu()
        space = _session.workspace()
        _cookie(
            key="workspace_cookie",
            data={"cookie": _session.COOKIE, "id": space.id, "language": _session.language().replace("_", "-")},
            height=1,
        )


def _told_full() -> None:
    """Say that the disk takes nothing more, as long as it does not."""
    if is_full():
        st.warning(
            _(
                "The lab's disk is full, or cannot be written. You can go on: what you choose is remembered until the lab "
                "is closed, and kept as soon as some space has been freed. Tell your teacher."
            ),
            icon=":material/hard_drive:",
        )


def _told_not_kept() -> None:
    """Say once which network could not be kept when another one was opened."""
    if (lost := _session.not_kept()) is not None:
        name, problem = lost
        st.warning(
            _("Your network {name} could not be kept among your own. {problem} Undo on the Build page brings it back.",
              name=_said.plain(name) or _("without a name"), problem=_said.told(problem)),
            icon=":material/undo:",
        )  # fmt: skip


def _language_switch() -> None:
    _choices.seeded(
        st.segmented_control,
        _("Language"),
        list(LANGUAGES),
        key="frame.language",
        now=_session.language(),
        format_func=lambda code: _SHORT.get(code, code),
        label_visibility="collapsed",
        required=True,
        on_change=lambda: _session.choose_language(st.session_state["frame.language"]),
    )


def _workspace_menu() -> None:
    space = _session.workspace()
    with st.popover(space.name or _("My workspace"), icon=":material/person:", type="tertiary"):
        name = _choices.seeded(
            st.text_input,
            _("Name of this workspace"),
            key="frame.workspace_name",
            now=space.name,
            max_chars=40,
            placeholder=_("for example: Ana and Wei"),
        )
        if name != space.name:
            space.rename(name)
            st.rerun()
        st.caption(
            _("Your networks, drawings and runs are kept on the lab's computer. Only this browser can open them.")
        )
        if st.button(_("Not me: new workspace"), icon=":material/person_add:", key="frame.new_workspace"):
            _session.new_workspace()
            st.rerun()
