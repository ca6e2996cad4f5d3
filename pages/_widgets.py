"""What pages share: the head, the model line, the image line, editors made from schemas, errors, plots."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import streamlit as st

from cnnlab.home import ASSETS
from cnnlab.i18n import _
from pages import _session
from pages._editor import spec_editor
from pages._looking import image_line, model_line, verdict
from pages._said import plain, show_error

if TYPE_CHECKING:
    import plotly.graph_objects as go


def begin_page(title: str, sentence: str, tab: str | None = None) -> None:
    """Begin a page: the language, the browser tab (``tab``, else ``title``), the title, what one does here.

    The words are marked ids (``N_``): they are translated here, once the language is set.
    """
    _session.enter()
    st.set_page_config(page_title=f"{_(tab or title)} · CNN Lab")
    with st.container(key="page_head", gap=None):
        st.title(_(title), anchor=False)
        st.markdown(_(sentence))


def what_is_this(text: str, label: str | None = None) -> None:
    """Put a small button, "What is this?" or ``label``, that opens ``text`` (markdown)."""
    with st.popover(label or _("What is this?"), icon=":material/help:", type="tertiary"):
        st.markdown(text)


_FIRST_TAP = st.components.v2.component(
    "cnnlab.first_tap", js=(ASSETS / "components" / "first_tap.js").read_text(encoding="utf-8")
)


def plot(fig: go.Figure, key: str, height: int, alt: str | None = None, **options: Any) -> Any:
    """Draw a plotly figure at a fixed height, so that the page never shifts, with the lab's own template.

    ``alt`` says in words what the figure shows; ``options`` go to ``st.plotly_chart`` (``on_select=``).
    """
    config = {"displayModeBar": False, "displaylogo": False, "scrollZoom": False, "doubleClick": "reset"}
    chart = st.plotly_chart(fig, theme=None, height=height, key=key, config=config, alt=alt, **options)
    if "on_select" in options:
        _FIRST_TAP(key=f"{key}.tap", height=1)
    return chart


__all__ = [
    "begin_page",
    "image_line",
    "model_line",
    "plain",
    "plot",
    "show_error",
    "spec_editor",
    "verdict",
    "what_is_this",
]
