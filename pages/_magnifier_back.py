"""The number view backwards: dL/d(unit), dL/dw of one weight, and the optimizer's step to the new weight."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import streamlit as st

from cnnlab.errors import CnnLabError
from cnnlab.i18n import _
from pages import _choices, _looking, _magnifier_texts, _session, _widgets

if TYPE_CHECKING:
    from cnnlab.architecture import Address
    from cnnlab.insight.arithmetic import Pass
    from cnnlab.insight.backwards import Memory, Step, Walk
    from cnnlab.model import Model

BATCH = 32
_STEPS = (0, 1, 2, 5, 10, 50)
GRADIENT, WEIGHT = "number.gradient", "number.weight"
AT = "number.gradient.at"


def gradient_view(model: Model, passed: Pass, unit: Address, component: Callable[..., Any]) -> None:
    """Draw how the loss depends on ``unit`` and, where its layer learns, how one of its weights changes."""
    from cnnlab.figures.gradient_sheets import gradient_data
    from cnnlab.insight.arithmetic.terms import finite

    try:
        here, target = _controls(model, passed)
        at = _at(here, unit)
        data = gradient_data(here.back, at, dark=_session.dark())
        _finish(
            data,
            _("dL/d{unit}, where L = {loss:.4g}", unit=at, loss=here.back.loss),
            f"{at}|{target}|{here.steps}|{here.before}",
        )
        component(data=finite(data), key=GRADIENT, on_go_change=_pointed)
        _learned(here, at, component)
    except CnnLabError as error:
        _widgets.show_error(error)


def _controls(model: Model, passed: Pass) -> tuple[Walk, int]:
    """Draw the class that the picture should be, the batch and how far one has walked; return where one stands."""
    from cnnlab.insight.arithmetic import batch_around
    from cnnlab.insight.backwards import memory_of, recipe_of, walk
    from cnnlab.training.recipe import LABELS

    truth = _looking.truth_of_image(model)
    best = model.class_names.index(truth) if truth in model.class_names else int(passed.look.probs.argmax())
    sizes = {1: _("this picture alone"), BATCH: _("a batch of {size}", size=BATCH)}
    memory = memory_of(_session.model_ref(), model)
    recipe = memory.recipe if memory else recipe_of(model)
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small", key="gradient_choices"):
        classes = range(len(model.class_names))
        target = _choices.menu(f"number.target.{best}", _("It should be"), list(classes), best,
                               lambda k: _(model.class_names[k]), width=170)  # fmt: skip
        size = _choices.segments("number.batch", _("The loss is that of"), tuple(sizes), 1, sizes.__getitem__)
        steps = _choices.menu("number.steps", _("After how many steps of {optimizer}", optimizer=_(LABELS[recipe.optimizer])),
                              list(_STEPS), 0, width=200)  # fmt: skip
        memory = _begins(memory)
    batch = batch_around(model, passed.image, BATCH if passed.training else size, target)
    here = walk(model, batch.images, batch.targets, recipe, steps, training=passed.training, memory=memory)
    st.caption(_remembered(here, memory))
    return here, target


def _begins(memory: Memory | None) -> Memory | None:
    """Draw whether the optimizer begins with what it remembered in the run; return that, or None for afresh."""
    if memory is None:
        return None
    names = {"run": _("as in the run"), "fresh": _("afresh")}
    begins = _choices.segments("number.memory", _("The optimizer begins"), tuple(names), "run", names.__getitem__)
    return memory if begins == "run" else None


def _remembered(here: Walk, memory: Memory | None) -> str:
    """Say with what the optimizer begins, and at which learning rate."""
    if memory is None:
        return _("The optimizer begins afresh, it remembers nothing yet. Learning rate: {lr:.4g}, the recipe's, without a schedule.",
                 lr=here.lr)  # fmt: skip
    if memory.last:
        return _("The optimizer begins with what it remembered at the end of the run, step {step:,}. Learning rate: {lr:.4g}, that of the last step.",
                 step=memory.step, lr=here.lr)  # fmt: skip
    return _("The optimizer begins with what it remembered in the run at step {step:,}. Learning rate: {lr:.4g}, that of the run's next step.",
             step=memory.step, lr=here.lr)  # fmt: skip


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


def _finish(data: dict[str, Any], title: str, key: str) -> None:
    data["title"], data["text"] = title, _magnifier_texts.texts()
    data["key"] = f"{key}|{_session.dark()}|{_session.language()}"


def _pointed() -> None:
    """Take the number that was clicked on."""
    state: Any = st.session_state.get(GRADIENT)
    asked = state.get("go") if state else None
    if isinstance(asked, dict) and isinstance(asked.get("instead"), str):
        _session.set_here(AT, (asked["instead"], asked["instead"].partition("[")[0]))


def _learned(here: Walk, at: Address, component: Callable[..., Any]) -> None:
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
        _finish(data, _("dL/d{unit}", unit=weight), f"{weight}|{here.steps}|{here.before}|{len(here.back.targets)}")
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

    st.markdown(
        _("**Step {number} of {optimizer}** on {weight} = {before:.6g}, whose gradient is {gradient:.4g}",
          number=step.number, optimizer=_(LABELS[step.optimizer]), weight=f"`{weight}`", before=step.before, gradient=step.gradient)
    )  # fmt: skip
    language = _session.language()
    lines = "\n".join(f"1. {_widgets.plain(line.says.text(language))}" for line in step.lines)
    st.markdown(lines)
    st.markdown(_("The weight goes from {before:.6g} to **{after:.6g}**.", before=step.before, after=step.after))
