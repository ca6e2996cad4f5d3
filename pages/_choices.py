"""Controls whose choice outlives the page and a reload: a widget by itself forgets its value when its page is left.

The choice is kept under the widget's key, which begins with the page's name. What is chosen for the whole lab (network,
recipe, model, image) has a name of its own in ``_session`` instead.

Each control is seeded, and what it was seeded with is its default, too: where a page is drawn anew within milliseconds the
browser may miss what was set, and would show an empty control.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import streamlit as st

from pages import _session


def segments(
    key: str, label: str, options: Sequence[Any], default: Any, names: Callable[[Any], str] = str, **options_of: Any
) -> Any:
    """Draw a segmented control and return its value: what was chosen before if it is still there, else ``default``."""
    _seed_one(key, options, default)
    value = st.segmented_control(
        label, list(options), default=st.session_state[key], key=key, format_func=names, required=True, **options_of
    )
    _session.take(key, value)
    return value


def menu(
    key: str, label: str, options: Sequence[Any], default: Any, names: Callable[[Any], str] = str, **options_of: Any
) -> Any:
    """Draw a menu and return its value, as ``segments`` does."""
    _seed_one(key, options, default)
    every, now = list(options), st.session_state[key]
    value = st.selectbox(label, every, every.index(now), key=key, format_func=names, **options_of)
    _session.take(key, value)
    return value


def pills(
    key: str, label: str, options: Sequence[Any], default: Sequence[Any], names: Callable[[Any], str], **options_of: Any
) -> list[Any]:
    """Draw pills and return those that are chosen, in the order of ``options``; what is no longer there is left out."""
    _session.seed(key, [one for one in _session.kept(key, default) if one in options])
    if any(one not in options for one in st.session_state[key]):
        st.session_state[key] = [one for one in st.session_state[key] if one in options]
    value = st.pills(
        label, list(options), default=st.session_state[key], selection_mode="multi", key=key, format_func=names,
        **options_of,
    )  # fmt: skip
    _session.take(key, list(value))
    return [one for one in options if one in value]


def slider(key: str, label: str, low: float, high: float, default: float, step: float, **options_of: Any) -> Any:
    """Draw a slider and return its value: what was chosen before, moved into ``low`` to ``high``, else ``default``."""
    _session.seed(key, type(default)(min(max(_session.kept(key, default), low), high)))
    value = st.slider(label, low, high, st.session_state[key], step=step, key=key, **options_of)
    _session.take(key, value)
    return value


def toggle(key: str, label: str, default: bool, **options_of: Any) -> bool:
    """Draw a toggle and return what it says: what was chosen before, else ``default``."""
    _session.seed(key, bool(_session.kept(key, default)))
    value = st.toggle(label, st.session_state[key], key=key, **options_of)
    _session.take(key, value)
    return value


def _seed_one(key: str, options: Sequence[Any], default: Any) -> None:
    kept = _session.kept(key, default)
    _session.seed(key, kept if kept in options else default)
    if st.session_state[key] not in options:  # chosen while there was such an option
        st.session_state[key] = default


def drawer(label: str, key: str, **options_of: Any) -> Iterator[None]:
    """Draw a popover whose content, the body of a ``for`` over this, is drawn only while it is open.

    What lies in a closed popover is not in the browser: it would come up later without the value it was seeded with,
    and send that back.
    """
    box = st.popover(label, key=key, on_change="rerun", **options_of)
    if box.open:
        with box:
            yield
