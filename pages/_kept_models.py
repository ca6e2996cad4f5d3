"""The models of the learner's own that no run has made: kept copies, smaller models, files from elsewhere."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from cnnlab.errors import CnnLabError
from cnnlab.i18n import _
from pages import _session, _widgets

_MAX_MB = 50


def keep(file: bytes, name: str = "") -> str | None:
    """Keep the model whose file is ``file``, return its source; None, and the reason is shown, where that cannot be.

    Args:
        file: the bytes of a model, whole or in int8.
        name: of a file from elsewhere, which is opened first and may take seconds; empty for what the lab has just made.
    """
    from cnnlab.compress.answering import answering
    from cnnlab.description import ModelRef

    space, source = _session.workspace(), None
    try:
        source = space.save_model(file)
        if name:
            answering(ModelRef(source))
    except CnnLabError as error:
        if source is not None:
            space.delete_model(source)
        if "name" in error.values:
            error.values["name"] = name  # as the learner calls it, not where it was put
        _widgets.show_error(error)
        return None
    return source


def draw(page: str, title: str, new: str | None = None, then: str = "") -> None:
    """Draw the models that were kept, each with what can be done with it and a way to delete it.

    Args:
        page: before the keys of its controls.
        title: with ``{count}``, a translated text.
        new: the source of one that was just kept, so that the list stands open.
        then: the file of the page that shows a model, where this one shows none.
    """
    space = _session.workspace()
    whole, int8 = space.models(), space.int8_models()
    if not whole and not int8:
        return
    now = _session.model_ref().source
    with st.expander(title.format(count=len(whole) + len(int8)), expanded=new in whole or new in int8):
        for place, (source, name) in enumerate({**whole, **int8}.items()):
            with st.container(horizontal=True, vertical_alignment="center", gap="small"):
                st.markdown(f"**{_widgets.plain(name)}**", width="stretch")
                if source in whole:
                    if st.button(
                        _("Look into it"), key=f"{page}.open.{place}", disabled=source == now and not then, type="tertiary",
                        icon=":material/visibility:", on_click=_session.set_model_ref, args=(source,),
                    ) and then:  # fmt: skip
                        st.switch_page(then)
                elif st.button(
                    _("Ask it on Draw"), key=f"{page}.ask.{place}", type="tertiary", icon=":material/gesture:",
                    help=_("It answers beside the model that is chosen there, where both tell the same classes apart."),
                ):  # fmt: skip
                    _ask_on_draw(source)
                st.button(
                    _("Delete"), key=f"{page}.delete.{place}", type="tertiary", icon=":material/delete:",
                    on_click=_delete, args=(source,),
                )  # fmt: skip
        if whole:
            st.caption(_("Every page offers them in its choice of models."))
        if int8:
            st.caption(
                _("A model whose numbers are bytes can answer, and nothing else: there is nothing in it that the other "
                  "pages could look into, change or go on training. For that, take the model that it was made from.")
            )  # fmt: skip


def bring(page: str) -> str | None:
    """Draw the way to bring a model's file from elsewhere; return its source where one was just brought."""
    number = _session.here(f"{page}.form", 0)
    with st.popover(_("Bring a model"), icon=":material/upload:", type="tertiary", key=f"{page}.bring.{number}"):
        file = st.file_uploader(
            _("A model's file, as this lab writes it"), type=["safetensors"], key=f"{page}.file.{number}",
            max_upload_size=_MAX_MB,
        )  # fmt: skip
        pressed = st.button(_("Bring it here"), icon=":material/add:", key=f"{page}.bringit", disabled=file is None)
        if not pressed or file is None:
            return None
        with st.spinner(_("Opening it"), show_time=True):
            source = keep(file.getvalue(), file.name)
    if source is not None:
        _session.set_here(f"{page}.form", number + 1)
    return source


def _ask_on_draw(source: str) -> None:
    """Open Draw with the int8 model ``source`` beside a whole one for the same classes; say where there is none."""
    from cnnlab.description import read_answering
    from pages import _draw_choices

    try:
        described, _int8 = read_answering(Path(source.partition(":")[2]))
    except CnnLabError as error:
        _widgets.show_error(error)
        return
    int8 = _session.workspace().int8_models()
    beside = [one for one in _draw_choices.comparable(described) if one not in int8]
    if not beside:
        st.warning(_("No model here tells the same classes apart, beside which it could answer."))
        return
    if _session.model_ref().source not in beside:
        _session.set_model_ref(beside[0])
    _session.keep("draw.compare.1", source)
    st.switch_page("pages/draw.py")


def _delete(source: str) -> None:
    _session.workspace().delete_model(source)
    if _session.model_ref().source == source:
        _session.set_model_ref(_session.DEFAULT_MODEL)
