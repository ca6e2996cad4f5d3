"""The live view of a run: numbers and controls, curves, first filters, sixteen guesses; one fragment."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

import streamlit as st

from cnnlab.errors import CnnLabError
from cnnlab.figures import live as pictures
from cnnlab.figures.runs import recipe_text
from cnnlab.i18n import N_, _
from cnnlab.runs.commands import TEACHER
from cnnlab.runs.snapshot import state_word
from pages import (
    _accuracy,
    _branch,
    _choices,
    _class,
    _curves,
    _fault,
    _hand,
    _health,
    _names,
    _run_line,
    _runs_bin,
    _session,
    _started,
    _time,
)
from pages._said import told

if TYPE_CHECKING:
    from cnnlab.runs import Snapshot
    from cnnlab.runs.watch import Glimpse, View

_MENU = "train.run"
HELD: dict[str, str] = {
    "paused": N_("The teacher has paused this run. *Resume* goes on from where it stands."),
    "stopped": N_("The teacher has ended this run. What it had learned is kept, and *Resume* goes on from there."),
}
"""What a learner is told of a run that the teacher holds, by its state."""
FIRST_S = 0.1
"""Pause between two looks at a run that is at work on its first step, in seconds."""


def runs_line(run: Snapshot | None) -> None:
    """Draw which run is shown, at which moment, what it branched from, and how to branch from it."""
    if run is None:
        return
    with st.container(key="train_runs", horizontal=True, vertical_alignment="bottom", gap="medium"):
        _run_choice(run)
        _time.line(_time.of_run(run.id))
        _branch.offer(run)
    _branch.parent_line(run)
    _started.line(run)


def _run_choice(run: Snapshot) -> None:
    names = {mine.id: _names.run_label(number, mine) for number, mine in _names.own_runs().items()}
    if len(names) < 2:
        return
    chosen = _choices.seeded(
        st.selectbox,  # a menu of its own for each run: what a browser still says of the last one is no choice
        _("Run"),
        list(names),
        format_func=lambda id: names.get(id, id),
        width=320,
        key=_menu_of(run.id),
        now=run.id,
        labels=names,
        help=_("Your runs, the newest first. A run keeps its number when another one is deleted."),
    )
    if chosen != run.id and chosen in names:
        _session.set_current_run(chosen)
        st.rerun()


def _menu_of(id: str) -> str:
    """Return the key of the menu that shows run ``id``: a new one whenever another run is shown, none ever again."""
    shown, number = st.session_state.get(_MENU, (id, 0))
    number += shown != id
    st.session_state[_MENU] = (id, number)
    return f"{_MENU}.{number}"


def pace(run: Snapshot) -> float | None:
    """Return after how many seconds the view looks again: soon before the first step, never when nothing moves.

    A run that waits for its turn can wait for long: it is looked at no more often than one that learns.
    """
    if not run.live:
        return None
    interval = _session.interval()  # counts this session among those who watch
    return FIRST_S if run.state == "running" and not run.step else max(FIRST_S, interval)


def live(id: str, asked: float | None, state: str) -> None:
    """Draw run ``id`` as it stands.

    The page is drawn anew where its other parts are out of date: the run is no longer in ``state``, or ``asked``, the
    pace at which this view was set to look again, is no longer right.
    """
    from cnnlab.runs.watch import watch

    _session.enter()
    try:
        view = watch(id).look()
    except CnnLabError as error:
        st.error(told(error), icon=":material/error:")
        return
    if view.snapshot.state != state or _run_line.is_another_pace(asked, pace(view.snapshot)):
        st.rerun()
    _told(view.snapshot)
    with st.container(key="train_bar", horizontal=True, vertical_alignment="center", gap="medium"):
        st.html(_numbers(view.snapshot))
        with st.container(
            key="train_controls", horizontal=True, vertical_alignment="center", width="content", gap="small"
        ):
            _hand.controls(view.snapshot)
            if not view.snapshot.live:
                _delete_button(view.snapshot)
    _hand.told_sent(view.snapshot)
    with st.container(key="train_facts", horizontal=True, vertical_alignment="center", gap="small"):
        if not _fault.hides(view.snapshot):  # the recipe may be what is spoilt
            st.html(f'<p class="lab-facts">{escape(recipe_text(view.snapshot.recipe_now))}</p>')
        if _time.of_run(view.snapshot.id).step is None:
            _health.line(view.snapshot)
        else:
            st.caption(_("Above: the latest numbers. Below: the pictures of the chosen moment."), width="content")
    _pictures(view)
    with st.container(key="run_line"):  # beside the view it lies in the sidebar alone: one look serves both
        _run_line.of(view.snapshot)


def _told(run: Snapshot) -> None:
    """Say what stands in the way of the run, or stood, and what happens next."""
    for said, show in ((run.error, st.error), (run.warning, st.warning)):
        if said is not None and not (said is run.error and run.state == "interrupted"):
            show(told(said), icon=":material/error:")
    if run.held_by == TEACHER and run.state in HELD:
        st.info(_(HELD[run.state]), icon=":material/school:")
    if run.state == "interrupted":
        st.info(_broken_off(run), icon=":material/power_off:")
    elif run.state == "queued" and (waits := _queue(run)):
        st.info(waits, icon=":material/hourglass_empty:")


def _broken_off(run: Snapshot) -> str:
    if not _run_line.can_go_on(run):
        return _(
            "This run was broken off before it was over, and nothing is kept here that it could go on from. Start a new "
            "one to train further."
        )
    return _(
        "This run was broken off before it was over. Nothing is lost: *Resume* goes on from the last moment that "
        "was kept, and ends with the same weights as if nothing had happened."
    )


def _queue(run: Snapshot) -> str:
    from cnnlab import runs

    before = runs.engine().position(run.id)
    if before is None:
        return ""
    if before:
        said = _("Runs that come before this one: {count}. It begins by itself when its turn comes.", count=before)
    else:
        said = _("This run is the next: it begins as soon as one that is learning ends or pauses.")
    return f"{said} {_class.wait_words(run.id)}".strip()


def _numbers(run: Snapshot) -> str:
    on, shown, told = _accuracy_cell(run)
    pace = state_word(run.state).text()
    if run.live and run.rate:
        pace = _("{state}, {rate:g} steps a second", state=pace, rate=run.rate)
    left = run.time_left_s
    if left is not None and run.rate:
        left = max(left, (run.steps - run.step) / run.rate)
    rows = (
        (
            _("step"),
            f"{run.step:,}",
            _("of {steps:,}, epoch {epoch} of {epochs}", steps=run.steps, epoch=run.epoch, epochs=run.epochs),
        ),
        (on, shown, told),
        (
            _("images per second"),
            f"{run.images_per_s:,.0f}" if run.images_per_s else "–",
            _("{count} a step", count=run.recipe_now.batch_size),
        ),
        (
            _("time left") if run.live else _("time it took"),
            pictures.seconds(left if run.live else run.train_s),
            pace,
        ),
    )
    cells = "".join(f"<div><dt>{a}</dt><dd>{b}<small>{c}</small></dd></div>" for a, b, c in rows)
    share = run.step / run.steps if run.steps else 0.0
    return (
        f'<dl class="lab-numbers">{cells}</dl><div class="lab-bar lab-progress"><i style="width:{share:.1%}"></i></div>'
    )


def _accuracy_cell(run: Snapshot) -> tuple[str, str, str]:
    """Return on which images the run's accuracy was measured, the accuracy, and what is to be known of it."""
    if run.test_acc is None:
        told = _("tested when it ends") if run.live else _("ended before the test set")
        if run.val_acc is not None:
            on = _("accuracy: {on}", on=pictures.checked_on(run.recipe.full_train))
            return on, pictures.percent(run.val_acc), told
        shown = "–" if run.train_acc is None else pictures.percent(run.train_acc)
        return _("accuracy: {on}", on=_("training")), shown, told
    told = _("about {wrong} wrong in a thousand", wrong=round((1 - run.test_acc) * 1000))
    if run.chosen_step is not None:
        told = _("at step {step:,}, the best by validation", step=run.chosen_step)
    if _accuracy.few_tests(run.data) is not None:
        told = _("test images right; too few to judge")
    return _("test accuracy"), _accuracy.short(run.test_acc, run.data), told


