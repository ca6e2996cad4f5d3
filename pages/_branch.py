"""A new run from a moment of another one: with other settings, or from its beginning with exactly one of them other."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import streamlit as st

from cnnlab.errors import CnnLabError
from cnnlab.i18n import _
from pages import _hand, _names, _session, _time, _widgets
from pages._said import told

if TYPE_CHECKING:
    from cnnlab.runs import Snapshot
    from cnnlab.training.recipe import Recipe
    from pages._session import Branch


def offer(run: Snapshot) -> None:
    """Draw the buttons that begin a branch of ``run``; one that came from elsewhere is over and has kept no moment."""
    none = "" if run.live or _has_moments(run.id) else _("No moment of this run is kept.")
    again = _("The same first weights and the same order of images again, with exactly one setting changed.")
    if run.parent is not None:
        again = _("Again from step {step:,}, where this branch began, with exactly one setting changed.",
                  step=run.parent_step or 0)  # fmt: skip
    st.button(
        _("Go on from here"), icon=":material/alt_route:", key="train.branch", on_click=_begin, args=(run.id, False),
        help=none or _("A new run that goes on from this moment with other settings. This run stays as it is."),
        disabled=bool(none),
    )  # fmt: skip
    st.button(
        _("Rewind") if run.parent is None else _("Start again from here"), icon=":material/replay:",
        key="train.rewind", on_click=_begin, args=(run.id, True), help=none or again, disabled=bool(none),
    )  # fmt: skip


def _has_moments(id: str) -> bool:
    from cnnlab import runs

    try:
        return bool(runs.engine().checkpoints(id))
    except CnnLabError:
        return False  # deleted meanwhile: the page says so


def _begin(id: str, rewind: bool) -> None:
    from cnnlab import runs

    try:
        kept = runs.engine().checkpoints(id)
        step = _time.place(id) if not rewind else min((info.step for info in kept), default=None)
    except CnnLabError as error:
        _session.say(told(error))
        return
    if step is None:
        _session.say(_("No moment of this run is kept."))
        return
    _session.set_branch(_session.Branch(id, step, rewind))


def current() -> tuple[Branch, Snapshot] | None:
    """Return what the learner is about to branch from, or None; a parent that is gone is forgotten."""
    branch = _session.branch()
    if branch is None:
        return None
    from cnnlab import runs

    try:
        parent = runs.engine().snapshot(branch.run)
        if parent.owner == _session.workspace().owner:
            return branch, parent
    except CnnLabError:
        pass
    _session.set_branch(None)
    return None


def draw(branch: Branch, parent: Snapshot) -> None:
    """Draw the recipe of the branch, what it changes, and the button that starts it."""
    from pages import _recipe

    before = parent.recipe_at(branch.step)
    recipe = branch.recipe
    if recipe is None:  # at its end there is nothing to go on with unless an epoch is added
        over = not branch.rewind and branch.step >= parent.steps
        recipe = before.changed(epochs=min(200, before.epochs + 1)) if over else before
    place = {"step": branch.step, "name": called(parent)}
    title = _("Rewind {name} to step {step:,}", **place)
    if not branch.rewind:
        title = _("Go on from step {step:,} of {name}", **place)
    with st.container(border=True, key="train_branch"):
        st.markdown(f"**{_widgets.plain(title)}**")
        said = _(
            "A new run begins here, with the same network and data, the weights of that moment and what the optimizer "
            "remembered. Change what shall be different from here on."
        )
        if branch.rewind:
            said = _(
                "A new run begins with the same weights and sees the images in the same order. Change exactly one thing: "
                "whatever then comes out differently comes from it."
            )
        st.html(f'<p class="lab-facts">{said}</p>')
        edited, refused = _recipe.edit(recipe, f"train.branch.{branch.run}.{branch.step}", parent.architecture)
        _session.set_branch(replace(branch, recipe=edited))
        found = _hand.differences(before, edited)
        st.markdown(_("**Changed:** {what}", what=" · ".join(found) if found else _("nothing yet")))
        problem = told(refused[0]) if refused else _one_thing(branch, len(found))
        if problem:
            st.warning(problem, icon=":material/pan_tool:")
        with st.container(horizontal=True):
            if st.button(
                _("Start the branch"), icon=":material/play_arrow:", type="primary", key="train.branch.start",
                disabled=bool(problem),
            ):  # fmt: skip
                _start(branch, parent, edited)
            st.button(_("Leave it"), key="train.branch.leave", on_click=_session.set_branch, args=(None,))


def _one_thing(branch: Branch, changed: int) -> str:
    if not branch.rewind or changed == 1:
        return ""
    if not changed:
        return _("With nothing changed the very same run would come out: change one setting.")
    return _(
        "{count} settings are changed: nobody could tell which of them made the difference. Keep only one change.",
        count=changed,
    )


def _start(branch: Branch, parent: Snapshot, recipe: Recipe) -> None:
    from cnnlab import runs

    try:
        id = runs.engine().branch(
            parent.id, branch.step, recipe.model_dump(mode="json"), owner=_session.workspace().owner
        )
    except CnnLabError as error:
        st.error(told(error), icon=":material/error:")
        return
    _session.set_branch(None)
    _session.set_current_run(id)
    _session.set_model_ref(f"run:{id}")
    st.rerun()


def called(run: Snapshot) -> str:
    """Return the name of one of the learner's runs with its number."""
    number = next((number for number, mine in _names.own_runs().items() if mine.id == run.id), None)
    return run.name if number is None else _("{name}: your run {number}", name=run.name, number=number)


def parent_line(run: Snapshot) -> None:
    """Say which run this one has branched from, and lead there."""
    if run.parent is None:
        return
    parent = next((mine for mine in _names.own_runs().values() if mine.id == run.parent), None)
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="train_parent"):
        name = called(parent) if parent else _("a run that was deleted")
        said = _("Branched from step {step:,} of {name}", step=run.parent_step or 0, name=name)
        st.markdown(f":material/alt_route: {_widgets.plain(said)}", width="content")
        if parent is not None:
            st.markdown(" · ".join(_hand.at_branching(run)), width="content")
            st.button(
                _("Show its parent"), type="tertiary", icon=":material/arrow_upward:", key="train.parent",
                on_click=_show, args=(parent.id,),
            )  # fmt: skip


def _show(id: str) -> None:
    _session.set_current_run(id)
