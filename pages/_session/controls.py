"""What a control shows: the truth that it is seeded with, or the learner's own move since."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import streamlit as st

from pages._session import keys
from pages._session.lasting import keep

TOLD_S = 3.0
"""For how long a browser is told again what a control was set to; a slow one shows it by then."""


def seed(key: str, value: Any, labels: Mapping[Any, str] | None = None) -> str:
    """Make ``value`` what the widget ``key`` shows unless the learner moved it since; return ``key``.

    A menu goes on showing the label that it had when an option was chosen. Where ``labels`` change while it is shown
    (option to label), it is told to show the new one.

    A widget forgets its value when its page is left, and ignores a new default once it has a key. So a default alone
    is not enough; it is seeded before it is drawn, and again whenever the truth changed elsewhere. Streamlit tells
    the browser once what was set: if the page was drawn anew before the browser came to show it (an upload, a second
    click, a look that has ended), it may have missed it, and shows an empty control or the smallest number, and sends
    that back. So it is told again until a page came to its end, and for ``TOLD_S`` seconds.
    """
    shadow = key + keys.SEEDED
    truth, shown = st.session_state.get(shadow, (None, None))
    if key not in st.session_state or value not in (truth, shown):  # neither the old truth nor the learner's own move
        _set(key, value)
    elif _may_be_missed(key):
        st.session_state[key] = st.session_state[key]  # to set it, even to what it is, makes the browser show it anew
    if labels is not None:
        now = st.session_state[key] if st.session_state[key] in labels else value
        if (now, labels.get(now)) != st.session_state.get(key + keys.LABEL):
            _set(key, now)
        st.session_state[key + keys.LABEL] = (now, labels.get(now))
    st.session_state[shadow] = (value, st.session_state[key])
    return key


def _set(key: str, value: Any) -> None:
    st.session_state[key] = value
    st.session_state[key + keys.SET] = (st.session_state.get(keys.DRAWN, 0), time.monotonic(), value)


def _may_be_missed(key: str) -> bool:
    """Return whether the browser may not have seen yet what ``key`` was set to."""
    drawn, at, value = st.session_state.get(key + keys.SET, (0, 0.0, None))
    if drawn > st.session_state.get(keys.DRAWN_WHOLE, 0):
        return True
    return bool(time.monotonic() < at + TOLD_S and st.session_state[key] == value)  # else the learner has moved it


def unseed(prefix: str) -> None:
    """Let every widget whose key begins with ``prefix`` show the truth again, whatever was typed into it before."""
    for key in [key for key in st.session_state if isinstance(key, str) and key.startswith(prefix)]:
        if key.endswith(keys.SEEDED):
            st.session_state[key] = ((), ())  # no field ever holds this


def settle(key: str, value: Any) -> None:
    """Note that ``value``, which the widget ``key`` says now, has become the truth that it was seeded with.

    What is set elsewhere later is shown then, also where it is what was the truth before the learner's own move.
    """
    if st.session_state.get(key) == value:
        st.session_state[key + keys.SEEDED] = (value, value)


def take(key: str, value: Any) -> None:
    """Remember ``value``, which the widget ``key`` says now, as the choice under ``key``."""
    keep(key, value)
    settle(key, value)
