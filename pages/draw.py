"""Draw: write a digit, or bring a picture, and see at once what the network makes of it."""

import streamlit as st

from cnnlab.home import ASSETS
from cnnlab.i18n import N_
from cnnlab.lessons import lesson
from pages import _draw_choices, _drawing, _drawings_kept, _names, _session, _widgets

_widgets.begin_page(N_("Draw"), N_("Write a digit, or bring a picture, and watch the network make up its mind."))
st.html(ASSETS / "css" / "draw.css")
ref, model = _widgets.model_line()
with st.container(horizontal=True, vertical_alignment="center", gap="medium", key="draw_choices"):
    mode = _draw_choices.mode_choice(model)
    others = _draw_choices.compare_choice(ref, model)
    _widgets.what_is_this(lesson("draw", _session.language()))
refs = (ref, *others)
_drawing.stage(tuple(zip(_names.short_names(refs), refs)), mode)
_drawings_kept.kept_drawings(model)
