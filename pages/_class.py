"""What a class trains: a learner's own wait in words, and the teacher's view of everybody's runs."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from functools import partial
from html import escape
from typing import TYPE_CHECKING

import streamlit as st

from cnnlab.errors import CnnLabError
from cnnlab.figures.live import checked_on, percent, seconds
from cnnlab.i18n import _
from cnnlab.runs.commands import HOLDING, TEACHER
from cnnlab.runs.snapshot import LIVE, state_word
from cnnlab.workspace import name_of
from pages import _choices, _curves, _run_line, _session, _widgets
from pages._looking import data_title
from pages._said import told

if TYPE_CHECKING:
    from cnnlab.runs import Place, Snapshot

MOST_LIVE = 60
MOST_OVER = 200
_SHOWN = "teacher.curves"
_OVER = ("learner", "run", "data", "acc", "steps", "time", "state", "started")
_ORDER = {"running": 0, "queued": 1, "paused": 2}


def wait_words(id: str) -> str:
    """Return when run ``id``, which waits, is going to begin, as a sentence; empty where nobody can tell."""
    from cnnlab import runs

    place = next((place for place in runs.engine().queue() if place.id == id), None)
    if place is None:
        return ""
    if place.wait_s is not None:
        return _("It begins in about {time}.", time=_about(place.wait_s))
    if place.for_memory:
        return _("It waits for memory: paused runs keep theirs until they end.")
    return ""


def _place_words(place: Place) -> str:
    where = _("its turn is next") if not place.position else _("runs before it: {count}", count=place.position)
    if place.wait_s is not None:
        where = _("{where}; begins in about {time}", where=where, time=_about(place.wait_s))
    return _("{where}; waits for memory", where=where) if place.for_memory else where


def _about(wait_s: float) -> str:
    """Return a forecast in words no finer than it is good for."""
    if wait_s < 55:
        return seconds(max(5, 5 * round(wait_s / 5)))
    if wait_s < 3600:
        return _("{minutes} min", minutes=max(1, round(wait_s / 60)))
    return seconds(600 * round(wait_s / 600))


def learner(owner: str) -> str:
    """Return what the teacher calls the learner: the workspace's name, and the first signs of its number."""
    short = owner[:4] if len(owner) == 64 else owner
    return _("{name} ({number})", name=name_of(owner), number=short) if name_of(owner) else short


def live() -> None:
    """Draw all runs that are live, with what the teacher can do about each."""
    from cnnlab import runs

    _session.enter()
    if not _session.is_teacher():
        return
    lab = runs.engine()
    places = {place.id: place for place in lab.queue()}
    found = [run for run in lab.list() if run.live]
    _summary(found, lab.room)
    if not found:
        st.info(_("Nobody trains now. Runs appear here as soon as somebody starts one."), icon=":material/groups:")
    found.sort(key=lambda run: (_ORDER[run.state], places[run.id].position if run.id in places else 0, run.created))
    for run in found[:MOST_LIVE]:
        _row(run, places.get(run.id))
    if len(found) > MOST_LIVE:
        st.caption(_("and {count} more", count=len(found) - MOST_LIVE))


def _summary(found: list[Snapshot], room: tuple[int, int]) -> None:
    states = Counter(run.state for run in found)
    slots, memory = room
    line = _(
        "{running} of {slots} places at work · {queued} waiting · {paused} paused · {memory:,} MB for all runs together",
        running=states["running"], slots=slots, queued=states["queued"], paused=states["paused"],
        memory=round(memory / 1e6),
    )  # fmt: skip
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.html(f'<p class="lab-facts" role="status">{line}</p>')
        if states["running"]:
            _button(_("Pause all"), ":material/pause:", "teacher.pause_all", "pause", _ids(found, "running"))
        if states["paused"]:
            _button(_("Resume all"), ":material/play_arrow:", "teacher.resume_all", "resume", _ids(found, "paused"))


def _ids(found: list[Snapshot], state: str) -> list[str]:
    return [run.id for run in found if run.state == state]


