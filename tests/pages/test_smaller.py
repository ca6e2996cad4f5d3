"""The Smaller page: each way once, what it shows is what was measured, and it can be called off."""

import time
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from cnnlab.architecture import Architecture
from cnnlab.architecture.layers import Conv2d, Flatten, Linear, ReLU
from cnnlab.compress import work
from cnnlab.compress.work import Wish
from cnnlab.data import loader
from cnnlab.data.dataset import DataSet
from cnnlab.workspace import Workspace
from pages import _session
from tests.compress.makers import needs_int8
from tests.wording import english_left

PAGE = str(Path(__file__).resolve().parent.parent.parent / "pages" / "smaller.py")
PUPIL = Architecture(
    name="pupil", input_shape=(1, 28, 28),
    layers=(Conv2d(out_channels=2, kernel_size=5, stride=3), ReLU(), Flatten(), Linear(out_features=10)),
)  # fmt: skip


@pytest.fixture
def few(lab_home: Path, monkeypatch: pytest.MonkeyPatch) -> DataSet:
    """Let MNIST have 640 training and 300 test images."""
    whole = loader.load("mnist")
    data = DataSet("mnist", "MNIST", whole.class_names, whole.train[:640], whole.test[:300], whole.hash)
    monkeypatch.setattr(loader, "load", lambda name: data)
    return data


@pytest.fixture
def page(few: DataSet) -> AppTest:
    at = AppTest.from_file(PAGE, default_timeout=60)
    at.session_state[_session.keys.ARCHITECTURE] = PUPIL
    return checked(at.run())


def checked(at: AppTest) -> AppTest:
    assert not at.exception, [error.value for error in at.exception]
    assert not at.error, [error.value for error in at.error]
    return at


def owner_of(at: AppTest) -> str:
    return Workspace(at.session_state[_session.keys.WORKSPACE]).owner


def made(at: AppTest) -> AppTest:
    """Press the button and wait for what comes of it."""
    checked(at.button(key="smaller.start").click().run())
    now = work.wait(owner_of(at), 240)
    assert now is not None and now.state == "done", now
    return checked(at.run())


def shown(at: AppTest) -> str:
    return "\n".join([*(html.proto.body for html in at.get("html")), *(one.value for one in at.markdown)])


def choose(at: AppTest, key: str, value: str) -> AppTest:
    return checked(next(one for one in at.get("button_group") if one.key == key).set_value(value).run())


def test_pruning_shows_what_was_measured(page):
    page.slider(key="smaller.share").set_value(80)
    at = made(page)
    found = work.current(owner_of(at)).comparison
    text = shown(at)
    assert f"{found.before.test_acc:.2%}" in text and f"{found.after.test_acc:.2%}" in text
    assert f"**{len(found.changed):,}** of 300" in text
    other = sum(one.before != one.target != one.after for one in found.changed)
    assert (f"The other {other:,} were wrong before" in text) == bool(other)
    assert text.count("<figure") == min(24, len(found.changed)) > 0
    assert found.after.zero_weights == round(0.8 * 18320)
    assert len(at.get("plotly_chart")) == 1
    layers = next(one for one in at.selectbox if one.key == "smaller.layer")
    assert layers.options == ["all of them", "conv1", "conv2", "fc1"]
    checked(layers.set_value("conv2").run())


def test_channels_go_and_the_rest_learns_on(page):
    at = choose(page, "smaller.per", "channel")
    assert at.slider(key="smaller.epochs.channel").value == 1  # whole channels cost more than a step can tell
    assert "5 steps of learning" in shown(at)
    at = made(at)
    assert work.current(owner_of(at)).step == 5
    assert work.current(owner_of(at)).comparison.after.num_params == 6042


