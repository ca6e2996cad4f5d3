"""The number view backwards: dL/d(unit), and below it the weights of its layer."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import streamlit as st

from cnnlab.errors import CnnLabError
from cnnlab.i18n import _
from pages import _magnifier_batch, _magnifier_texts, _magnifier_weight, _session, _widgets

if TYPE_CHECKING:
    from cnnlab.architecture import Address
    from cnnlab.insight.arithmetic import Pass
    from cnnlab.insight.backwards import Walk
    from cnnlab.model import Model

GRADIENT = "number.gradient"
AT = "number.gradient.at"


def gradient_view(model: Model, passed: Pass, unit: Address, component: Callable[..., Any]) -> None:
    """Draw how the loss depends on ``unit`` and, where its layer learns, how one of its weights changes."""
    from cnnlab.figures.gradient_sheets import gradient_data
    from cnnlab.insight.arithmetic.terms import finite

    try:
        here, target = _magnifier_batch.asked(model, passed)
        at = _at(here, unit)
        data = gradient_data(here.back, at, dark=_session.dark())
        title = _("dL/d{unit}, where L = {loss:.4g}", unit=at, loss=here.back.loss)
        _magnifier_texts.finish(data, title, f"{at}|{target}|{here.steps}|{here.before}")
        component(data=finite(data), key=GRADIENT, on_go_change=_pointed)
        _magnifier_weight.learned(here, at, component)
    except CnnLabError as error:
        _widgets.show_error(error)


def _at(here: Walk, unit: Address) -> Address:
    """Return the number whose gradient is shown: ``unit``, the score where it is a probability, or one clicked on."""
    from cnnlab.architecture import Address

    if unit.layer not in here.back.gradients:
        layer = here.back.logits_layer if unit.layer != "image" else "input"
        unit = Address(
            layer, None, unit.index if layer != "input" else tuple(0 for _axis in here.back.values["input"].shape[1:])
        )
    clicked, of = _session.here(AT, (None, None))
    if of == unit.layer and clicked:
        wanted = Address.parse(clicked)
        if wanted.layer == unit.layer and len(wanted.index) == len(unit.index):
            here.back.gradient(wanted)
            return wanted
    return unit


def _pointed() -> None:
    """Take the number that was clicked on."""
    state: Any = st.session_state.get(GRADIENT)
    asked = state.get("go") if state else None
    if isinstance(asked, dict) and isinstance(asked.get("instead"), str):
        _session.set_here(AT, (asked["instead"], asked["instead"].partition("[")[0]))
