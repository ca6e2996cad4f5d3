"""The live view of a run: numbers and controls, curves, first filters, sixteen guesses; one fragment."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

import streamlit as st

from cnnlab.errors import CnnLabError
from cnnlab.figures import live as pictures
from cnnlab.i18n import _
from cnnlab.runs.snapshot import state_word
from pages import _run_line, _session
from pages._links import go_to

if TYPE_CHECKING:
    from cnnlab.runs import Snapshot
    from cnnlab.runs.watch import View

FIRST_S = 0.25
"""Pause between two looks before the first step is done."""


def runs_line(run: Snapshot | None) -> None:
    """Offer the learner's earlier runs where there is more than one."""
    from cnnlab import runs

    mine = runs.engine().list(owner=_session.workspace().owner)
    if run is None or len(mine) < 2:
        return
    names = {
        r.id: _("{number}: {name}, {state}", number=i, name=r.name, state=state_word(r.state).text())
        for i, r in enumerate(sorted(mine, key=lambda r: r.created), 1)
    }
    chosen = st.selectbox(
        _("Run"),
        list(reversed(names)),
        format_func=lambda id: names.get(id, id),
        width=320,
        key=_session.seed("train.run", run.id),
    )
    if chosen != run.id:
        _session.set_current_run(chosen)
        st.rerun()


def pace(run: Snapshot) -> float | None:
    """Return after how many seconds the view looks again: soon before the first step, never when nothing moves."""
    if not run.live:
        return None
    return _session.interval() if run.step else FIRST_S


def live(id: str, asked: float | None) -> None:
    """Draw run ``id`` as it stands; ``asked`` is the pace at which this view was set to look again."""
    from cnnlab.runs.watch import watch

    _session.enter_fragment()
    try:
        view = watch(id).look()
    except CnnLabError as error:
        st.error(error.text(_session.language()), icon=":material/error:")
        return
    now = pace(view.snapshot)
    if (now is None) != (asked is None) or (now and asked and not 0.5 <= now / asked < 2):
        st.rerun()
    if view.snapshot.error is not None:
        st.error(view.snapshot.error.text(_session.language()), icon=":material/error:")
    with st.container(key="train_bar", horizontal=True, vertical_alignment="center", gap="medium"):
        st.html(_numbers(view.snapshot))
        with st.container(key="train_controls", horizontal=True, width="content", gap="small"):
            _controls(view.snapshot)
    _pictures(view)


def _numbers(run: Snapshot) -> str:
    tested = run.test_acc is not None
    accuracy = run.test_acc if tested else run.val_acc
    told = _("on images it never saw") if tested else _("the test set waits for the end")
    if accuracy is not None and tested:
        told = _("about {wrong} wrong in a thousand", wrong=round((1 - accuracy) * 1000))
    rows = (
        (
            _("step"),
            f"{run.step:,}",
            _("of {steps:,}, epoch {epoch} of {epochs}", steps=run.steps, epoch=run.epoch, epochs=run.epochs),
        ),
        (
            _("test accuracy") if tested else _("accuracy: {on}", on=pictures.checked_on(run.recipe.full_train)),
            "–" if accuracy is None else pictures.percent(accuracy),
            told,
        ),
        (
            _("images per second"),
            f"{run.images_per_s:,.0f}" if run.images_per_s else "–",
            _("{count} a step", count=run.recipe.batch_size),
        ),
        (
            _("time left") if run.live else _("time it took"),
            pictures.seconds(run.time_left_s if run.live else run.train_s),
            state_word(run.state).text(),
        ),
    )
    cells = "".join(f"<div><dt>{a}</dt><dd>{b}<small>{c}</small></dd></div>" for a, b, c in rows)
    share = run.step / run.steps if run.steps else 0.0
    return (
        f'<dl class="lab-numbers">{cells}</dl><div class="lab-bar lab-progress"><i style="width:{share:.1%}"></i></div>'
    )


def _controls(run: Snapshot) -> None:
    """Draw what can be done with the run now: pause and stop while it lives, use it when it is over."""

    def button(label: str, icon: str, do: str, **more: str) -> None:
        st.button(label, icon=icon, key=f"train.{do}", on_click=_run_line.command, args=(run.id, do), **more)

    if run.state == "running":
        button(_("Pause"), ":material/pause:", "pause", type="primary")
    elif run.state == "paused":
        button(_("Resume"), ":material/play_arrow:", "resume", type="primary")
    if run.live:
        button(_("Stop"), ":material/stop:", "stop")
    elif run.has_model:
        go_to("draw", _("Draw for it"))
        go_to("explore", _("Look inside it"))


def _pictures(view: View) -> None:
    language, dark = _session.language(), _session.dark()
    glimpse = view.glimpse
    classes = len(glimpse.class_names) if glimpse else 10
    curves, filters, guesses = st.columns([5, 2.2, 2.6], gap="medium")
    lines = (view.train, view.val, view.steps, classes, view.snapshot.recipe.full_train)
    with curves:
        st.html(view.shared(("loss", language), lambda: pictures.loss_html(*lines)))
        st.html(view.shared(("acc", language), lambda: pictures.accuracy_html(*lines)))
    if glimpse is None:
        wait = _("The first filters and guesses appear with the first steps.")
        guesses.html(f'<p class="lab-facts lab-wait">{escape(wait)}</p>')
        return
    weights = glimpse.filters
    if weights is not None:
        filters.html(
            view.shared(("filters", language, dark), lambda: pictures.filters_html(weights, glimpse.layer, dark))
        )
    guesses.html(
        view.shared(
            ("guesses", language),
            lambda: pictures.guesses_html(
                glimpse.images, glimpse.targets, glimpse.predictions, glimpse.probs, glimpse.class_names
            ),
        )
    )
