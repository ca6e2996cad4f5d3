"""The Descent page: the landscape is measured beside it, a marble rolls, the numbers of a step are those of the core."""

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from cnnlab.description import ModelRef
from cnnlab.figures.theme import number
from cnnlab.insight.landscape import WAYS, surveying
from cnnlab.runs import jobs, resolve
from cnnlab.workspace import Workspace
from pages import _session
from tests.pages.makers import keep_run
from tests.wording import english_left

PAGE = Path(__file__).resolve().parent.parent.parent / "pages" / "descent.py"


@pytest.fixture(autouse=True)
def _few(monkeypatch):
    monkeypatch.setattr(surveying, "LEVELS", (3, 5))


@pytest.fixture
def page(lab_home: Path) -> AppTest:
    return surveyed(AppTest.from_file(str(PAGE), default_timeout=60).run())


def checked(at: AppTest) -> AppTest:
    assert not at.exception, [error.value for error in at.exception]
    assert not at.error, [error.value for error in at.error]
    return at


def owner(at: AppTest) -> str:
    return Workspace(at.session_state[_session.keys.WORKSPACE]).owner


def surveyed(at: AppTest) -> AppTest:
    job = jobs.wait(owner(checked(at)), "landscape", 60)  # None where it was known already
    assert job is None or job.state == "done", job.error
    at = checked(at.run())
    assert at.button(key="descent.roll")
    return at


def choose(at: AppTest, key: str, value: object) -> AppTest:
    found = next(
        one for one in [*at.get("button_group"), *at.selectbox, *at.number_input, *at.slider] if one.key == key
    )
    return found.set_value(value).run()


def rolled(at: AppTest) -> AppTest:
    checked(at.button(key="descent.roll").click().run())
    job = jobs.wait(owner(at), "marble", 120)
    assert job.state == "done", job.error
    at = checked(at.run())
    assert len(job.found) == len(WAYS)
    return at


def test_marbles_roll_and_each_step_says_its_numbers(page):
    at = choose(choose(page, "descent.u", -0.5), "descent.v", 0.25)
    at = rolled(choose(at, "descent.lr.sgd", 0.01))
    found = {one.way: one for one in jobs.current(owner(at), "marble").found}
    assert found["batch"].places[0] == (-0.5, 0.25) and found["batch"].lr == 0.01
    for way in WAYS:
        at = checked(choose(choose(at, "descent.way", way), "descent.step", 3))
        (table,) = at.table
        move = found[way].moves[2]
        assert list(table.value["u"]) == [
            number(pair[0]) for pair in (move.place, move.gradient, *move.state.values(), move.change, move.new)
        ]


def test_each_model_has_its_own_learning_rate_and_place(page):
    at = choose(choose(page, "descent.lr.sgd", 0.0625), "descent.u", -0.5)
    at.session_state[_session.keys.MODEL] = "bundled:article-000-lenet5"
    at = surveyed(at.run())
    found = surveying.found_for(resolve(ModelRef("bundled:article-000-lenet5")), surveying.Ask())
    assert at.number_input(key="descent.lr.sgd").value == float(f"{found.rate:.1g}") != 0.0625
    assert at.number_input(key="descent.u").value > 0


def test_two_weights_and_a_weight_that_is_none(page):
    at = surveyed(choose(page, "descent.kind", "weights"))
    fields = {one.key: one for one in at.text_input}
    assert fields["descent.weight.0"].value == "conv1.weight[0,0,0,0]"
    state = resolve(ModelRef("bundled:mnist-sprint")).state
    at = surveyed(fields["descent.weight.1"].set_value("fc1.weight[3,5]").run())
    middle = next(one for one in at.number_input if one.key == "descent.v")
    assert middle.min < float(state["fc1.weight"][3, 5]) < middle.max
    at = next(one for one in at.text_input if one.key == "descent.weight.0").set_value("conv9.weight[0]").run()
    assert jobs.wait(owner(at), "landscape", 60).state == "failed"
    at.run()
    assert [error.value for error in at.error] == [
        "conv9.weight[0]: no such weight; write one as conv1.weight[0,0,0,0]"
    ]


def test_seen_from_a_side(page):
    at = checked(choose(page, "descent.view", "side"))
    assert not at.get("plotly_chart") and any("lab-surface" in one.proto.body for one in at.get("html"))
    checked(choose(at, "descent.turn", 90))


def test_the_plane_is_offered_only_where_there_is_a_path(page):
    kinds = next(one for one in page.get("button_group") if one.key == "descent.kind")
    assert list(kinds.options) == ["two directions", "two weights"]
    space = Workspace(page.session_state[_session.keys.WORKSPACE])
    id = keep_run(space, resolve(ModelRef("bundled:mnist-sprint")))
    page.session_state[_session.keys.MODEL] = f"run:{id}"
    surveyed(page.run())


def test_it_speaks_chinese(page):
    page.session_state[_session.keys.LANGUAGE] = "zh_CN"
    at = rolled(checked(page.run()))
    labels = [one.label for one in [*at.button, *at.selectbox, *at.number_input, *at.slider]]
    words = [*labels, *(one.value for one in at.markdown), *(one.value for one in at.caption)]
    words += [word for one in at.table for word in one.value.iloc[:, 0] if not word.startswith("`")]
    assert not {word: english_left(word) for word in words if english_left(word.replace("mnist-sprint", ""))}
