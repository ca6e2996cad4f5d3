"""The Magnifier: the whole network as the browser gets it, what stays in place, what is chosen, what is drawn here."""

import json
from base64 import b64decode
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from cnnlab.architecture import layers as L
from cnnlab.data import loader
from cnnlab.insight.overview import folded
from cnnlab.model import Model
from cnnlab.runs import engine
from cnnlab.workspace import ImageRef, Workspace, new_id
from pages import _session
from pages._magnifier_number import TRAIL
from tests.insight.makers import model_of
from tests.pages.makers import keep_run
from tests.pages.test_draw import sketch_of
from tests.pages.test_explore import ruined, tree_net
from tests.runs.labs import spec

PAGE = str(Path(__file__).resolve().parent.parent.parent / "pages" / "magnifier.py")
KEY = "magnifier.whole"


def wide_net(seed: int = 0) -> Model:
    conv = [L.Conv2d(out_channels=24, kernel_size=5, stride=2), L.ReLU(), L.MaxPool2d(kernel_size=2)]
    return model_of((1, 28, 28), [*conv, L.Flatten(), L.Linear(out_features=10)], seed=seed)


@pytest.fixture
def space(lab_home: Path) -> Workspace:
    return Workspace(new_id())


@pytest.fixture
def page(space: Workspace) -> Callable[..., AppTest]:
    """Return a function that opens the page on a model."""

    def open_page(model: Model, image: ImageRef | None = None, language: str = "en") -> AppTest:
        at = AppTest.from_file(PAGE, default_timeout=60)
        at.session_state[_session.keys.WORKSPACE] = space.id
        at.session_state[_session.keys.LANGUAGE] = language
        at.session_state[_session.keys.MODEL] = f"run:{keep_run(space, model)}"
        at.session_state[_session.keys.IMAGE] = image or ImageRef()
        return checked(at.run())

    return open_page


def checked(at: AppTest) -> AppTest:
    assert not at.exception, [error.value for error in at.exception]
    assert not at.error, [error.value for error in at.error]
    return at


def whole(at: AppTest) -> dict:
    """Return what the picture of the network was given; no NaN may be in it."""
    parts = [one.proto for one in at.main if one.type == "bidi_component"]
    found = [json.loads(one.mixed.json or one.json, parse_constant=pytest.fail) for one in parts]
    (data,) = (one for one in found if "opened" in one)
    return data


def tell(at: AppTest, **state: object) -> AppTest:
    at.session_state[KEY] = state
    return checked(at.run())


def shown(at: AppTest) -> dict[str, list[int]]:
    return {column["name"]: column["shown"] for column in whole(at)["columns"]}


def layers(at: AppTest, begun: str, choice: str) -> AppTest:
    """Choose whether every layer is drawn; ``begun`` is how a network of this size begins."""
    (field,) = [one for one in at.get("button_group") if one.key == f"magnifier.layers.{begun}"]
    return checked(field.set_value(choice).run())


@pytest.mark.parametrize("make", [wide_net, tree_net, ruined])
def test_every_layer_has_its_column(page, make):
    model = make()
    at = page(model)
    if len(model.architecture.names) > 14:
        at = layers(at, "blocks", "all")
    names = [column["name"] for column in whole(at)["columns"]]
    assert names[0] == "input"
    assert names[1:] == [*model.architecture.names, *([] if model.architecture.ends_in_softmax else ["probs"])]


def test_a_network_that_would_not_fit_begins_in_blocks_and_a_small_one_does_not(page):
    model = tree_net()
    columns = whole(page(model))["columns"]
    assert len(columns) == len(folded(model.architecture)) < len(model.architecture.names)
    assert whole(page(model))["chosen"][0] == columns[1]["name"]  # one that is seen
    at = page(wide_net())
    every = [column["name"] for column in whole(at)["columns"]]
    at = layers(at, "all", "blocks")
    assert [column["name"] for column in whole(at)["columns"]] == ["input", "pool1", "flatten", "fc1", "probs"]
    assert {"conv1", "relu1"} <= set(every)


def test_a_wide_layer_is_folded_and_opens(page):
    at = page(wide_net())
    few = shown(at)["conv1"]
    assert len(few) == 10
    at = tell(at, opened=["conv1"])
    assert whole(at)["opened"] == ["conv1"]
    opened = shown(at)["conv1"]
    assert sorted(opened) == list(range(24))
    assert opened[:10] == few  # the others join them, none moves
    at = tell(at, opened=["nowhere"])
    assert whole(at)["opened"] == []


def test_a_map_that_is_chosen_is_shown_below_and_outlives_a_reload(page, space):
    at = tell(page(wide_net()), chosen=["relu1", 7])
    assert whole(at)["chosen"] == ["relu1", 7]
    assert any(text.value.startswith("**What can reach relu1[7,") for text in at.markdown)
    assert whole(page(wide_net()))["chosen"] == ["relu1", 7]


