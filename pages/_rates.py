"""Which layers learn slowly, or not at all: the same choice for a live run, for a branch of it, and for the next run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from inspect import signature
from typing import Any

import streamlit as st

from cnnlab.architecture import Architecture
from cnnlab.i18n import _
from pages import _choices

SLOW = 0.1
_NO_ENGLISH: dict[str, Any] = {"select_all": False} if "select_all" in signature(st.multiselect).parameters else {}
"""Streamlit's own entry "Select all" knows no other language."""


def learning(network: Architecture) -> list[str]:
    """Return the names of the layers that have something to learn."""
    return [row.name for row in network.trace().rows if row.num_params]


def choice(factors: Mapping[str, float], layers: Sequence[str], key: str, fresh: bool = False) -> dict[str, float]:
    """Draw which of ``layers`` learn at a tenth of the learning rate; return all factors, other ones left as they are.

    Args:
        fresh: ``key`` is another one for each ``factors``, as in ``spec_editor``.
    """
    slow = [name for name in layers if factors.get(name) == SLOW]
    chosen = some(
        _("Layers that learn slowly: ×0.1"), layers, slow, key, fresh,
        help=_("At a tenth of the learning rate. What was borrowed often does best so."),
    )  # fmt: skip
    if set(chosen) == set(slow):
        return dict(factors)
    others = {name: factor for name, factor in factors.items() if name not in (*slow, *chosen)}
    return {**others, **dict.fromkeys(chosen, SLOW)}


def some(label: str, layers: Sequence[str], now: Sequence[str], key: str, fresh: bool, help: str) -> list[str]:
    """Draw a choice of some of ``layers``, at first ``now``, and return it."""
    found: list[str] = _choices.seeded(
        st.multiselect, label, layers, key=key, now=list(now), told=not fresh, placeholder=_("none"), help=help,
        **_NO_ENGLISH,
    )  # fmt: skip
    return found
