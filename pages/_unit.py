"""The Units page's view of one channel."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import streamlit as st

from cnnlab.figures.sheets import source_filters
from cnnlab.figures.theme import number
from cnnlab.i18n import _
from pages import _looks, _session, _widgets

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cnnlab.description import ModelRef
    from cnnlab.insight.units import UnitPage
    from cnnlab.model import Model
    from cnnlab.runs.jobs import Job

KIND = "unit"


def unit(ref: ModelRef, model: Model, layer: str, unit: int) -> None:
    """Draw the page of channel ``unit`` of ``layer``; what is not known yet is found out beside it."""
    from cnnlab.insight.units import page_of, unit_page
    from cnnlab.insight.units.pages import PAGE_STEPS

    st.subheader(f"{layer}[{unit}]", anchor=False)
    known = page_of(model, layer, unit)
    if known is not None:
        _draw(model, known)
        return
    key = f"{ref} {layer} {unit}"
    asked = (KIND, key, PAGE_STEPS, lambda: unit_page(model, layer, unit))
    _looks.begin_once(*asked)
    _looks.view(KIND, key, lambda found: _draw(model, found), _told, lambda: _looks.begin(*asked))


def _told(job: Job) -> str:
    if job.done < 1:
        return _("asking the test images")
    return _("without this channel") if job.done < 2 else _("making its pictures")


def _draw(model: Model, page: UnitPage) -> None:
    left, right = st.columns([5, 7], gap="large")
    with left:
        _filter(model, page)
        _pictures(model, page)
    with right:
        _strongest(model, page)
    left, right = st.columns(2, gap="large")
    with left:
        _by_class(model, page)
    with right:
        _cost(model, page)


def _head(text: str) -> None:
    st.markdown(f"**{text}**")


def _filter(model: Model, page: UnitPage) -> None:
    """Draw the filter that makes this channel, where there is one, and the way to the operating table."""
    from cnnlab.figures.surgery import channel_img
    from cnnlab.insight import filters

    kind = model.architecture.trace().row(page.layer).layer.kind
    source = page.layer if kind == "Linear" else source_filters(model.architecture, page.layer)
    if source is None:
        return
    found = filters(model, source)
    weight = found.weight.numpy()
    _head(_("Its filter, in {layer}", layer=source) if found.is_conv else _("Its weights, in {layer}", layer=source))
    shape = "×".join(map(str, weight.shape[1:]))
    own = weight[page.unit]
    spread = _("weights from {low} to {high}", low=number(float(own.min())), high=number(float(own.max())))
    if nearly_equal(own):
        spread += " · " + _(
            "almost equal, so the picture has one colour: this filter answers to brightness, not to edges"
        )
    alt = _("The filter of {layer}[{unit}], {shape}", layer=source, unit=page.unit, shape=shape)
    bias = "" if found.bias is None else " · " + _("bias {bias}", bias=number(float(found.bias[page.unit])))
    st.html(
        channel_img(weight, page.unit, alt, dark=_session.dark()) + f'<p class="lab-facts">{shape}{bias} · {spread}</p>'
    )
    if st.button(_("Operate on it"), icon=":material/content_cut:", key="units.operate", type="tertiary"):
        _session.keep("surgery.layer", source)
        _session.keep(f"units.unit.{source}", page.unit)
        st.switch_page("pages/surgery.py")


def nearly_equal(weights: NDArray[Any]) -> bool:
    """Return whether several weights differ by less than a fifth of the largest: their picture looks empty."""
    return weights.size > 1 and float(weights.max() - weights.min()) < 0.2 * float(abs(weights).max())


def _pictures(model: Model, page: UnitPage) -> None:
    from cnnlab.figures.unit_page import marked_html
    from cnnlab.insight.units import field_box
    from cnnlab.insight.units.preferred import objective_row

    _head(_("What it likes best, made from noise"))
    found = page.pictures
    if found is None:
        st.caption(_("still to come"))
        return
    names = {
        "free": _("nothing held back"),
        "smooth": _("smooth"),
        "jittered": _("jittered"),
        "both": _("smooth and jittered"),
    }
    box = field_box(model, objective_row(model, page.layer).name, *found.place)
    captions = [f"{number(float(value))}\n{names[way]}" for way, value in zip(found.ways, found.after)]
    alts = [
        _("A picture made for {layer}[{unit}], {way}", layer=page.layer, unit=page.unit, way=names[way])
        for way in found.ways
    ]
    st.html(marked_html(found.pictures, [box] * len(captions), captions, alts))
    st.html(
        '<p class="lab-facts">'
        + _(
            "What the unit in the middle of the map says to them, before an activation; {before} to the noise.",
            before=number(float(found.before[0])),
        )
        + "</p>"
    )
    seen = 0.0 if page.responses is None else float(page.responses.values[page.unit].max())
    if max(map(float, found.after)) < max(1e-3, 0.05 * seen):
        st.caption(
            _("About 0 or less: starting from noise, no picture was found that it likes. It may hardly ever answer, or "
              "only to what noise does not lead to.")
        )  # fmt: skip


def _strongest(model: Model, page: UnitPage) -> None:
    from cnnlab.figures.unit_page import marked_html
    from cnnlab.insight.surgery import dataset_for
    from cnnlab.insight.units import field_box

    found, unit = page.responses, page.unit
    if found is None:
        return
    dataset = dataset_for(model)
    _head(_("Of {count:,} test images, the {k} that excite it most", count=found.images, k=found.strongest.shape[1]))
    places = found.strongest[unit]
    boxes = [field_box(model, page.layer, row, column) for row, column in zip(found.rows[unit], found.columns[unit])]
    names = [_(dataset.class_names[int(dataset.test.targets[place])]) for place in places]
    captions = [f"{name} · {number(float(value))}" for name, value in zip(names, found.values[unit])]
    alts = [
        _("Test image {number}, {name}: {value}", number=int(place), name=name, value=number(float(value)))
        for place, name, value in zip(places, names, found.values[unit])
    ]
    st.html(marked_html(dataset.test.images[places].numpy(), boxes, captions, alts))
    if any(box is not None for box in boxes):
        st.html(f'<p class="lab-facts">{_("The frame is what the strongest unit of the map sees.")}</p>')


def _by_class(model: Model, page: UnitPage) -> None:
    from cnnlab.figures import unit_page as figures

    found = page.responses
    if found is None:
        return
    _head(_("Its mean answer to each class"))
    names = [_(name) for name in model.class_names]
    values = found.by_class[page.unit]
    figure = figures.mean_bars(values, names, dark=_session.dark())
    _widgets.plot(figure, "units.means", figures.bars_height(len(names)), figures.mean_text(values, names))


def _cost(model: Model, page: UnitPage) -> None:
    from cnnlab.figures import surgery as figures

    found = page.lesion
    _head(_("What it costs to lose it"))
    if found is None:
        st.caption(_("still to come"))
        return
    place = page.place
    names = [_(name) for name in model.class_names]
    counts, before, after = (row.tolist() for row in (found.counts, found.before, found.after[place]))
    st.markdown(
        _("Silenced, it takes the accuracy on {count:,} test images from {before:.1%} to {after:.1%}.",
          count=sum(counts), before=sum(before) / sum(counts), after=sum(after) / sum(counts))
    )  # fmt: skip
    figure = figures.class_change(counts, before, after, names, dark=_session.dark())
    said = figures.class_text(counts, before, after, names)
    _widgets.plot(figure, "units.cost", figures.class_height(len(names)), said)
