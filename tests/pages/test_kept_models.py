"""The learner's own models: a file from elsewhere is opened before it is kept, and what is none is said by its own name."""

import json
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from cnnlab.description import bundled_path, read_description
from cnnlab.workspace import Workspace, new_id
from pages import _session

FILE = "test.kept.file"


def asked() -> None:
    import streamlit as st

    from pages import _kept_models, _session

    _session.enter()
    _kept_models._ask_on_draw(st.session_state["test.kept.file"])


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


@pytest.mark.parametrize("classes", [10, 3])
def test_an_int8_model_is_asked_beside_one_for_the_same_classes(
    lab_home: Path, monkeypatch: pytest.MonkeyPatch, classes: int
) -> None:
    space, gone = Workspace(new_id()), list[str]()
    told = read_description(bundled_path("mnist-sprint")).model_dump(mode="json")
    if classes == 3:
        told["about"]["data"], told["class_names"] = "pets", ["cat", "dog", "bird"]
        told["architecture"]["layers"][-1]["out_features"] = 3
    head = json.dumps({"__metadata__": {"cnnlab.int8": json.dumps({"model": told})}}).encode()
    source = space.save_model(len(head).to_bytes(8, "little") + head)
    space.choose(model="bundled:cifar-blocks")
    monkeypatch.setattr("streamlit.switch_page", gone.append)
    at = AppTest.from_function(asked, default_timeout=60)
    at.session_state[_session.keys.WORKSPACE] = space.id
    at.session_state[FILE] = source
    at.run()
    assert not at.exception and not at.error
    if classes == 10:
        assert gone == ["pages/draw.py"] and space.choices.widgets["draw.compare.1"] == source
        assert read_description(bundled_path(space.choices.model.removeprefix("bundled:"))).about.data == "mnist"
    else:
        assert not gone and [one.value for one in at.warning] == [
            "No model here tells the same classes apart, beside which it could answer."
        ]
