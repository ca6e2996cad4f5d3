"""The Draw page's keeping: the line below the canvas, and the wall of kept drawings with what a model reads in each."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from cnnlab.figures import seen
from cnnlab.i18n import _
from cnnlab.workspace import ImageRef, open_image
from pages import _choices, _names, _registry, _session

if TYPE_CHECKING:
    from cnnlab.data.pictures import Steps
    from cnnlab.model import Model
    from cnnlab.workspace import Drawing

_MOST_SHOWN = 48


def keep_bar(model: Model, steps: Steps | None) -> None:
    """Draw the line that keeps the drawing, says what it is meant to be, and takes it to another page."""
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small", key="draw_keep"):
        unsaid = len(model.class_names)
        label = _choices.seeded(st.selectbox,
            _("It is meant to be"), [unsaid, *range(unsaid)], key="draw.label", now=unsaid, width=150,
            help=_("Say it, and the lab counts below how many of your drawings a model reads as you meant them."),
            format_func=lambda k: _("not said") if k == unsaid else _(model.class_names[k]),
        )  # fmt: skip
        keep = st.button(_("Keep"), icon=":material/bookmark_add:", key="draw.keep", disabled=steps is None)
        page = _page_buttons("draw.now", disabled=steps is None)
        if steps is not None and _is_kept(steps):
            st.badge(_("kept: see below"), icon=":material/check:", color="green")
    if steps is not None and (keep or page):
        id = _session.workspace().save_drawing(steps.centred, None if label == unsaid else label)
        _session.unseed("draw.label")  # the next drawing is meant to be something else
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


def look_bar() -> None:
    """Draw the line that takes a picture to another page."""
    with st.container(horizontal=True, gap="small", key="draw_keep"):
        page = _page_buttons("draw.picture")
    if page:
        st.switch_page(f"pages/{page}.py")


def _number(drawing: Drawing, number: int) -> str:
    if drawing.class_name:
        return _("{name}, drawing {number}", name=drawing.class_name, number=number)
    return _("drawing {number}", number=number)


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
        probs = model.probs(open_image(ref, _session.workspace(), model)[None])[0].tolist()
        best = max(range(len(probs)), key=probs.__getitem__)
        known = drawing.label is not None and drawing.label < len(probs)
        labelled, right = labelled + known, right + (known and best == drawing.label)
        items.append(
            seen.Kept(drawing.pixels, _(model.class_names[best]), f"{probs[best]:.1%}",
                      None if not known else best == drawing.label,
                      _number(drawing, numbers[drawing.id]))
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
