"""Controls whose choice outlives the page and a reload: a widget by itself forgets its value when its page is left.

The choice is kept under the widget's key, which begins with the page's name. What is chosen for the whole lab (network,
recipe, model, image) has a name of its own in ``_session`` instead.

Each control is seeded, and what it was seeded with is its default, too: where a page is drawn anew within milliseconds the
browser may miss what was set, and would show an empty control.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import streamlit as st

from pages import _session


def seeded(
    draw: Callable[..., Any], label: str, *more: Any, key: str, now: Any, labels: Mapping[Any, str] | None = None,
    told: bool = True, **options_of: Any,
) -> Any:  # fmt: skip
    """Draw a control that shows ``now`` unless the learner has moved it since; return its value.

    Args:
        draw: what draws it, such as ``st.number_input``.
        more: its further arguments by place: the options of a menu, the lowest and highest value of a number.
        now: the truth. What the control shows is its default, too, or the next that is still an option.
        labels: what a menu calls each option. Only needed where a label can change while the menu is shown: it goes on
            showing the label from when the option was chosen, and is told here to show the new one.
        told: whether the control shows a new ``now`` when that was set elsewhere, on another page or in the picture
            beside it. False where ``key`` is another one for each ``now``: then each is a control of its own.
        options_of: what ``draw`` takes by name (``help``, ``width``).
    """
    shown = st.session_state[_session.seed(key, now, labels)] if told else now
    kind = draw.__name__
    if told and (right := _allowed(kind, shown, now, more)) != shown:
        st.session_state[key] = shown = right
    default = list(more[0]).index(shown) if kind == "selectbox" and shown in more[0] else shown
    return draw(label, *more, key=key, **{_DEFAULT.get(kind, "value"): default}, **options_of)


_DEFAULT = {"selectbox": "index", "segmented_control": "default", "pills": "default", "multiselect": "default"}
"""How these call what they begin with; the others say ``value``."""


def _allowed(kind: str, shown: Any, now: Any, more: Sequence[Any]) -> Any:
    """Return ``shown``, or what is nearest to it of what may be chosen now; it may have been chosen among others."""
    if kind in ("pills", "multiselect"):
        return [one for one in shown if one in more[0]]
    if kind in ("selectbox", "segmented_control", "select_slider"):
        return shown if shown in more[0] or now not in more[0] else now
    if kind in ("number_input", "slider") and shown is not None:
        low, high = (*more, None, None)[:2]
        shown = shown if low is None else max(low, shown)
        return shown if high is None else min(high, shown)
    return shown


def segments(
    key: str, label: str, options: Sequence[Any], default: Any, names: Callable[[Any], str] = str, **options_of: Any
) -> Any:
    """Draw a segmented control and return its value: what was chosen before if it is still there, else ``default``."""
    now = _one_of(key, options, default)
    options_of = {"format_func": names, "required": True, **options_of}
    return _kept(key, seeded(st.segmented_control, label, list(options), key=key, now=now, **options_of))


def menu(
    key: str, label: str, options: Sequence[Any], default: Any, names: Callable[[Any], str] = str, **options_of: Any
) -> Any:
    """Draw a menu and return its value, as ``segments`` does."""
    now = _one_of(key, options, default)
    return _kept(key, seeded(st.selectbox, label, list(options), key=key, now=now, format_func=names, **options_of))


def pills(
    key: str, label: str, options: Sequence[Any], default: Sequence[Any], names: Callable[[Any], str], **options_of: Any
) -> list[Any]:
    """Draw pills and return those that are chosen, in the order of ``options``; what is no longer there is left out."""
    now = [one for one in _session.kept(key, default) if one in options]
    options_of = {"format_func": names, "selection_mode": "multi", **options_of}
    value = _kept(key, list(seeded(st.pills, label, list(options), key=key, now=now, **options_of)))
    return [one for one in options if one in value]


def slider(key: str, label: str, low: float, high: float, default: float, step: float, **options_of: Any) -> Any:
    """Draw a slider and return its value: what was chosen before, moved into ``low`` to ``high``, else ``default``."""
    now = type(default)(min(max(_session.kept(key, default), low), high))
    return _kept(key, seeded(st.slider, label, low, high, key=key, now=now, step=step, **options_of))


def toggle(key: str, label: str, default: bool, **options_of: Any) -> bool:
    """Draw a toggle and return what it says: what was chosen before, else ``default``."""
    now = bool(_session.kept(key, default))
    return bool(_kept(key, seeded(st.toggle, label, key=key, now=now, **options_of)))


def _one_of(key: str, options: Sequence[Any], default: Any) -> Any:
    kept = _session.kept(key, default)
    return kept if kept in options else default


def _kept(key: str, value: Any) -> Any:
    _session.take(key, value)
    return value


def drawer(label: str, key: str, **options_of: Any) -> Iterator[None]:
    """Draw a popover whose content, the body of a ``for`` over this, is drawn only while it is open.

    What lies in a closed popover is not in the browser: it would come up later without the value it was seeded with,
    and send that back.
    """
    yield from _drawn_while_open(st.popover(label, key=key, on_change="rerun", **options_of))


def fold(label: str, key: str, help: str, icon: str) -> Iterator[None]:
    """Draw what ``drawer`` draws as a part of the page, below its label, with ``help`` on top.

    For what is long: a drawer has no more room than there is below its button, at a page's foot a slit.
    """
    for _open in _drawn_while_open(st.expander(label, key=key, icon=icon, on_change="rerun")):
        st.caption(help)
        yield


def _drawn_while_open(box: Any) -> Iterator[None]:
    if box.open:
        with box:
            yield
