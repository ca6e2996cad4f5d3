"""What is looked at: the model, the image, the run, the page."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import streamlit as st

from cnnlab.description import ModelRef
from cnnlab.errors import CnnLabError
from cnnlab.workspace import ImageRef
from pages._session import keys
from pages._session.controls import unseed
from pages._session.lasting import choose, chosen, workspace

DEFAULT_MODEL = "bundled:mnist-sprint"


def model_ref() -> ModelRef:
    """Return which model is looked into; the bundled one until another is chosen."""
    try:
        return ModelRef.parse(str(chosen(keys.MODEL, "model", DEFAULT_MODEL)))
    except CnnLabError:
        return ModelRef.parse(DEFAULT_MODEL)


def set_model_ref(ref: ModelRef | str) -> None:
    """Look into ``ref`` from now on, on every page."""
    choose(keys.MODEL, "model", str(ref))


def image_ref() -> ImageRef:
    """Return which image is looked at."""
    value = chosen(keys.IMAGE, "image", ImageRef())
    return value if isinstance(value, ImageRef) else ImageRef()


def set_image_ref(ref: ImageRef) -> None:
    """Look at ``ref`` from now on, on every page."""
    choose(keys.IMAGE, "image", ref)


def upload_id(file_id: str) -> str | None:
    """Return under which id the workspace keeps the uploaded file ``file_id``, or None if it does not yet."""
    value = st.session_state.get(keys.UPLOAD, {}).get(file_id)
    return str(value) if value else None


def set_upload_id(file_id: str, id: str) -> None:
    """Remember that the workspace keeps the uploaded file ``file_id`` as ``id``."""
    st.session_state[keys.UPLOAD] = {file_id: id}


def current_run() -> str | None:
    """Return the id of the learner's current run, or None."""
    value = chosen(keys.RUN, "run", None)
    return str(value) if value else None


def set_current_run(id: str | None) -> None:
    """Make ``id`` the run that the sidebar and the Train page show."""
    choose(keys.RUN, "run", id)


def operations(model: str) -> list[dict[str, Any]]:
    """Return what was done to a copy of ``model``, as JSON values; before a reload too, for the last model."""
    found = st.session_state.setdefault(keys.SURGERY, {})
    if model not in found:
        last = workspace().operations
        found[model] = list(last.done) if last.model == model else []
    return list(found[model])


def set_operations(model: str, done: list[dict[str, Any]]) -> None:
    """Let ``done`` be what was done to a copy of ``model``; raises DataError where that cannot be kept."""
    workspace().keep_operations(model, done)
    st.session_state.setdefault(keys.SURGERY, {})[model] = done


def bin() -> tuple[str, ...]:
    """Return the ids of the runs in the learner's bin, as the disk has them: another tab may have thrown some, too."""
    return workspace().choices.bin


def set_bin(ids: Iterable[str]) -> None:
    """Let these runs lie in the bin, and no others."""
    workspace().choose(bin=tuple(ids))


def page() -> str:
    """Return the name of the page that is open; empty where a page runs without its frame."""
    return str(st.session_state.get(keys.PAGE, ""))


def visit(page: str) -> None:
    """Note that ``page`` is drawn (again), until ``visited_whole``; Home marks the next step by it.

    A page's widgets are new ones to Streamlit even under the key of another page's, and would begin with their first
    option: they are seeded with the truth again.
    """
    st.session_state[keys.DRAWN] = st.session_state.get(keys.DRAWN, 0) + 1
    if st.session_state.get(keys.PAGE) != page:
        st.session_state[keys.PAGE] = page
        st.session_state[keys.HERE] = {}
        unseed("")
    if page not in visited():
        choose(keys.VISITED, "visited", (*visited(), page))


def visited_whole() -> None:
    """Note that the page has been drawn to its end, so that the browser has seen all that was set in its widgets."""
    st.session_state[keys.DRAWN_WHOLE] = st.session_state.get(keys.DRAWN, 0)


def visited() -> tuple[str, ...]:
    """Return which pages this workspace has opened, in the order it did."""
    return tuple(chosen(keys.VISITED, "visited", ()))
