"""Train: start, watch, pause, resume, stop; a reload shows the same run; what cannot be trained says so."""

import time
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from cnnlab.architecture import Architecture
from cnnlab.architecture.layers import Flatten, Linear
from cnnlab.architecture.presets import PRESETS
from cnnlab.runs import Engine, engine
from cnnlab.training.recipe import Recipe
from cnnlab.workspace import Workspace, new_id
from pages import _session

ROOT = Path(__file__).resolve().parent.parent.parent
QUICK = Recipe(epochs=1, batch_size=32, lr=0.003, limit_train=320, threads=1, precision="float32")
LONG = Recipe(epochs=200, batch_size=32, threads=1, precision="float32")


@pytest.fixture(autouse=True)
def _home(lab_home: Path) -> object:
    """Give each test an empty home, and stop what it has started."""
    yield
    engine().close()


def train(id: str) -> AppTest:
    at = AppTest.from_file(str(ROOT / "pages" / "train.py"), default_timeout=60)
    at.session_state[_session._WORKSPACE] = id
    at.run()
    assert not at.exception, [e.value for e in at.exception]
    return at


def workspace(recipe: Recipe, preset: str = "mnist-sprint", data: str = "mnist") -> Workspace:
    space = Workspace(new_id())
    space.choose(recipe=recipe.model_dump_json(), architecture=PRESETS[preset].architecture.to_json(), data=data)
    return space


def html(at: AppTest) -> str:
    return "\n".join(e.proto.body for e in at.get("html"))


def until(space: Workspace, *states: str) -> str:
    """Return the current run's id once it is in one of ``states``."""
    deadline = time.monotonic() + 120
    id = str(space.choices.run)
    while engine().snapshot(id).state not in states:
        assert time.monotonic() < deadline, engine().snapshot(id)
        engine().wait(id, 0.05)
    return id


def keys(at: AppTest) -> set[str]:
    return {button.key for button in at.button}


def test_a_run_from_start_to_end() -> None:
    space = workspace(QUICK)
    at = train(space.id)
    assert "18,474 parameters · 320 images · 10 steps" in html(at)
    at.button(key="train.start").click().run()
    assert not at.exception and not at.error
    id = until(space, "done")
    assert space.choices.model == f"run:{id}"
    snapshot = engine().snapshot(id)
    again = train(space.id)  # a reload
    text = html(again) + "".join(found.value for found in again.markdown)
    assert f"{snapshot.test_acc:.1%}" in text and "test accuracy" in text
    assert "16 filters of conv1" in text and "of 16 test images right" in text
    assert "after step 10<" in text
    assert 'alt="Loss, training' in text
    assert not {"train.pause", "train.resume", "train.stop"} & keys(again)


def showing(space: str, key: str) -> AppTest:
    """Return the page once it shows ``key``: a view that many share is as old as its pace allows."""
    end = time.monotonic() + 10
    while key not in keys(at := train(space)):
        assert time.monotonic() < end, f"{key} is not shown"
    return at


def test_pause_reload_resume_stop() -> None:
    space = workspace(LONG)
    at = train(space.id)
    at.button(key="train.start").click().run()
    until(space, "running")
    at = showing(space.id, "train.pause")
    at.button(key="train.pause").click().run()
    assert not at.exception
    until(space, "paused")
    at = showing(space.id, "train.resume")
    at.button(key="train.resume").click().run()
    until(space, "running")
    at = train(space.id)
    at.button(key="train.stop").click().run()
    id = until(space, "stopped")
    assert not at.exception
    assert [e["do"] for e in engine().events(id) if e["kind"] == "command"] == ["pause", "resume", "stop"]
    assert "stopped" in html(train(space.id))


def test_another_workspace_sees_no_run() -> None:
    space = workspace(QUICK)
    train(space.id).button(key="train.start").click().run()
    id = until(space, "done")
    thief = workspace(QUICK)
    thief.choose(run=id)  # even one who knows the run's id
    at = train(thief.id)
    assert "lab-numbers" not in html(at) and "lab-numbers" in html(train(space.id))
    assert thief.choices.run is None


def test_a_failed_run_says_why_in_the_learners_language() -> None:
    space = workspace(QUICK.changed(optimizer="sgd", lr=10.0, loss="mse", limit_train=3200))
    line = Architecture(name="line", input_shape=(1, 28, 28), layers=(Flatten(), Linear(out_features=10)))
    space.choose(architecture=line.to_json())  # its error grows at each step, without end
    at = train(space.id)
    at.button(key="train.start").click().run()
    id = until(space, "failed", "done")
    snapshot = engine().snapshot(id)
    assert snapshot.state == "failed" and snapshot.error is not None
    space.choose(language="zh_CN")
    assert [e.value for e in train(space.id).error] == [snapshot.error.text("zh_CN")]


