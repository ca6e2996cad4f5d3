"""Magnifier: the whole network at a glance, and below it the one map that was chosen."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from cnnlab.errors import CnnLabError
from cnnlab.figures.sheets import SCALES
from cnnlab.i18n import N_, _
from cnnlab.lessons import lesson
from pages import _answers, _choices, _drawing, _live, _magnified, _run_line, _session, _shift, _whole, _widgets

if TYPE_CHECKING:
    from cnnlab.description import ModelRef
    from cnnlab.insight.overview import Fold
    from cnnlab.model import Model, Tensor


LOOK, DRAW, SHIFT = "look", "draw", "shift"


def _mode(model: Model) -> str:
    """Draw the choice of what is done with the picture; drawing is for models of grey pictures."""
    names = {LOOK: _("look at it"), DRAW: _("draw it here"), SHIFT: _("push it around")}
    modes = [mode for mode in names if mode != DRAW or model.preprocessing.data_shape[0] == 1]
    return str(_choices.segments("magnifier.mode", _("The picture"), modes, LOOK, names.__getitem__))


def _controls(model: Model, said: str, state: str | None) -> tuple[str, Fold]:
    """Draw what the network says and the choices for its picture; return what shares a scale, and how far to fold."""
    labels = dict(zip(SCALES, (_("each map"), _("each layer"), _("all"))))
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="magnifier_choices"):
        scale = _choices.segments(
            "magnifier.scale", _("One colour scale for"), SCALES, "layer", labels.__getitem__,
        )  # fmt: skip
        fold = _whole.layers(model)
        st.button(
            _("Strongest first"), icon=":material/sort:", key="magnifier.sort", on_click=_whole.sort_anew,
            help=_("Sorts the maps of every layer by how strongly they answer this picture. They keep their places "
                   "otherwise, so that you can compare: while you draw, while a run learns, and along the slider."),
        )  # fmt: skip
        _widgets.what_is_this(lesson("magnifier", _session.language()))
        if state == "running":
            st.badge(_("still learning"), icon=":material/autorenew:", color="blue")
    st.markdown(said)
    return str(scale), fold


def glance(ref: ModelRef, image: Tensor | None, mode: str, asked: float | None) -> None:
    """Draw the network as it is now, for ``image``, for what is drawn here, or for ``image`` as it is pushed around."""
    _session.enter()
    from cnnlab import runs

    try:
        model = runs.resolve(ref)
        state = _live.state(ref)
        if _run_line.is_another_pace(asked, _pace(state, model, mode)):  # asking also says that somebody still watches
            st.rerun()
        _magnify(ref, model, image, mode, state)
    except CnnLabError as error:
        _widgets.show_error(error)


def _pace(state: str | None, model: Model, mode: str) -> float | None:
    """Return after how many seconds the page looks again: while the model learns, or the one that is to stand beside it."""
    waited = _shift.waited_for(model) if mode == SHIFT else None
    return _live.pace(state) or _live.pace(waited.state if waited is not None else None)


def _magnify(ref: ModelRef, model: Model, image: Tensor | None, mode: str, state: str | None) -> None:
    from cnnlab.insight import look, padded
    from cnnlab.insight.activations import blank

    network = st.container()
    if mode != LOOK or image is None:
        left, network = st.columns([1, 3.2], gap="medium")
        with left:
            image = _drawing.drawn_input(model) if image is None else _shift.pushed(model, image)
    seen, picture = look(model, image), padded(model, image)
    if mode == DRAW and bool((image == blank(model)).all()):
        said = _("No drawing yet: draw, and every map answers. Until then the network looks at an empty picture.")
    else:
        said = _widgets.verdict(model, seen, mode != DRAW)
    with network:
        scale, fold = _controls(model, said, state)
        chosen = _whole.draw(ref, model, seen, picture, scale, fold)
        _answers.mirror_remark(model)
    if mode == SHIFT:
        _shift.curves(ref, model)
    _magnified.below(model, seen, picture, *chosen)


_widgets.begin_page(
    N_("Magnifier"), N_("See the whole network at once: what each map makes of the picture, and what feeds it.")
)
ref, model = _widgets.model_line()
mode = _mode(model)
image = None if mode == DRAW else _widgets.image_line(model)
if mode == DRAW or image is not None:
    pace = _pace(_live.state(ref), model, mode)
    st.fragment(glance, run_every=pace)(ref, image, mode, pace)
