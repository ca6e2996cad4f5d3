"""The lesion table below the Surgery page: which channel of a layer matters for which class."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import streamlit as st

from cnnlab.errors import CnnLabError
from cnnlab.i18n import _
from pages import _choices, _looks, _session, _widgets

if TYPE_CHECKING:
    from cnnlab.description import ModelRef
    from cnnlab.insight.surgery import Lesions
    from cnnlab.model import Model
    from cnnlab.runs.jobs import Job

MOST_ROWS = 128
_FEW = 100
"""Of so few images of a class it is said how much a single one weighs."""
KIND = "lesions"


def table(ref: ModelRef, model: Model, layer: str) -> None:
    """Draw the lesion table of ``layer``, or what leads to it."""
    from cnnlab.insight.surgery.lesions import found_for, searched

    st.subheader(_("Which channel matters for which class"), anchor=False)
    known = found_for(model, layer)
    if known is not None:
        _shown(known, model)
        return
    key = f"{ref} {layer}"
    count = (model.architecture.trace().row(layer).output_shape or (0,))[0]
    begin = partial(_looks.begin, KIND, key, count, lambda: searched(model, layer))
    if not _looks.is_asked(KIND, key):
        st.markdown(_("Each channel of {layer} is silenced alone, and the test images are asked again.", layer=layer))
        _warn(model, layer)
        if st.button(_("Silence one after the other"), icon=":material/grid_on:", key="surgery.lesions.start"):
            begin()
            st.rerun()
    _looks.view(KIND, key, lambda found: _shown(found, model), _told, begin)


def _warn(model: Model, layer: str) -> None:
    """Say where it takes longer what there will be first."""
    from cnnlab.insight.surgery import table_for
    from cnnlab.insight.surgery.lesions import rounds

    try:
        table = table_for(model)
        first = len(rounds(table, layer)[0])
    except CnnLabError:
        return  # said above
    if first < len(table.index):
        st.caption(
            _("That is much work for this layer: a first answer comes from {first} of {count:,} test images, and grows surer "
              "as more are asked. You can stop at any time and keep what there is.", first=first, count=len(table.index))
        )  # fmt: skip


def _told(job: Job) -> str:
    if job.found is not None:
        return _("{images:,} of {count:,} test images asked so far", images=job.found.images, count=job.found.planned)
    return _("{share:.0%} done", share=job.done / max(1, job.total))


def _shown(found: Lesions, model: Model) -> None:
    from cnnlab.figures import surgery as figures

    ways = {"acc": _("accuracy"), "sure": _("how sure it is")}
    orders = {"cost": _("costliest first"), "number": _("by number")}
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        way = _choices.segments("surgery.lesions.way", _("Change of"), list(ways), "acc", ways.__getitem__)
        order = _choices.segments("surgery.lesions.order", _("Channels"), list(orders), "cost", orders.__getitem__)
    places: Any = range(len(found.units))
    if order == "cost":
        lost = found.cost if way == "acc" else -found.sure_change.mean(axis=1)
        places = sorted(places, key=lambda place: (-float(lost[place]), place))
    shown = list(places)[:MOST_ROWS]
    names = [_(name) for name in model.class_names]
    st.markdown(_said(found))
    each = found.images / max(1, len(names))
    if each < _FEW:
        st.caption(
            _("About {each:.0f} images of each class: a single one moves its class by {points:.1f} points.",
              each=each, points=100 / max(1.0, each))
        )  # fmt: skip
    figure = figures.lesion_heat(found, shown, names, sure=way == "sure", dark=_session.dark())
    _widgets.plot(figure, "surgery.lesions.heat", figures.lesion_height(len(shown)), figures.lesion_text(found, shown))
    st.caption(
        _("Blue: the class loses without this channel; red: it gains; empty: no change. It is the model as it was that is "
          "asked, not the copy that was operated on.")
    )  # fmt: skip
    if len(shown) < len(found.units):
        st.caption(_("{shown} of {count} channels are shown.", shown=len(shown), count=len(found.units)))


def _said(found: Lesions) -> str:
    """Return in a sentence which loss costs most, and how many cost nothing."""
    from cnnlab.figures.surgery import points_lost

    place = int(found.cost.argmax())
    nothing = int((found.after == found.before).all(axis=1).sum())
    said = ""
    if found.images < found.planned:
        said = _("**Asked so far: {images:,} of {count:,}.**", images=found.images, count=found.planned) + " "
    said += _(
        "In points of accuracy, on {images:,} test images. The costliest is channel **{unit}**: {points} on all of them.",
        images=found.images, unit=found.units[place], points=points_lost(found, place),
    )  # fmt: skip
    if nothing:
        said += " " + _(
            "Without {nothing} of {count} channels no class loses or gains anything.",
            nothing=nothing,
            count=len(found.units),
        )
    return said
