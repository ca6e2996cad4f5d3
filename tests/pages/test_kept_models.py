"""The learner's own models: a file from elsewhere is opened before it is kept, and what is none is said by its own name."""

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from cnnlab.description import bundled_path
from cnnlab.workspace import Workspace, new_id
from pages import _session

FILE = "test.kept.file"


def part() -> None:
    import streamlit as st

    from pages import _kept_models, _session

    _session.enter()
    name, data = st.session_state["test.kept.file"]
    st.session_state["test.kept.source"] = _kept_models.keep(data, name)
    _kept_models.draw("test", "Mine: {count}", st.session_state["test.kept.source"])


def kept(name: str, data: bytes) -> tuple[AppTest, Workspace]:
    space = Workspace(new_id())
    at = AppTest.from_function(part, default_timeout=60)
    at.session_state[_session.keys.WORKSPACE] = space.id
    at.session_state[FILE] = (name, data)
    at.run()
    assert not at.exception, [error.value for error in at.exception]
    return at, space


def test_a_model_from_elsewhere_is_offered_by_every_page(lab_home: Path) -> None:
    at, space = kept("theirs.safetensors", bundled_path("mnist-sprint").read_bytes())
    assert space.models() == {at.session_state["test.kept.source"]: "mnist-sprint"}
    assert [one.label for one in at.expander] == ["Mine: 1"] and at.expander[0].proto.expanded
    assert [one.label for one in at.button] == ["Look into it", "Delete"]


@pytest.mark.parametrize("data", [b"hello", b"", bundled_path("mnist-sprint").read_bytes()[:5000]])
def test_what_is_no_model_is_said_and_not_kept(lab_home: Path, data: bytes) -> None:
    at, space = kept("theirs.safetensors", data)
    assert [error.value.startswith("theirs.safetensors: ") for error in at.error] == [True]
    assert at.session_state["test.kept.source"] is None and not at.expander
    assert not list((space.folder / "models").glob("*"))
