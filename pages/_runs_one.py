"""The Runs page with one run chosen: its name and notes, and the ways that lead on from it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import streamlit as st

from cnnlab.description import ModelRef
from cnnlab.errors import CnnLabError
from cnnlab.i18n import _
from pages import _choices, _export, _session, _started, _widgets
from pages._said import told

if TYPE_CHECKING:
    from cnnlab.runs import Snapshot


def draw(number: int, run: Snapshot) -> None:
    """Draw what belongs to one run alone."""
    st.subheader(_("Run {number}", number=number), anchor=False)
    for said in (run.error, run.warning):
        if said is not None:
            st.warning(told(said), icon=":material/error:")
    _started.line(run)
    with st.container(horizontal=True, vertical_alignment="top", gap="medium", key="runs_one"):
        name = _choices.seeded(st.text_input,
            _("Name"), key=f"runs.{run.id}.name", now=run.name, max_chars=80, width=260,
        )  # fmt: skip
        notes = _choices.seeded(st.text_area,
            _("Notes"), key=f"runs.{run.id}.notes", now=run.notes, max_chars=10_000, height=80, width=520,
            placeholder=_("What you wanted to find out, and what you found"),
        )  # fmt: skip
    if (name.strip() and name.strip() != run.name) or notes != run.notes:
        _edit(run, name.strip() or run.name, notes)
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="runs_one_ways"):
        if st.button(_("Show it on Train"), icon=":material/show_chart:", key="runs.train"):
            _session.set_current_run(run.id)
            st.switch_page("pages/train.py")
        if st.button(_("Look inside"), icon=":material/search:", key="runs.explore", disabled=not run.has_model):
            _session.set_model_ref(f"run:{run.id}")
            st.switch_page("pages/explore.py")
        st.download_button(
            _("Export"), lambda: _zip(run.id), file_name=file_name(number, run), mime="application/zip",
            icon=":material/download:", key="runs.export", on_click="ignore",
            help=_("A zip with the network, the recipe, the history as a table (CSV) and the trained weights."),
        )  # fmt: skip
        st.download_button(
            _("Export for TensorBoard"), lambda: _zip(run.id, True), mime="application/zip", type="tertiary",
            file_name=file_name(number, run).replace(".zip", "-tensorboard.zip"), key="runs.export.tensorboard",
            on_click="ignore", help=_("The same zip with the curves as an event file, which TensorBoard opens."),
        )  # fmt: skip
    if run.has_model and st.toggle(_("Other forms: source, notebook, ONNX, link"), key=f"runs.{run.id}.forms"):
        _export.export_choices(ModelRef(f"run:{run.id}"), "runs.forms")


def file_name(number: int, run: Snapshot) -> str:
    """Return what the exported zip of a run is called: letters, digits and ``-``, in any script."""
    name = re.sub(r"[^\w.-]+", "-", run.name).strip("-.")[:60]
    return f"{name or 'run'}-{number}.zip"


def _edit(run: Snapshot, name: str, notes: str) -> None:
    from cnnlab import runs

    try:
        runs.engine().edit(run.id, name=name, notes=notes, owner=_session.workspace().owner)
    except CnnLabError as error:
        _widgets.show_error(error)
    else:
        st.rerun()


def _zip(id: str, tensorboard: bool = False) -> bytes:
    from cnnlab import runs
    from cnnlab.runs.packed import pack_run

    return pack_run(runs.engine(), id, tensorboard)