def _row(run: Snapshot, place: Place | None) -> None:
    with st.container(
        key=f"teacher_row_{run.id}", horizontal=True, vertical_alignment="center", gap="small", border=True
    ):
        words = _place_words(place) if place is not None else ""
        st.html(
            f'<div class="lab-class-row"><small>{escape(learner(run.owner))}<span>{escape(words)}</span></small>'
            f"{_run_line.line_html(run)}</div>"
        )
        if run.state == "running":
            _button(_("Pause"), ":material/pause:", f"teacher.pause.{run.id}", "pause", [run.id])
        elif run.state == "paused":
            _button(_("Resume"), ":material/play_arrow:", f"teacher.resume.{run.id}", "resume", [run.id])
        shown = _session.kept(_SHOWN, "") == run.id
        st.button(
            _("Hide the curves") if shown else _("Curves"), icon=":material/show_chart:", type="tertiary",
            key=f"teacher.curves.{run.id}", on_click=_session.keep, args=(_SHOWN, "" if shown else run.id),
        )  # fmt: skip
        for _open in _choices.drawer(_("End"), f"teacher.end.{run.id}", icon=":material/stop:", type="tertiary"):
            st.markdown(
                _("End *{run}* of {learner}? What it has learned so far is kept, and the learner can take it up again.",
                  run=_widgets.plain(run.name), learner=_widgets.plain(learner(run.owner)))
            )  # fmt: skip
            _button(_("End it"), ":material/stop:", f"teacher.stop.{run.id}", "stop", [run.id])
    if shown:
        _learning(run)


def _learning(run: Snapshot) -> None:
    """Draw how a learner's run learns, as the learner's own page shows it."""
    from cnnlab.runs.watch import watch

    try:
        _curves.draw(watch(run.id).look())
    except CnnLabError as error:
        st.error(told(error), icon=":material/error:")


def _button(label: str, icon: str, key: str, do: str, ids: list[str]) -> None:
    st.button(label, icon=icon, key=key, type="tertiary", on_click=partial(_tell, ids, do))


def _tell(ids: list[str], do: str) -> None:
    """Tell runs, whosever they are, what to do; those that ended meanwhile need no telling."""
    from cnnlab import runs

    if not _session.is_teacher():
        return
    lab = runs.engine()
    for id in ids:
        try:
            if lab.snapshot(id).state in LIVE:
                lab.command(id, {"do": do, "by": TEACHER} if do in HOLDING else {"do": do})
        except CnnLabError as error:
            _session.say(told(error))


def over() -> None:
    """Draw the runs of everybody that are over, the newest first."""
    from cnnlab import runs

    _session.enter()
    if not _session.is_teacher():
        return
    found = [run for run in runs.engine().list() if not run.live]
    if not found:
        st.caption(_("No run is over yet."))
        return
    titles = (_("Learner"), _("Run"), _("Data"), _("Accuracy"), _("Steps"), _("Time"), _("State"), _("Started"))
    cells = "".join(
        f'<th scope="col" class="lab-over-{name}">{escape(word)}</th>' for name, word in zip(_OVER, titles, strict=True)
    )
    body = "".join(_over_row(run) for run in found[:MOST_OVER])
    st.html(
        f'<div class="lab-class-table" tabindex="0"><table><thead><tr>{cells}</tr></thead><tbody>{body}</tbody></table></div>'
    )
    if len(found) > MOST_OVER:
        st.caption(_("and {count} more", count=len(found) - MOST_OVER))


def _over_row(run: Snapshot) -> str:
    accuracy = run.val_acc if run.test_acc is None else run.test_acc
    acc = "–" if accuracy is None else percent(accuracy)
    if accuracy is not None and run.test_acc is None:
        acc = _("{acc} ({what})", acc=acc, what=checked_on(run.recipe.full_train))
    words = (
        learner(run.owner), run.name, data_title(run.data), acc, f"{run.step:,}",
        seconds(run.train_s), state_word(run.state).text(),
        datetime.fromtimestamp(run.created).strftime("%Y-%m-%d %H:%M"),
    )  # fmt: skip
    cells = (f'<td class="lab-over-{name}">{escape(word)}</td>' for name, word in zip(_OVER, words, strict=True))
    return f"<tr>{''.join(cells)}</tr>"


STYLE = """<style>
.lab-class-row { min-width: 0; }
.lab-class-row small { display: flex; justify-content: space-between; gap: .75rem; color: var(--soft); }
.lab-class-table { overflow-x: auto; }
.lab-class-table table { border-collapse: collapse; width: 100%; font-size: .875rem; }
.lab-class-table :is(th, td) { text-align: start; padding: .35rem .75rem .35rem 0; border-bottom: 1px solid var(--line); white-space: nowrap; }
.lab-class-table th { color: var(--soft); font-weight: 500; }
.lab-class-table :is(.lab-over-acc, .lab-over-steps, .lab-over-time) { text-align: end; padding-inline-end: 1.25rem; }
[class*="st-key-teacher_row_"] { padding: .5rem .85rem; }
[class*="st-key-teacher_row_"] .stElementContainer:has(.lab-class-row) { flex: 1 1 12rem; min-width: 0; }
</style>"""
