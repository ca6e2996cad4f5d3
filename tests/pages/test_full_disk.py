"""A disk that takes nothing more: every page opens all the same, says it once, and a run can be stopped."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import streamlit as st
from PIL import Image
from streamlit.testing.v1 import AppTest

from cnnlab import handover, runs
from cnnlab.architecture.presets import PRESETS
from cnnlab.data.sketch import Sketch
from cnnlab.errors import DataError, DiskError
from cnnlab.home import home
from cnnlab.i18n import LANGUAGES
from cnnlab.workspace import MAX_NETWORKS, Workspace, new_id
from pages import _registry, _session

ROOT = Path(__file__).resolve().parent.parent.parent
SAID = {"en": "cannot write to its disk", "zh_CN": "无法写入磁盘"}


@pytest.fixture
def full(lab_home: Path) -> Path:
    """Return a home in which no workspace can be written: a file stands where their folder would be."""
    lab_home.mkdir(parents=True)
    (lab_home / "workspaces").write_text("no folder")
    (lab_home / "links").write_text("no folder")
    return lab_home


def open_app(name: str, language: str, monkeypatch: pytest.MonkeyPatch) -> AppTest:
    real = st.Page
    monkeypatch.setattr(
        st, "Page", lambda *args, **settings: real(*args, **{**settings, "default": settings["url_path"] == name})
    )
    at = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60)
    at.session_state[_session.keys.LANGUAGE] = language
    return at.run()


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("name", [page.name for page in _registry.PAGES])
def test_a_page_opens_and_says_it_once(
    name: str, language: str, full: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    at = open_app(name, language, monkeypatch)
    assert not at.exception, [e.value for e in at.exception]
    assert at.title and len([box for box in at.warning if SAID[language] in box.value]) == 1
    assert "is not kept" in caplog.text


def test_what_was_chosen_stays_in_the_session_and_the_box_goes_when_there_is_room_again(full: Path) -> None:
    def frame() -> None:
        from pages import _frame, _session

        _session.enter()
        _session.visit("home")
        _session.set_data_name("cifar10-sample")
        _session.keep("explore.layer", "conv2")
        _frame.draw()

    at = AppTest.from_function(frame, default_timeout=60)
    at.session_state[_session.keys.LANGUAGE] = "en"
    at.run()
    assert not at.exception and len(at.warning) == 1
    at.text_input(key="frame.workspace_name").set_value("Wei").run()
    assert not at.exception and len(at.warning) == 1, "a name that cannot be kept draws the page again and again"
    assert at.session_state[_session.keys.DATA] == "cifar10-sample"
    assert at.session_state[_session.keys.WIDGETS]["explore.layer"] == "conv2"
    (full / "workspaces").unlink()
    at.text_input(key="frame.workspace_name").set_value("Ana").run()
    assert not at.exception and not at.warning
    assert Workspace(at.session_state[_session.keys.WORKSPACE]).name == "Ana"


WRITERS: dict[str, Callable[[Workspace], object]] = {
    "choose": lambda space: space.choose(language="en"),
    "choose_widget": lambda space: space.choose_widget("draw.brush", 3.0),
    "rename": lambda space: space.rename("Ana"),
    "save_network": lambda space: space.save_network(PRESETS["mnist-sprint"].architecture),
    "save_drawing": lambda space: space.save_drawing(np.zeros((28, 28), np.uint8)),
    "save_upload": lambda space: space.save_upload(Image.new("L", (9, 9))),
    "save_model": lambda space: space.save_model(b"x"),
    "keep_operations": lambda space: (
        space.keep_operations("bundled:a", []) or space.keep_operations("b", [{"do": "x"}])
    ),
    "settle": lambda space: space.settle("size", "size:a", True),
    "sketch": lambda space: Sketch(n=1).keep(space.folder),
    "link": handover.offer,
}


@pytest.mark.parametrize("name", WRITERS)
def test_whoever_writes_to_a_workspace_answers_with_an_error_of_the_lab(name: str, full: Path) -> None:
    with pytest.raises(DiskError, match="is not kept") as found:
        WRITERS[name](Workspace(new_id()))
    assert isinstance(found.value, DataError) and SAID["zh_CN"] in found.value.text("zh_CN")


def test_the_teacher_s_limits_answer_so_too(lab_home: Path) -> None:
    (lab_home / "class.json").mkdir(parents=True)
    assert home() == lab_home
    with pytest.raises(DiskError):
        runs.set_limits(runs.Limits(live_runs=3))


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_network_that_cannot_be_kept_is_named_once(
    language: str, lab_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
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
        _frame._say_unkept()

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
    from cnnlab.description import ModelRef
    from cnnlab.errors import RunError
    from cnnlab.runs.artefacts import Folder
    from cnnlab.runs.store import Store
    from tests.pages.makers import keep_run

    space = Workspace(new_id())
    id = keep_run(space, runs.resolve(ModelRef("bundled:mnist-sprint")), weights=False)
    (lab_home / "a file").write_text("no folder")
    store = Store(files=Folder(lab_home / "a file"))
    with pytest.raises(RunError, match="cannot be written"):
        store.adopt(store.snapshot(id), [], b"weights")
    store.close()
