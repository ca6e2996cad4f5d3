"""The model line and the image line: runs of one name are told apart, and only what is one's own is opened."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from cnnlab.architecture import layers as L
from cnnlab.data import store
from cnnlab.data.sources import import_path
from cnnlab.model import Model
from cnnlab.workspace import ImageRef, Workspace, new_id
from pages import _looking, _names, _session
from tests.data.published import picture_files, unpack
from tests.insight.makers import model_of
from tests.pages.makers import keep_run

ROOT = Path(__file__).resolve().parent.parent.parent
MENU = "model_line.ref"


def digits(seed: int = 0) -> Model:
    return model_of((1, 28, 28), [L.Flatten(), L.Linear(out_features=10)], seed=seed)


@pytest.fixture
def space(lab_home: Path) -> Workspace:
    return Workspace(new_id())


@pytest.fixture
def page(space: Workspace) -> Callable[..., AppTest]:
    def open_page(name: str = "explore", **choices: object) -> AppTest:
        if choices:
            space.choose(**choices)
        at = AppTest.from_file(str(ROOT / "pages" / f"{name}.py"), default_timeout=60)
        at.session_state[_session.keys.WORKSPACE] = space.id
        at.session_state[_session.keys.LANGUAGE] = "en"
        return fine(at.run())

    return open_page


def fine(at: AppTest) -> AppTest:
    assert not at.exception, [error.value for error in at.exception]
    return at


def says(at: AppTest) -> str:
    """Return which model answers, as the page of its weights tells: the sure sentence."""
    said = next(text.value for text in at.markdown if text.value.startswith("It says"))
    return said.partition(" It is")[0]


def sentence(model: Model) -> str:
    from cnnlab.data import loader

    probs = model.probs(loader.load("mnist").test.images[:1])[0]
    return f"It says **c{int(probs.argmax())}**, {float(probs.max()):.1%} sure."


def test_two_runs_of_one_network_are_two_entries_and_each_opens_its_own(page, space):
    models = [digits(seed) for seed in range(3)]
    ids = [keep_run(space, model, created=float(i + 1), test_acc=0.9, name="twin") for i, model in enumerate(models)]
    assert len({sentence(model) for model in models}) == 3
    at = page(image=ImageRef())
    menu = at.selectbox(key=MENU)
    assert menu.options[:3] == [f"twin: your run {n}, 90.0%" for n in (3, 2, 1)]
    assert len(set(menu.options)) == len(menu.options)
    for id, model in zip(ids, models):  # AppTest sends the label, as a browser does
        at = fine(at.selectbox(key=MENU).set_value(f"run:{id}").run())
        assert space.choices.model == f"run:{id}"
        assert at.selectbox(key=MENU).value == f"run:{id}"
        assert says(at) == sentence(model)
        at = fine(at.run())  # and it stays
        assert space.choices.model == f"run:{id}"


def test_a_label_that_changes_between_the_menu_and_the_choice_still_means_its_run(page, space, monkeypatch):
    first, second = (keep_run(space, digits(seed), created=float(seed)) for seed in (1, 2))
    at = page(image=ImageRef())
    at.selectbox(key=MENU).set_value(f"run:{first}")
    real = _names.run_label
    monkeypatch.setattr(_names, "run_label", lambda number, run: real(number, run) + " now")
    at = fine(at.run())
    assert at.selectbox(key=MENU).value == f"run:{first}" == space.choices.model
    assert at.selectbox(key=MENU).options[0] == "test: your run 2, 90.0% now"
    assert second != first


def test_the_menu_has_only_runs_with_weights(page, space):
    keep_run(space, digits(), created=1.0, state="failed", weights=False)
    kept = keep_run(space, digits(), created=2.0, state="stopped", test_acc=None, val_acc=None)
    at = page()
    mine = [option for option in at.selectbox(key=MENU).options if "your run" in option]
    assert mine == ["test: your run 2, stopped"]
    assert fine(at.selectbox(key=MENU).set_value(f"run:{kept}").run()).selectbox(key=MENU).value == f"run:{kept}"


def test_the_same_name_for_a_run_on_every_page(page, space):
    model = digits()
    about = model.about.model_copy(update={"data": "mnist"})
    model = Model(model.description.model_copy(update={"about": about}), model.state)
    for created in (1.0, 2.0):
        id = keep_run(space, model, created=created)
    label = "test: your run 2, 90.0%"
    assert label in page("explore").selectbox(key=MENU).options
    assert label in page("train", run=id).selectbox(key="train.run.0").options
    at = page("draw", model=f"run:{id}")
    assert (
        at.selectbox(key="draw.compare.1").options[1] == "with test: your run 1, 90.0%"
    )  # the chosen one is not offered


@pytest.mark.parametrize("kind", ["file", "other", "gone"])
@pytest.mark.parametrize("name", ["explore", "explain", "draw"])
def test_a_file_and_somebody_elses_run_are_never_opened(page, space, tmp_path, monkeypatch, kind, name):
    digits().save(tmp_path / "secret.safetensors")
    stranger = keep_run(Workspace(new_id()), digits())
    ref = {"file": f"file:{tmp_path / 'secret.safetensors'}", "other": f"run:{stranger}", "gone": f"run:{'0' * 16}"}
    opened = []
    monkeypatch.setattr("cnnlab.runs.models._keep", _remember(opened))
    at = page(name, model=ref[kind], image=ImageRef())
    assert all("mnist-sprint" in key for key in opened) and opened
    said = "command line only" if kind == "file" else "there is no run"
    assert [said in error.value for error in at.error] == [True]
    assert at.selectbox(key=MENU).value == "bundled:mnist-sprint" == space.choices.model
    assert not fine(at.run()).error  # it is said once


def _remember(opened: list[str]) -> Callable:
    from cnnlab.runs import models

    real = models._keep

    def keep(key, make):
        opened.append(key[0])
        return real(key, make)

    return keep


def test_a_run_that_has_yet_to_begin_is_waited_for(page, space, monkeypatch):
    id = keep_run(space, digits(), weights=False)
    monkeypatch.setattr(_looking, "_may_come", lambda ref: True)
    at = page(model=f"run:{id}", image=ImageRef())
    assert len(at.error) == 1
    assert at.selectbox(key=MENU).value == "bundled:mnist-sprint"
    assert space.choices.model == f"run:{id}"


@pytest.fixture
def pets(space: Workspace, tmp_path: Path) -> str:
    """Return the run of a model whose imported data set no other has the shape of; the set is here."""
    import_path(unpack(picture_files(), tmp_path / "pets"), "pets", size=20)
    model = model_of((3, 20, 20), [L.Flatten(), L.Linear(out_features=2)])
    about = model.about.model_copy(update={"data": "pets"})
    model = Model(model.description.model_copy(update={"about": about}), model.state)
    return f"run:{keep_run(space, model, data='pets')}"


@pytest.mark.parametrize("name", ["explore", "explain"])
@pytest.mark.parametrize("how", ["deleted", "damaged"])
def test_without_its_data_a_model_still_takes_a_picture(page, pets, how, name):
    import io

    from PIL import Image

    path = store.path_of("pets")
    path.write_bytes(path.read_bytes()[:-10]) if how == "damaged" else store.delete("pets")
    at = page(name, model=pets, image=ImageRef(data="pets"))
    said = "is damaged; delete it and import it again" if how == "damaged" else "No data set here has images of 3×20×20"
    assert [said in error.value for error in at.error] == [True]
    (kind,) = [one for one in at.segmented_control if one.key == "image_line.kind"]
    at = fine(kind.set_value("upload").run())
    assert not at.error
    buffer = io.BytesIO()
    Image.new("RGB", (64, 48), "teal").save(buffer, "PNG")
    at = fine(at.file_uploader(key="image_line.upload").set_value(("a.png", buffer.getvalue(), "image/png")).run())
    assert not at.error
    assert len(at.segmented_control) > 1  # the page goes on below


def test_another_set_that_fits_takes_the_place_of_a_damaged_one_which_is_said(page, space, tmp_path):
    import_path(unpack(picture_files(), tmp_path / "pets"), "pets", size=32)
    model = model_of((3, 32, 32), [L.Flatten(), L.Linear(out_features=2)])
    about = model.about.model_copy(update={"data": "pets"})
    model = Model(model.description.model_copy(update={"about": about}), model.state)
    path = store.path_of("pets")
    path.write_bytes(path.read_bytes()[:-10])
    at = page(model=f"run:{keep_run(space, model, data='pets')}", image=ImageRef(data="pets"))
    assert ["is damaged; delete it and import it again" in error.value for error in at.error] == [True]
    assert space.choices.image == ImageRef(data="cifar10-sample")


def test_a_picture_has_a_largest_size(page):
    at = page(image=ImageRef(kind="upload"))
    assert at.file_uploader(key="image_line.upload").proto.max_upload_size_mb == _looking.MAX_UPLOAD_MB == 20


def test_a_drawing_has_one_number_on_all_pages(page, space, monkeypatch):
    import numpy as np

    from pages import _drawings_kept

    monkeypatch.setattr(_drawings_kept, "_MOST_SHOWN", 2)
    ids = [space.save_drawing(np.eye(28, dtype=np.uint8) * 255, label) for label in (1, 2, 3)]
    assert page("draw").selectbox(key="draw.chosen").options == ["drawing 3", "drawing 2"]
    at = page("explore", image=ImageRef(kind="drawing", id=ids[0]))
    menu = at.selectbox(key="image_line.drawing")
    assert menu.options == ["drawing 3: 3", "drawing 2: 2", "drawing 1: 1"]
    assert menu.value == ids[0]


def test_names_are_translated(page, space):
    id = keep_run(space, digits())
    space.choose(model=f"run:{id}")
    at = AppTest.from_file(str(ROOT / "pages" / "draw.py"), default_timeout=60)
    at.session_state[_session.keys.WORKSPACE] = space.id
    at.session_state[_session.keys.LANGUAGE] = "zh_CN"
    assert re.fullmatch("test：你的第 1 次运行，90.0%", fine(at.run()).selectbox(key=MENU).options[0])


def test_the_class_of_the_test_image_is_kept_until_another_page_chooses_an_image(page, space):
    from cnnlab.data import loader

    key = "image_line.mnist.class"
    at = page(image=ImageRef())
    at = fine(at.selectbox(key=key).set_value(3).run())
    at = fine(at.number_input[0].set_value(4).run())
    wanted = int(loader.load("mnist").test.of_class(3)[4])
    assert space.choices.image == ImageRef(index=wanted)
    again = page()  # a reload
    assert again.selectbox(key=key).value == 3
    assert again.number_input[0].value == 4
    again = page("explain", image=ImageRef(index=0))  # a seven, chosen elsewhere
    assert again.selectbox(key=key).value == 10
    assert space.choices.image == ImageRef(index=0)
