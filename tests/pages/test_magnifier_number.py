"""The number view on every kind of layer, forward and backward, in both modes and languages; its steps along the trail."""

from __future__ import annotations

import pytest
from streamlit.testing.v1 import AppTest

from cnnlab.data import store
from cnnlab.data.dataset import DataSet, content_hash
from cnnlab.i18n import catalogue
from cnnlab.model import Model
from pages import _session
from pages._magnifier_number import TRAIL, stepped
from tests.insight.makers import MODELS, images_for


def script() -> None:
    import streamlit as st

    from cnnlab.insight import look
    from cnnlab.runs import named
    from pages import _magnifier_number
    from pages import _session as session
    from tests.insight.makers import MODELS, picture_for
    from tests.pages.test_explore import mnist_net
    from tests.pages.test_magnifier_number import broken, few

    session.enter()
    nets = MODELS | {"mnist": mnist_net, "sprint": lambda: named("mnist-sprint"), "broken": broken, "few": few}
    model = nets[st.session_state["net"]]()
    _magnifier_number.number_view(model, look(model, picture_for(model)), *st.session_state["asked"])


def few() -> Model:
    """A net whose own data set has seven training images, and is here."""
    model = MODELS["grey"]()
    train, test = images_for(model, 7).train, images_for(model, 5).test
    store.write(DataSet("few", "Few", model.class_names, train, test, content_hash(train, test)))
    about = model.about.model_copy(update={"data": "few"})
    return Model(model.description.model_copy(update={"about": about}), model.state)


def broken() -> Model:
    """Return a network whose training failed: weights that are no numbers, or endless."""
    model = MODELS["tree"]()
    state = {name: tensor.clone() for name, tensor in model.state.items()}
    for number, tensor in enumerate(state.values()):
        if tensor.is_floating_point():
            tensor.flatten()[0] = (float("nan"), float("inf"))[number % 2]
    return Model(model.description, state)


@pytest.mark.usefixtures("lab_home")
@pytest.mark.parametrize("layer", ["stem.conv1", "stem.silu1", "block.add", "head.gelu1", "fc1", "softmax"])
def test_a_network_whose_training_failed_is_shown_too(layer):
    at = view("broken", layer, 0, back=True)
    assert not at.error


def view(
    net: str, layer: str, channel: int, *, language: str = "en", units: tuple[str, ...] = (), back: bool = False
) -> AppTest:
    at = AppTest.from_function(script, default_timeout=60)
    at.session_state["net"], at.session_state["asked"] = net, (layer, channel)
    at.session_state[_session.keys.LANGUAGE] = language
    at.session_state[_session.keys.HERE] = {TRAIL: units, f"{TRAIL}.from": (layer, channel)}
    at.session_state[_session.keys.WIDGETS] = {"number.back": back}
    at.run()
    assert not at.exception, at.exception
    return at


def one_of_each_kind() -> list[tuple[str, str]]:
    """Return a network and a layer for each kind of layer that the networks of the tests have."""
    found: dict[str, tuple[str, str]] = {}
    for net, make in MODELS.items():
        for row in make().architecture.trace().rows:
            found.setdefault(row.layer.kind, (net, row.name))
    return list(found.values())


@pytest.mark.usefixtures("lab_home")
@pytest.mark.parametrize(("net", "layer"), one_of_each_kind())
def test_every_kind_forward_and_backward(net, layer):
    at = view(net, layer, 1, back=True)
    assert not at.error, [one.value for one in at.error]


@pytest.mark.usefixtures("lab_home")
def test_in_training_the_batch_is_said():
    at = view("sprint", "bn1", 0, back=True)
    at.button_group(key="number.mode").set_value("training").run()
    assert not at.exception and not at.error
    assert any("In a batch of 32" in one.value for one in at.caption)
    at.button_group(key="number.batch").set_value(32).run()
    assert not at.exception and not at.error


@pytest.mark.usefixtures("lab_home")
def test_a_batch_is_as_large_as_the_data_set_allows():
    at = view("few", "bn1", 0)
    at.button_group(key="number.mode").set_value("training").run()
    assert not at.exception and not at.error
    assert any("In a batch of 8: this picture and the first 7" in one.value for one in at.caption)
    (drawn,) = at.get("bidi_component")
    assert "of this batch of 8 images" in str(drawn.proto)


@pytest.mark.usefixtures("lab_home")
def test_the_step_is_written_out_in_chinese():
    at = view("mnist", "conv1", 2, language="zh_CN", back=True)
    told = "\n".join(one.value for one in at.markdown)
    assert "步" in told and "conv1.weight[2,0,0,0]" in told and "一阶矩" in told
    assert catalogue("zh_CN")["Let it slide"]


@pytest.mark.usefixtures("lab_home")
@pytest.mark.parametrize("unit", ["probs[2]", "input[0,3,3]", "image[0,3,3]", "nonsense[1]", "conv1[99,0,0]", "<b>"])
def test_any_address_that_a_browser_may_send(unit):
    at = view("grey", "conv1", 0, units=("conv1[0,1,1]", unit))
    assert not at.error


def test_steps_along_the_trail():
    units = ("probs[1]", "fc1[1]", "flatten[3]")
    assert stepped(units, {"from": "flatten[5]", "to": "pool1[0,1,1]"}) == (*units[:2], "flatten[5]", "pool1[0,1,1]")
    assert stepped(units, {"back": 0}) == ("probs[1]",)
    assert stepped(units, {"instead": "flatten[4]"}) == (*units[:2], "flatten[4]")
    assert stepped(units, {"start": "probs[2]"}) == ("probs[2]",)
    for nonsense in (None, "probs[1]", {"from": 3}, {"to": "x"}, {"back": "0"}, [1]):
        assert stepped(units, nonsense) == units
    assert len(stepped(units * 100, {"from": "a", "to": "b"})) == 200


@pytest.mark.usefixtures("lab_home")
def test_without_its_data_a_batch_is_refused_in_a_sentence():
    at = view("grey", "bn1", 0)
    at.button_group(key="number.mode").set_value("training").run()
    assert not at.exception and at.error
