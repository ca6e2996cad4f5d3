"""A look that takes seconds, made beside the page: how far it is, what there is so far, and how to call it off."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import streamlit as st

from cnnlab.i18n import _
from pages import _session, _widgets

if TYPE_CHECKING:
    from cnnlab.runs.jobs import Job, Steps

LOOK_S = 0.4
"""How often a page looks how far it is, in seconds."""
LONG_S = 15.0
"""A look that takes longer than this, in seconds, says how long is left."""


def begin(kind: str, key: str, total: int, steps: Callable[[], Steps]) -> None:
    """Begin the look ``key``, whatever was before."""
    from cnnlab.runs import jobs

    jobs.start(_session.workspace().owner, kind, key, total, steps)


def begin_once(kind: str, key: str, total: int, steps: Callable[[], Steps]) -> None:
    """Begin the look ``key`` unless it was the last one of its kind: one that was called off stays so."""
    if not is_asked(kind, key):
        begin(kind, key, total, steps)


def is_asked(kind: str, key: str) -> bool:
    """Return whether the look ``key`` is the last one of its kind that was asked for."""
    from cnnlab.runs import jobs

    job = jobs.current(_session.workspace().owner, kind)
    return job is not None and job.key == key


def is_live(kind: str, key: str) -> bool:
    """Return whether the look ``key`` goes on."""
    from cnnlab.runs import jobs

    job = jobs.current(_session.workspace().owner, kind)
    return job is not None and job.key == key and job.live


def view(
    kind: str,
    key: str,
    draw: Callable[[Any], None],
    told: Callable[[Job], str],
    again: Callable[[], None] | None = None,
) -> None:
    """Draw what ``draw`` makes of what the look ``key`` has found so far, with its progress as long as it goes on.

    A button calls ``again``, if that is given, where it was called off or failed, or was made of a model that has learned on since: a page
    draws what it finds for its model itself, and asks here only as long as there is nothing.
    """
    from cnnlab.runs import jobs

    job = jobs.current(_session.workspace().owner, kind)
    live = job is not None and job.live
    st.fragment(_view, run_every=LOOK_S if live else None)(kind, key, draw, told, again, live)


def _view(
    kind: str,
    key: str,
    draw: Callable[[Any], None],
    told: Callable[[Job], str],
    again: Callable[[], None] | None,
    live: bool,
) -> None:
    _session.enter()
    from cnnlab.runs import jobs

    owner = _session.workspace().owner
    job = jobs.current(owner, kind)
    if (job is not None and job.live) != live:
        st.rerun()
    if job is None or job.key != key:
        return
    slot = st.container(horizontal=True, vertical_alignment="center", key=f"{kind}_progress")
    if job.live:
        with slot:
            st.progress(min(1.0, job.done / max(1, job.total)), text=_said(job, told))
            st.button(
                _("Cancel"), icon=":material/close:", key=f"{kind}.cancel", on_click=jobs.cancel, args=(owner, kind)
            )
    elif job.error is not None:
        _widgets.show_error(job.error)
    if not job.live and again is not None:
        label = _("Look again: the model is another one now") if job.state == "done" else _("Try again")
        if slot.button(label, icon=":material/refresh:", key=f"{kind}.again"):
            again()
            st.rerun()
    if job.found is not None:
        draw(job.found)


def _said(job: Job, told: Callable[[Job], str]) -> str:
    """Say how far it is, and where that is long, how long is left."""
    from cnnlab.figures.live import seconds

    if job.state == "waiting":
        return _("Another look comes first.")
    left = job.left_s
    if left is None or left + job.spent_s < LONG_S:
        return told(job)
    return _("{far} · about {time} left", far=told(job), time=seconds(left))
