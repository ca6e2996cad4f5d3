"""CNN Lab: ``streamlit run app.py``. Page settings, navigation, and the frame around every page."""

from __future__ import annotations

import streamlit as st

from cnnlab import runs
from cnnlab.home import ASSETS
from cnnlab.i18n import _
from pages import _frame, _registry, _session
from pages._said import told

st.set_page_config(page_title="CNN Lab", page_icon=str(ASSETS / "css" / "mark.svg"), layout="wide")
_session.enter()

groups: dict[str, list[st.Page]] = {}
for info in _registry.present():
    if info.for_teacher and not _session.is_teacher():
        continue
    page = st.Page(info.path, title=_(info.title), icon=info.icon, url_path=info.name, default=info.name == "home")
    groups.setdefault(_(info.group), []).append(page)

chosen = st.navigation(groups, expanded=True)
_session.visit(chosen.url_path)
try:
    _frame.draw()
    chosen.run()
except runs.StoreError as error:
    st.error(told(error), icon=":material/database:")
_session.visited_whole()
runs.warm_up()
