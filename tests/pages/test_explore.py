"""The Explore page: every layer of every kind of network, each control used, live runs, both languages."""

from collections.abc import Callable
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from cnnlab.architecture import blocks as B
from cnnlab.architecture import layers as L
from cnnlab.model import Model
from cnnlab.workspace import ImageRef, Workspace, new_id
from pages import _live, _session
from tests.insight.makers import model_of
from tests.pages.makers import keep_run

PAGE = str(Path(__file__).resolve().parent.parent.parent / "pages" / "explore.py")
CONTROL = "explore.layer"
TEST_IMAGE = ImageRef()


def mnist_net() -> Model:
    conv = [L.Conv2d(out_channels=4, kernel_size=5), L.ReLU(), L.MaxPool2d(kernel_size=2)]
    head = [L.Flatten(), L.Linear(out_features=20), L.ReLU(), L.Linear(out_features=10), L.Softmax()]
    return model_of((1, 32, 32), [*conv, *head], data_shape=(1, 28, 28))


def colour_net() -> Model:
    conv = [L.Conv2d(out_channels=3), L.MaxPool2d(kernel_size=6), L.Conv2d(out_channels=12, kernel_size=2)]
    return model_of((3, 32, 32), [*conv, L.Flatten(), L.Linear(out_features=10)])


def tree_net() -> Model:
    body = (L.Conv2d(out_channels=4, padding=1), L.BatchNorm2d(), L.ReLU())
    ways = (B.Sequence(), B.Sequence(layers=(L.Conv2d(out_channels=2, kernel_size=1), L.LayerNorm())))
    blocks = [
        B.Sequence(name="stage", layers=(B.Residual(layers=body, shortcut="projection"),)),
        B.Branches(branches=ways),
    ]
    head = [B.SqueezeExcitation(), L.AdaptiveAvgPool2d(), L.Flatten(), L.Linear(), L.Softmax()]
    return model_of((1, 32, 32), [L.MaxPool2d(kernel_size=3, stride=4), *blocks, *head], data_shape=(1, 28, 28))


@pytest.fixture
def page(lab_home: Path) -> Callable[..., AppTest]:
    """Return a function that opens the page on a model."""

    def open_page(
        model: Model, image: ImageRef = TEST_IMAGE, language: str = "en", space: Workspace | None = None
    ) -> AppTest:
        space = space or Workspace(new_id())
        at = AppTest.from_file(PAGE, default_timeout=60)
        at.session_state[_session.keys.WORKSPACE] = space.id
        at.session_state[_session.keys.LANGUAGE] = language
        at.session_state[_session.keys.MODEL] = f"run:{keep_run(space, model)}"
        at.session_state[_session.keys.IMAGE] = image
        return checked(at.run())

    return open_page


def checked(at: AppTest) -> AppTest:
    assert not at.exception, [error.value for error in at.exception]
    assert not at.error, [error.value for error in at.error]
    return at


def component(at: AppTest) -> list:
    return [element for element in at.main if element.type == "bidi_component"]


def choose(at: AppTest, key: str, value: str) -> AppTest:
    (group,) = [one for one in at.segmented_control if one.key == key]
    return checked(group.set_value(value).run())


@pytest.mark.parametrize("make", [mnist_net, colour_net, tree_net])
def test_every_layer_can_be_looked_at(page, make):
    model = make()
    image = ImageRef(data="mnist" if model.preprocessing.data_shape[0] == 1 else "cifar10-sample")
    at = page(model, image)
    for name in model.architecture.names:
        at = choose(at, CONTROL, name)
        spec = model.architecture.trace().row(name).layer
        assert any(text.value.startswith(f"**{name}** · {spec.kind}") for text in at.markdown)


def test_a_convolution_shows_its_filters_and_a_dense_layer_its_weights(page):
    at = choose(page(mnist_net()), CONTROL, "conv1")
    assert any("Filters of conv1" in text.value and "4 filters of 5×5" in text.value for text in at.markdown)
    at = choose(at, CONTROL, "fc1")
    assert any("Weights of fc1" in text.value and "20×784" in text.value for text in at.markdown)
    assert not any("Filters of" in text.value for text in at.markdown)
    at = choose(at, CONTROL, "relu1")
    assert not any("Weights of" in text.value or "Filters of" in text.value for text in at.markdown)


def test_filters_in_colour_are_read_as_colours(page):
    at = choose(page(colour_net(), ImageRef(data="cifar10-sample")), CONTROL, "conv1")
    assert any(text.value.startswith("Grey is a weight of 0") for text in at.caption)
    at = choose(page(mnist_net()), CONTROL, "conv1")
    assert not any(text.value.startswith("Grey is a weight of 0") for text in at.caption)


def test_the_end_of_the_network_has_the_classes_names(page):
    at = choose(page(mnist_net()), CONTROL, "softmax")
    (chart,) = at.get("plotly_chart")
    assert '"c0"' in chart.proto.spec
    assert "%" in chart.proto.spec


def test_a_long_vector_is_a_strip(page):
    at = choose(page(mnist_net()), CONTROL, "flatten")
    assert not at.get("plotly_chart")
    assert any("784 units of flatten" in html.proto.body for html in at.get("html"))


