"""Find the fault: the lab spoils one thing, the learner trains it, looks, names it, and mends it; both are checked."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import streamlit as st

from cnnlab.errors import CnnLabError
from cnnlab.health.rules import RULES
from cnnlab.i18n import _
from cnnlab.lessons import lesson
from pages import _fault_state as state
from pages import _names, _session, _widgets
from pages._links import go_to
from pages._said import told

if TYPE_CHECKING:
    from cnnlab.runs import Snapshot
    from cnnlab.runs.checkup import Checkup

TRIES = 2
"""After so many wrong answers the right one can be asked for."""

MOST = 999
ENOUGH_STEPS = 100
_NUMBER = "train.fault.number"
_FIRST = "train.fault.first"
_ASKED = "fault.asked"


def goes_on() -> bool:
    """Return whether a fault is being looked for, or mended."""
    return state.game() is not None


def hides(run: Snapshot) -> bool:
    """Return whether what the rules say of ``run`` would give the answer away."""
    now = state.game()
    return now is not None and not now.named and state.is_since(run, now)


def mends_by_hand(run: Snapshot) -> bool:
    """Return whether ``run`` is one of a fault that the learner is to mend without a button."""
    now = state.game()
    return now is not None and state.is_of(run, now)


def looked_for(run: Snapshot) -> str:
    """Return the id of the rule that ``run`` is about, where it is one of a fault that is being mended; else nothing."""
    now = state.game()
    return state.fault(now.number).rule if now is not None and state.is_of(run, now) else ""


def offer() -> None:
    """Draw the button that begins a round; nothing while one goes on."""
    if state.game() is not None:
        return
    with st.popover(_("Find the fault"), icon=":material/stethoscope:", type="tertiary", key="train.fault"):
        st.markdown(lesson("fault"))
        first = st.session_state.setdefault(_FIRST, random.randrange(1, MOST + 1))
        with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
            st.number_input(
                _("Number of the fault"), 1, MOST, first, step=1, key=_NUMBER, width=170,
                help=_("The same number is the same fault for everyone."),
            )  # fmt: skip
            st.button(
                _("Plant it"), icon=":material/bug_report:", type="primary", key="train.fault.begin", on_click=_begin
            )


def _begin() -> None:
    """Plant the fault whose number stands in the field now: it may have been typed with the very same click."""
    state.begin(int(st.session_state.get(_NUMBER) or st.session_state[_FIRST]))


def draw(run: Snapshot | None) -> None:
    """Draw the round that goes on: what to do next, the answers, the verdict."""
    now = state.game()
    if now is None:
        return
    with st.container(border=True, key="fault", gap="small"):
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            st.markdown(_("**Find the fault {number}**", number=now.number), width="content")
            _widgets.what_is_this(lesson("fault"))
            _end_buttons(now)
        if now.named:
            _mend_it(run, now)
        else:
            _name_it(run if run is not None and state.is_of(run, now) else None, now)


def _end_buttons(now: state.Game) -> None:
    st.button(
        _("Another one"), icon=":material/casino:", type="tertiary", key="fault.next",
        on_click=state.begin, args=(now.number % MOST + 1,),
    )  # fmt: skip
    st.button(
        _("End, and bring back my own network"), icon=":material/close:", type="tertiary", key="fault.end",
        on_click=state.end,
    )  # fmt: skip


def draw_on_build() -> None:
    """Say on Build that a fault is being looked for, and lead back to Train."""
    now = state.game()
    if now is None:
        return
    with st.container(border=True, key="fault", gap="small"):
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            st.markdown(_("**Find the fault {number}**", number=now.number), width="content")
            go_to("train", _("Back to Train"))
        said = _(
            "One thing in this network or its recipe is spoilt. Look here as long as you like; *Train* asks what it is."
        )
        if now.named:
            said = _("Mend it here or in the recipe, then train again. *Undo* goes back as far as the planted network.")
        st.markdown(said)


def is_due(run: Snapshot) -> bool:
    """Return whether ``run`` has come so far that the answers are to be shown, and they are not yet."""
    now = state.game()
    if now is None or now.named or not state.is_of(run, now):
        return False
    return _shows_enough(run) and not st.session_state.get(_ASKED)


def _shows_enough(run: Snapshot) -> bool:
    return not run.live or run.step >= ENOUGH_STEPS


def _name_it(run: Snapshot | None, now: state.Game) -> None:
    st.session_state[_ASKED] = run is not None and _shows_enough(run)
    if run is None or not _shows_enough(run):
        st.markdown(
            _("One thing in this network or its recipe is spoilt. **1.** Start the run below and watch its curves and its layers.")
        )  # fmt: skip
        return
    st.markdown(_("**2.** Look at the curves, the layers, the recipe and the network on Build. What is it?"))
    planted = state.fault(now.number)
    left = [choice for choice in planted.choices if choice not in now.wrong]
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        choice = st.radio(
            _("What is the matter?"), left, index=None, key=f"fault.choice.{now.number}", width="content",
            format_func=lambda id: _(RULES[id].title), label_visibility="collapsed",
        )  # fmt: skip
        with st.container(gap="small", width="content"):
            st.button(
                _("That is it"), type="primary", key="fault.answer", disabled=choice is None,
                on_click=state.answer, args=(choice,),
            )  # fmt: skip
            if len(now.wrong) >= TRIES:
                st.button(_("Tell me"), type="tertiary", key="fault.tell", on_click=state.tell)
    if now.wrong:
        from cnnlab.health.faults import hint

        said = _("{title}: no, that is not it.", title=_(RULES[now.wrong[-1]].title))
        st.warning(f"{said} {told(hint(planted))}", icon=":material/close:")


def _mend_it(run: Snapshot | None, now: state.Game) -> None:
    rule = state.fault(now.number).rule
    title = _(RULES[rule].title)
    if now.told:
        st.info(_("It is this: {title}.", title=title), icon=":material/lightbulb:")
    else:
        st.success(_("Right: {title}.", title=title), icon=":material/check:")
    number, judged = _judged(run, now)
    if judged is None:
        st.markdown(
            _(
                "Below stands why, with the run's own numbers. **3.** Mend it in the recipe or on Build, and train again."
            )
        )
        if run is not None and not state.is_of(run, now):
            net = state.fault(now.number).architecture.name
            said = _("The run below trains another network: it is not judged. Only runs of {net} are.", net=net)
            st.caption(_widgets.plain(said))
        return
    if judged.live:
        st.markdown(_("Whether it is mended shows when this run is over."))
    else:
        _verdict(judged, rule, now)
    name = _("{name}: your run {number}", name=judged.name, number=number)
    here = run is not None and run.id == judged.id
    said = (
        _("Judged: {name}, the run below.", name=name) if here else _("Judged: {name}, not the run below.", name=name)
    )
    st.caption(_widgets.plain(said))


def _judged(run: Snapshot | None, now: state.Game) -> tuple[int, Snapshot | None]:
    """Return the run that shows whether the fault is mended, with its number: the one below, else the newest."""
    found = [(number, mine) for number, mine in _names.own_runs().items() if state.counts(mine, now)]
    below = [pair for pair in found if run is not None and pair[1].id == run.id]
    return next(iter(below or ([] if run is not None and state.is_of(run, now) else found)), (0, None))


def _verdict(run: Snapshot, rule: str, now: state.Game) -> None:
    from cnnlab.health.faults import mended
    from cnnlab.runs.checkup import checkup

    try:
        found = checkup(run.id)
    except CnnLabError as error:
        _widgets.show_error(error)
        return
    if found.facts is None or run.state != "done":
        st.info(_("This run did not come to its end, so it shows nothing. Train again."), icon=":material/info:")
    elif mended(state.fault(now.number), found.architecture, found.recipe, found.facts, found.history):
        accuracy = "–" if run.test_acc is None else f"{run.test_acc:.1%}"
        st.success(_("Mended: {accuracy} of the test images are right.", accuracy=accuracy), icon=":material/verified:")
    else:
        st.warning(_left(found, rule), icon=":material/healing:")


def _left(found: Checkup, rule: str) -> str:
    said = [finding for finding in found.findings if finding.severity != "note"]
    if not said or rule in {finding.rule for finding in said}:
        return _("Not yet: {title} is still there.", title=_(RULES[rule].title))
    others = ", ".join(finding.title.text(_session.language()) for finding in said)
    return _(
        "That one is gone, but now there is something else: {titles}. Mend that as well, and train once more: the fault "
        "counts as mended when nothing stands out that did not stand out before it was planted.",
        titles=others,
    )
