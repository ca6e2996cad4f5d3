"""How words that anyone may have written are shown: as they are, without markup that would do something."""

from __future__ import annotations

import re

import streamlit as st

from cnnlab.errors import CnnLabError
from cnnlab.i18n import Message
from pages import _session

_MARKS = re.compile(r"[][\\`*_{}()#+!~$:<>|&^=]|(?<!\w)-|-(?!\w)")


def show_error(error: BaseException | Message) -> None:
    """Show an error of the lab, or what was said of one, in the learner's language; anything else goes on up."""
    if not isinstance(error, CnnLabError | Message):
        raise error
    st.error(told(error), icon=":material/error:")


def told(said: CnnLabError | Message) -> str:
    """Return an error or a message in the learner's language; what a file or a link says in it loads no picture."""
    return said.text(_session.language()).replace("![", "!\\[")


def plain(text: str) -> str:
    """Return ``text``, which anyone may have written, so that a label shows it as it is: no markup, no pictures."""
    return _MARKS.sub(r"\\\g<0>", " ".join(text.split()))


__all__ = ["plain", "show_error", "told"]