def test_data_that_does_not_fit_offers_what_does() -> None:
    space = workspace(QUICK, data="cifar10-sample")
    at = train(space.id)
    assert at.button(key="train.start").disabled
    assert "channels" in at.warning[0].value


def test_a_network_that_cannot_run_cannot_be_started() -> None:
    space = workspace(QUICK, "article-004-cnn", "cifar10-sample")
    at = train(space.id)
    assert at.button(key="train.start").disabled
    assert "3136" in at.warning[0].value


def test_a_preset_brings_its_recipe_and_data() -> None:
    space = workspace(QUICK)
    at = train(space.id)
    at.selectbox(key="train.network").set_value("article-002-cifar").run()
    assert not at.exception
    preset = PRESETS["article-002-cifar"]
    assert at.selectbox(key="train.network").value == "article-002-cifar"
    assert at.number_input(key="train.recipe.batch_size").value == Recipe.of(preset.recipe).batch_size
    assert at.selectbox(key="train.data").value.startswith("cifar10")
    assert Workspace(space.id).choices.recipe == Recipe.of(preset.recipe).model_dump_json()


def test_an_edit_of_the_recipe_is_kept() -> None:
    space = workspace(QUICK)
    at = train(space.id)
    at.number_input(key="train.recipe.epochs").set_value(4).run()
    assert Recipe.from_json(str(space.choices.recipe)).epochs == 4
    assert train(space.id).number_input(key="train.recipe.epochs").value == 4


def test_a_finished_run_can_be_deleted() -> None:
    space = workspace(QUICK)
    train(space.id).button(key="train.start").click().run()
    first = until(space, "done")
    train(space.id).button(key="train.start").click().run()
    second = until(space, "done")
    assert first != second and space.choices.model == f"run:{second}"
    at = train(space.id)
    at.button(key="train.delete.sure").click().run()
    assert not at.exception and not at.error
    assert [found.id for found in engine().list()] == [first]
    assert (space.choices.run, space.choices.model) == (first, _session.DEFAULT_MODEL)  # her other one is shown
    at.button(key="train.delete.sure").click().run()
    assert not at.exception and engine().list() == [] and space.choices.run is None
    assert "lab-numbers" not in html(at) and "train.delete.sure" not in keys(at)


def test_a_live_run_offers_no_deletion_and_nobody_deletes_anothers(monkeypatch: pytest.MonkeyPatch) -> None:
    space = workspace(LONG)
    train(space.id).button(key="train.start").click().run()
    until(space, "running")
    at = showing(space.id, "train.stop")
    assert "train.delete.sure" not in keys(at)
    at.button(key="train.stop").click().run()
    id = until(space, "stopped")
    at = showing(space.id, "train.delete.sure")
    asked: list[object] = []
    delete = Engine.delete
    monkeypatch.setattr(
        Engine, "delete", lambda lab, id, owner=None: (asked.append(owner), delete(lab, id, "somebody else"))
    )
    at.button(key="train.delete.sure").click().run()
    assert asked == [space.owner]
    assert "belongs to somebody else" in at.error[0].value
    assert engine().snapshot(id).state == "stopped"


def test_choosing_a_preset_keeps_ones_own_network_and_brings_it_back() -> None:
    space = workspace(QUICK)
    own = Architecture(name="my own", input_shape=(1, 28, 28), layers=(Flatten(), Linear()))
    space.choose(architecture=own.to_json())
    at = train(space.id)
    at.selectbox(key="train.network").set_value("mlp-lenet").run()
    assert not at.exception
    assert Architecture.from_json(str(space.choices.architecture)).name == "mlp-lenet"
    assert space.networks == {"my own": own}
    at.selectbox(key="train.network").set_value("mine:my own").run()
    assert not at.exception
    assert Architecture.from_json(str(space.choices.architecture)) == own


def test_a_run_keeps_its_number_when_an_older_one_is_deleted() -> None:
    space = workspace(QUICK)
    for _run in range(2):
        train(space.id).button(key="train.start").click().run()
        until(space, "done")
    at = train(space.id)
    labels = at.selectbox(key="train.run").options
    assert [label.split(": ")[1].split(",")[0] for label in labels] == ["your run 2", "your run 1"]
    oldest = engine().list(owner=space.owner)[-1].id
    engine().delete(oldest, owner=space.owner)
    train(space.id).button(key="train.start").click().run()
    until(space, "done")
    labels = train(space.id).selectbox(key="train.run").options
    assert [label.split(": ")[1].split(",")[0] for label in labels] == ["your run 3", "your run 2"]
