"""Train: start, pause and stop a run, and watch it learn."""

import streamlit as st

from cnnlab.i18n import N_, _
from cnnlab.lessons import lesson
from pages import _branch, _fault, _health, _just_made, _recipe, _run_line, _runs_bin, _training, _widgets

_widgets.begin_page(N_("Train"), N_("Let the network learn from real images, and watch every part of it change."))

run = _run_line.snapshot()
_fault.draw(run)
_runs_bin.undo_line()
waits = _just_made.waits()
if waits:
    _just_made.draw()
first = _recipe.is_new(run) or waits
if first:
    _recipe.draw(run, first=True)
_training.runs_line(run)
branching = _branch.current()
if branching is not None:
    _branch.draw(*branching)
if run is not None:
    pace = _training.pace(run)
    st.fragment(_training.live, run_every=pace)(run.id, pace, run.state)
    _health.of_run(run)
if branching is None and not first:
    _recipe.draw(run)
if branching is None:
    _health.of_recipe(run)
with st.container(horizontal=True, gap="small"):
    _widgets.what_is_this(lesson("train"), _("How to read this page"))
    _fault.offer()
