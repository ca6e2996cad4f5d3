"""The Surgery page's right half: the filter before and after, what the operations do to the answers, keeping the result."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import streamlit as st

from cnnlab.errors import CnnLabError
from cnnlab.i18n import _
from pages import _kept_models, _session, _widgets
from pages._looking import data_title

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cnnlab.insight.surgery import Edit, Effect, Table
    from cnnlab.model import Model, Tensor

MOST_TILES = 16
"""How many of the images whose answer changed are shown."""


def result(model: Model, layer: str, unit: int, done: tuple[Edit, ...], initial: Mapping[str, Tensor] | None) -> None:
    """Draw what ``done`` does to a copy of ``model``, whose training began with ``initial``.

    Raises:
        CnnLabError: the data set is not here, or an operation cannot be done.
    """
    from cnnlab.insight.surgery import table_for

    with st.spinner(_("Asking the test images"), show_time=True):
        table = table_for(model)
        changed, effect = table.operate(done, initial)
    _numbers(table, effect)
    _filters(model, changed, layer, unit)
    if done:
        _by_class(table, effect)
        _answers(table, effect)
        _keep(model, changed, effect)
    _kept_models.draw("surgery", _("Your own models: {count}", count="{count}"), _session.here("surgery.kept"))


def _numbers(table: Table, effect: Effect) -> None:
    from cnnlab.figures.surgery import numbers_html

    data, all_images = _widgets.plain(data_title(table.dataset.name)), len(table.dataset.test)
    if effect.images < all_images:
        st.markdown(
            _("Asked are **{count:,} of the {all:,}** test images of {data}, a sample: its share of right answers may lie "
              "a little off the one on the whole test set.", count=effect.images, all=all_images, data=data)
        )  # fmt: skip
    else:
        st.markdown(_("Asked are all {all:,} test images of {data}.", all=all_images, data=data))
    st.html(numbers_html(effect, _loss_text(table.model.about.recipe)))


def _loss_text(recipe: Mapping[str, Any]) -> str:
    """Return which loss is meant, and why the one of the training may be another."""
    if recipe.get("label_smoothing"):
        return _(
            "Before, after: right answers. Loss: plain cross-entropy; the training's is higher, for its recipe smooths the labels."
        )
    if recipe.get("loss", "cross_entropy") != "cross_entropy":
        return _("Before, after: right answers. Loss: cross-entropy; the training had another one.")
    return _("Before, after: right answers. Loss: cross-entropy.")


def _filters(model: Model, changed: Model, layer: str, unit: int) -> None:
    from cnnlab.figures.filters import filter_limit
    from cnnlab.figures.surgery import channel_img
    from cnnlab.insight import filters

    before, after = (filters(one, layer).weight.numpy() for one in (model, changed))
    limit = filter_limit(before)
    dark = _session.dark()
    words = {"before": before, "after": after}
    titles = {"before": _("Before"), "after": _("After")}
    with st.container(horizontal=True, gap="medium", key="surgery_filters"):
        for when, weight in words.items():
            alt = _("{when}: the filter of {layer}[{unit}]", when=titles[when], layer=layer, unit=unit)
            picture = channel_img(weight, unit, alt, limit=limit, dark=dark)
            said = f"{titles[when]} · {layer}[{unit}]" + ("" if weight[unit].any() else " · " + _("every weight 0"))
            st.html(
                f'<figure style="margin:0"><figcaption class="lab-facts">{said}</figcaption>{picture}</figure>',
                width="content",
            )


def _by_class(table: Table, effect: Effect) -> None:
    from cnnlab.figures import surgery as figures

    names = [_(name) for name in table.model.class_names]
    numbers = (effect.counts, effect.before, effect.after)
    figure = figures.class_change(*numbers, names, dark=_session.dark())
    _widgets.plot(figure, "surgery.classes", figures.class_height(len(names)), figures.class_text(*numbers, names))
    st.caption(_("Blue: the class loses; red: it gains. The table below has the same colours."))


def _answers(table: Table, effect: Effect) -> None:
    from cnnlab.figures.compress import changed_html

    shown = effect.changed[:MOST_TILES]
    if not shown:
        st.markdown(_("No image has another answer now."))
        return
    with st.expander(_("Images whose answer changed: {count:,}", count=len(effect.changed))):
        images = table.dataset.test.images[[one.image for one in shown]].numpy()
        st.html(changed_html(images, shown, [_(name) for name in table.dataset.class_names]))
        if len(effect.changed) > len(shown):
            st.html(f'<p class="lab-facts">{_("The first {count} are shown.", count=len(shown))}</p>')


def _keep(model: Model, changed: Model, effect: Effect) -> None:
    """Draw the button that keeps the copy as a model of the workspace."""
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        name = st.text_input(
            _("Name"), changed.about.name, key=f"surgery.name.{changed.about.name}", max_chars=60, width=260
        )
        pressed = st.button(_("Keep as a model"), icon=":material/save:", key="surgery.keep")
    if not pressed:
        return
    from cnnlab.insight.surgery.edits import named

    try:
        source = _session.workspace().save_model(named(changed, name, effect).to_bytes())
    except CnnLabError as error:
        _widgets.show_error(error)
        return
    _session.set_here("surgery.kept", source)
