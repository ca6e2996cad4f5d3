"""Search: ask, watch, stop, continue, open a point on Build; a reload shows the same search; each learner's own alone."""

import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from cnnlab.architecture import Architecture, make_layer
from cnnlab.architecture.blocks import Residual
from cnnlab.figures import search as pictures
from cnnlab.figures.search_space import space_data
from cnnlab.i18n import LANGUAGES, set_language
from cnnlab.runs import engine
from cnnlab.search import Choice, Search, jobs
from cnnlab.search.importance import importance
from cnnlab.search.space import places_of
from cnnlab.workspace import Workspace, new_id
from pages import _search_space, _session
from tests.search.makers import DATA, QUICK, TINY, spec
from tests.wording import english_left

ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.fixture
def space(lab_home: Path) -> object:
    space = Workspace(new_id())
    space.choose(recipe=QUICK.model_dump_json(), architecture=TINY.to_json(), data=DATA)
    yield space
    jobs.close()
    engine().close()


@pytest.fixture
def page(space: Workspace) -> Callable[..., AppTest]:
    def open_page(language: str = "en", owner: Workspace = space) -> AppTest:
        at = AppTest.from_file(str(ROOT / "pages" / "search.py"), default_timeout=60)
        at.session_state[_session.keys.WORKSPACE] = owner.id
        at.session_state[_session.keys.LANGUAGE] = language
        return fine(at.run())

    return open_page


def fine(at: AppTest) -> AppTest:
    assert not at.exception, [error.value for error in at.exception]
    return at


def searched(space: Workspace, **fields: object) -> Search:
    id = jobs.start(spec(owner=space.owner, trials=2, **fields))
    return jobs.wait(space.owner, id, 60)


def html(at: AppTest) -> str:
    return "\n".join(e.proto.body for e in at.get("html"))


def test_a_search_is_asked_for_watched_and_found_again(space: Workspace, page: Callable[..., AppTest]) -> None:
    at = page()
    assert [at.toggle(key=f"search.vary.{name}").value for name in ("conv1.out_channels", "conv1.stride", "lr")] == [
        True, False, True,
    ]  # fmt: skip
    at.number_input(key="search.conv1.out_channels.low").set_value(2).run()
    at.number_input(key="search.conv1.out_channels.high").set_value(6).run()
    at.toggle(key="search.vary.lr").set_value(False).run()
    at.selectbox(key="search.chosen").set_value("relu1").run()
    at.toggle(key="search.vary.relu1.kind").set_value(True).run()
    at.number_input(key="search.budget.trials").set_value(2).run()
    at.number_input(key="search.budget.images").set_value(320).run()
    fine(at.button(key="search.start").click().run())
    search = jobs.mine(space.owner)[0]
    assert [str(one) for one in search.spec.choices] == ["conv1.out_channels=2..6:log", "relu1.kind=ReLU,GELU,Tanh"]
    assert (search.spec.trials, search.spec.recipe.limit_train, search.spec.data) == (2, 320, DATA)
    assert jobs.wait(space.owner, search.id, 60).state == "done"
    again = page()  # a reload: another session in the same workspace
    assert "of 5; " in html(again) and len(again.get("plotly_chart")) >= 2
    assert again.selectbox(key="search.chosen").value == "relu1" and again.toggle(key="search.vary.relu1.kind").value
    assert not again.toggle(key="search.vary.lr").value
    again.selectbox(key="search.chosen").set_value("conv1").run()
    assert again.number_input(key="search.conv1.out_channels.high").value == 6


def test_a_search_is_stopped_continued_and_deleted(space: Workspace, page: Callable[..., AppTest]) -> None:
    id = jobs.start(spec(owner=space.owner, trials=200))
    at = page()
    assert at.button(key="search.start").disabled  # one at a time
    fine(at.button(key="search.stop").click().run())
    assert jobs.wait(space.owner, id, 60).state == "stopped"
    at = page()
    fine(at.button(key="search.resume").click().run())
    deadline = time.monotonic() + 60
    while not jobs.get(space.owner, id).live:
        assert time.monotonic() < deadline
    jobs.stop(space.owner, id)
    jobs.wait(space.owner, id, 60)
    jobs.delete(space.owner, id)
    assert jobs.mine(space.owner) == [] and "lab-numbers" not in html(page())