def test_a_chosen_map_that_is_weak_or_folded_away_is_marked(page):
    at = page(wide_net())
    hidden = next(k for k in range(24) if k not in shown(at)["conv1"])
    at = tell(at, chosen=["conv1", hidden])
    assert shown(at)["conv1"][-1] == hidden and len(shown(at)["conv1"]) == 11
    at = layers(at, "all", "blocks")
    data = whole(at)
    assert data["chosen"] == ["conv1", hidden] and data["marked"] == [1, hidden]
    assert data["columns"][1]["name"] == "pool1" and data["columns"][1]["shown"][-1] == hidden


@pytest.mark.parametrize(
    "told", [["conv1", 99], ["conv1", -1], ["conv9", 0], ["conv1"], "conv1", [0, "conv1"], ["conv1", None]]
)
def test_what_a_browser_sends_as_the_chosen_map_is_checked(page, told):
    at = page(wide_net())
    before = whole(at)["chosen"]
    assert whole(tell(at, chosen=told))["chosen"] == before


@pytest.mark.parametrize("column", ["input", "conv1", "pool1", "flatten", "fc1", "probs"])
def test_anything_can_be_chosen(page, column):
    at = tell(page(wide_net()), chosen=[column, 0])
    assert whole(at)["chosen"] == [column, 0]
    assert any("What can reach" in text.value for text in at.markdown) == (column != "input")


def test_maps_keep_their_places_until_another_picture_or_sorting(page):
    at = page(wide_net())
    before = shown(at)
    at.session_state[_session.keys.MODEL] = at.session_state[_session.keys.MODEL]
    other = wide_net(seed=3)
    (button,) = [one for one in at.button if one.key == "magnifier.sort"]
    assert shown(checked(button.click().run())) == before  # the same picture: the same maps are the strongest
    at.number_input[0].set_value(1)
    assert whole(checked(at.run()))["columns"][0]["tiles"] != ""
    assert shown(page(other))["conv1"] != before["conv1"]


def test_what_is_drawn_here_goes_through_the_network_and_moves_no_map(page, space):
    space.choose_widget("magnifier.mode", "draw")
    at = page(wide_net())
    at.session_state["draw.canvas"] = {"sketch": sketch_of(loader.load("mnist").test.images[0, 0].numpy()).model_dump()}
    first = whole(checked(at.run()))
    at.session_state["draw.canvas"] = {
        "sketch": sketch_of(loader.load("mnist").test.images[1, 0].numpy(), 2).model_dump()
    }
    second = whole(checked(at.run()))
    assert first["columns"][0]["tiles"] != second["columns"][0]["tiles"]
    assert [one["shown"] for one in first["columns"]] == [one["shown"] for one in second["columns"]]


def test_an_empty_canvas_gets_no_verdict(page, space):
    space.choose_widget("magnifier.mode", "draw")
    at = page(wide_net())
    said = [text.value for text in at.markdown]
    assert any("No drawing yet" in text for text in said) and not any("It says" in text for text in said)
    at.session_state["draw.canvas"] = {"sketch": sketch_of(loader.load("mnist").test.images[0, 0].numpy()).model_dump()}
    said = [text.value for text in checked(at.run()).markdown]
    assert any("It says" in text for text in said) and not any("No drawing yet" in text for text in said)


def test_in_chinese(page):
    at = page(wide_net(), language="zh_CN")
    assert at.title[0].value == "放大镜"
    assert whole(at)["text"]["names"]["probs"] == "概率"


def test_what_the_chosen_unit_sees_stands_below(page):
    at = tell(page(wide_net()), chosen=["pool1", 3])
    (place,) = [one for one in at.segmented_control if one.key == "magnifier.place"]
    assert not any("What can reach pool1[3,3,3]" in text.value for text in at.markdown)
    at = checked(place.set_value("middle").run())
    assert any("What can reach pool1[3,3,3]" in text.value for text in at.markdown)
    assert any(
        "Its *receptive field*: 7×7 pixels, rows 12 to 18, columns 12 to 18." in text.value for text in at.markdown
    )
    at = tell(at, chosen=["fc1", 3])
    assert any("What can reach fc1[3]" in text.value for text in at.markdown)


def test_what_the_unit_sees_follows_the_way_down(page):
    at = tell(page(wide_net()), chosen=["pool1", 3])

    def walked(*units: str) -> list[str]:
        at.session_state[_session.keys.HERE] = {**at.session_state[_session.keys.HERE], TRAIL: units}
        return [text.value for text in checked(at.run()).markdown if "What can reach" in text.value]

    assert walked("pool1[3,2,1]") == ["**What can reach pool1[3,2,1]**"]
    assert walked("pool1[3,2,1]", "relu1[3,4,3]") == ["**What can reach relu1[3,4,3]**"]
    assert walked("pool1[3,2,1]", "relu1[3,4,3]", "conv1[3,4,3]", "input[0,8,6]") == []


