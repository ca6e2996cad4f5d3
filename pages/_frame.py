"""The frame around every page: mark, style, current run, language, workspace."""

from __future__ import annotations

import streamlit as st

from cnnlab.home import ASSETS
from cnnlab.i18n import LANGUAGES, _
from pages import _session


def draw() -> None:
    """Draw everything that stands around a page."""
    st.logo(str(ASSETS / "css" / "wordmark.svg"), icon_image=str(ASSETS / "css" / "mark.svg"), size="large")
    css = ASSETS / "css" / "lab.css"
    if css.is_file():
        st.html(css)
    with st.sidebar:
        _language_switch()


def _language_switch() -> None:
    code = st.segmented_control(
        _("Language"), list(LANGUAGES), default=_session.language(), key="frame.language",
        format_func=lambda c: {"en": "EN", "zh_CN": "中文"}[c], label_visibility="collapsed",
    )
    if code and code != _session.language():
        _session.choose_language(code)
        st.rerun()
