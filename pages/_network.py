"""The drawing of a network as the pages share it: the component, and the way to the block that is open."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from cnnlab.architecture import Architecture
from cnnlab.architecture.scopes import scope
from cnnlab.architecture.tape import Place
from cnnlab.home import ASSETS
from cnnlab.i18n import _
from pages._said import plain

NETWORK = st.components.v2.component(
    "cnnlab_network",
    html='<div class="network-root"></div>',
    css=(ASSETS / "components" / "network.css").read_text(encoding="utf-8"),
    js=(ASSETS / "components" / "network.js").read_text(encoding="utf-8"),
)


def crumbs(architecture: Architecture, place: Place, go_inside: Callable[[Place], None], key: str) -> None:
    """Show the way to the block at ``place``, each step a button that leads back there through ``go_inside``."""
    if not place:
        return
    with st.container(horizontal=True, gap="xsmall", vertical_alignment="center", key=f"{key}s".replace(".", "_")):
        for depth in range(len(place) + 1):
            name = scope(architecture, place[:depth]).name.rpartition(".")[2] or architecture.name or _("the network")
            st.button(
                plain(name), key=f"{key}.{depth}", type="tertiary", disabled=depth == len(place),
                icon=":material/chevron_right:" if depth else ":material/account_tree:", on_click=go_inside,
                args=(place[:depth],),
            )  # fmt: skip
