"""Links from page to page, by the names of the registry."""

from __future__ import annotations

import streamlit as st
from streamlit.errors import StreamlitPageNotFoundError

from cnnlab.i18n import _
from pages import _registry


def go_to(name: str, label: str | None = None) -> None:
    """Draw a link to page ``name``; nothing where the page is not part of the app that runs."""
    page = next((page for page in _registry.present() if page.name == name), None)
    if page is None:
        return
    try:
        st.page_link(page.path, label=label or _(page.title), icon=page.icon)
    except StreamlitPageNotFoundError:
        return
