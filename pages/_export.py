"""What leaves the lab: the network or a model as source, notebook, ONNX, model file or link, each with its button."""

from __future__ import annotations

import streamlit as st

from cnnlab.description import ModelRef
from cnnlab.errors import CnnLabError
from cnnlab.export import EXPORTS, Export, Exported, Subject, of_model, of_network
from cnnlab.export.link import link
from cnnlab.i18n import _
from pages import _continue, _session, _widgets
from pages._said import told

_PREPARED = "export.prepared"
_COLUMNS = 3


def export_choices(ref: ModelRef | None = None, key: str = "export") -> None:
    """Draw all that can be exported: of the model ``ref``, or else of the lab's present network with recipe and data.

    The network's own link is not among these: ``network_link`` draws it, also where the network cannot run yet.
    """
    try:
        subject = _subject(ref)
    except CnnLabError as error:
        _widgets.show_error(error)
        return
    choices = [choice for choice in EXPORTS.values() if ref is not None or choice.name != "link"]
    with st.container(key=f"{key}_choices"):
        for start in range(0, len(choices), _COLUMNS):
            for place, choice in zip(st.columns(_COLUMNS, gap="small"), choices[start : start + _COLUMNS]):
                with place.container(border=True, height="stretch", gap="xsmall"):
                    _card(choice, subject, f"{key}.{choice.name}")


def network_link(key: str) -> None:
    """Draw the link of the lab's present network, its recipe and its data set; a file where it is too long for one."""
    _offer(EXPORTS["link"], of_network(_session.architecture(), _session.recipe(), _session.data_name()), key)


def network_document() -> str:
    """Return the same as JSON."""
    return link(of_network(_session.architecture(), _session.recipe(), _session.data_name())).document


def _subject(ref: ModelRef | None) -> Subject:
    if ref is None:
        network = _session.architecture()
        network.check()
        return of_network(network, _session.recipe(), _session.data_name())
    from cnnlab.runs import resolve

    return of_model(resolve(ref), ref)


def _card(choice: Export, subject: Subject, key: str) -> None:
    st.markdown(f"{choice.icon} **{_(choice.title)}**")
    st.caption(_(choice.sentence))
    if lacking := choice.lacks(subject):
        st.button(_("Download"), key=f"{key}.lacking", icon=":material/download:", disabled=True, width="stretch")
        st.caption(told(lacking))
        return
    _offer(choice, subject, key)


def _offer(choice: Export, subject: Subject, key: str) -> None:
    made = _prepared(choice, subject, key) if choice.slow else _made(choice, subject)
    if made is None:
        return
    if choice.name == "link" and not made.suffix:
        st.code(_address(made.data.decode()), language=None, wrap_lines=True)
        return
    name = f"{subject.file_name}{'-keras' if choice.name == 'keras' else ''}{made.suffix or choice.suffix}"
    st.download_button(
        _("Download"), made.data, name, choice.mime, icon=":material/download:", key=f"{key}.download",
        on_click="ignore", width="stretch",
    )  # fmt: skip
    for note in made.notes:
        st.caption(f":material/info: {told(note)}")


def _made(choice: Export, subject: Subject) -> Exported | None:
    try:
        return choice.make(subject)
    except CnnLabError as error:
        _widgets.show_error(error)
        return None


def _prepared(choice: Export, subject: Subject, key: str) -> Exported | None:
    """Return what a press on the button has made of this very subject; one thing at a time is kept."""
    recipe = subject.recipe.model_dump_json() if subject.recipe else ""
    about = subject.model.about.model_dump_json() if subject.model else ""
    of = (key, _session.language(), subject.architecture.key, recipe, subject.data, about)
    kept = _session.here(_PREPARED)
    if kept is not None and kept[0] == of:
        found: Exported = kept[1]
        return found
    if not st.button(_("Prepare"), key=f"{key}.prepare", icon=":material/hourglass_empty:", width="stretch"):
        return None
    with st.spinner(_("Preparing…")):
        made = _made(choice, subject)
    if made is not None:
        _session.set_here(_PREPARED, (of, made))
        st.rerun()
    return None


def _address(path: str) -> str:
    """Return ``path`` under the address that other devices open, where there is one."""
    return _continue.lab_address().url.rstrip("/") + path
