"""Published weights of a full-size classic, on the Build page: fetched or from a file; with them, it names what a picture shows.

All who use the lab share them, as they do data sets; so the teacher alone brings them in and deletes them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from cnnlab.architecture import Architecture
from cnnlab.architecture.presets import PRESETS
from cnnlab.architecture.zoo.names import NAMED
from cnnlab.errors import CnnLabError
from cnnlab.figures.numbers import bytes_text
from cnnlab.i18n import N_, Message, _
from pages import _begin_state, _session, _widgets
from pages import _build_state as state
from pages._said import told

if TYPE_CHECKING:
    from cnnlab.data.progress import Progress

_PLACE = "build.weights"
_FILES = ["pth", "pt", "safetensors"]
_MOST_MB = 1024
"""A browser says 1 GB of this, as it would of 600 MB; a file that is larger than any known one is refused in words."""
_PICTURES = ["png", "jpg", "jpeg", "webp", "bmp"]


def offer(architecture: Architecture) -> None:
    """Offer the published weights of ``architecture``; nothing for a network that none are published for."""
    name = architecture.name
    if name not in NAMED or PRESETS[name].architecture != architecture:
        return
    folded = st.expander(_("Published weights"), icon=":material/download:", key=_PLACE, on_change="rerun")
    if not folded.open:
        return
    with folded:
        _contents(name)


def _contents(name: str) -> None:
    from cnnlab import weights

    facts = weights.published(name)
    st.markdown(
        _("torchvision has taught {name} the 1,000 classes of ImageNet; with its weights it names {acc} of the validation pictures right.",
          name=name, acc=f"{facts.acc:.1%}")
    )  # fmt: skip
    _said()
    if weights.saved(name).is_file():
        _here(name)
    elif _session.is_teacher():
        _absent(name, facts.address)
    else:
        st.info(
            _("They are not on the lab's computer yet. Getting and deleting them is for the teacher, who sits there."),
            icon=":material/lock:",
        )


def _said() -> None:
    said = state.notice(_PLACE)
    if isinstance(said, CnnLabError):
        _widgets.show_error(said)
    elif said:
        st.info(told(said), icon=":material/info:")


# ---------------------------------------------------------------------------------------------- not here yet
def _absent(name: str, address: str) -> None:
    bar = st.container(horizontal=True, vertical_alignment="center", gap="small")
    begun = bar.button(_("Fetch"), icon=":material/download:", key=f"{_PLACE}.fetch")
    bar.caption(f"`{address}`")
    if begun:
        _fetch(name)
    st.file_uploader(
        _("Or a file of these weights"), type=_FILES, key=f"{_PLACE}.file", max_upload_size=_MOST_MB,
        on_change=_import, args=(name,),
    )  # fmt: skip


def _fetch(name: str) -> None:
    """Fetch with a bar; any other press on the page calls it off, for the bar cannot move on then."""
    from cnnlab import weights
    from cnnlab.weights import keeping

    bar = st.progress(0.0, text=_("starting"))
    st.button(_("Cancel"), icon=":material/close:", key=f"{_PLACE}.cancel")

    def report(step: Progress) -> None:
        share = min(step.done / step.total, 1.0) if step.total else 0.0
        of = f" / {bytes_text(step.total)}" if step.total else ""
        bar.progress(share, text=f"{bytes_text(step.done)}{of}")

    try:
        keeping.keep(name, weights.fetch(name, report))
    except CnnLabError as error:
        state.say(error, _PLACE)
    st.rerun()


def _import(name: str) -> None:
    from cnnlab.weights import keeping

    file = st.session_state.get(f"{_PLACE}.file")
    if file is None:
        return
    try:
        keeping.keep_upload(name, file.name, file.getvalue())
    except CnnLabError as error:
        state.say(error, _PLACE)


# ---------------------------------------------------------------------------------------------- here
def _here(name: str) -> None:
    st.success(_("They are here. Show it a picture, or let Train begin with them."), icon=":material/check:")
    picture = st.file_uploader(_("A picture of anything"), type=_PICTURES, key=f"{_PLACE}.picture", max_upload_size=20)
    if picture is not None:
        _answers(name, picture.getvalue())
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        if st.button(_("Begin training with them"), icon=":material/show_chart:", key=f"{_PLACE}.train"):
            _begin_state.choose(f"weights:{name}")
            st.switch_page("pages/train.py")
        if _session.is_teacher():
            st.button(
                _("Delete them"), icon=":material/delete:", key=f"{_PLACE}.forget", on_click=_forget, args=(name,)
            )


def _answers(name: str, picture: bytes) -> None:
    from cnnlab.weights import keeping

    try:
        with st.spinner(_("The network is looking…")):
            found = keeping.guesses(name, picture)
    except CnnLabError as error:
        _widgets.show_error(error)
        return
    seen, bars = st.columns([1, 2], gap="medium", vertical_alignment="center")
    seen.image(picture, width="stretch")
    with bars:
        for guess in found:
            st.progress(guess.prob, text=f"{_widgets.plain(guess.name)} · {guess.prob:.1%}")
        st.caption(_("The classes have ImageNet's own names, in English."))


def _forget(name: str) -> None:
    from cnnlab.weights import keeping

    keeping.forget(name)
    state.say(Message(N_("The weights are deleted.")), _PLACE)