def test_the_colour_scale_changes_what_is_drawn(page):
    at = page(mnist_net())
    drawn = {}
    for scale in ("unit", "layer", "network"):
        at = choose(at, "explore.scale", scale)
        (group,) = [one for one in at.segmented_control if one.key == "explore.scale"]
        assert group.value == scale
        drawn[scale] = [part.proto.json for part in component(at)]
    assert drawn["unit"] and drawn["unit"] != drawn["layer"]


def test_layer_scale_and_map_outlive_a_reload_and_another_model(page):
    import json

    def chosen(at):
        values = {one.key: one.value for one in at.segmented_control}
        (part,) = component(at)
        return values[CONTROL], values["explore.scale"], json.loads(part.proto.json)["detail"]["unit"]

    at = page(mnist_net())
    space = Workspace(at.session_state[_session.keys.WORKSPACE])
    assert chosen(at) == ("conv1", "layer", 0)
    at = choose(choose(at, CONTROL, "pool1"), "explore.scale", "unit")
    at.session_state["explore.maps.pool1"] = {"unit": 3}
    assert chosen(checked(at.run())) == ("pool1", "unit", 3)
    assert chosen(page(mnist_net(), space=space)) == ("pool1", "unit", 3)
    image = ImageRef(data="cifar10-sample")
    assert chosen(page(colour_net(), image, space=space)) == ("pool1", "unit", 2)  # it has three maps
    assert chosen(page(mnist_net())) == ("conv1", "layer", 0)  # another learner


@pytest.mark.parametrize("told", [{"unit": -1}, {"unit": "two"}, {"unit": 99}, {}])
def test_what_a_browser_sends_as_the_chosen_map_is_checked(page, told):
    at = page(mnist_net())
    at.session_state["explore.maps.conv1"] = told
    checked(at.run())


def test_in_chinese(page):
    at = page(mnist_net(), language="zh_CN")
    assert at.title[0].value == "探查"
    assert any("conv1 的卷积核" in text.value for text in at.markdown)


def test_what_the_network_says_is_what_the_model_says(page):
    from cnnlab.data import loader

    model = mnist_net()
    at = page(model, ImageRef(data="mnist", index=4))
    probs = model.probs(loader.load("mnist").test.images[4:5])[0]
    best = int(probs.argmax())
    assert any(f"It says **c{best}**, {float(probs[best]):.1%} sure." in text.value for text in at.markdown)


def test_without_a_kept_drawing_nothing_else_stands_in_for_it(page):
    at = page(mnist_net(), ImageRef(kind="drawing", id=""))
    assert not [text.value for text in at.markdown if text.value.startswith("It says")]


def test_the_truth_stands_beside_what_the_network_says(page):
    at = page(mnist_net(), ImageRef(index=3))
    said = next(text.value for text in at.markdown if text.value.startswith("It says"))
    assert said.endswith("It is **0**.")  # the fourth image of MNIST's test set


def test_the_image_can_be_changed_again_and_again(page):
    at = page(mnist_net())
    for place in (5, 7, 9):
        at = checked(at.number_input[0].set_value(place).run())
        assert at.number_input[0].value == place
        assert at.session_state[_session.keys.IMAGE].index == place


def ruined() -> Model:
    """A network whose training failed: not one finite number in its first layer."""
    model = mnist_net()
    state = {name: tensor.clone() for name, tensor in model.state.items()}
    state["conv1.weight"].fill_(float("nan"))
    return Model(model.description, state)


@pytest.mark.parametrize("layer", ["conv1", "relu1", "flatten", "fc1", "softmax"])
def test_a_network_full_of_nan_can_be_looked_at(page, layer):
    import json

    at = choose(page(ruined()), CONTROL, layer)
    for part in component(at):
        json.loads(part.proto.json, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))


def test_the_component_is_there_with_all_it_needs(page):
    import json

    at = choose(page(mnist_net()), CONTROL, "conv1")
    (part,) = component(at)
    data = json.loads(part.proto.json)
    assert data["shape"] == [4, 28, 28]
    assert data["detail"]["window"] == [5, 1, 0, 1]
    assert data["text"]["tile"] == "{layer}, map {index}, mean {mean}"


def test_an_open_page_of_a_run_that_learns_is_still_counted_and_follows_the_class(lab_home, monkeypatch):
    """Only the fragment is run again while a run learns: it must be the one to say that somebody watches."""
    import runpy

    import streamlit as st

    explore = runpy.run_path(PAGE, run_name="__page__")["explore"]
    names = explore.__globals__
    asked, anew = [], []
    monkeypatch.setattr(_session, "enter", lambda: None)
    monkeypatch.setattr("cnnlab.runs.resolve", lambda ref: None)
    monkeypatch.setattr("cnnlab.insight.look", lambda model, image: None)
    monkeypatch.setitem(names, "_draw", lambda *args: None)
    monkeypatch.setattr(_live, "state", lambda ref: "running")
    monkeypatch.setattr(_session, "interval", lambda: asked.append(1) or 0.5)
    monkeypatch.setattr(st, "rerun", lambda: anew.append(1))
    explore(None, None, 2.0)
    assert (len(asked), len(anew)) == (1, 0)
    monkeypatch.setattr(_session, "interval", lambda: 6.0)  # sixty watch by now
    explore(None, None, 2.0)
    assert len(anew) == 1
    monkeypatch.setattr(_live, "state", lambda ref: "done")
    explore(None, None, 2.0)
    assert len(anew) == 2
    explore(None, None, None)
    assert len(anew) == 2
