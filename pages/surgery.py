"""Surgery: change single channels and connections on a copy of a model, and see at once what that does."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from cnnlab.errors import CnnLabError
from cnnlab.i18n import N_, _
from cnnlab.lessons import lesson
from pages import _lesions, _operation, _outcome, _session, _widgets

if TYPE_CHECKING:
    from cnnlab.model import Model


def main() -> None:
    """Draw the Surgery page: what is done to a copy, and what came of it."""
    _widgets.begin_page(
        N_("Surgery"),
        N_("Silence, turn or rewrite a channel of a copy, and see at once which answers hang on it."),
    )
    ref, model = _widgets.model_line()
    layers = _operation.layers_of(model)
    if not layers:
        st.info(_("This network has no filters and no dense weights to operate on."))
        return
    edits, initial, problem = _operation.edits(ref), None, None
    try:
        initial = _operation.initial(ref, model, edits)
    except CnnLabError as error:
        problem = error

    def copy() -> Model:
        from cnnlab.insight.surgery import operated

        if problem is not None:
            raise problem
        return operated(model, edits, initial) if edits else model

    with st.container(horizontal=True, gap="large"):
        with st.container(key="surgery_ask", width=430):
            layer, unit = _operation.ask(ref, model, layers, edits, copy)
        with st.container(key="surgery_result", width="stretch"):
            try:
                if problem is not None:
                    raise problem
                _outcome.result(model, layer, unit, edits, initial)
            except CnnLabError as error:
                _widgets.show_error(error)
    _lesions.table(ref, model, layer)
    _widgets.what_is_this(lesson("surgery", _session.language()), _("What happens here"))


main()
