"""The Draw page's own classes: named, drawn, made into a data set, and learned on Train with borrowed weights."""

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from cnnlab.architecture.head import with_head
from cnnlab.architecture.presets import PRESETS
from cnnlab.data import loader
from cnnlab.data.drawings import make_set
from cnnlab.description import ModelRef
from cnnlab.runs import RunSpec, engine, resolve
from cnnlab.training.recipe import Recipe
from cnnlab.workspace import Workspace, new_id
from pages import _accuracy, _begin_state, _drawn_classes, _just_made, _session
from tests.pages.makers import keep_run
from tests.pages.test_draw import PAGE, sketch_of

ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.fixture
def space(lab_home, monkeypatch):
    monkeypatch.chdir(ROOT)
    return Workspace(new_id())


def page(space, names="heart, star", digit=None, language="en"):
    space.choose_widget("draw.own", True)
    space.choose_widget(_drawn_classes._NAMES, names)
    at = AppTest.from_string(PAGE, default_timeout=60)
    at.session_state[_session.keys.WORKSPACE] = space.id
    at.session_state[_session.keys.LANGUAGE] = language
    if digit is not None:
        sketch_of(loader.load("mnist").test.images[digit, 0].numpy()).keep(space.folder)
    at.run()
    assert not at.exception
    return at


def test_names_come_apart_at_commas_of_any_script_each_once(space):
    at = page(space, "heart, star，月亮、star,, ")
    labels = [button.label for button in at.button if (button.key or "").startswith("draw.own.keep.")]
    assert labels == ["Keep as heart (0)", "Keep as star (0)", "Keep as 月亮 (0)"]
    assert all(button.disabled for button in at.button if (button.key or "").startswith("draw.own."))


def test_what_is_on_the_canvas_is_kept_for_a_class_and_the_canvas_is_emptied(space):
    at = page(space, digit=3)
    at.button(key="draw.own.keep.star").click().run()
    assert not at.exception
    assert [drawing.class_name for drawing in space.drawings()] == ["star"]
    assert at.session_state[_drawn_classes._WIPE] == 1
    assert at.button(key="draw.own.keep.star").label == "Keep as star (1)"
    assert at.button(key="draw.own.make").disabled


def test_the_set_opens_on_train_with_the_network_that_fits_and_weights_that_know_strokes(space, monkeypatch):
    for place, image in enumerate(loader.load("mnist").test.images[:8, 0]):
        space.save_drawing(image.numpy(), class_name=("heart", "star")[place % 2])
    at = page(space)
    went = []
    monkeypatch.setattr(_drawn_classes.st, "switch_page", went.append)
    at.button(key="draw.own.make").click().run()
    assert not at.exception and went == ["pages/train.py"]
    dataset = loader.load(at.session_state[_session.keys.DATA])
    assert dataset.class_names == ("heart", "star") and len(dataset.train) + len(dataset.test) == 8
    assert at.session_state[_session.keys.ARCHITECTURE].output_shape == (2,)
    assert space.choices.widgets[_begin_state.MODEL] == "bundled:mnist-sprint"
    old = keep_run(space, resolve(ModelRef("bundled:mnist-sprint")))
    at.session_state[_session.keys.RUN] = old
    at.button(key="draw.own.make").click().run()
    opened = AppTest.from_file(str(ROOT / "pages" / "train.py"), default_timeout=60)
    for key in (_session.keys.WORKSPACE, _session.keys.RUN, _just_made._KEY):
        opened.session_state[key] = at.session_state[key]
    opened.run()
    assert not opened.exception
    said = opened.success[0].value
    assert "heart / star" in said and "6 drawings to learn from, 2 set aside" in said and "mnist" in said
    assert opened.expander[0].proto.expanded and not opened.button(key="train.start").disabled
    opened.session_state[_session.keys.RUN] = None  # another run is shown: the set waits no more
    assert not opened.run().success


@pytest.mark.parametrize("language", ["en", "zh_CN"])
def test_nothing_is_offered_before_there_are_names(space, language):
    at = page(space, "", language=language)
    assert not [button for button in at.button if (button.key or "").startswith("draw.own.")]
    assert at.toggle(key="draw.own").value


def made(space):
    for place, image in enumerate(loader.load("mnist").test.images[:8, 0]):
        space.save_drawing(image.numpy(), class_name=("heart", "star")[place % 2])
    return make_set(space.drawings(), ["heart", "star"], space.owner).name


def opened(space, name):
    at = AppTest.from_file(str(ROOT / "pages" / f"{name}.py"), default_timeout=60)
    at.session_state[_session.keys.WORKSPACE] = space.id
    at.session_state[_session.keys.LANGUAGE] = "en"
    at.run()
    assert not at.exception
    return at


def shown(at):
    return "\n".join([*at.selectbox(key="data.name").options, *(part.proto.body for part in at.get("html"))])


def test_others_see_nothing_of_a_drawn_set_and_its_learner_deletes_it_on_data(space, monkeypatch):
    monkeypatch.setattr(_session, "is_teacher", lambda: False)
    name, other = made(space), opened(Workspace(new_id()), "data")
    assert "heart" not in shown(other) and name not in shown(other)
    assert not [button for button in other.button if button.key == "data.delete"]
    at = opened(space, "data")
    assert "heart / star" in shown(at)
    assert at.selectbox(key="data.delete.name").options == ["heart / star"]
    assert "**Delete** a set that you have drawn" in [part.value for part in at.markdown]
    at.checkbox(key=f"data.delete.sure.{name}").check().run()
    at.button(key="data.delete").click().run()
    assert not at.exception and not loader.is_present(name) and "heart" not in shown(at)


def test_train_offers_a_drawn_set_to_its_learner_only(space):
    made(space)
    assert "drawn: heart / star" in opened(space, "train").selectbox(key="train.data").options
    assert not [
        one for one in opened(Workspace(new_id()), "train").selectbox(key="train.data").options if "heart" in one
    ]


def test_the_draw_page_says_that_a_set_of_these_classes_is_replaced(space):
    assert "It replaces the set" not in "".join(part.value for part in page(space).caption)
    made(space)
    assert "It replaces the set" in "".join(part.value for part in page(space).caption)


def test_few_test_images_are_counted_and_many_give_a_share(space):
    for place, image in enumerate(loader.load("mnist").test.images[:6, 0]):
        space.save_drawing(image.numpy(), class_name=("heart", "star")[place % 2])
    few = make_set(space.drawings(), ["heart", "star"], space.owner)
    assert few.splits["test"] == 2 == _accuracy.few_tests(few.name)
    assert _accuracy.short(0.5, few.name) == "1 of 2" and _accuracy.short(1.0, few.name) == "2 of 2"
    assert _accuracy.few_tests("mnist") is None and _accuracy.short(0.986, "mnist") == "98.6%"
    run = engine().submit(
        RunSpec(
            architecture=with_head(PRESETS["mnist-sprint"].architecture, 2), data=few.name, owner=space.owner,
            recipe=Recipe(epochs=1, batch_size=4, threads=1, precision="float32"),
        )
    )  # fmt: skip
    over = engine().wait(run, 60)
    space.choose(run=run, model=f"run:{run}", data=few.name)
    at = AppTest.from_file(str(ROOT / "pages" / "train.py"), default_timeout=60)
    at.session_state[_session.keys.WORKSPACE] = space.id
    at.run()
    text = "".join(one.proto.body for one in at.get("html"))
    assert not at.exception and over.test_acc is not None
    assert _accuracy.short(over.test_acc, few.name) in text and "too few to judge" in text
    assert "2 set aside for the test" in text and "in a thousand" not in text
    engine().close()
