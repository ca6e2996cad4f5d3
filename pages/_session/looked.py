"""What is looked at: the model, the image, the run, the page, and what was chosen with each of its controls."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from typing import Any

import streamlit as st

from cnnlab.description import ModelRef
from cnnlab.errors import CnnLabError
from cnnlab.workspace import ImageRef
from pages._session import keys
from pages._session.who import choose, chosen, workspace

DEFAULT_MODEL = "bundled:mnist-sprint"
TOLD_S = 3.0
"""For how long a browser is told again what a control was set to; a slow one shows it by then."""


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


def here(key: str, default: Any = None) -> Any:
    """Return what ``set_here`` has noted under ``key`` since this page was opened."""
    return st.session_state.get(keys.HERE, {}).get(key, default)


def set_here(key: str, value: Any) -> None:
    """Note ``value`` under ``key`` until this page is left."""
    st.session_state[keys.HERE] = {**st.session_state.get(keys.HERE, {}), key: value}


def kept(key: str, default: Any) -> Any:
    """Return what was chosen under ``key`` on any page, before a reload too; ``default`` where nothing was."""
    choices = _widget_choices()
    return choices.get(key, default)


def keep(key: str, value: Any) -> None:
    """Remember ``value`` (plain, or a few plain ones) as the choice under ``key``: ``kept`` gives it back."""
    value = tuple(value) if isinstance(value, list) else value
    choices = _widget_choices()
    if key not in choices or choices[key] != value:
        choices[key] = value
        workspace().choose_widget(key, value)


def take(key: str, value: Any) -> None:
    """Remember ``value``, which the widget ``key`` says now, as the choice under ``key``."""
    keep(key, value)
    settle(key, value)


def settle(key: str, value: Any) -> None:
    """Note that ``value``, which the widget ``key`` says now, has become the truth that it was seeded with.

    What is set elsewhere later is shown then, also where it is what was the truth before the learner's own move.
    """
    if st.session_state.get(key) == value:
        st.session_state[f"{key}~"] = (value, value)


def _widget_choices() -> dict[str, Any]:
    if keys.WIDGETS not in st.session_state:
        st.session_state[keys.WIDGETS] = dict(workspace().choices.widgets)
    return st.session_state[keys.WIDGETS]


def seed(key: str, value: Any, labels: Mapping[Any, str] | None = None) -> str:
    """Make ``value`` what the widget ``key`` shows unless the learner moved it since; return ``key``.

    A menu goes on showing the label that it had when an option was chosen. Where ``labels`` change while it is shown
    (option to label), it is told to show the new one.

    A widget forgets its value when its page is left, and ignores a new default once it has a key. So a default alone
    is not enough; it is seeded before it is drawn, and again whenever the truth changed elsewhere. Streamlit tells
    the browser once what was set: if the page was drawn anew before the browser came to show it (an upload, a second
    click, a look that has ended), it may have missed it, and shows an empty control or the smallest number, and sends
    that back. So it is told again until a page came to its end, and for ``TOLD_S`` seconds.
    """
    shadow = f"{key}~"
    truth, shown = st.session_state.get(shadow, (None, None))
    if key not in st.session_state or value not in (truth, shown):  # neither the old truth nor the learner's own move
        _set(key, value)
    elif _may_be_missed(key):
        st.session_state[key] = st.session_state[key]  # to set it, even to what it is, makes the browser show it anew
    if labels is not None:
        now = st.session_state[key] if st.session_state[key] in labels else value
        if (now, labels.get(now)) != st.session_state.get(f"{key}~label"):
            _set(key, now)
        st.session_state[f"{key}~label"] = (now, labels.get(now))
    st.session_state[shadow] = (value, st.session_state[key])
    return key


def _set(key: str, value: Any) -> None:
    st.session_state[key] = value
    st.session_state[f"{key}~set"] = (st.session_state.get(keys.DRAWN, 0), time.monotonic(), value)


def _may_be_missed(key: str) -> bool:
    """Return whether the browser may not have seen yet what ``key`` was set to."""
    drawn, at, value = st.session_state.get(f"{key}~set", (0, 0.0, None))
    if drawn > st.session_state.get(keys.DRAWN_WHOLE, 0):
        return True
    return bool(time.monotonic() < at + TOLD_S and st.session_state[key] == value)  # else the learner has moved it


def unseed(prefix: str) -> None:
    """Let every widget whose key begins with ``prefix`` show the truth again, whatever was typed into it before."""
    for key in [key for key in st.session_state if isinstance(key, str) and key.startswith(prefix)]:
        if key.endswith("~"):
            st.session_state[key] = ((), ())  # no field ever holds this
