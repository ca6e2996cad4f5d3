"""The numbers of a marble's steps on the Descent page: slope, memory, new place."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import streamlit as st

from cnnlab.i18n import _
from pages import _choices, _session, _widgets

if TYPE_CHECKING:
    from cnnlab.insight.landscape import Landscape, Rolled


def numbers(found: Landscape, rolled: Sequence[Rolled]) -> None:
    """Draw the losses of all marbles, and one step of one of them, number by number."""
    from cnnlab.figures import landscape as figures
    from cnnlab.insight.landscape import STEPS

    st.subheader(_("How each marble went down"), anchor=False)
    figure = figures.descent_curves(rolled, STEPS, dark=_session.dark())
    _widgets.plot(figure, "descent.curves", figures.CURVE_PX, figures.landscape_text(found, rolled))
    _one(rolled)


def _one(rolled: Sequence[Rolled]) -> None:
    from cnnlab.insight.landscape import STEPS, WAYS

    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        way = _choices.menu("descent.way", _("Marble"), list(WAYS), "batch", lambda one: _(WAYS[one].name), width=240)
        number = _choices.slider("descent.step", _("Step"), 1, STEPS, 1, 1, width=320)
    one = next(one for one in rolled if one.way == way)
    if not one.moves:
        return
    place = min(number, len(one.moves)) - 1
    st.table(_rows(one, place), hide_index=True)
    st.caption(
        _(
            "{images} images say this slope. {along:.1%} of the length of the network's whole gradient lies in this plane.",
            images=one.images, along=one.along[place],
        )
    )  # fmt: skip


def _rows(one: Rolled, place: int) -> list[dict[str, str]]:
    """Return a step number by number: a row for the place, the slope, what is remembered, the way, the new place."""
    from cnnlab.figures.theme import number

    move = one.moves[place]
    lines = [(_("place"), "", move.place), (_("gradient"), "∂L/∂u, ∂L/∂v", move.gradient)]
    lines += [(f"`{name}`", _FORMULAS[name], pair) for name, pair in move.state.items()]
    lines.append((_("change"), _CHANGES[tuple(move.state)].format(lr=number(one.lr)), move.change))
    lines.append((_("new place"), _("place + change"), move.new))
    what, how = _("step {number}", number=move.number), _("how")
    return [{what: name, how: formula, "u": number(pair[0]), "v": number(pair[1])} for name, formula, pair in lines]


_FORMULAS = {
    "momentum_buffer": "b ← 0.9 b + g",
    "exp_avg": "m ← 0.9 m + 0.1 g",
    "exp_avg_sq": "v ← 0.999 v + 0.001 g²",
}
_CHANGES = {
    (): "−{lr} g",
    ("momentum_buffer",): "−{lr} b",
    ("exp_avg", "exp_avg_sq"): "−{lr} · m / (1 − 0.9ᵗ) / (√(v / (1 − 0.999ᵗ)) + 1e−8)",
}
