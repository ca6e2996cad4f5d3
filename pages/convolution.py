"""Convolution: the operation alone, on a picture, with a kernel typed in by hand; predict, then reveal."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from cnnlab.errors import CnnLabError
from cnnlab.home import ASSETS
from cnnlab.i18n import N_, _
from pages import _glass_picture, _glass_predict, _glass_settings, _glass_view, _session, _widgets

if TYPE_CHECKING:
    from cnnlab.insight.glass import Operation
    from cnnlab.model import Tensor


@st.fragment
def work(picture: Tensor) -> None:
    """Draw the settings and what the convolution makes of ``picture``."""
    from cnnlab.insight.glass import run

    _session.enter()
    if _glass_view.took_painting():
        st.rerun()
    _glass_view.take_typed()
    bench, settings = st.columns([5, 2], gap="medium")
    with settings, st.container(key="glass_settings"):
        count, layer = _glass_settings.layers()
        planes = picture.shape[0]
        operations = [_glass_settings.operation(n, planes if n == 0 else 1, n == layer) for n in range(count)]
    with bench:
        if not _fits(picture, operations):
            return
        stages = run(picture, operations)
        veil = _glass_predict.predict(stages, layer)
        _glass_view.draw_glass(stages, veil)
    _glass_view.draw_counts(stages, layer, veil)


def _fits(picture: Tensor, operations: list[Operation]) -> bool:
    """Say which layer does not fit what arrives, and offer what works; return whether all do."""
    from cnnlab.insight.glass import mends, problem

    height, width = picture.shape[1:]
    for layer, operation in enumerate(operations):
        error = problem(operation, height, width)
        if error is None:
            height, width = operation.output_shape(height, width)
            continue
        _widgets.show_error(CnnLabError("Layer {layer}: {problem}.", layer=layer + 1, problem=error))
        offers = mends(operation, height, width)
        if offers:
            st.markdown(_("This works:"))
        with st.container(horizontal=True, gap="small"):
            for number, (label, change) in enumerate(offers):
                st.button(
                    label.text(_session.language()), key=f"convolution.mend.{number}", icon=":material/build:",
                    on_click=_glass_settings.keep, args=(layer, change),
                )  # fmt: skip
        return False
    return True


_widgets.begin_page(
    N_("Convolution"),
    N_("Slide a small window of weights over a picture and see, number by number, what comes out."),
)
st.html(ASSETS / "css" / "glass.css")
picture = _glass_picture.picture()
if picture is not None:
    work(picture)
