"""The words of the lab, one tap from any page."""

from __future__ import annotations

import streamlit as st

from cnnlab.i18n import _
from cnnlab.lessons import glossary
from pages import _session


def glossary_button() -> None:
    """Show the button that opens the glossary; call it in the sidebar of every page."""
    if st.button(_("Words of the lab"), icon=":material/menu_book:", type="tertiary", key="glossary.open"):
        st.dialog(_("Words of the lab"), width="medium", icon=":material/menu_book:")(_open)()


def _open() -> None:
    _session.enter()
    search = st.text_input(
        _("Find a word"),
        key="glossary.search",
        placeholder=_("stride, padding, epoch …"),
        icon=":material/search:",
    )
    entries = glossary(search)
    if not entries:
        st.info(_("No word of the lab contains “{search}”.", search=search))
    with st.container(height=480, border=False):
        part = ""
        for entry in entries:
            if entry.part != part and not search:
                part = entry.part
                st.subheader(part)
            st.markdown(f"**{entry.word}**  \n{entry.text}")
