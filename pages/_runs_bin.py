"""The Runs page's bar below the table: what can be done with the chosen runs, the bin, and a run from elsewhere.

A run that is deleted goes into the bin first: nothing shows it any more, and nothing of it is lost until the bin is
emptied.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from cnnlab.errors import CnnLabError
from cnnlab.i18n import _
from cnnlab.workspace import MAX_BIN
from pages import _kept_models, _names, _runs_table, _session, _widgets

if TYPE_CHECKING:
    from cnnlab.runs import Snapshot

_THROWN = "runs.thrown"
_MODELS, _BROUGHT = "runs.model", "runs.model.brought"
_MAX_MB = 300


def bar(chosen: list[tuple[int, Snapshot]]) -> None:
    """Draw the bar, and below it what was just deleted with a button that brings it back."""
    over = [run for _number, run in chosen if not run.live]
    binned = _names.binned_runs()
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="runs_bar"):
        if chosen:
            st.button(
                _("Choose none"), icon=":material/deselect:", key="runs.none", type="tertiary",
                on_click=_runs_table.choose, args=([],),
            )  # fmt: skip
            st.button(
                _("Delete {count}", count=len(over)) if len(chosen) > 1 else _("Delete"),
                icon=":material/delete:", key="runs.delete", type="tertiary", disabled=not over,
                on_click=throw, args=([run.id for run in over],),
                help=_("Into the bin, from which it can be brought back. A run that still learns has to be stopped first."),
            )  # fmt: skip
            names = ", ".join(_("{name} ({number})", name=run.name, number=number) for number, run in chosen)
            st.markdown(_("Chosen: {names}", names=_widgets.plain(names)), width="content")
        if binned:
            _bin(binned)
        _bring()
        brought = _kept_models.bring(_MODELS)
    if brought is not None:
        _session.set_here(_BROUGHT, brought)
        st.rerun()
    if (now := _session.here(_BROUGHT)) is not None:
        _kept_models.draw(_MODELS, _("Your own models: {count}", count="{count}"), now, "pages/explore.py")
    undo_line()


def throw(ids: list[str]) -> None:
    """Put runs into the bin; what the lab shows of them gives way to others."""
    thrown = (*_session.bin(), *(id for id in ids if id not in _session.bin()))
    if len(thrown) > MAX_BIN:
        _session.set_here(_THROWN, ("full",))
        return
    _session.set_bin(thrown)
    _session.set_here(_THROWN, tuple(ids))
    _runs_table.choose([id for id in _session.kept(_runs_table.CHOSEN, ()) if id not in ids])
    if str(_session.model_ref()).partition("@")[0] in {f"run:{id}" for id in ids}:
        _session.set_model_ref(_session.DEFAULT_MODEL)
    if _session.current_run() in ids:
        left = list(_names.own_runs().values())
        _session.set_current_run(left[0].id if left else None)


def bring_back(ids: list[str]) -> None:
    """Take runs out of the bin again."""
    _session.set_bin(id for id in _session.bin() if id not in ids)
    _session.set_here(_THROWN, ())


def undo_line() -> None:
    """Say what was deleted last, with a button that brings it back; nothing where it is back, or gone for good."""
    binned = _names.binned_runs()
    thrown = _session.here(_THROWN, ())
    if thrown == ("full",):
        st.warning(_("The bin holds {most} runs, which is all it can. Empty it first.", most=MAX_BIN))
        return
    there = [f"{run.name} ({number})" for number, run in binned.items() if run.id in thrown]
    if there:
        with st.container(horizontal=True, vertical_alignment="center", gap="small", key="runs_undo"):
            names = _widgets.plain(", ".join(there[:3]) + ("…" if len(there) > 3 else ""))
            st.markdown(_("Deleted: {names}", names=names), width="content")
            st.button(
                _("Undo"), icon=":material/undo:", key="runs.undo", on_click=bring_back, args=(list(thrown),)
            )  # fmt: skip


def _bin(binned: dict[int, Snapshot]) -> None:
    with st.popover(
        _("Bin: {count}", count=len(binned)), icon=":material/delete_sweep:", type="tertiary", key="runs.bin.open"
    ):
        st.caption(_("What lies here takes up space until the bin is emptied."))
        for number, run in binned.items():
            with st.container(horizontal=True, vertical_alignment="center", gap="small"):
                st.markdown(_widgets.plain(f"{run.name} ({number})"), width="content")
                st.button(
                    _("Bring back"), key=f"runs.bin.{run.id}", type="tertiary", on_click=bring_back, args=([run.id],)
                )
        if st.button(_("Empty the bin for good"), icon=":material/delete_forever:", key="runs.bin.empty"):
            _empty(binned)


def _empty(binned: dict[int, Snapshot]) -> None:
    from cnnlab import runs

    gone = []
    for run in binned.values():
        try:
            runs.engine().delete(run.id, owner=_session.workspace().owner)
            gone.append(run.id)
        except CnnLabError as error:
            _widgets.show_error(error)
    _session.set_bin(id for id in _session.bin() if id not in gone)
    if len(gone) == len(binned):
        st.rerun()


def _bring() -> None:
    number = _session.here("runs.form", 0)
    with st.popover(_("Bring a run"), icon=":material/upload:", type="tertiary", key=f"runs.bring.{number}"):
        file = st.file_uploader(
            _("A run's zip, as this page exports it"), type=["zip"], key=f"runs.file.{number}", max_upload_size=_MAX_MB
        )
        if st.button(_("Bring it here"), icon=":material/add:", key="runs.bring", disabled=file is None):
            try:
                id = _import(file)
            except CnnLabError as error:
                _widgets.show_error(error)
            else:
                _session.set_here("runs.form", number + 1)
                _runs_table.choose([id])
                st.rerun()


def _import(file) -> str:
    from cnnlab import runs
    from cnnlab.runs.packed import unpack_run

    return unpack_run(runs.engine(), file, file.name, _session.workspace().owner)
