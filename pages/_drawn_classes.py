"""The Draw page's own classes: name them, draw some of each, and make a data set that a network can learn."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from cnnlab.errors import CnnLabError
from cnnlab.i18n import _
from cnnlab.workspace import class_name_of
from pages import _choices, _session, _widgets

if TYPE_CHECKING:
    from cnnlab.data.pictures import Steps

_NAMES = "draw.own.names"
_WIPE = "draw.own.wipe"
_TEACHER = "mnist-sprint"
"""The bundled model whose weights drawings begin with: it has learned strokes."""


def wiped() -> int:
    """Return a number that changes whenever the canvas is to be emptied, since its drawing was kept."""
    return int(st.session_state.get(_WIPE, 0))


def names() -> list[str]:
    """Return the classes that the learner has named, in order, each once."""
    told = str(_session.kept(_NAMES, ""))
    parts = told.replace("，", ",").replace("、", ",").split(",")
    return list(dict.fromkeys(name for name in map(class_name_of, parts) if name))


def is_on() -> bool:
    """Return whether drawings are kept for classes of the learner's own now."""
    return bool(names()) and bool(st.session_state.get("draw.own", _session.kept("draw.own", False)))


def draw(steps: Steps | None) -> None:
    """Draw the naming of classes, a button for each that keeps what is on the canvas, and the one that makes the set."""
    beside = st.container()  # below the canvas at once: whoever draws many of each need not scroll
    on = _choices.toggle(
        "draw.own", _("Draw classes of your own"), False,
        help=_("Hearts and stars, your initials, faces: name them, draw some of each, and let a network learn them."),
    )  # fmt: skip
    if not on:
        return
    from cnnlab.data import drawn
    from cnnlab.data.drawings import GOOD, LEAST, MAX_CLASSES, counted

    with st.container(border=True, key="draw_own"):
        told = _choices.seeded(st.text_input,
            _("Your classes"), key="draw.own.text", now=str(_session.kept(_NAMES, "")), max_chars=200,
            placeholder=_("heart, star, moon"), help=_("Separated by commas."),
        )  # fmt: skip
        _session.keep(_NAMES, told)
        classes = names()[:MAX_CLASSES]
        counts = counted(_session.workspace().drawings())
        if not classes:
            return
        with beside, st.container(horizontal=True, gap="small", key="draw_own_keep"):
            for name in classes:
                st.button(
                    _("Keep as {name} ({count})", name=_widgets.plain(name), count=counts.get(name, 0)),
                    key=f"draw.own.keep.{name}", icon=":material/bookmark_add:", disabled=steps is None,
                    on_click=_keep, args=(steps, name),
                )  # fmt: skip
        enough = len(classes) > 1 and all(counts.get(name, 0) >= LEAST for name in classes)
        st.caption(
            _("Draw {least} of each at least; from {good} of each on it is worth while. Draw them as differently as you can.",
              least=LEAST, good=GOOD)
        )  # fmt: skip
        total = sum(counts.get(name, 0) for name in classes)
        if drawn.alike(_session.workspace().owner, classes):
            st.caption(_("It replaces the set that you have made of these classes before."))
        if st.button(
            _("Make a data set of these {count} drawings", count=total), key="draw.own.make", type="primary",
            icon=":material/dataset:", disabled=not enough,
        ):  # fmt: skip
            _make(classes)
        if error := _session.pick_up("draw.own.problem"):
            _widgets.show_error(error)


def _keep(steps: Steps, name: str) -> None:
    try:
        _session.workspace().save_drawing(steps.centred, class_name=name)
    except CnnLabError as error:
        _session.leave("draw.own.problem", error)
        return
    st.session_state[_WIPE] = wiped() + 1


def _make(classes: list[str]) -> None:
    """Make the data set, and open Train with it: the network that has learned digits, with a last layer for the classes."""
    from cnnlab.architecture.head import fitting
    from cnnlab.architecture.presets import PRESETS
    from cnnlab.data.drawings import make_set
    from pages import _begin_state, _just_made

    try:
        made = make_set(_session.workspace().drawings(), classes, _session.workspace().owner)
        network = fitting(PRESETS[_TEACHER].architecture, made.image_shape, len(made.classes))
    except CnnLabError as error:
        _widgets.show_error(error)
        return
    _session.set_data_name(made.name)
    _session.open_network(network)
    _begin_state.choose(f"bundled:{_TEACHER}")
    recipe = _session.recipe()
    _just_made.note(made.name)
    few = sum(made.splits.values())
    _session.set_recipe(
        recipe.changed(epochs=max(recipe.epochs, 20), batch_size=max(4, min(recipe.batch_size, few // 4)))
    )
    st.switch_page("pages/train.py")
