"""The current run as one line, on every page: name, progress, accuracy, pause."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING

import streamlit as st

from cnnlab.errors import CnnLabError
from cnnlab.i18n import _
from cnnlab.runs.snapshot import state_word
from pages import _accuracy, _session
from pages._said import told

if TYPE_CHECKING:
    from cnnlab.runs import Snapshot


def snapshot() -> Snapshot | None:
    """Return the current run as it stands, or None; a run that is gone, or somebody else's, is forgotten."""
    id = _session.current_run()
    if id is None:
        return None
    from cnnlab import runs

    try:
        found = runs.engine().snapshot(id)
    except CnnLabError:
        found = None
    if found is None or found.owner != _session.workspace().owner:
        _session.set_current_run(None)
        return None
    return found


def draw() -> None:
    """Draw the line; it lives by itself while the run does. On Train the view of the run draws it as well."""
    run = snapshot()
    if run is not None and _session.page() == "train":
        st.container(key="run_line_elsewhere").empty()  # the page begins as far down as any other
        return
    pace = _pace(run)
    with st.container(key="run_line"):
        st.fragment(_line, run_every=pace)(pace)


def _pace(run: Snapshot | None) -> float | None:
    return 2 * _session.interval() if run is not None and run.live else None


def is_another_pace(asked: float | None, now: float | None) -> bool:
    """Return whether a view set to look again every ``asked`` seconds should be set anew: it stops, begins, or doubles.

    The pace of a fragment is fixed when it is drawn; as a class comes and goes, each of its looks asks this.
    """
    if asked is None or now is None:
        return asked is not now
    return not 0.5 < now / asked < 2


def _line(asked: float | None) -> None:
    _session.enter()
    found = snapshot()
    if is_another_pace(asked, _pace(found)):
        st.rerun()
    if found is not None:
        of(found)


def of(found: Snapshot) -> None:
    """Draw ``found`` as the line: what it does, and the one button that it needs now."""
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.html(line_html(found, _is_ill(found)))
        if found.state in ("running", "paused"):
            paused = found.state == "paused"
            st.button(
                _("Resume") if paused else _("Pause"),
                icon=":material/play_arrow:" if paused else ":material/pause:",
                type="tertiary",
                key="run_line.pause",
                on_click=command,
                args=(found.id, "resume" if paused else "pause"),
            )
        elif found.state == "interrupted" and can_go_on(found):
            st.button(
                _("Resume"), icon=":material/play_arrow:", type="tertiary", key="run_line.again",
                on_click=go_on, args=(found.id,),
            )  # fmt: skip


def _is_ill(run: Snapshot) -> bool:
    """Return whether the rules were asked about ``run``, which is over, and have found a fault that may be told."""
    if run.live:
        return False
    from cnnlab.runs.checkup import last_checkup

    found = last_checkup(run.id)
    if found is None or all(finding.severity != "fault" for finding in found.findings):
        return False
    from pages import _fault

    return not _fault.hides(run)


def line_html(found: Snapshot, ill: bool = False) -> str:
    """Return the run as one line of HTML: state, name, progress, accuracy; in the colour of what failed if it is ``ill``."""
    share = found.step / found.steps if found.steps else 0.0
    accuracy = found.test_acc if found.test_acc is not None else found.val_acc
    shown = "" if accuracy is None else f"{accuracy:.1%}"
    if found.test_acc is not None:
        shown = _accuracy.short(found.test_acc, found.data)
    state = state_word(found.state).text()
    return (
        f'<div class="lab-run lab-run-{"failed" if ill else found.state}" role="status">'
        f'<span class="lab-run-name">{html.escape(found.name)}</span>'
        f'<span class="lab-run-state">{state}</span><span class="lab-run-acc">{shown}</span>'
        f'<span class="lab-bar"><i style="width:{share:.1%}"></i></span></div>'
    )


def command(id: str, do: str, **more: float) -> None:
    """Tell run ``id`` what to do, as ``cnnlab.runs.commands`` says."""
    from cnnlab import runs

    try:
        runs.engine().command(id, {"do": do, **more}, owner=_session.workspace().owner)
    except CnnLabError as error:
        _session.say(told(error))


def can_go_on(run: Snapshot) -> bool:
    """Return whether ``run`` can be taken up again: one that was brought from elsewhere has kept nothing to go on from."""
    from cnnlab import runs

    try:
        return run.state in runs.RESUMABLE and runs.engine().can_resume(run.id)
    except CnnLabError:
        return False  # deleted meanwhile


def go_on(id: str) -> None:
    """Take run ``id`` up again where it was interrupted or stopped."""
    from cnnlab import runs

    try:
        runs.engine().resume(id, owner=_session.workspace().owner)
    except CnnLabError as error:
        _session.say(told(error))