@needs_int8
def test_int8_is_kept_and_asked_on_draw_and_chinese(page, monkeypatch):
    at = made(choose(page, "smaller.way", "int8"))
    assert work.current(owner_of(at)).made.how["int8"]["layers"] == ["conv1", "conv2", "fc1"]
    checked(at.button(key="smaller.keep").click().run())
    space = Workspace(at.session_state[_session.keys.WORKSPACE])
    (source,) = space.int8_models()
    assert space.models() == {} and not any(button.key == "smaller.open.0" for button in at.button)
    with monkeypatch.context() as patch:
        gone: list[str] = []
        patch.setattr("streamlit.switch_page", gone.append)
        checked(at.button(key="smaller.ask.0").click().run())
    assert gone == ["pages/draw.py"] and space.choices.widgets["draw.compare.1"] == source
    draw = AppTest.from_file(str(Path(PAGE).with_name("draw.py")), default_timeout=120)
    draw.session_state[_session.keys.WORKSPACE] = space.id
    checked(draw.run())
    assert draw.selectbox(key="draw.compare.1").value == source
    assert "with mnist-sprint-int8" in draw.selectbox(key="draw.compare.1").options
    at.session_state[_session.keys.LANGUAGE] = "zh_CN"
    checked(at.run())
    words = [
        *(one.value for one in (*at.markdown, *at.caption, *at.subheader) if one.value != "**mnist-sprint-int8**"),
        *(one.label for one in at.button),
    ]
    assert not {word: english_left(word) for word in words if english_left(word)}


def test_a_small_network_is_taught(page):
    at = choose(page, "smaller.way", "distil")
    pupil = next(one for one in at.selectbox if one.key == "smaller.pupil")
    first = (
        "the same network, half as many channels · 6,042 parameters",
        "the same network, a quarter of the channels · 2,226 parameters",
        "the network in Build · 1,342 parameters",
    )
    assert tuple(pupil.options[:3]) == first
    assert not any("article-003-keras" in option for option in pupil.options)  # is larger
    at = made(checked(pupil.set_value("·").run()))
    assert "learned alone" in shown(at)
    assert work.current(owner_of(at)).alone.after.num_params == 1342


def test_it_can_be_called_off(page, few):
    owner = owner_of(page)
    from cnnlab.compress.pruning import Plan
    from cnnlab.description import ModelRef
    from cnnlab.runs import resolve

    model = resolve(ModelRef("bundled:mnist-sprint"))
    work.start(owner, Wish(model, few, plan=Plan(share=0.5, steps=8, epochs=200)))
    deadline = time.monotonic() + 30
    while work.current(owner).step == 0 and time.monotonic() < deadline:
        work.wait(owner, 0.05)
    at = checked(page.run())
    assert "learning: step" in "\n".join(one.proto.text for one in at.get("progress"))
    assert at.button(key="smaller.start").disabled
    at.button(key="smaller.cancel").click().run()
    assert work.wait(owner, 30).state == "cancelled"
    assert not checked(at.run()).button(key="smaller.start").disabled


def test_what_cannot_be_done_is_said(page, few, monkeypatch):
    from cnnlab.compress import pt2e

    monkeypatch.setattr(pt2e.util, "find_spec", lambda name: None)
    at = choose(page, "smaller.way", "int8")
    at.button(key="smaller.start").click().run()
    assert work.wait(owner_of(at), 30).state == "failed"
    assert "torchao" in at.run().error[0].value


def test_what_was_made_is_kept_and_every_page_offers_it(page):
    at = made(page)
    checked(at.button(key="smaller.keep").click().run())
    (source,) = Workspace(at.session_state[_session.keys.WORKSPACE]).models()
    assert "It is kept: see your own models below." in [one.value for one in at.caption]
    assert not any(button.key == "smaller.keep" for button in at.button)
    checked(at.button(key="smaller.open.0").click().run())
    assert any("mnist-sprint-pruned: your own model" in one.options for one in at.selectbox)
    assert at.session_state[_session.keys.MODEL] == source
    checked(at.button(key="smaller.delete.0").click().run())
    assert not Workspace(at.session_state[_session.keys.WORKSPACE]).models()