def test_any_point_opens_as_a_network(
    space: Workspace, page: Callable[..., AppTest], monkeypatch: pytest.MonkeyPatch
) -> None:
    gone: list[str] = []
    monkeypatch.setattr("streamlit.switch_page", lambda path, **_more: gone.append(path))
    search = searched(space)
    at = page()
    trial = search.of("random")[1]
    fine(at.selectbox(key="search.look").set_value(trial.number).run())
    assert f"{trial.num_params:,}" in html(at)
    fine(at.button(key="search.open").click().run())
    assert gone == ["pages/build.py"]
    opened = Architecture.from_json(str(space.choices.architecture))
    assert opened.trace().num_params == trial.num_params and opened == search.network(trial)[0]
    assert f'"lr":{trial.values["lr"]}' in str(space.choices.recipe)


def test_a_search_is_seen_by_its_owner_alone(space: Workspace, page: Callable[..., AppTest]) -> None:
    searched(space)
    other = page(owner=Workspace(new_id()))
    assert "lab-numbers" not in html(other) and not other.get("plotly_chart")


def test_a_network_that_cannot_run_is_sent_to_build(space: Workspace, page: Callable[..., AppTest]) -> None:
    space.choose(architecture=TINY.remove(3).to_json())
    at = page()
    assert at.warning and not [one for one in at.button if one.key == "search.start"]


def test_what_is_wrong_is_said_where_it_is_typed(space: Workspace, page: Callable[..., AppTest]) -> None:
    at = page()
    at.number_input(key="search.conv1.out_channels.low").set_value(50).run()
    fine(at)
    assert any("smallest" in caption.value for caption in at.caption) and at.button(key="search.start").disabled
    space.choose(data="nowhere")
    at = page()
    fine(at.button(key="search.start").click().run())
    assert at.error and jobs.mine(space.owner) == []


