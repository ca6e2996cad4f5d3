"""Runs: all that was trained, beside each other; notes, names, a bin, and the way out and in."""

from __future__ import annotations

import streamlit as st

from cnnlab.figures import runs as figures
from cnnlab.i18n import N_, _
from cnnlab.lessons import lesson
from pages import _names, _runs_bin, _runs_compare, _runs_one, _runs_table, _runs_weights, _session, _widgets
from pages._links import go_to

_widgets.begin_page(N_("Runs"), N_("Put what you have trained side by side: what was different, and what came of it."))
st.html(figures.style(_session.dark()))
mine = _names.own_runs()
if mine:
    shown = _runs_table.filters(mine)
    chosen = _runs_table.chosen(mine)
    _runs_table.draw(shown, chosen)
else:
    shown, chosen = {}, []
    st.info(_("Here stands every run that you have trained. There is none yet."), icon=":material/stacked_line_chart:")
    go_to("train", _("Train a network"))
_runs_bin.bar(chosen)
if len(chosen) == 1:
    _runs_one.draw(*chosen[0])
_runs_compare.draw(chosen)
_runs_weights.draw(chosen)
_runs_compare.seeds(shown)
_widgets.what_is_this(lesson("runs"), _("How to read this page"))
