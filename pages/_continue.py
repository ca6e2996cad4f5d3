"""Continue on another device: a one-time link as a QR code, and what its first visit asks."""

from __future__ import annotations

import time

import streamlit as st

from cnnlab import handover
from cnnlab.addresses import Address, for_others
from cnnlab.figures.qr import qr_html
from cnnlab.i18n import _
from pages import _registry, _session, _widgets

PARAMETER = "continue"
_LINK = "continue.link"
_LOOK_S = 3.0


def lab_address() -> Address:
    """Return under which address another device opens the lab."""
    shown = st.context.url or f"http://localhost:{st.get_option('server.port')}/"
    start, _slash, page = shown.rpartition("/")
    first = f"{start}/" if page in {info.name for info in _registry.PAGES} else shown
    return for_others(first, st.get_option("server.address"))


def offer_button() -> None:
    """Show the button that makes a link to this workspace."""
    if st.button(_("Continue on another device"), icon=":material/devices:", type="tertiary", key="continue.offer"):
        st.session_state[_LINK] = handover.offer(_session.workspace())
        st.dialog(_("Continue on another device"), icon=":material/devices:")(_show)()


def _show() -> None:
    _session.enter()
    address = lab_address()
    if address.only_here:
        st.warning(_("Only this computer can open the lab now: it is in no network, or listens to itself alone."))
    st.markdown(
        _(
            "Point the other device's camera at this code, or open the address there. It goes on with your networks, "
            "drawings and runs; this device keeps them, too."
        )
    )
    st.fragment(_link, run_every=_LOOK_S)(address.url)


def _link(base: str) -> None:
    """Show the link while it is open; afterwards say what became of it."""
    _session.enter()
    link: handover.Link | None = st.session_state.get(_LINK)
    if link is not None and handover.find(link.token) is not None:
        url = f"{base}?{PARAMETER}={link.token}"
        st.html(f'<div style="text-align:center">{qr_html(url, _("QR code of the address below"))}</div>')
        st.code(url, language=None, wrap_lines=True)
        minutes = max(1, round((link.until - time.time()) / 60))
        st.caption(_("For one device, once; minutes left: {minutes}. Show it to nobody else.", minutes=minutes))
        return
    if link is not None and time.time() < link.until:
        st.info(_("This link was used, or a newer one was made."), icon=":material/info:")
    else:
        st.info(_("This link is over."), icon=":material/schedule:")
    if st.button(_("Make a new link"), key="continue.again"):
        st.session_state[_LINK] = handover.offer(_session.workspace())
        st.rerun(scope="fragment")


def arrive() -> None:
    """Ask whoever comes by a link whether to go on here; a link that is over says so."""
    token = st.query_params.get(PARAMETER)
    if token is None:
        return
    space = handover.find(token)
    if space is not None and space.id == _session.workspace().id:
        _forget()  # opened where it was made: it stays open for the other device
        return
    st.dialog(_("Continue here"), icon=":material/devices:", on_dismiss=_forget)(_ask)(token)


def _ask(token: str) -> None:
    _session.enter()
    space = handover.find(token)
    if space is None:
        st.info(_("This link was used already, or its ten minutes are over. Make a new one on the first device."))
        if st.button(_("Close"), key="continue.close"):
            _forget()
            st.rerun()
        return
    name = _widgets.plain(space.name)
    st.markdown(
        _("Go on in the workspace **{name}** on this device?", name=name)
        if name
        else _("Go on in the workspace of the other device, with its networks, drawings and runs?")
    )
    st.caption(
        _(
            "What was made in this browser before stays on the lab's computer, but this browser will open the other "
            "workspace from now on."
        )
    )
    if st.button(_("Continue here"), type="primary", icon=":material/check:", key="continue.here"):
        taken = handover.take(token)
        if taken is not None:
            _session.open_workspace(taken)
            _forget()
        st.rerun()


def _forget() -> None:
    st.query_params.pop(PARAMETER, None)
