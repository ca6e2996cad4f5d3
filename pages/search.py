"""Search: let the lab try many networks, and see whether that does better than luck."""

from __future__ import annotations

import streamlit as st

from cnnlab.figures.search import STYLE
from cnnlab.i18n import N_, _
from cnnlab.lessons import lesson
from pages import _search_ask, _search_view, _session, _widgets

_widgets.begin_page(
    N_("Network search"), N_("Let the lab try many networks for you, and see whether that does better than luck.")
)
st.html(STYLE)
found = _search_view.shown()
if found is not None:
    pace = _search_view.pace(found)
    st.fragment(_search_view.view, run_every=pace)(found.id, pace, found.state)
_search_ask.draw(_session.workspace().owner, busy=found is not None and found.live)
_widgets.what_is_this(lesson("search"), _("How to read this page"))
