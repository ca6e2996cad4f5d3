"""The number view backwards: how the loss depends on one weight, and the optimizer's step to the new one."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import streamlit as st

from cnnlab.i18n import Formula, _
from pages import _magnifier_texts, _session, _widgets

if TYPE_CHECKING:
    from cnnlab.architecture import Address
    from cnnlab.insight.backwards import Step, Walk

WEIGHT = "number.weight"


def learned(here: Walk, at: Address, component: Callable[..., Any]) -> None:
    """Draw the gradient of one weight of the layer of ``at``, and the optimizer's step."""
    from cnnlab.architecture import Address
    from cnnlab.figures.gradient_sheets import weight_data
    from cnnlab.insight.arithmetic.terms import finite
    from cnnlab.insight.backwards import explain_gradient

    shape = tuple(here.back.weights[name].shape) if (name := f"{at.layer}.weight") in here.back.weights else ()
    if not shape:
        return
    index = _weight_index(here, at, shape)
    weight = Address(at.layer, "weight", index)
    data = weight_data(here.back, weight, dark=_session.dark())
    if data is not None:
        key = f"{weight}|{here.steps}|{here.before}|{len(here.back.targets)}"
        _magnifier_texts.finish(data, _("dL/d{unit}", unit=weight), key)
        component(data=finite(data), key=WEIGHT, on_go_change=lambda: None)
    else:
        told = explain_gradient(here.back, weight, 0, 0)
        st.markdown(_widgets.plain(told.says.text(_session.language())))
    _step(here.next_step(weight), weight)


def _weight_index(here: Walk, at: Address, shape: tuple[int, ...]) -> tuple[int, ...]:
    """Draw the choice of one weight; the first axis is the map (or unit) that is looked at."""
    own = at.index if len(at.index) == len(shape) else at.index[:1]
    names = (_("input map"), _("kernel row"), _("kernel column")) if len(shape) == 4 else (_("input"),)
    chosen = list(own)
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small", key="weight_choices"):
        for axis, name in zip(range(len(own), len(shape)), names):
            last = shape[axis] - 1
            value = st.number_input(_("{axis}, 0 to {last}", axis=name, last=last), 0, last,
                                    key=f"number.weight.{at.layer}.{axis}.{last}", width=170)  # fmt: skip
            chosen.append(int(value))
    return tuple(chosen)


def _step(step: Step, weight: Address) -> None:
    """Draw the optimizer's arithmetic line by line."""
    from cnnlab.training.recipe import LABELS

    language = _session.language()
    told = Formula("**Step {number} of {optimizer}** on {weight} = {before:.6g}, whose gradient is {gradient:.4g}",
                   number=step.number, optimizer=_(LABELS[step.optimizer]), weight=f"`{weight}`", before=step.before,
                   gradient=step.gradient)  # fmt: skip
    lines = [f"1. {_widgets.plain(line.says.text(language))}" for line in step.lines]
    goes = Formula("The weight goes from {before:.6g} to **{after:.6g}**.", before=step.before, after=step.after)
    for text in (told.text(language), "\n".join(lines), goes.text(language)):
        st.markdown(text)
