"""Choices of the Explore and Explain pages that outlive the page: a widget forgets its value when its page is left."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import streamlit as st


def _store(key: str) -> str:
    return f"lab.kept.{key}"


def choose_one(
    key: str, label: str, options: Sequence[str], default: str, names: Callable[[str], str] | None = None
) -> str:
    """Draw a segmented control and return its value: what was chosen before if it is still there, else ``default``."""
    if st.session_state.get(key) not in options:
        kept = st.session_state.get(_store(key))
        st.session_state[key] = kept if kept in options else default
    value = st.segmented_control(label, list(options), key=key, format_func=names or str, required=True)
    st.session_state[_store(key)] = value
    return str(value)


def choose_some(
    key: str, label: str, options: Sequence[Any], default: Sequence[Any], names: Callable[[Any], str]
) -> list[Any]:
    """Draw pills and return those that are chosen, in the order of ``options``."""
    now = st.session_state.get(key)
    if now is None or any(one not in options for one in now):
        kept = st.session_state.get(_store(key), default) if now is None else now
        st.session_state[key] = [one for one in kept if one in options]
    value = st.pills(label, list(options), selection_mode="multi", key=key, format_func=names)
    st.session_state[_store(key)] = list(value)
    return [one for one in options if one in value]
