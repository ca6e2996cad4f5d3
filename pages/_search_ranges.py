"""The ranges beside the drawing: which numbers of the chosen layer may vary, from what to what, and why others may not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import streamlit as st

from cnnlab.architecture import Architecture
from cnnlab.architecture.scopes import enters
from cnnlab.errors import CnnLabError
from cnnlab.figures.network import INPUT
from cnnlab.figures.search import drawn_text, target_text
from cnnlab.figures.search_space import field_word, range_text
from cnnlab.i18n import N_, Message, _
from cnnlab.search import Choice
from cnnlab.search.knobs import EVERY_ACTIVATION, IN_OR_OUT, Knob, knobs
from cnnlab.search.space import ACTIVATION, MAX_CHOICES
from cnnlab.training.recipe import Recipe
from pages import _choices, _session, _widgets
from pages import _search_space as space
from pages._editor import field_label

_NAMES = {
    "kind": N_("Kind of layer"), EVERY_ACTIVATION: N_("Kind of all activations, alike"), IN_OR_OUT: N_("In the network, or left out"),
}  # fmt: skip
_TOGETHER = N_("all activations vary together")
_COLUMNS = 2


def draw(network: Architecture, recipe: Recipe) -> tuple[Choice, ...]:
    """Draw the network with what may vary, and the recipe's knobs below; return the choices, none where one is unsound."""
    st.html(
        f'<p class="lab-facts"><b>{_("What may vary")}</b> '
        f"{_('Choose a layer in the drawing and say what of it may vary. Everything else stays as it is.')}</p>"
    )
    found, refused = space.choices(network, recipe), list[str]()
    with st.container(key="search_bench"):
        left, right = st.columns([2.35, 1], gap="medium")
    with left:
        drawing, below = st.container(), st.container(key="search_recipe")  # on a phone the panel stands between
    with right.container(key="search_panel"):
        _panel(network, recipe, found, refused)  # first, so that the drawing shows what was just typed
    with below:
        st.html(f'<p class="lab-facts"><b>{_("Of the recipe")}</b></p>')
        _in_columns(knobs(network, recipe)[()], found, refused)
    space.keep(found)
    asked = space.carried_out(network, recipe, found)
    with drawing:
        with st.container(border=True, key="search_drawing"):
            space.draw(network, asked)
        _summary(asked)
    if len(asked) > MAX_CHOICES:
        refused.append(_("More than {most} things are too many for one search.", most=MAX_CHOICES))
        st.caption(f":red[{refused[-1]}]")
    return () if refused else asked


def _summary(asked: Sequence[Choice]) -> None:
    said = [" ".join(part for part in (_said_of(one), range_text(one)) if part) for one in asked]
    count = _("{count} things may vary: {said}", count=len(said), said="; ".join(said))
    st.caption(_widgets.plain(count) if said else _("Nothing may vary yet: choose a layer, and switch on what may."))


def _said_of(one: Choice) -> str:
    return target_text(one.target) if one.target in Recipe.model_fields else field_word(one.target)


def _panel(network: Architecture, recipe: Recipe, found: dict[str, Choice], refused: list[str]) -> None:
    """Draw the ranges of the chosen layer; ``found`` is changed to what they say."""
    now, every = space.here(), space.names()
    _choices.seeded(
        st.selectbox, _("Layer"), every, key="search.chosen", now=every[space.selected() - INPUT],
        format_func=lambda name: _("input") if name == "input" else name.rpartition(".")[2],
        on_change=lambda: space.choose(st.session_state["search.chosen"]),
    )  # fmt: skip
    index = space.selected()
    if index == INPUT:
        st.caption(_("What arrives is decided by the data."))
        return
    row = now.rows[index]
    mine = knobs(network, recipe).get(now.at(index), ())
    free, fixed = [knob for knob in mine if knob.offer], [knob for knob in mine if not knob.offer]
    for knob in free:
        if knob.field == "kind" and ACTIVATION in found:
            fixed.append(Knob(knob.field, knob.now, why=Message(_TOGETHER)))
        else:
            _one(knob, found, refused)
    if enters(row.layer):
        st.button(
            _("Look inside"), icon=":material/zoom_in:", width="stretch", key="search.open", on_click=space.go_inside,
            args=(now.at(index),),
        )  # fmt: skip
    if fixed:
        said = [
            f"- {_label(knob)}"
            + (f" ({_widgets.plain(_now(knob))})" if knob.now is not None and not isinstance(knob.now, tuple) else "")
            + f": {knob.why.text(_session.language()) if knob.why else ''}"
            for knob in fixed
        ]
        st.caption("\n".join([_("Stays as it is:"), "", *said]))
    elif not free:
        st.caption(_("{kind} has no number of its own: there is nothing to vary.", kind=row.layer.kind))


