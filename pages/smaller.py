"""Smaller: what a model loses and gains when weights go, become bytes, or a small network takes its place."""

from __future__ import annotations

import streamlit as st

from cnnlab.i18n import N_, _
from cnnlab.lessons import lesson
from pages import _compress, _kept_models, _session, _widgets


def main() -> None:
    """Draw the Smaller page: what makes a model smaller, and what that costs."""
    from cnnlab.compress import work

    _widgets.begin_page(N_("Smaller"), N_("Make a model smaller, and measure what it loses and what it gains."))
    _ref, model = _widgets.model_line()
    owner = _session.workspace().owner
    now = work.current(owner)
    live = now is not None and now.live
    _compress.ask(model, owner, live)
    st.fragment(_compress.view, run_every=_compress.LOOK_S if live else None)(owner, live)
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        _widgets.what_is_this(lesson("smaller", _session.language()), _("What happens here"))
        brought = _kept_models.bring("smaller")
    if brought is not None:
        _session.set_here(_compress.KEPT, brought)
        st.rerun()
    _kept_models.draw("smaller", _("Your own models: {count}", count="{count}"), _session.here(_compress.KEPT))


main()
