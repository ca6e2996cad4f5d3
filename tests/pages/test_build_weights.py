"""Published weights on the Build page: from a file or the internet, asked about a picture, deleted again."""

import io
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from streamlit.testing.v1 import AppTest

from cnnlab import weights
from cnnlab.architecture.presets import PRESETS
from cnnlab.errors import ModelError
from cnnlab.weights import keeping
from pages import _begin_state, _session
from tests.weights.test_weights import theirs

PAGE = str(Path(__file__).resolve().parent.parent.parent / "pages" / "build.py")
NAME = "squeezenet1_1"


@pytest.fixture(scope="module")
def file() -> bytes:
    made = io.BytesIO()
    torch.save(theirs(NAME).state_dict(), made)
    return made.getvalue()


@pytest.fixture(scope="module")
def picture() -> bytes:
    made = io.BytesIO()
    Image.fromarray(np.arange(90 * 120 * 3, dtype=np.uint32).reshape(90, 120, 3).astype(np.uint8)).save(made, "PNG")
    return made.getvalue()


def page(name: str = NAME, language: str = "en", width: int = 0, teacher: bool = True) -> AppTest:
    at = AppTest.from_file(PAGE, default_timeout=60)
    at.session_state[_session.keys.LANGUAGE] = language
    network = PRESETS[name].architecture
    at.session_state[_session.keys.ARCHITECTURE] = network.remove(width) if width else network
    at.session_state["build.weights"] = True
    at.session_state[_session.keys.TEACHER] = teacher
    return checked(at.run())


def checked(at: AppTest) -> AppTest:
    assert not at.exception, at.exception
    return at


def keys(at: AppTest) -> set[str]:
    return {one.key for one in [*at.button, *at.file_uploader] if one.key and one.key.startswith("build.weights")}


@pytest.mark.parametrize("language", ["en", "zh_CN"])
def test_weights_come_from_a_file_name_a_picture_and_go_again(
    lab_home: Path, file: bytes, picture: bytes, language: str
) -> None:
    at = page(language=language)
    at.file_uploader(key="build.weights.file").upload("squeezenet1_1.pth", file, "application/octet-stream")
    checked(at.run())
    assert not at.error
    assert weights.saved(NAME).is_file()
    at.file_uploader(key="build.weights.picture").upload("one.png", picture, "image/png")
    checked(at.run())
    expected = keeping.guesses(NAME, picture)
    assert len(expected) == 5
    assert [guess.prob for guess in expected] == sorted((guess.prob for guess in expected), reverse=True)
    checked(at.button(key="build.weights.forget").click().run())
    assert not weights.saved(NAME).exists()
    assert "build.weights.file" in keys(at)


def test_the_answers_are_those_of_torchvisions_own_network(lab_home: Path, file: bytes, picture: bytes) -> None:
    from cnnlab.data.prepare import picture_to_input
    from cnnlab.model import Model

    model = Model.load(keeping.keep_upload(NAME, "weights.pth", file))
    facts = weights.published(NAME)
    pixels = picture_to_input(picture, model)[None] / 255
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (facts.mean, facts.std))
    network = theirs(NAME).eval()
    with torch.no_grad():
        probs = network((pixels - mean) / std).softmax(1)[0]
    best = probs.topk(5)
    found = keeping.guesses(NAME, picture)
    assert [guess.name for guess in found] == [facts.class_names[place] for place in best.indices.tolist()]
    assert [guess.prob for guess in found] == pytest.approx(best.values.tolist(), rel=1e-4)


def test_a_learner_uses_what_the_teacher_has_brought(lab_home: Path, file: bytes) -> None:
    at = page(teacher=False)
    assert not keys(at)
    assert any("for the teacher" in one.value for one in at.info)
    keeping.keep_upload(NAME, "weights.pth", file)
    assert keys(checked(at.run())) == {"build.weights.picture", "build.weights.train"}


def test_a_file_of_other_weights_is_refused_with_the_shape_and_leaves_nothing(lab_home: Path) -> None:
    at = page()
    other = io.BytesIO()
    torch.save({"features.0.weight": torch.zeros(64, 3, 11, 11)}, other)
    at.file_uploader(key="build.weights.file").upload("alexnet.pth", other.getvalue(), "application/octet-stream")
    checked(at.run())
    assert "[64, 3, 3, 3]" in at.error[0].value
    assert "[64, 3, 11, 11]" in at.error[0].value
    assert not list((lab_home / "weights").glob("*"))


def test_a_fetch_that_fails_says_the_way_out(lab_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> Path:
        raise ModelError("no way to {net}", net=NAME)

    monkeypatch.setattr(weights, "fetch", fails)
    at = page()
    checked(at.button(key="build.weights.fetch").click().run())
    assert any(NAME in error.value for error in at.error)
    assert not weights.saved(NAME).exists()


def test_a_network_that_was_changed_or_that_nothing_is_published_for_is_offered_nothing(lab_home: Path) -> None:
    assert keys(page("mnist-sprint")) == set()
    assert keys(page(width=1)) == set()


def test_training_begins_with_them(lab_home: Path, file: bytes) -> None:
    keeping.keep_upload(NAME, "weights.pth", file)
    at = page()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("streamlit.switch_page", lambda _page: None)
        checked(at.button(key="build.weights.train").click().run())
    assert at.session_state[_session.keys.WIDGETS][_begin_state.MODEL] == f"weights:{NAME}"
