"""Train, right after a data set was made of drawings: what was made, what it begins with, and what to do now."""

from __future__ import annotations

import streamlit as st

from cnnlab.errors import CnnLabError
from cnnlab.i18n import _
from pages import _begin_state, _session, _widgets

_KEY = "train.just_made"


def note(data: str) -> None:
    """Remember that the data set ``data`` was just made, and waits to be learned."""
    st.session_state[_KEY] = (data, _session.current_run())


def waits() -> bool:
    """Return whether a set that was just made still waits: until a run begins, or another set is chosen."""
    noted = st.session_state.get(_KEY)
    if noted == (_session.data_name(), _session.current_run()):
        return True
    st.session_state.pop(_KEY, None)
    return False


def draw() -> None:
    """Say what was made, what the next run begins with, and what to do now."""
    from cnnlab.data import store

    try:
        made = store.describe(_session.data_name())
    except CnnLabError:
        return
    said = _(
        "Your data set is made: {classes}. {train} drawings to learn from, {test} set aside for the test.",
        classes=made.title, train=made.train, test=made.test,
    )  # fmt: skip
    kind, _colon, name = _begin_state.source().partition(":")
    if kind == "bundled":
        said += " " + _(
            "The next run begins with what {model} has learned, for it knows strokes already, and with a new last layer "
            "for your classes. “Begin with” below chooses otherwise.",
            model=name,
        )
    st.success(_widgets.plain(said) + " **" + _("Now press Start.") + "**", icon=":material/dataset:")