def _in_columns(some: Sequence[Knob], found: dict[str, Choice], refused: list[str]) -> None:
    for begin in range(0, len(some), _COLUMNS):
        for column, knob in zip(st.columns(_COLUMNS, gap="medium"), some[begin : begin + _COLUMNS]):
            with column:
                _one(knob, found, refused)


def _label(knob: Knob) -> str:
    if knob.target in Recipe.model_fields:
        return target_text(knob.target)
    return _(_NAMES[knob.field]) if knob.field in _NAMES else field_label(knob.field)


def _now(knob: Knob) -> str:
    return drawn_text(knob.now)


def _one(knob: Knob, found: dict[str, Choice], refused: list[str]) -> None:
    """Draw whether a knob may vary and, where it may, from what to what."""
    target, offer = knob.target, knob.offer
    if offer is None:
        return
    label = _label(knob)
    if knob.field != IN_OR_OUT:
        label += f" · {_('now {value}', value=_widgets.plain(_now(knob)))}"
    if not _choices.seeded(st.toggle, label, key=f"search.vary.{target}", now=target in found):
        found.pop(target, None)
        return
    base = found.get(target, offer.choice)
    base = base if bool(base.options) == bool(offer.choice.options) else offer.choice
    found.setdefault(target, base)
    if knob.field == IN_OR_OUT:
        return  # there is nothing to choose about it
    try:
        found[target] = _options(knob, base) if base.options else _range(knob, base)
    except CnnLabError as error:
        refused.append(_widgets.plain(error.text(_session.language())))
        st.caption(f":red[{refused[-1]}]")


def _range(knob: Knob, base: Choice) -> Choice:
    whole = bool(knob.offer and knob.offer.whole)
    with st.container(horizontal=True, gap="small"):
        low = _number(_("from"), f"search.{knob.target}.low", base.low, whole)
        high = _number(_("to"), f"search.{knob.target}.high", base.high, whole)
    return Choice.of({**base.model_dump(), "low": low, "high": high})


def _options(knob: Knob, base: Choice) -> Choice:
    offer, key = knob.offer, f"search.{knob.target}"
    every: list[Any] = [
        *(offer.choice.options if offer else ()),
        *(offer.fixed if offer else ()),
        *knob.usual,
        *base.options,
    ]
    every = list(dict.fromkeys(every))
    if all(type(value) is int for value in every):
        every.sort()
    chosen = _choices.seeded(
        st.pills, _label(knob), every, key=key, now=[one for one in base.options if one in every],
        selection_mode="multi", format_func=drawn_text, label_visibility="collapsed",
    )  # fmt: skip
    return Choice.of({**base.model_dump(), "options": tuple(one for one in every if one in chosen)})


def _number(label: str, key: str, value: Any, whole: bool) -> Any:
    if whole:
        return _choices.seeded(st.number_input, label, 0, key=key, now=int(value), step=1)
    step = float(abs(value) or 0.1)
    return _choices.seeded(st.number_input, label, 0.0, key=key, now=float(value), format="%g", step=step)
