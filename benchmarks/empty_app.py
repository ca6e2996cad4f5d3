"""A Streamlit app with nothing in it: what a first page costs before the lab does anything."""

import streamlit as st

st.title("Empty")
