"""What a workspace or a disk that is full could not keep, and how the learner hears of it."""

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from cnnlab import runs
from cnnlab.architecture.presets import PRESETS
from cnnlab.description import ModelRef
from cnnlab.errors import RunError
from cnnlab.i18n import LANGUAGES
from cnnlab.runs.artefacts import Folder
from cnnlab.runs.store import Store
from cnnlab.workspace import MAX_NETWORKS, Workspace, new_id
from pages import _session
from tests.pages.makers import keep_run


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_network_that_cannot_be_kept_is_named_once(language: str, lab_home: Path) -> None:
    space, first = Workspace(new_id()), PRESETS["mnist-sprint"].architecture
    folder = space.folder / "networks"
    folder.mkdir(parents=True)
    for n in range(MAX_NETWORKS):
        (folder / f"{n}.json").write_text("{}")

    def work() -> None:
        import streamlit as st

        from cnnlab.architecture.presets import PRESETS
        from pages import _frame, _session

        _session.enter()
        if st.session_state.pop("go", False):
            first = PRESETS["mnist-sprint"].architecture
            st.text(_session.open_network(PRESETS["article-003-keras"].architecture))
            _session.set_architecture(first.remove(0).renamed("mine_1"))
            st.text(_session.open_network(first))
        _frame._told_not_kept()

    at = AppTest.from_function(work, default_timeout=60)
    at.session_state[_session.keys.WORKSPACE], at.session_state[_session.keys.LANGUAGE] = space.id, language
    at.session_state["go"] = True
    at.run()
    assert not at.exception and [text.value for text in at.text] == ["True", "False"]
    (box,) = at.warning
    assert "mine\\_1" in box.value and ("撤销" if language == "zh_CN" else "Undo") in box.value
    assert at.session_state[_session.keys.ARCHITECTURE] == first
    assert at.session_state[_session.keys.UNDO][-1].name == "mine_1"
    assert not at.run().warning


def test_a_brought_run_that_cannot_be_written_is_refused_with_a_sentence(lab_home: Path) -> None:
    space = Workspace(new_id())
    id = keep_run(space, runs.resolve(ModelRef("bundled:mnist-sprint")), weights=False)
    (lab_home / "a file").write_text("no folder")
    store = Store(files=Folder(lab_home / "a file"))
    with pytest.raises(RunError, match="cannot be written"):
        store.adopt(store.snapshot(id), [], b"weights")
    store.close()
