"""What the Build page remembers (which layer is edited, what was just done), and its edits as callbacks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import streamlit as st

from cnnlab.architecture import share
from cnnlab.errors import CnnLabError
from cnnlab.figures.network import INPUT
from cnnlab.i18n import N_, Message
from pages import _session

if TYPE_CHECKING:
    from cnnlab.architecture import Architecture

DRAWING = "build.drawing"
FIELD = "build.field"  # prefix of every widget that edits the network in place
PANEL = "build.panel"
EDIT, ADD = "edit", "add"
_LAYER = "build.layer"
_NOTICE = "build.notice"
_REVEAL = "build.reveal"


def selected() -> int:
    """Return the position of the layer that is edited, or ``INPUT``."""
    last = len(_session.architecture().layers) - 1
    return int(min(max(st.session_state.get(_LAYER, 0), INPUT), last))


def select(index: int, panel: str = EDIT) -> None:
    """Edit the layer at ``index`` from now on, or add one after it."""
    st.session_state[_LAYER] = index
    st.session_state[PANEL] = panel


def reveal() -> int:
    """Return how many networks were opened: the drawing comes into sight when this changes."""
    return int(st.session_state.get(_REVEAL, 0))


def focus() -> None:
    """Edit the layer that does not fit, else the first one, and bring the drawing into sight."""
    st.session_state[_REVEAL] = reveal() + 1
    rows = _session.architecture().trace().rows
    select(next((row.index for row in rows if row.error), 0 if rows else INPUT))


def notice() -> Message | CnnLabError | None:
    """Return what is to be said once, and forget it."""
    return st.session_state.pop(_NOTICE, None)


def say(message: Message | CnnLabError) -> None:
    """Show ``message`` at the next rerun."""
    st.session_state[_NOTICE] = message


def _show_anew() -> None:
    """Let the fields show the network as it is now: a widget would bring back what was typed before an undo."""
    _session.unseed(FIELD)


def undo() -> None:
    """Take back the last edit."""
    _session.undo()
    _show_anew()


def redo() -> None:
    """Make the edit that was taken back last again."""
    _session.redo()
    _show_anew()


def change(edit: Callable[[Architecture], Architecture], select_next: int | None = None) -> None:
    """Apply ``edit`` to the network; a network that it may not become is said, and the one before stays."""
    try:
        _session.set_architecture(edit(_session.architecture()))
    except CnnLabError as error:
        say(error)
    else:
        _show_anew()
        if select_next is not None:
            select(select_next)


def remove(index: int) -> None:
    """Remove the layer at ``index`` and edit the one that takes its place."""
    change(lambda network: network.remove(index), min(index, len(_session.architecture().layers) - 2))


def duplicate(index: int) -> None:
    """Put a copy of the layer at ``index`` right behind it."""
    change(lambda network: network.duplicate(index), index + 1)


def move(index: int, to: int) -> None:
    """Move the layer at ``index`` to position ``to``."""
    change(lambda network: network.move(index, to), to)


def on_drawing() -> None:
    """Do what was asked for in the drawing; what the browser sends is checked like any other input."""
    action = getattr(st.session_state.get(DRAWING), "action", None)
    last = len(_session.architecture().layers) - 1
    wanted = action if isinstance(action, Mapping) else {}
    index, to = _place(wanted, "index", last + 1), _place(wanted, "to", last)
    match wanted.get("do"):
        case "select" if index is not None and index <= last:
            select(index)
        case "insert" if index is not None and index >= 0:
            select(index - 1, ADD)
        case "remove" if index is not None and 0 <= index <= last:
            remove(index)
        case "move" if index is not None and to is not None and 0 <= index <= last and to >= 0:
            move(index, to)


def _place(wanted: Mapping[str, Any], name: str, most: int) -> int | None:
    value = wanted.get(name)
    return value if type(value) is int and INPUT <= value <= most else None


def use_preset(name: str) -> None:
    """Start from a preset, with its recipe and its data; undo brings the network before back."""
    _session.use_preset(name)
    _show_anew()
    focus()


def open_document(key: str) -> None:
    """Open the JSON file that the uploader ``key`` holds."""
    from cnnlab.architecture import Architecture

    file = st.session_state.get(key)
    if file is not None:
        change(lambda _network: Architecture.from_json(file.getvalue()))
        focus()


def open_link() -> None:
    """Open the network of a link (``?net=...``) once, and take it out of the address."""
    text = st.query_params.get("net")
    if text is None:
        return
    del st.query_params["net"]
    try:
        _session.set_architecture(share.from_text(text))
    except CnnLabError as error:
        say(error)
    else:
        _show_anew()
        focus()
        say(Message(N_("Opened from a link. Undo brings your own network back.")))


__all__ = [
    "ADD", "DRAWING", "EDIT", "FIELD", "PANEL", "change", "duplicate", "focus", "move", "notice", "on_drawing", "open_document", "open_link",
    "redo", "remove", "reveal", "say", "select", "selected", "undo", "use_preset",
]  # fmt: skip
