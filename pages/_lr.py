"""The learning-rate finder beside the recipe's learning rate: a search on a copy, its curve, and "Use it"."""

from __future__ import annotations

import streamlit as st

from cnnlab.architecture import Architecture
from cnnlab.errors import CnnLabError
from cnnlab.home import ASSETS
from cnnlab.i18n import _
from cnnlab.training.recipe import Recipe
from pages import _choices, _session, _widgets

_LOOK_S = 0.4


def finder(architecture: Architecture, data: str, recipe: Recipe) -> None:
    """Draw the fold with the finder for what the next run trains."""
    from cnnlab.runs import lr_search

    search = lr_search.current(_session.workspace().owner)
    live = search is not None and search.live
    for _open in _choices.fold(
        _("Find a learning rate"), "train.lr.open", icon=":material/troubleshoot:",
        help=_("Try growing learning rates for a hundred steps, on a copy that is thrown away."),
    ):  # fmt: skip
        st.fragment(_bench, run_every=_LOOK_S if live else None)(architecture, data, recipe, live)


def _bench(architecture: Architecture, data: str, recipe: Recipe, live: bool) -> None:
    from cnnlab.runs import lr_search

    _session.enter()
    owner = _session.workspace().owner
    search = lr_search.current(owner)
    if search is not None and not search.fits(architecture, data, recipe):
        search = None if not search.live else search
    if (search is not None and search.live) != live:
        st.rerun()
    with st.container(width=460, gap="small"):
        if search is None or search.state == "cancelled":
            _offer(owner, architecture, data, recipe)
            return
        if search.finding is not None and not search.live:
            _use(search.finding.suggested, recipe)  # above the curve: a small window shows it without scrolling
        _shown(search, recipe.lr)
        if search.live:
            st.button(
                _("Cancel"), icon=":material/close:", key="train.lr.cancel", on_click=lr_search.cancel, args=(owner,)
            )
        elif search.finding is not None:
            st.caption(_("Faint: each step. Bold: their average. Where it turns up, the steps are too long."))
        else:
            st.button(_("Try again"), key="train.lr.again", on_click=_start, args=(owner, architecture, data, recipe))


def _offer(owner: str, architecture: Architecture, data: str, recipe: Recipe) -> None:
    st.markdown(
        _("The network takes a hundred steps on a copy of itself; each step's learning rate is a little larger than the "
          "last, from 0.000001 to 1. Where the loss falls fastest is a good one to begin with.")
    )  # fmt: skip
    if problem := _session.pick_up("train.lr.problem"):
        _widgets.show_error(problem)
    st.button(
        _("Try them"), icon=":material/play_arrow:", key="train.lr.start", type="primary",
        on_click=_start, args=(owner, architecture, data, recipe),
    )  # fmt: skip


def _start(owner: str, architecture: Architecture, data: str, recipe: Recipe) -> None:
    from cnnlab.runs import lr_search

    try:
        lr_search.start(owner, architecture, data, recipe)
    except CnnLabError as error:
        _session.leave("train.lr.problem", error)


def _shown(search, now: float) -> None:  # type: ignore[no-untyped-def]
    from cnnlab.figures.lr import search_html

    if search.error is not None:
        _widgets.show_error(search.error)
        return
    if search.live:
        told = _("step {step} of {steps}", step=len(search.trials), steps=search.steps)
        st.progress(
            len(search.trials) / search.steps,
            text=_("Another search comes first.") if search.state == "waiting" else told,
        )
    st.html(ASSETS / "css" / "health.css")
    st.html(search_html(search.trials, search.finding, now))


def _use(suggested: float | None, recipe: Recipe) -> None:
    from cnnlab.figures.lr import rate_text

    if suggested is None:
        st.info(_("The loss hardly fell at any of them: nothing to suggest. Look at the network first."))
        return
    st.markdown(_("The loss falls fastest at **{lr}**.", lr=rate_text(suggested)))
    if st.button(
        _("Use {lr}", lr=rate_text(suggested)), icon=":material/check:", key="train.lr.use", type="primary",
        disabled=recipe.lr == float(rate_text(suggested)),
    ):  # fmt: skip
        _session.set_recipe(_session.recipe().changed(lr=float(rate_text(suggested))))
        st.rerun()
