"""The lesion table below the Surgery page: which channel of a layer matters for which class."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import streamlit as st

from cnnlab.i18n import _
from pages import _choices, _session, _widgets

if TYPE_CHECKING:
    from cnnlab.description import ModelRef
    from cnnlab.insight.surgery import Lesions
    from cnnlab.model import Model

LOOK_S = 0.4
MOST_ROWS = 128
KIND = "lesions"


def table(ref: ModelRef, model: Model, layer: str) -> None:
    """Draw the lesion table of ``layer``, or what leads to it."""
    from cnnlab.insight import jobs

    st.subheader(_("Which channel matters for which class"), anchor=False)
    job = jobs.current(_session.workspace().owner, KIND)
    live = job is not None and job.live
    st.fragment(_view, run_every=LOOK_S if live else None)(ref, model, layer, live)


def _key(ref: ModelRef, model: Model, layer: str) -> str:
    return f"{ref} {id(model)} {layer}"


def _view(ref: ModelRef, model: Model, layer: str, live: bool) -> None:
    _session.enter()
    from cnnlab.insight import jobs
    from cnnlab.insight.surgery.lesions import found_for

    owner = _session.workspace().owner
    job = jobs.current(owner, KIND)
    if (job is not None and job.live) != live:
        st.rerun()
    mine = job if job is not None and job.key == _key(ref, model, layer) else None
    found = found_for(model, layer)
    if found is not None:
        _shown(found, model)
    elif mine is not None and mine.live:
        with st.container(horizontal=True, vertical_alignment="center"):
            waiting = _("Another look comes first.") if mine.state == "waiting" else ""
            told = waiting or _("{layer}: channel {done} of {total}", layer=layer, done=mine.done, total=mine.total)
            st.progress(mine.done / max(1, mine.total), text=told)
            st.button(
                _("Cancel"),
                icon=":material/close:",
                key="surgery.lesions.cancel",
                on_click=jobs.cancel,
                args=(owner, KIND),
            )
    else:
        if mine is not None and mine.error is not None:
            _widgets.show_error(mine.error)
        st.markdown(_("Each channel of {layer} is silenced alone, and the test images are asked again.", layer=layer))
        if st.button(_("Silence one after the other"), icon=":material/grid_on:", key="surgery.lesions.start"):
            _start(owner, ref, model, layer)
            st.rerun()


def _start(owner: str, ref: ModelRef, model: Model, layer: str) -> None:
    from cnnlab.insight import jobs
    from cnnlab.insight.surgery.lesions import searched

    count = (model.architecture.trace().row(layer).output_shape or (0,))[0]
    jobs.start(owner, KIND, _key(ref, model, layer), count, lambda: searched(model, layer))


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
    figure = figures.lesion_heat(found, shown, names, sure=way == "sure", dark=_session.dark())
    _widgets.plot(figure, "surgery.lesions.heat", figures.lesion_height(len(shown)), figures.lesion_text(found, shown))
    if len(shown) < len(found.units):
        st.caption(_("{shown} of {count} channels are shown.", shown=len(shown), count=len(found.units)))


def _said(found: Lesions) -> str:
    """Return in a sentence which loss costs most, and how many cost nothing."""
    place = int(found.cost.argmax())
    nothing = int((found.after == found.before).all(axis=1).sum())
    said = _(
        "In points of accuracy, on {images:,} test images. The costliest is channel **{unit}**: {points:+.1f} on all of them.",
        images=int(found.counts.sum()), unit=found.units[place], points=-100 * float(found.cost[place]),
    )  # fmt: skip
    if nothing:
        said += " " + _(
            "Without {nothing} of {count} channels no class loses or gains anything.",
            nothing=nothing,
            count=len(found.units),
        )
    return said
