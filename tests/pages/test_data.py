"""The Data page: each control used once, the teacher's part open only to the teacher."""

from pathlib import Path

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from cnnlab.data import jobs, store
from cnnlab.data.views import WALL
from cnnlab.i18n import LANGUAGES, _, set_language
from pages import _session
from tests.data.published import picture_files, unpack

PAGE = str(Path(__file__).resolve().parent.parent.parent / "pages" / "data.py")


@pytest.fixture(autouse=True)
def _own_home(lab_home):
    jobs.wait(10)
    jobs.forget()
    yield
    jobs.cancel()
    jobs.wait(10)
    jobs.forget()


@pytest.fixture
def page(monkeypatch) -> AppTest:
    """Return the page as the teacher sees it (AppTest has no address of its own)."""
    monkeypatch.setattr(_session, "is_teacher", lambda: True)
    return opened()


def opened(language: str = "en") -> AppTest:
    at = AppTest.from_file(PAGE, default_timeout=60)
    at.session_state[_session.keys.LANGUAGE] = language
    return at.run()


def texts(at: AppTest) -> str:
    parts = [*at.markdown, *at.caption, *at.error, *at.info, *at.success, *at.subheader, *at.get("html")]
    return "\n".join(getattr(part, "value", "") or part.proto.body for part in parts)


def button(at: AppTest, key: str):
    return at.button(key=key)


def fine(at: AppTest) -> AppTest:
    assert not at.exception, [error.value for error in at.exception]
    assert not at.error, [error.value for error in at.error]
    return at


@pytest.mark.parametrize("language", LANGUAGES)
def test_it_opens_on_mnist(language):
    at = fine(opened(language))
    set_language(language)
    assert at.selectbox(key="data.name").value == "mnist"
    said = texts(at)
    assert _("Images {first:,} to {last:,} of {count:,}", first=0, last=WALL - 1, count=60000) in said
    assert _("not here") in said


@pytest.mark.parametrize("name", ["cifar10-sample", "fashion_mnist-sample"])
def test_every_bundled_set_is_shown(page, name):
    at = fine(page.selectbox(key="data.name").set_value(name).run())
    assert "of 5,000" in texts(at)
    assert at.session_state[_session.keys.DATA] == name


def test_part_class_and_number_filter_the_wall(page):
    at = page.get("button_group")[0].set_value("test").run()
    at = fine(at.selectbox(key="data.mnist.class").set_value(7).run())
    number = at.number_input(key="data.mnist.test.7.first")
    assert "of 1,028" in number.label
    at = fine(number.set_value(1000).run())
    assert "Images 1,000 to " in texts(at)


def pictures(at: AppTest) -> list[str]:
    return [part.proto.body for part in at.get("html") if "data:image/png" in part.proto.body]


def test_each_augmentation_can_be_moved(page):
    at = page
    for name, value in (("shift", 0), ("crop_padding", 8), ("rotate", 45), ("scale", 50)):
        at = fine(at.slider(key=f"data.{name}").set_value(value).run())
    at = fine(at.toggle(key="data.flip").set_value(False).run())
    before = pictures(at)
    at = fine(button(at, "data.again").click().run())
    assert pictures(at) != before


def test_the_recipe_is_named(page):
    from cnnlab.data.augmentation import Augmentation
    from cnnlab.training.recipe import Recipe

    page.session_state[_session.keys.RECIPE] = Recipe(augmentation=Augmentation(shift=2, flip=True))
    assert "uses: Shift, Flip" in texts(fine(page.run()))
    page.session_state[_session.keys.RECIPE] = Recipe()
    assert "varies nothing yet" in texts(fine(page.run()))


def test_the_teacher_adds_and_deletes(page, tmp_path):
    unpack(picture_files(), tmp_path / "pets")
    assert button(page, "data.import").disabled
    page.text_input(key="data.path").set_value(str(tmp_path / "pets"))
    page.text_input(key="data.import.name").set_value("pets")
    page.number_input(key="data.import.size").set_value(16)
    at = page.run()
    at = button(at, "data.import").click().run()
    assert jobs.wait(30).state == jobs.DONE
    at = fine(at.run())
    assert "pets is here." in texts(at)
    assert "shorter side had 16 pixels" in texts(at)
    assert at.text_input(key="data.path.1").value == "" and at.text_input(key="data.import.name.1").value == ""
    at = fine(at.selectbox(key="data.name").set_value("pets").run())
    assert "10 to learn from, 2 to test on" in texts(at)
    at = fine(button(at, "data.forget").click().run())
    assert jobs.current() is None
    assert button(at, "data.delete").disabled
    at = at.checkbox(key="data.delete.sure.pets").check().run()
    at = fine(button(at, "data.delete").click().run())
    assert store.names() == ()
    assert at.selectbox(key="data.name").value == "mnist"  # what was shown is gone


def test_what_goes_wrong_is_said(page, tmp_path):
    page.text_input(key="data.path").set_value(str(tmp_path / "nowhere"))
    at = button(page.run(), "data.import").click().run()
    jobs.wait(30)
    at = at.run()
    assert not at.exception
    assert "there is no file or folder" in at.error[0].value
    assert at.text_input(key="data.path").value == str(tmp_path / "nowhere")  # to be mended, not typed anew


