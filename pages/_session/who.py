"""Who is here, and how: the workspace, the language, the theme, the teacher, how often this session looks."""

from __future__ import annotations

import streamlit as st

from cnnlab import teacher
from cnnlab.i18n import LANGUAGES, best_language, set_language
from cnnlab.workspace import Workspace, new_id
from pages._session import keys
from pages._session.lasting import leave, pick_up, workspace


def enter() -> None:
    """Set the language: the first line of ``app.py`` and of each fragment, whose rerun does not pass through it.

    And show what a callback had to say (``say``).
    """
    set_language(language())
    if (said := pick_up(keys.SAID)) is not None:
        st.toast(said, icon=":material/error:")


def say(text: str) -> None:
    """Let a callback say ``text`` as the page, or the fragment, is drawn.

    A toast from within the callback of a fragment's button would stand where the page's style sheet stood, which lies
    in the same invisible place, and the page would lose all its looks.
    """
    leave(keys.SAID, text)


def language() -> str:
    """Return the code of the learner's language: chosen, else the browser's, else English."""
    code = st.session_state.get(keys.LANGUAGE)
    if code not in LANGUAGES:
        kept = workspace().choices.language
        code = kept if kept in LANGUAGES else best_language([st.context.locale])
        st.session_state[keys.LANGUAGE] = code
    set_language(code)
    return str(code)


def choose_language(code: str) -> None:
    """Speak ``code`` from now on, after a reload too."""
    if code in LANGUAGES:
        st.session_state[keys.LANGUAGE] = code
        workspace().choose(language=code)
        set_language(code)


def dark() -> bool:
    """Return whether the browser shows the dark theme."""
    return st.context.theme.type == "dark"


def new_workspace() -> None:
    """Leave this workspace on the disk for its owner and begin an empty one (for shared computers)."""
    code = language()
    for key in [key for key in st.session_state if isinstance(key, str)]:
        del st.session_state[key]
    st.session_state[keys.WORKSPACE] = new_id()
    choose_language(code)


def open_workspace(space: Workspace) -> None:
    """Go on in ``space``, which a one-time link led to; this browser's own stays on the disk."""
    for key in [key for key in st.session_state if isinstance(key, str)]:
        del st.session_state[key]
    st.session_state[keys.WORKSPACE] = space.id


def is_teacher() -> bool:
    """Return whether this is the teacher: on the server's own machine, or with the PIN given."""
    context = st.context
    return bool(st.session_state.get(keys.TEACHER)) or teacher.is_teacher(
        context.ip_address, None, context.headers.keys()
    )


def unlock_teacher(pin: str) -> bool:
    """Return whether ``pin`` is the teacher's (``CNNLAB_TEACHER_PIN``), and remember it for this session."""
    right = teacher.is_pin(pin)
    if right:
        st.session_state[keys.TEACHER] = True
    return right


def interval() -> float:
    """Return after how many seconds a live view of this session should look again; longer in a full class."""
    from cnnlab.runs.audience import AUDIENCE

    if keys.WATCHER not in st.session_state:
        st.session_state[keys.WATCHER] = new_id()
    return AUDIENCE.seen(st.session_state[keys.WATCHER])
