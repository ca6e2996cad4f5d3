"""Of which pictures the loss is that the number view takes backwards, and where the optimizer begins."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from cnnlab.i18n import _
from pages import _choices, _looking, _session

if TYPE_CHECKING:
    from cnnlab.insight.arithmetic import Pass
    from cnnlab.insight.backwards import Memory, Walk
    from cnnlab.model import Model

BATCH = 32
_STEPS = (0, 1, 2, 5, 10, 50)


def asked(model: Model, passed: Pass) -> tuple[Walk, int]:
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