def test_a_fetch_is_shown_while_it_runs_and_can_be_cancelled(page, monkeypatch):
    from cnnlab.data import sources
    from cnnlab.data.progress import Progress
    from cnnlab.i18n import Message

    def endless(name, report):
        while True:
            report(Progress(Message("downloading {file}", file="x.tgz"), 1, 4))

    monkeypatch.setattr(sources, "fetch", endless)
    at = fine(button(page, "data.fetch").click().run())
    assert button(at, "data.fetch").disabled
    assert at.get("progress")
    at = button(at, "data.cancel").click().run()
    assert jobs.wait(30).state == jobs.CANCELLED
    at = fine(at.run())
    assert "cancelled; nothing was changed" in texts(at)


def test_a_learner_sees_no_teachers_part(monkeypatch):
    monkeypatch.setattr(_session, "is_teacher", lambda: False)
    at = fine(opened())
    assert "for the teacher, on the lab's own computer." in texts(at)
    assert "data.fetch" not in [one.key for one in at.button]
    assert not at.text_input


def test_the_pin_opens_the_teachers_part(monkeypatch):
    monkeypatch.setenv("CNNLAB_TEACHER_PIN", "4711")
    monkeypatch.setattr(_session, "is_teacher", lambda: bool(st.session_state.get(_session.keys.TEACHER)))
    at = fine(opened())
    assert "data.fetch" not in [one.key for one in at.button]
    at.text_input(key="data.pin.text").set_value("1234")
    at = at.button[-1].click().run()
    assert at.error[0].value == "This is not the PIN."
    at.text_input(key="data.pin.text").set_value("4711")
    at = fine(at.button[-1].click().run())
    assert "data.fetch" in [one.key for one in at.button]


def test_a_damaged_set_is_said_and_the_page_goes_on(page, tmp_path):
    from cnnlab.data.sources import import_path

    import_path(unpack(picture_files(), tmp_path / "pets"), "pets")
    path = store.path_of("pets")
    path.write_bytes(path.read_bytes()[:-10])
    at = page.selectbox(key="data.name").set_value("mnist").run()
    at = at.selectbox(key="data.name").set_value("pets").run()
    assert not at.exception
    assert "is damaged; delete it and import it again" in at.error[0].value
    assert button(at, "data.fetch") is not None


@pytest.fixture
def sparse(tmp_path):
    """Import a set so small that its validation part has no image of one class."""
    from cnnlab.data.sources import import_path

    import_path(unpack(picture_files(), tmp_path / "pets"), "pets")
    return "pets"


def test_a_class_without_images_in_a_part_is_said(page, sparse):
    from cnnlab.data import loader

    dataset = loader.load(sparse)
    at = page.run()
    at = fine(at.selectbox(key="data.name").set_value(sparse).run())
    empty = [
        (part, target)
        for part in ("train", "val", "test")
        for target, count in enumerate(dataset.split(part).counts(len(dataset.class_names)))
        if not count
    ]
    assert empty  # ten images: the validation set has one of them
    part, target = empty[0]
    at = fine(at.get("button_group")[0].set_value(part).run())
    at = fine(at.selectbox(key=f"data.{sparse}.class").set_value(target).run())
    assert [info.value for info in at.info] == ["There is no image of this class in this part."]
    at = fine(at.selectbox(key=f"data.{sparse}.class").set_value(len(dataset.class_names)).run())
    assert not at.info


def test_what_was_chosen_outlives_a_reload():
    from cnnlab.workspace import new_id

    id = new_id()

    def again() -> AppTest:
        at = AppTest.from_file(PAGE, default_timeout=60)
        at.session_state[_session.keys.WORKSPACE] = id
        return fine(at.run())

    at = again()
    at = fine(at.selectbox(key="data.name").set_value("cifar10-sample").run())
    at = fine(at.get("button_group")[0].set_value("test").run())
    at = fine(at.selectbox(key="data.cifar10-sample.class").set_value(3).run())
    at = fine(at.number_input(key="data.cifar10-sample.test.3.first").set_value(60).run())
    at = fine(at.slider(key="data.rotate").set_value(30).run())
    at = fine(at.toggle(key="data.flip").set_value(False).run())
    at = again()
    assert at.selectbox(key="data.name").value == "cifar10-sample"
    assert at.get("button_group")[0].value == "test"
    assert at.selectbox(key="data.cifar10-sample.class").value == 3
    assert at.number_input(key="data.cifar10-sample.test.3.first").value == 60
    assert at.slider(key="data.rotate").value == 30
    assert at.toggle(key="data.flip").value is False
    at = fine(at.selectbox(key="data.cifar10-sample.class").set_value(4).run())
    assert at.number_input(key="data.cifar10-sample.test.4.first").value == 0  # it was the other class's place


def test_a_place_kept_of_a_larger_set_is_brought_into_a_smaller_one():
    from cnnlab.workspace import Workspace, new_id

    space = Workspace(new_id())
    space.choose_widget("data.first", ("mnist", "train", 10, 70_000))
    space.choose_widget("data.chosen", ("mnist", "train", 70_000))
    at = AppTest.from_file(PAGE, default_timeout=60)
    at.session_state[_session.keys.WORKSPACE] = space.id
    at = fine(at.run())
    assert at.number_input(key="data.mnist.train.10.first").value == 59_999
    assert "number 59999" in texts(at)


@pytest.mark.parametrize("language", LANGUAGES)
def test_each_amount_says_its_unit(language):
    at = fine(opened(language))
    set_language(language)
    for name, unit in (("shift", _("±%d px")), ("crop_padding", _("%d px")), ("rotate", "±%d°"), ("scale", "±%d %%")):
        assert at.slider(key=f"data.{name}").proto.format == unit
