"""The Units page's view of all channels of a layer: for each what it likes best, what excites it, what its loss costs."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import streamlit as st

from cnnlab.figures.theme import number
from cnnlab.i18n import _
from pages import _choices, _looks

if TYPE_CHECKING:
    from cnnlab.description import ModelRef
    from cnnlab.figures.unit_page import Box
    from cnnlab.insight.units import Gallery
    from cnnlab.model import Model
    from cnnlab.runs.jobs import Job

KIND = "gallery"
MOST_TILES = 256


def channels(ref: ModelRef, model: Model, layer: str, count: int) -> None:
    """Draw the gallery of ``layer``, or what leads to it."""
    from cnnlab.insight.units import gallery, gallery_of

    known = gallery_of(model, layer)
    if known is not None:
        _draw(model, layer, known)
        return
    key = f"{ref} {layer}"
    begin = partial(_looks.begin, KIND, key, 2 * count, lambda: gallery(model, layer))
    if not _looks.is_asked(KIND, key):
        st.markdown(
            _("A picture is made for each of the {count} channels of {layer}, from noise.", count=count, layer=layer)
        )
        if st.button(_("Make them"), icon=":material/play_arrow:", type="primary", key="units.gallery"):
            begin()
            st.rerun()
    _looks.view(KIND, key, lambda found: _draw(model, layer, found), _told, begin)


def _told(job: Job) -> str:
    count = job.total // 2  # each is silenced first, then has its picture made
    what = _("What it costs to lose it") if job.done < count else _("What it likes best, made from noise")
    return what + " · " + _("channel {done} of {total}", done=job.done % count, total=count)


def _draw(model: Model, layer: str, found: Gallery) -> None:
    from cnnlab.figures.surgery import points_lost
    from cnnlab.figures.unit_page import marked_html
    from cnnlab.insight.surgery import dataset_for
    from cnnlab.insight.units import field_box

    shows = {"picture": _("what it likes best"), "image": _("what excites it most")}
    orders = {"number": _("by number"), "cost": _("costliest first")}
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        show = _choices.segments("units.gallery.show", _("Of each channel"), list(shows), "picture", shows.__getitem__)
        order = _choices.segments("units.gallery.order", _("Channels"), list(orders), "number", orders.__getitem__)
    units = list(range(len(found.pictures)))
    if order == "cost":
        units.sort(key=lambda unit: -float(found.lesions.cost[unit]))
    units = units[:MOST_TILES]
    answers = found.responses
    captions = [f"{unit} · {points_lost(found.lesions, unit)}" for unit in units]
    boxes: list[Box | None] = [None] * len(units)
    if show == "picture":
        images = found.pictures[units]
        alts = [
            _("A picture made for {layer}[{unit}], {way}", layer=layer, unit=unit, way=_("smooth and jittered"))
            for unit in units
        ]
    else:
        first = answers.strongest[units, 0]
        images = dataset_for(model).test.images[first].numpy()
        boxes = [field_box(model, layer, answers.rows[unit, 0], answers.columns[unit, 0]) for unit in units]
        alts = [
            _("Test image {number} excites {layer}[{unit}] most: {value}",
              number=int(place), layer=layer, unit=unit, value=number(float(answers.values[unit, 0])))
            for place, unit in zip(first, units)
        ]  # fmt: skip
    st.html(f'<div tabindex="0">{marked_html(images, boxes, captions, alts)}</div>')
    st.caption(_("Below each: its number, and by how many points the accuracy changes without it."))
    if len(found.pictures) > len(units):
        st.caption(_("{shown} of {count} channels are shown.", shown=len(units), count=len(found.pictures)))
