"""The stage of the Draw page: the canvas or the picture with its answers, and what the network sees of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import streamlit as st

from cnnlab import runs
from cnnlab.data import sketch as sketches
from cnnlab.data.known import DIGITS
from cnnlab.data.pictures import Steps, centre_digit, digit_steps, open_picture
from cnnlab.data.prepare import Photo, photo_steps, picture_to_input, reads_writing
from cnnlab.data.sketch import Sketch
from cnnlab.errors import CnnLabError
from cnnlab.figures import seen, theme
from cnnlab.home import ASSETS
from cnnlab.i18n import _
from pages import _drawings_kept, _drawn_classes, _session, _widgets
from pages._looking import picture_input
from pages._looks import LOOK_S

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from cnnlab.compress.int8 import Int8Model
    from cnnlab.description import ModelRef
    from cnnlab.model import Model, Tensor

    # With the name over its answers; the first, a whole model, is the chosen one; None where one is not ready.
    Named = list[tuple[str, Any]]

_CANVAS = "draw.canvas"
_KEPT_N = "draw.kept_n"
_BRUSH = "draw.brush"
_USUAL_BRUSH, _BRUSHES = 7.5, (3.0, 14.0)  # hundredths of the canvas's side
_components = ASSETS / "components"
_canvas = st.components.v2.component(
    "cnnlab.canvas",
    css=(_components / "canvas.css").read_text(encoding="utf-8"),
    js=(_components / "canvas.js").read_text(encoding="utf-8"),
)


# -------------------------------------------------------------------- the stage: one fragment rerun per message
def stage(named: tuple[tuple[str, ModelRef], ...], mode: str) -> None:
    """Draw the canvas (or the picture) with the answers of the models, then what the first of them sees."""
    from cnnlab.compress.answering import is_ready

    waits = not all(is_ready(ref) for _name, ref in named[1:])
    st.fragment(_stage, run_every=LOOK_S if waits else None)(named, mode, waits)


def _stage(named: tuple[tuple[str, ModelRef], ...], mode: str, waits: bool) -> None:
    from cnnlab.compress.answering import begin

    _session.enter()
    try:
        models = _opened(named)
        if waits and None not in (model for _name, model in models):
            st.rerun()
        _draw_stage(models) if mode == "draw" else _show_stage(models)
        for (_name, model), (_name, ref) in zip(models, named):
            if model is None:
                begin(ref)  # now that the page stands: for its first seconds it leaves the interpreter to nobody
    except CnnLabError as error:
        _widgets.show_error(error)


def _opened(named: tuple[tuple[str, ModelRef], ...]) -> Named:
    """Return the models, of a live run its newest weights; None in the place of one that is not ready."""
    from cnnlab.compress.answering import answering, is_ready

    (name, ref), *others = named
    first = runs.resolve(ref)
    return [(name, first), *((other, answering(at) if is_ready(at) else None) for other, at in others)]


def _draw_stage(models: Named) -> None:
    own = _drawn_classes.is_on()
    steps, ink = canvas(models, low=own)
    if own:  # what keeps a drawing stands next to the canvas
        _drawn_classes.draw(steps)
    _drawings_kept.keep_bar(models[0][1], steps)
    if not own:
        _drawn_classes.draw(steps)
    if steps is not None and ink is not None:
        _digit_steps(steps)
        _maps(models[0][1], ink)


def canvas(models: Named, small: bool = False, low: bool = False) -> tuple[Steps | None, NDArray[np.uint8] | None]:
    """Draw the canvas with the answers of ``models`` and return what is drawn, and how it is centred; None while blank.

    Args:
        small: the drawing surface alone, for pages that show the answers in their own way.
        low: whether more than usual has to fit below it on one screen.
    """
    message = (st.session_state.get(_CANVAS) or {}).get("sketch")
    sketch = Sketch.read(message) if message else sketches.kept(_session.workspace().folder) or Sketch(n=0)
    ink = None if sketch.blank else sketch.pixels()
    steps = None if ink is None else centre_digit(ink)
    _mount(
        models, None if ink is None else [_probs(each, ink) for _name, each in models], mode="draw",
        answered=sketch.n if message else 0,
        sketch=None if message else {"strokes": sketch.strokes or []},
        note=_thin(steps), small=small, low=low,
    )  # fmt: skip
    if message and sketch.end and st.session_state.get(_KEPT_N) != sketch.n:
        sketch.keep(_session.workspace().folder)  # after the answer has gone out
        st.session_state[_KEPT_N] = sketch.n
    return steps, ink


def drawn_input(model: Model) -> Tensor:
    """Draw the canvas alone and return what is drawn as the picture that ``model`` takes; an empty one while blank.

    Shape:
        returned: (C, h, w) uint8, of ``model.preprocessing.data_shape``
    """
    from cnnlab.insight.activations import blank

    _steps, ink = canvas([("", model)], small=True)
    return blank(model) if ink is None else picture_to_input(ink, model)


def _brush() -> float:
    """Return how wide the brush is: as it was last set, also before a reload."""
    told = (st.session_state.get(_CANVAS) or {}).get("brush")
    if isinstance(told, (int, float)) and _BRUSHES[0] <= told <= _BRUSHES[1]:
        _session.keep(_BRUSH, float(told))
    return float(_session.kept(_BRUSH, _USUAL_BRUSH))


def _show_stage(models: Named) -> None:
    model = models[0][1]
    ref = picture_input("draw.upload", _("A picture; on a phone, take one with the camera"))
    data = None if ref is None else _session.workspace().upload(ref.id)
    if ref is None or data is None:
        _mount(models, None, mode="show")
        return
    picture = open_picture(data)
    try:
        steps = digit_steps(picture) if reads_writing(model) else None
        photo = None if steps else photo_steps(picture, model)
        probs = [_probs(each, picture) for _name, each in models]
    except CnnLabError as error:
        _widgets.show_error(error)
        _mount(models, None, mode="show", picture=seen.photo_url(picture), picture_alt=_("your picture"))
        return
    _mount(
        models, probs, mode="show", note=_thin(steps),
        picture=seen.photo_url(photo.cut if photo else picture), picture_alt=_("your picture"),
    )  # fmt: skip
    _session.set_image_ref(ref)
    _drawings_kept.look_bar()
    if steps is not None:
        _digit_steps(steps)
    elif photo is not None:
        _photo_steps(photo)
    _maps(model, picture)


def _probs(model: Model | Int8Model | None, picture: Any) -> list[float] | None:
    if model is None:
        return None
    image = picture_to_input(picture, model)
    return [round(p, 5) for p in model.probs(image[None])[0].tolist()]


def _thin(steps: Steps | None) -> str:
    if steps is None or not steps.thickened_px:
        return ""
    return _("The line is thinner than any the network has seen, so it was widened by {count} pixels first.",
             count=steps.thickened_px)  # fmt: skip


def _mount(models: Named, probs: list[list[float] | None] | None, **data: Any) -> None:
    first = models[0][1]
    blank = _("no drawing yet") if data["mode"] == "draw" else _("no picture yet")
    if data.get("picture"):
        blank = _("nothing to read")
    digits = first.class_names == DIGITS and not data.get("low")
    hint = _("Draw a digit here, as large as you like.") if digits else _("Draw here, as large as you like.")
    labels = {
        "canvas": _("Canvas: draw here"), "hint": hint,
        "keys": _("Keys: arrows move the pen, space puts it down or lifts it, backspace undoes."),
        "brush": _("Brush"), "undo": _("Undo"), "restore": _("Bring it back"), "clear": _("Clear"), "bars": _("Probability of each class"),
        "blank": blank, "sure": _("{percent} sure", percent="{percent}"), "waiting": _("Waiting for the lab …"),
    }  # fmt: skip
    _canvas(
        key=_CANVAS,
        data={
            "answered": 0, "wipe": _drawn_classes.wiped(), "sketch": None, "note": "", "brush": _brush(), "space": _session.workspace().owner[:16], "labels": labels,
            "classes": [_(name) for name in first.class_names], "colours": list(theme.CLASS_COLOURS),
            "models": [
                {"name": name, "probs": probs[i] if probs else None}
                | ({} if model else {"note": _("is being made ready …")})
                for i, (name, model) in enumerate(models)
            ],
            **data,
        },
        on_sketch_change=lambda: None,
        on_brush_change=lambda: None,
    )  # fmt: skip


# -------------------------------------------------------------------- what the network sees
def _head() -> None:
    st.subheader(
        _("What the network sees"), anchor=False,
        help=_("The network has learned from small pictures that all look alike. Yours is brought into that form first."),
    )  # fmt: skip


def _digit_steps(steps: Steps) -> None:
    _head()
    captions = (
        (_("Cut out"), _("only the part that holds ink")),
        (_("Fit"), _("the longer side becomes 20 pixels")),
        (_("Centre"), _("the centre of mass moves to the middle of 28×28")),
    )
    st.html(seen.steps_html(steps.ink, steps.box, steps.scaled, steps.centred, captions))


def _photo_steps(photo: Photo) -> None:
    _head()
    _channels, height, width = photo.small.shape
    shrunk = _("to the {height}×{width} pixels of the training images", height=height, width=width)
    if photo.turned:
        shrunk = _(
            "to the {height}×{width} pixels of the training images, light and dark exchanged to be like them",
            height=height, width=width,
        )  # fmt: skip
    captions = ((_("Cut"), _("the shorter side fits, the middle is kept")), (_("Shrink"), shrunk))
    st.html(seen.crops_html(photo.cut, photo.small, captions))


def _maps(model: Model, picture: Any) -> None:
    from cnnlab.insight.strongest import strongest_maps

    layers = strongest_maps(model, picture_to_input(picture, model))
    if not layers:
        return
    st.subheader(
        _("Strongest feature maps"), anchor=False,
        help=_("Of each layer the maps that answer this picture most, the strongest first: what their filters found, "
               "and where. Explore shows them all."),
    )  # fmt: skip
    heads = [
        _("{shown} of {count}, {height}×{width}", shown=len(layer.strongest), count=layer.channels,
          height=layer.height, width=layer.width)
        for layer in layers
    ]  # fmt: skip
    alt = _("feature map {address}, mean size {mean}", address="{address}", mean="{mean}")
    st.html(seen.maps_html(layers, heads, alt, dark=_session.dark()))
    st.html(seen.facts_html(_(
        "Bright is strong; where a layer has negative numbers, blue is below zero and orange-red above. Below each map "
        "stand its number and the mean size of its values, without their signs; Explore shows the mean with them."
    )))  # fmt: skip
