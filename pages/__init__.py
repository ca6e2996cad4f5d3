"""The pages of the lab: one file a page, thin views of ``cnnlab``; helpers begin with an underscore.

Streamlit finds a folder of this name by itself, and until ``st.navigation`` is called for the first time it runs the
file that an address names without ``app.py``: no frame, and every helper in the sidebar. Whoever reloads Explore after
the lab was started again would see that. So the first import, whichever script does it, switches the discovery off and
has the run begin anew, this time with ``app.py``.
"""

import streamlit as st
from streamlit.runtime.pages_manager import PagesManager

if PagesManager.uses_pages_directory:
    PagesManager.uses_pages_directory = False
    st.rerun()