def test_a_pushed_picture_moves_its_maps_along_and_no_tile(page, space):
    space.choose_widget("magnifier.mode", "shift")
    at = page(wide_net())
    before = whole(at)
    at.session_state["magnifier.shift"] = {"by": [2, 0]}
    after = whole(checked(at.run()))
    assert [one["shown"] for one in before["columns"]] == [one["shown"] for one in after["columns"]]
    width = 28
    for one, other in zip(rows_of(before, width), rows_of(after, width)):
        assert other[2:] == one[:-2] and other[:2] == bytes(2)
    assert len(at.get("plotly_chart")) == 2
    assert any("Do the maps move along?" in text.value for text in at.markdown)


def test_the_dense_network_stands_beside_it_once_it_has_learned_and_not_before(page, space, monkeypatch):
    from cnnlab.insight.shift import dense_like
    from pages import _live, _names

    plain = wide_net()
    about = plain.about.model_copy(update={"data": "mnist"})
    model = Model(plain.description.model_copy(update={"about": about}), plain.state)
    network = dense_like(model.architecture)
    run = keep_run(space, model_of((1, 28, 28), network.layers), name=network.name, step=3, steps=9)
    space.choose_widget("magnifier.mode", "shift")

    def beside(at: AppTest) -> tuple[str, list[str]]:
        (menu,) = [one for one in at.selectbox if one.label == "Beside it"]
        return menu.value, [text.value for text in at.caption if "it joins here" in text.value]

    asked: list[str | None] = []
    real = _names.own_runs
    still = lambda: {number: replace(one, state="running") if one.id == run else one for number, one in real().items()}  # noqa: E731
    with monkeypatch.context() as patched:
        patched.setattr(_names, "own_runs", still)
        patched.setattr(_live, "pace", lambda state: asked.append(state))
        at = page(model)
        chosen, said = beside(at)
        assert chosen == "" and said == [
            "The dense network is learning, step 3 of 9; it joins here when it has learned."
        ]
        assert not any(one.key == "magnifier.dense" for one in at.button)
        assert "running" in asked  # so the page looks again
    chosen, said = beside(checked(at.run()))
    assert chosen == f"run:{run}" and not said


def rows_of(data, width):
    levels = b64decode(data["columns"][0]["tiles"])
    return [levels[start : start + width] for start in range(0, len(levels), width)]


@pytest.mark.parametrize("told", [[99, 0], [1.5, 0], ["1", 0], [1], None])
def test_what_a_browser_sends_as_the_shift_is_checked(page, space, told):
    space.choose_widget("magnifier.mode", "shift")
    at = page(wide_net())
    before = whole(at)["columns"][0]["tiles"]
    at.session_state["magnifier.shift"] = {"by": told}
    assert whole(checked(at.run()))["columns"][0]["tiles"] == before


def test_backwards_begins_with_what_the_run_of_the_model_remembered(space):
    id = engine().submit(spec(owner=space.owner))
    assert engine().wait(id, 60).state == "done"
    at = AppTest.from_file(PAGE, default_timeout=60)
    at.session_state[_session.keys.WORKSPACE] = space.id
    at.session_state[_session.keys.MODEL] = f"run:{id}"
    at.session_state[_session.keys.WIDGETS] = {"number.back": True}
    at = checked(at.run())
    steps = engine().snapshot(id).steps
    assert any(f"at the end of the run, step {steps}." in caption.value for caption in at.caption)
    assert any(f"**Step {steps + 1} of Adam**" in text.value for text in at.markdown)
    (begins,) = [one for one in at.get("button_group") if one.key == "number.memory"]
    at = checked(begins.set_value("fresh").run())
    assert any("begins afresh" in caption.value for caption in at.caption)
    assert any("**Step 1 of Adam**" in text.value for text in at.markdown)


def test_what_a_picture_should_be_goes_with_the_picture(space):
    at = AppTest.from_file(PAGE, default_timeout=60)
    at.session_state[_session.keys.WORKSPACE] = space.id
    at.session_state[_session.keys.WIDGETS] = {"number.back": True}
    targets = loader.load("mnist").test.targets
    for index in (0, 1, 2):
        at.session_state[_session.keys.IMAGE] = ImageRef(index=index)
        at = checked(at.run())
        (should,) = [one for one in at.selectbox if str(one.key).startswith("number.target")]
        assert should.value == int(targets[index])
