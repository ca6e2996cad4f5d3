"""Draw: write a digit, or bring a picture, and see at once what the network makes of it."""

import streamlit as st

from cnnlab.home import ASSETS
from cnnlab.i18n import N_, _
from pages import _drawing, _session, _widgets

_session.start(N_("Draw"))
_widgets.page_head(_("Draw"), _("Write a digit, or bring a picture, and watch the network make up its mind."))
st.html(ASSETS / "css" / "draw.css")
ref, model = _widgets.model_line()
with st.container(horizontal=True, vertical_alignment="center", gap="medium", key="draw_choices"):
    mode = _drawing.mode_choice(model)
    others = _drawing.compare_choice(ref, model)
_drawing.stage((ref, *others), mode)
_drawing.kept_drawings(model)
