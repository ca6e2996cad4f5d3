"""Class: the way in for learners, everybody's runs, and what each may have at once. The teacher's alone."""

from __future__ import annotations

import streamlit as st

from cnnlab import runs
from cnnlab.figures.qr import qr_html
from cnnlab.i18n import N_, _
from pages import _choices, _class, _continue, _session, _widgets

_widgets.begin_page(N_("Your class"), N_("Let the learners in, see what everybody trains, and keep the queue moving."))


def _way_in() -> None:
    """Draw the address that learners open."""
    address = _continue.lab_address()
    st.subheader(_("Learners open"), anchor=False)
    if address.only_here:
        st.warning(_("Only this computer can open the lab now: it is in no network, or listens to itself alone."))
    st.html(qr_html(address.url, _("QR code of the address below"), 280))
    st.code(address.url, language=None, wrap_lines=True)
    st.caption(_("With a browser, in the same network. Nothing is installed, and nobody needs an account."))
    st.caption(
        _("A learner is called by a few signs until a name stands under *My workspace*, in the learner's own menu.")
    )


def _limits() -> None:
    """Draw how many live runs each learner may have."""
    now = runs.limits()
    st.subheader(_("At once"), anchor=False)
    most = _choices.seeded(
        st.number_input,
        _("Live runs of one learner, at most"),
        1,
        1000,
        step=1,
        key="teacher.live_runs",
        now=now.live_runs,
        help=_("Runs that wait, learn or are paused. It holds from the next start on; runs that are live go on."),
        width=220,
    )
    if most != now.live_runs:
        runs.set_limits(runs.Limits(live_runs=int(most)))


if _session.is_teacher():
    st.html(_class.STYLE)
    left, right = st.columns([2.6, 1], gap="large")
    with left:
        st.subheader(_("At work and waiting"), anchor=False)
        st.fragment(_class.live, run_every=2 * _session.interval())()
        with st.expander(_("Runs that are over"), icon=":material/history:"):
            st.fragment(_class.over, run_every=4 * _session.interval())()
    with right:
        _way_in()
        _limits()
else:
    st.info(
        _("This page is for the teacher, on the lab's own computer or with the teacher's PIN."), icon=":material/lock:"
    )
