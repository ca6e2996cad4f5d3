"""The parts of the Draw page: the canvas and its answers, what the network sees, the kept drawings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import streamlit as st

from cnnlab import runs
from cnnlab.data import sketch as sketches
from cnnlab.data.pictures import Steps, centre_digit, colour_crop, digit_steps, open_picture, picture_to_input
from cnnlab.data.sketch import Sketch
from cnnlab.description import ModelRef, bundled_models, bundled_path, read_description
from cnnlab.errors import CnnLabError
from cnnlab.figures import seen, theme
from cnnlab.home import ASSETS
from cnnlab.i18n import _
from cnnlab.workspace import ImageRef, open_image
from pages import _names, _registry, _session, _widgets
from pages._looking import MAX_UPLOAD_MB

if TYPE_CHECKING:
    from PIL.Image import Image

    from cnnlab.model import Model

    Named = list[tuple[str, Model]]  # with the name over its answers; the first is the chosen one

_CANVAS = "draw.canvas"
_KEPT_N = "draw.kept_n"
_MOST_SHOWN = 48
_components = ASSETS / "components"
_canvas = st.components.v2.component(
    "cnnlab.canvas",
    css=(_components / "canvas.css").read_text(encoding="utf-8"),
    js=(_components / "canvas.js").read_text(encoding="utf-8"),
)


# -------------------------------------------------------------------- choices above the canvas
def mode_choice(model: Model) -> str:
    """Draw the choice between canvas and picture where the model can take both; return ``draw`` or ``show``."""
    if model.preprocessing.data_shape[0] != 1:
        return "show"
    names = {"draw": _("Canvas"), "show": _("Picture")}
    return st.segmented_control(
        _("Input"), list(names), default="draw", format_func=lambda mode: names[mode], required=True, key="draw.mode",
        label_visibility="collapsed",
    )  # fmt: skip


def compare_choice(ref: ModelRef, model: Model) -> tuple[ModelRef, ...]:
    """Draw the choice of up to two more models with the same pictures and as many classes; return them."""
    labels = {source: name for source, name in _comparable(model).items() if source != ref.source}
    if not labels:
        return ()
    chosen = st.multiselect(
        _("Compare with"),
        list(labels),
        format_func=lambda source: labels.get(source, source),
        max_selections=2,
        key="draw.compare",
        placeholder=_("compare with up to two more models"),
        width=420,
        label_visibility="collapsed",
    )
    return tuple(ModelRef(source) for source in chosen if source in labels)


def _comparable(model: Model) -> dict[str, str]:
    wanted = (model.preprocessing.data_shape[0], len(model.class_names))
    found = {}
    for number, run in _names.own_runs().items():
        if run.has_model and (run.architecture.input_shape[0], *run.architecture.output_shape) == wanted:
            found[f"run:{run.id}"] = _names.run_label(number, run)
    for name in bundled_models():
        described = read_description(bundled_path(name))
        if (described.preprocessing.data_shape[0], len(described.class_names)) == wanted:
            found[f"bundled:{name}"] = name
    return found


# -------------------------------------------------------------------- the stage: one fragment rerun per message
@st.fragment
def stage(named: tuple[tuple[str, ModelRef], ...], mode: str) -> None:
    """Draw the canvas (or the picture) with the answers of the models, then what the first of them sees."""
    _session.enter()
    try:
        models = [(name, runs.resolve(ref)) for name, ref in named]  # of a live run: its newest weights
        _draw_stage(models) if mode == "draw" else _show_stage(models)
    except CnnLabError as error:
        _widgets.show_error(error)


def _draw_stage(models: Named) -> None:
    model = models[0][1]
    message = (st.session_state.get(_CANVAS) or {}).get("sketch")
    sketch = Sketch.read(message) if message else sketches.kept(_session.workspace().folder) or Sketch(n=0)
    ink = None if sketch.blank else sketch.pixels()
    steps = None if ink is None else centre_digit(ink)
    _mount(
        models, None if ink is None else [_probs(each, ink) for _name, each in models], mode="draw",
        answered=sketch.n if message else 0,
        sketch=None if message else {"strokes": sketch.strokes or []},
        note=_thin(steps),
    )  # fmt: skip
    if message and sketch.end and st.session_state.get(_KEPT_N) != sketch.n:
        sketch.keep(_session.workspace().folder)  # after the answer has gone out
        st.session_state[_KEPT_N] = sketch.n
    _keep_bar(model, steps)
    if steps is not None and ink is not None:
        _seen(model, ink, steps)


def _show_stage(models: Named) -> None:
    model = models[0][1]
    picture = _uploaded()
    if picture is None:
        _mount(models, None, mode="show")
        return
    shown = colour_crop(picture, 448, 448) if model.preprocessing.data_shape[0] == 3 else picture
    steps = digit_steps(picture) if model.preprocessing.data_shape[0] == 1 else None
    _mount(
        models, [_probs(each, picture) for _name, each in models], mode="show", note=_thin(steps),
        picture=seen.photo_url(shown), picture_alt=_("your picture"),
    )  # fmt: skip
    _look_links("")
    _seen(model, picture, steps)


def _uploaded() -> Image | None:
    """Draw the file input (a phone offers its camera) and return the picture, kept in the workspace."""
    file = st.file_uploader(
        _("A picture; on a phone, take one with the camera"), type=["png", "jpg", "jpeg", "webp", "bmp", "gif"],
        key="draw.upload", max_upload_size=MAX_UPLOAD_MB,
    )  # fmt: skip
    space, ref = _session.workspace(), _session.image_ref()
    if file is not None:
        id = _session.upload_id(file.file_id)
        if id is None:
            id = space.save_upload(open_picture(file.getvalue()))
            _session.set_upload_id(file.file_id, id)
            _session.set_image_ref(ImageRef(kind="upload", id=id))
    else:
        id = ref.id if ref.kind == "upload" else ""
    data = space.upload(id) if id else None
    return open_picture(data) if data else None


def _probs(model: Model, picture: Any) -> list[float]:
    image = picture_to_input(picture, model.preprocessing)
    return [round(p, 5) for p in model.probs(image[None])[0].tolist()]


def _thin(steps: Steps | None) -> str:
    if steps is None or not steps.thickened_px:
        return ""
    return _("The line is thinner than any the network has seen, so it was widened by {count} pixels first.",
             count=steps.thickened_px)  # fmt: skip


def _mount(models: Named, probs: list[list[float]] | None, **data: Any) -> None:
    first = models[0][1]
    blank = _("no drawing yet") if data["mode"] == "draw" else _("no picture yet")
    labels = {
        "canvas": _("Canvas: draw here"), "hint": _("Draw a digit here, as large as you like."),
        "keys": _("Keys: arrows move the pen, space puts it down or lifts it, backspace undoes."),
        "brush": _("Brush"), "undo": _("Undo"), "clear": _("Clear"), "bars": _("Probability of each class"),
        "blank": blank, "sure": _("{percent} sure", percent="{percent}"), "waiting": _("Waiting for the lab …"),
    }  # fmt: skip
    _canvas(
        key=_CANVAS,
        data={
            "answered": 0, "sketch": None, "note": "", "space": _session.workspace().owner[:16], "labels": labels,
            "classes": [_(name) for name in first.class_names], "colours": list(theme.CLASS_COLOURS),
            "models": [{"name": name, "probs": probs[i] if probs else None} for i, (name, _model) in enumerate(models)],
            **data,
        },
        on_sketch_change=lambda: None,
    )  # fmt: skip


# -------------------------------------------------------------------- what the network sees
def _seen(model: Model, picture: Any, steps: Steps | None) -> None:
    from cnnlab.insight.strongest import strongest_maps

    image = picture_to_input(picture, model.preprocessing)
    st.subheader(_("What the network sees"), anchor=False)
    channels, height, width = model.preprocessing.data_shape
    if steps is not None:
        captions: tuple[tuple[str, str], ...] = (
            (_("Cut out"), _("only the part that holds ink")),
            (_("Fit"), _("the longer side becomes 20 pixels")),
            (_("Centre"), _("the centre of mass moves to the middle of 28×28")),
        )
        st.html(seen.steps_html(steps.ink, steps.box, steps.scaled, steps.centred, captions))
    else:
        captions = (
            (_("Cut"), _("the shorter side fits, the middle is kept")),
            (_("Shrink"), _("to the {height}×{width} pixels of the training images", height=height, width=width)),
        )
        st.html(seen.crops_html(colour_crop(picture, 4 * height, 4 * width), image.numpy(), captions))
    layers = strongest_maps(model, image)
    if not layers:
        return
    st.subheader(_("Strongest feature maps"), anchor=False)
    heads = [
        _("{shown} of {count}, {height}×{width}", shown=len(layer.strongest), count=layer.channels,
          height=layer.height, width=layer.width)
        for layer in layers
    ]  # fmt: skip
    st.html(seen.maps_html(layers, heads, _("feature map {address}, mean {mean}", address="{address}", mean="{mean}")))
    st.html(seen.facts_html(_("Bright is strong; below each map its number and the mean of its values.")))


# -------------------------------------------------------------------- keeping
def _keep_bar(model: Model, steps: Steps | None) -> None:
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small", key="draw_keep"):
        unsaid = len(model.class_names)
        label = st.selectbox(
            _("It is meant to be"), [unsaid, *range(unsaid)], key="draw.label", width=150,
            format_func=lambda k: _("not said") if k == unsaid else _(model.class_names[k]),
        )  # fmt: skip
        keep = st.button(_("Keep"), icon=":material/bookmark_add:", key="draw.keep", disabled=steps is None)
        page = _page_buttons("draw.now", disabled=steps is None)
        if steps is not None and _is_kept(steps):
            st.badge(_("kept: see below"), icon=":material/check:", color="green")
    if steps is not None and (keep or page):
        id = _session.workspace().save_drawing(steps.centred, None if label == unsaid else label)
        _leave(ImageRef(kind="drawing", id=id), page)


def _is_kept(steps: Steps) -> bool:
    newest = _session.workspace().newest_drawing()
    return newest is not None and bool((newest.pixels == steps.centred).all())


def _page_buttons(key: str, disabled: bool = False) -> str:
    """Draw the buttons that take an image to another page; return the page that was asked for, or nothing."""
    wanted = ""
    buttons = (("explore", _("Look inside"), ":material/search:"), ("explain", _("Ask why"), ":material/help_center:"))
    there = {page.name for page in _registry.present()}
    for name, label, icon in buttons:
        if name in there and st.button(label, icon=icon, key=f"{key}.{name}", disabled=disabled):
            wanted = name
    return wanted


def _leave(ref: ImageRef, page: str) -> None:
    _session.set_image_ref(ref)
    if page:
        st.switch_page(f"pages/{page}.py")
    st.rerun()


def _look_links(key: str) -> None:
    with st.container(horizontal=True, gap="small", key="draw_keep"):
        page = _page_buttons("draw.picture")
    if page:
        st.switch_page(f"pages/{page}.py")


def kept_drawings(model: Model) -> None:
    """Draw the kept drawings with what the chosen model says of each now, and what one can do with one of them."""
    every = _session.workspace().drawings()
    numbers, drawings = _names.drawing_numbers(every), every[:_MOST_SHOWN]
    if not drawings or model.preprocessing.data_shape[0] != 1:
        return
    st.subheader(_("Kept drawings"), anchor=False)
    items, right, labelled = [], 0, 0
    for drawing in drawings:
        ref = ImageRef(kind="drawing", id=drawing.id)
        probs = model.probs(open_image(ref, _session.workspace(), model.preprocessing)[None])[0].tolist()
        best = max(range(len(probs)), key=probs.__getitem__)
        known = drawing.label is not None and drawing.label < len(probs)
        labelled, right = labelled + known, right + (known and best == drawing.label)
        items.append(
            seen.Kept(drawing.pixels, _(model.class_names[best]), f"{probs[best]:.1%}",
                      None if not known else best == drawing.label,
                      _("drawing {number}", number=numbers[drawing.id]))
        )  # fmt: skip
    said = _("What {model} reads now.", model=model.about.name or _("the model"))
    if labelled:
        said += " " + _("{right} of {count} that you named are right.", right=right, count=labelled)
    st.html(seen.facts_html(said))
    st.html(seen.wall_html(items))
    names = {d.id: items[i].name for i, d in enumerate(drawings)}
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small", key="draw_kept"):
        chosen = st.selectbox(
            _("Choose one"), list(names), format_func=lambda id: names.get(id, id), key="draw.chosen", width=180
        )
        page = _page_buttons("draw.kept")
        if st.button(_("Delete"), icon=":material/delete:", key="draw.delete"):
            _session.workspace().delete_drawing(chosen)
            st.rerun()
    if page:
        _leave(ImageRef(kind="drawing", id=chosen), page)
