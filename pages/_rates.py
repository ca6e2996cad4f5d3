"""Which layers learn slowly: the same choice for a live run, for a branch of it, and for the next run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import streamlit as st

from cnnlab.architecture import Architecture
from cnnlab.i18n import _
from pages import _session

SLOW = 0.1


def learning(network: Architecture) -> list[str]:
    """Return the names of the layers that have something to learn."""
    return [row.name for row in network.trace().rows if row.num_params]


def choice(factors: Mapping[str, float], layers: Sequence[str], key: str, fresh: bool = False) -> dict[str, float]:
    """Draw which of ``layers`` learn at a tenth of the learning rate; return all factors, other ones left as they are.

    Args:
        fresh: ``key`` is another one for each ``factors``, as in ``spec_editor``.
    """
    slow = [name for name in layers if factors.get(name) == SLOW]
    chosen = st.multiselect(
        _("Layers that learn slowly: ×0.1"), layers, slow if fresh else None,
        key=key if fresh else _session.seed(key, slow), placeholder=_("none"),
        help=_("At a tenth of the learning rate. What was borrowed often does best so."),
    )  # fmt: skip
    if set(chosen) == set(slow):
        return dict(factors)
    others = {name: factor for name, factor in factors.items() if name not in (*slow, *chosen)}
    return {**others, **dict.fromkeys(chosen, SLOW)}