def test_what_may_vary_is_drawn_on_the_network_and_what_may_not_says_why(
    space: Workspace, page: Callable[..., AppTest], monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[dict[str, Any]] = []
    monkeypatch.setattr(_search_space, "NETWORK", lambda data, **_more: drawn.append(data))

    def marks() -> dict[str, list[str]]:
        assert drawn[-1]["still"]
        return {
            block["name"]: [" ".join(mark).strip() for mark in block["marks"]]
            for block in drawn[-1]["blocks"]
            if block["marks"]
        }

    at = page()
    assert marks() == {"conv1": ["filters 2…8"]}
    assert "may vary: filters 2…8" in next(b["label"] for b in drawn[-1]["blocks"] if b["name"] == "conv1")
    fine(at.toggle(key="search.vary.conv1.stride").set_value(True).run())
    assert marks() == {"conv1": ["filters 2…8", "stride 1/2"]}
    fine(at.selectbox(key="search.chosen").set_value("relu1").run())
    fine(at.toggle(key="search.vary.activation").set_value(True).run())
    assert marks()["relu1"] == ["all activations ReLU/LeakyReLU/+2"]
    at.run()
    assert any("vary together" in caption.value for caption in at.caption)  # its own kind has no say then
    fine(at.selectbox(key="search.chosen").set_value("fc1").run())
    assert any("one number for each class" in caption.value for caption in at.caption)
    assert not [one for one in at.toggle if one.key == "search.vary.fc1.out_features"]
    for target in ("activation", "conv1.out_channels", "conv1.stride", "lr"):
        if place := {"activation": "relu1", "lr": ""}.get(target, "conv1"):
            at.selectbox(key="search.chosen").set_value(place).run()
        fine(at.toggle(key=f"search.vary.{target}").set_value(False).run())
    assert marks() == {} and at.button(key="search.start").disabled
    page()
    assert marks() == {}  # nothing is what was chosen: no proposal comes back


def test_a_block_is_gone_into_and_counts_what_may_vary_inside(space: Workspace, page: Callable[..., AppTest]) -> None:
    blocks = TINY.insert(2, Residual(layers=(make_layer("Conv2d", out_channels=4, padding=1), make_layer("ReLU"))))
    place = (2, 0)
    name = next(name for name, found in places_of(blocks).items() if found == place)
    space.choose(architecture=blocks.to_json())
    at = page()
    choice = Choice(target=f"{name}.out_channels", low=4, high=8)
    outside, inside = space_data(blocks, [choice], "en"), space_data(blocks, [choice], "en", place[:1])
    assert [block["index"] for block in outside if block["marks"] == [["", "1 inside"]]] == [place[0]]
    assert [block["index"] for block in inside if block["marks"] == [["filters", "4…8"]]] == [place[1]]
    fine(at.selectbox(key="search.chosen").set_value(name.partition(".")[0]).run())
    fine(at.button(key="search.open").click().run())
    assert [one.key for one in at.button if one.key and one.key.startswith("search.crumb")]
    fine(at.selectbox(key="search.chosen").set_value(name).run())
    fine(at.toggle(key=f"search.vary.{choice.target}").set_value(True).run())
    fine(at.button(key="search.crumb.0").click().run())
    assert at.selectbox(key="search.chosen").value == name.partition(".")[0]


@pytest.mark.parametrize(
    "action", [None, "select", {"do": "select", "index": 99}, {"do": "select", "index": True}, {"do": "open", "index": 0},
               {"do": "remove", "index": 1}, {"do": "move", "index": 0, "to": 2}], ids=repr,
)  # fmt: skip
def test_what_a_browser_may_not_ask_of_the_drawing_changes_nothing(action: object, lab_home: Path) -> None:
    assert sent(action) == (TINY, 0, ())


def test_the_drawing_opens_a_layer(lab_home: Path) -> None:
    assert sent({"do": "select", "index": 2}) == (TINY, 2, ())


def sent(action: object) -> tuple[Architecture, int, tuple[int, ...]]:
    """Let the drawing send ``action``; return the network, the layer that is open, and the block."""

    def script() -> None:
        import streamlit as st

        from pages import _search_space

        st.session_state[_search_space.DRAWING] = st.session_state["sent"]
        _search_space.on_drawing()
        st.session_state["found"] = (_search_space.selected(), _search_space.here().place)

    at = AppTest.from_function(script, default_timeout=60)
    at.session_state["sent"] = SimpleNamespace(action=action)
    at.session_state[_session.keys.LANGUAGE] = "en"
    at.session_state[_session.keys.ARCHITECTURE] = TINY
    fine(at.run())
    return (at.session_state[_session.keys.ARCHITECTURE], *at.session_state["found"])


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("dark", [False, True])
def test_the_pictures_say_what_they_show_in_each_language(space: Workspace, language: str, dark: bool) -> None:
    search = searched(space)
    set_language(language)
    for figure in (pictures.pareto(search, 1, dark=dark), pictures.growth(search, dark=dark)):
        shown = [text for trace in figure.data for text in (trace.text or ())]
        shown += [figure.layout.xaxis.title.text or "", *(note.text for note in figure.layout.annotations)]
        if language == "zh_CN":
            assert not {word for text in shown for word in english_left(text)}
    points = [number for trace in figure_points(search) for number in trace]
    assert sorted(points) == [trial.number for trial in search.trials if trial.acc is not None]
    for text in (pictures.pareto_alt(search), pictures.growth_alt(search), pictures.trials_html(search)):
        assert text and (language == "en" or not english_left(text))
    assert importance(search) is None


def figure_points(search: Search) -> list[list[int]]:
    return [list(trace.customdata) for trace in pictures.pareto(search).data if trace.customdata is not None]


def test_a_target_is_said_in_words() -> None:
    said = {
        "conv1.out_channels": "conv1: filters", "block1.conv2.kernel_size": "block1.conv2: kernel size", "lr": "Learning rate",
        "drop1": "drop1: in or out", "block1.drop1": "block1.drop1: in or out", "activation": "all activations",
        "conv1.stride": "conv1.stride", "stage2.repeat": "stage2: copies",
    }  # fmt: skip
    assert {target: pictures.target_text(target) for target in said} == said
    assert all(Choice.of({"target": target, "options": ("a", "b")}) for target in said)
