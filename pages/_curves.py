"""The learning curves of a run: loss and accuracy over its steps, each below its title."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import streamlit as st

from cnnlab.architecture import Architecture
from cnnlab.figures import live as pictures
from cnnlab.figures.theme import number
from cnnlab.i18n import _
from cnnlab.training.bounds import blind_loss, least_loss
from pages import _session

if TYPE_CHECKING:
    from cnnlab.runs.watch import View


def draw(view: View, step: int | None = None) -> None:
    """Draw the curves of a run, with a line at the moment that is looked at."""
    recipe = view.snapshot.recipe_now
    language, seen, lines = _session.language(), recipe.full_train, (view.train, view.val, view.steps)
    classes = _classes(view.snapshot.architecture_key)
    blind, least = blind_loss(recipe, classes), least_loss(recipe, classes)
    key = _(
        "Faint: each batch. Bold: the average of the last batches. Dots: {on}. Dashed: what blind guessing reaches.",
        on=pictures.checked_on(seen),
    )
    st.html(pictures.legend_html(seen))
    marks = [(made["step"], str(number)) for number, made in enumerate(view.snapshot.changes, 1)]
    marks += [] if step is None else [(step, "")]
    about = _("How wrong the network is; learning is to make this small.")
    if least:
        about += " " + _(
            "With label smoothing a network that is right about everything still loses {least}: it is asked to be "
            "less than sure.",
            least=number(least),
        )  # fmt: skip
    if recipe.mixup:
        about += " " + _("Blended images (mixup) keep the training loss up: neither class of a blend is all of it.")
    title(_("Loss"), about + "\n\n" + key)
    st.html(view.shared(("loss", language, step), lambda: pictures.loss_html(*lines, blind, least, seen, marks)))
    title(_("Accuracy"), _("The share of images that the network names right.") + "\n\n" + key)
    st.html(view.shared(("acc", language, step), lambda: pictures.accuracy_html(*lines, classes, seen, marks)))


@lru_cache(maxsize=64)
def _classes(architecture_key: str) -> int:
    """Return how many classes a run's network tells apart; read once, not at each look at it."""
    return Architecture.from_json(architecture_key).output_shape[0]


def title(text: str, help: str) -> None:
    """Draw the title of one of the pictures of a run, and what it shows for those who ask."""
    st.markdown(f"**{text}**", help=help)