def _delete_button(run: Snapshot) -> None:
    """Offer to delete a run that is over; a slip loses nothing, since it goes into the bin."""
    st.button(
        _("Delete"), icon=":material/delete:", key="train.delete", type="tertiary", on_click=_runs_bin.throw,
        args=([run.id],), help=_("Into the bin of the Runs page, from which it can be brought back."),
    )  # fmt: skip


def _pictures(view: View) -> None:
    """Draw the curves, the first filters and the wall of guesses, each below its title."""
    language, dark = _session.language(), _session.dark()
    step = _time.of_run(view.snapshot.id).step
    glimpse = _glimpse(view, step)
    weights = glimpse.filters if glimpse else None
    with st.container(key="train_pictures"):
        curves, filters, guesses = st.columns([4.7, 2.25, 2.95], gap="medium")
    with curves:
        _curves.draw(view, step)
        _hand.told_changes(view.snapshot)
    if glimpse is None:
        wait = _("The first filters and guesses appear with the first steps.")
        guesses.html(f'<p class="lab-facts lab-wait">{escape(wait)}</p>')
        return
    if weights is not None:
        with filters:
            _curves.title(pictures.filters_title(weights, glimpse.layer), _about_filters(weights.shape[1] == 3))
            st.html(
                view.shared(
                    ("filters", language, dark, glimpse.step),
                    lambda: pictures.filters_html(weights, glimpse.layer, dark, glimpse.step),
                )
            )
    with guesses:
        _curves.title(
            pictures.guesses_title(glimpse.targets, glimpse.predictions),
            _("What the network says to these images right now, and how sure it is. It never learns from them."),
        )
        st.html(view.shared(("guesses", language, glimpse.step), lambda: _guesses(glimpse)))


def _glimpse(view: View, step: int | None) -> Glimpse | None:
    """Return what the network looks like at ``step`` (None: now); the newest where that moment is no longer kept."""
    from cnnlab.runs.watch import moment

    if step is None:
        return view.glimpse
    try:
        return moment(_time.kept(_time.of_run(view.snapshot.id)), view.snapshot.data)
    except CnnLabError:
        return view.glimpse


def _guesses(glimpse: Glimpse) -> str:
    return pictures.guesses_html(
        glimpse.images, glimpse.targets, glimpse.predictions, glimpse.probs, glimpse.class_names, glimpse.step
    )


def _about_filters(coloured: bool) -> str:
    begin = _("They begin as noise; edges and strokes appear.")
    if coloured:
        return (
            _("The weights of the first convolution on red, green and blue, as one colour picture each.")
            + "\n\n"
            + begin
        )
    return _("The weights of the first convolution: blue is negative, red is positive.") + "\n\n" + begin
