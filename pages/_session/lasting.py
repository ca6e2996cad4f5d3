"""What lasts, and for how long: until it is picked up, until the page is left, as long as the session, in the workspace."""

from __future__ import annotations

from typing import Any

import streamlit as st

from cnnlab.workspace import Workspace, is_id, new_id
from pages._session import keys

COOKIE = "cnnlab_workspace"


def workspace() -> Workspace:
    """Return the learner's workspace: this session's, else the cookie's, else a new one."""
    id = st.session_state.get(keys.WORKSPACE)
    if not is_id(id):
        cookie = st.context.cookies.get(COOKIE)
        id = cookie if is_id(cookie) else new_id()
        st.session_state[keys.WORKSPACE] = id
    return Workspace(str(id))


def leave(key: str, value: Any) -> None:
    """Leave ``value`` under ``key`` for the next draw, such as why what a button asked for was refused."""
    st.session_state[key] = value


def pick_up(key: str) -> Any:
    """Return what was left under ``key`` and forget it; None where nothing was."""
    return st.session_state.pop(key, None)


def here(key: str, default: Any = None) -> Any:
    """Return what ``set_here`` has noted under ``key`` since this page was opened."""
    return st.session_state.get(keys.HERE, {}).get(key, default)


def set_here(key: str, value: Any) -> None:
    """Note ``value`` under ``key`` until this page is left."""
    st.session_state[keys.HERE] = {**st.session_state.get(keys.HERE, {}), key: value}


def chosen(key: str, choice: str, default: Any) -> Any:
    """Return what this session has under ``key``, else what the workspace keeps as ``choice``, else ``default``."""
    if key not in st.session_state:
        kept = getattr(workspace().choices, choice)
        st.session_state[key] = default if kept is None else kept
    return st.session_state[key]


def choose(key: str, choice: str, value: Any) -> None:
    """Let ``value`` be what this session has under ``key``, and what the workspace keeps as ``choice``."""
    if key not in st.session_state or st.session_state[key] != value:
        st.session_state[key] = value
        workspace().choose(**{choice: value})


def kept(key: str, default: Any) -> Any:
    """Return what was chosen under ``key`` on any page, before a reload too; ``default`` where nothing was."""
    choices = _widget_choices()
    return choices.get(key, default)


def keep(key: str, value: Any) -> None:
    """Remember ``value`` (plain, or a few plain ones) as the choice under ``key``: ``kept`` gives it back."""
    value = tuple(value) if isinstance(value, list) else value
    choices = _widget_choices()
    if key not in choices or choices[key] != value:
        choices[key] = value
        workspace().choose_widget(key, value)


def _widget_choices() -> dict[str, Any]:
    if keys.WIDGETS not in st.session_state:
        st.session_state[keys.WIDGETS] = dict(workspace().choices.widgets)
    return st.session_state[keys.WIDGETS]
