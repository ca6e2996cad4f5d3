"""Train: start, watch, pause, resume, stop; a reload shows the same run; what cannot be trained says so."""

import re
import time
from dataclasses import replace
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from cnnlab.architecture import Architecture
from cnnlab.architecture.layers import Flatten, Linear
from cnnlab.architecture.presets import PRESETS
from cnnlab.errors import RunError
from cnnlab.runs import Engine, engine
from cnnlab.training.change import LIVE_FIELDS
from cnnlab.training.recipe import Recipe
from cnnlab.workspace import Workspace, new_id
from pages import _hand, _recipe, _session, _time
from tests.insight.makers import model_of
from tests.pages.makers import keep_run

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
    at.session_state[_session.keys.WORKSPACE] = id
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


def runs_menu(at: AppTest):
    return next(menu for menu in at.selectbox if str(menu.key).startswith("train.run."))


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


@pytest.mark.parametrize("shape", [(1, 28, 28), (1, 32, 32)])
def test_an_empty_network_is_sent_to_where_layers_are_added(shape: tuple[int, int, int]) -> None:
    space = workspace(QUICK)
    at = train(space.id)
    at.session_state[_session.keys.ARCHITECTURE] = Architecture(name="nothing", input_shape=shape, layers=())
    at.run()
    assert not at.exception and at.button(key="train.start").disabled
    assert "no layer yet" in at.warning[0].value
    assert "train.adapt" not in {button.key for button in at.button}


def test_who_comes_from_build_with_another_network_sees_its_recipe_first() -> None:
    space = workspace(QUICK)
    space.choose(run=keep_run(space, model_of((1, 28, 28), [Flatten(), Linear(out_features=10)])))

    def order(at: AppTest) -> list[str]:
        return [name for name in (str(button.key) for button in at.button) if name in ("train.start", "train.delete")]

    assert order(train(space.id)) == ["train.delete", "train.start"]
    at = AppTest.from_file(str(ROOT / "pages" / "train.py"), default_timeout=60)
    at.session_state[_session.keys.WORKSPACE] = space.id
    at.session_state[_recipe.FROM_BUILD] = True
    assert order(at.run()) == ["train.start", "train.delete"]
    assert order(at.run()) == ["train.start", "train.delete"]  # until another run is shown


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


def test_a_finished_run_can_be_deleted_and_brought_back() -> None:
    space = workspace(QUICK)
    train(space.id).button(key="train.start").click().run()
    first = until(space, "done")
    train(space.id).button(key="train.start").click().run()
    second = until(space, "done")
    assert first != second and space.choices.model == f"run:{second}"
    at = train(space.id)
    at.button(key="train.delete").click().run()
    assert not at.exception and not at.error
    assert space.choices.bin == (second,)
    assert (space.choices.run, space.choices.model) == (first, _session.DEFAULT_MODEL)  # her other one is shown
    at.button(key="train.delete").click().run()
    assert not at.exception and space.choices.run is None
    assert "lab-numbers" not in html(at) and "train.delete" not in keys(at)
    at.button(key="runs.undo").click().run()
    assert not at.exception and space.choices.bin == (second,)
    assert {found.id for found in engine().list()} == {first, second}  # a slip has lost nothing


def test_a_live_run_offers_no_deletion() -> None:
    space = workspace(LONG)
    train(space.id).button(key="train.start").click().run()
    until(space, "running")
    at = showing(space.id, "train.stop")
    assert "train.delete" not in keys(at)
    at.button(key="train.stop").click().run()
    until(space, "stopped")
    assert "train.delete" in keys(showing(space.id, "train.delete"))


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
    labels = runs_menu(at).options
    assert [label.split(": ")[1].split(",")[0] for label in labels] == ["your run 2", "your run 1"]
    oldest = engine().list(owner=space.owner)[-1].id
    engine().delete(oldest, owner=space.owner)
    train(space.id).button(key="train.start").click().run()
    until(space, "done")
    labels = runs_menu(train(space.id)).options
    assert [label.split(": ")[1].split(",")[0] for label in labels] == ["your run 3", "your run 2"]


# -------------------------------------------------------------------- in the learner's hand
def started(recipe: Recipe = LONG) -> tuple[Workspace, str]:
    """Return a workspace whose run stands still, paused by hand."""
    space = workspace(recipe)
    train(space.id).button(key="train.start").click().run()
    until(space, "running")
    showing(space.id, "train.pause").button(key="train.pause").click().run()
    return space, until(space, "paused")


def opened(space: Workspace, drawer: str, key: str = "train.resume") -> AppTest:
    """Return the page with a drawer or a fold open."""
    at = showing(space.id, key)
    at.session_state[drawer] = True
    at.run()
    assert not at.exception, [e.value for e in at.exception]
    return at


def test_a_number_out_of_range_holds_back_the_start() -> None:
    at = train(workspace(QUICK).id)
    at.number_input(key="train.recipe.epochs").set_value(500).run()
    assert at.button(key="train.start").disabled
    assert at.warning[0].value == "Epochs: 500 is too large; use 200 or less"
    at.number_input(key="train.recipe.epochs").set_value(2).run()
    assert not at.button(key="train.start").disabled and not at.warning


def test_what_does_not_go_together_holds_back_the_start_though_its_drawer_is_closed() -> None:
    space = workspace(QUICK)
    at = opened(space, "train.recipe.more.open", "train.start")
    at.number_input(key="train.recipe.more.l1").set_value(-1.0).run()
    assert at.button(key="train.start").disabled
    assert at.warning[0].value.startswith("L1 penalty: -1")


def test_one_step_one_epoch_and_slow_motion() -> None:
    space, id = started(Recipe(epochs=2, batch_size=32, limit_train=3200, threads=1, precision="float32"))
    at_step = engine().snapshot(id).step
    showing(space.id, "train.step").button(key="train.step").click().run()
    wait_for(lambda: engine().snapshot(id).step == at_step + 1 and engine().snapshot(id).state == "paused")
    showing(space.id, "train.epoch").button(key="train.epoch").click().run()
    wait_for(lambda: engine().snapshot(id).step in (100, 200) and engine().snapshot(id).state in ("paused", "done"))
    if engine().snapshot(id).state == "paused":
        at = opened(space, "train.slow")
        at.button(key="train.slow.go").click().run()
        wait_for(lambda: engine().snapshot(id).rate == 2)
        assert "2 steps a second" in html(train(space.id)) + html(showing(space.id, "train.pause"))


def wait_for(what) -> None:
    end = time.monotonic() + 60
    while not what():
        assert time.monotonic() < end
        time.sleep(0.02)


def field(widgets, name: str):
    """Return the field ``name`` of the form that changes a live run."""
    (found,) = [one for one in widgets if re.fullmatch(rf"train\.change\.\w+\.\d+\.{name}", str(one.key))]
    return found


def test_the_form_begins_with_what_is_in_force_without_being_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """A browser that is shown two views in a row may miss what a widget is told in the first one alone."""
    flips = Recipe().augmentation.model_copy(update={"flip": True, "shift": 2})
    space, _id = started(LONG.changed(optimizer="sgd", momentum=0.9, nesterov=True, augmentation=flips))
    at = opened(space, "train.change_it")
    for _look in range(2):
        assert field(at.toggle, "nesterov").proto.default and field(at.toggle, "augmentation.flip").proto.default
        assert field(at.number_input, "momentum").proto.default == 0.9
        assert field(at.number_input, "augmentation.shift").proto.default == 2
        assert not field(at.toggle, "nesterov").proto.set_value
        at.run()


def test_a_change_is_made_marked_and_told() -> None:
    space, id = started()
    at = opened(space, "train.change_it")
    assert not [n for n in at.number_input if str(n.key).endswith(".momentum")]  # Adam has none
    field(at.number_input, "lr").set_value(0.5)
    field(at.multiselect, "frozen").set_value(["conv1"])
    at.button(key="train.change.send").click().run()
    assert not at.exception and not at.error
    wait_for(lambda: engine().snapshot(id).changes)
    (made,) = engine().snapshot(id).changes
    assert made["change"] == {"lr": 0.5, "frozen": ["conv1"]}
    wait_for(lambda: "lab-mark" in html(at := train(space.id)) and "Learning rate 0.001 → 0.5" in markdown(at))
    said = markdown(train(space.id))
    assert f"1. step {made['step']:,}: Learning rate 0.001 → 0.5; Frozen layers none → conv1" in said


def test_what_a_change_is_refused_for_can_be_changed() -> None:
    space, id = started(LONG.changed(optimizer="sgd", lr=0.01, momentum=0.9, nesterov=True))
    at = opened(space, "train.change_it")
    field(at.number_input, "momentum").set_value(0.0)
    at.button(key="train.change.send").click().run()
    assert "switch nesterov off" in at.error[0].value and not engine().snapshot(id).changes
    assert not at.success
    field(at.toggle, "nesterov").set_value(False)
    at.button(key="train.change.send").click().run()
    assert not at.exception and not at.error
    wait_for(lambda: engine().snapshot(id).changes)
    assert engine().snapshot(id).changes[0]["change"] == {"momentum": 0.0, "nesterov": False}


def test_all_that_can_change_live_is_offered_where_the_optimizer_has_it() -> None:
    every = set(LIVE_FIELDS) - {"augmentation", "layer_lr"}
    assert set(_hand.simple_fields(Recipe(optimizer="sgd"))) == every
    assert set(_hand.simple_fields(Recipe(optimizer="rmsprop"))) == every - {"nesterov"}
    for other in ("adam", "adamw", "adagrad"):
        assert set(_hand.simple_fields(Recipe(optimizer=other))) == every - {"nesterov", "momentum"}


def test_a_layer_learns_slowly_from_the_next_step_on_and_other_factors_stay() -> None:
    space, id = started(LONG.changed(layer_lr={"fc1": 2.0}))
    at = opened(space, "train.change_it")
    field(at.multiselect, "slow").set_value(["conv1"])
    at.button(key="train.change.send").click().run()
    assert not at.exception and not at.error
    wait_for(lambda: engine().snapshot(id).changes)
    assert engine().snapshot(id).changes[0]["change"] == {"layer_lr": {"conv1": 0.1, "fc1": 2.0}}


def test_layers_learn_slowly_from_the_first_step_or_as_the_one_thing_of_a_rewind() -> None:
    space = workspace(QUICK)
    at = opened(space, "train.recipe.more.open", "train.start")
    at.multiselect(key="train.recipe.more.slow").set_value(["conv1"]).run()
    shown = at.multiselect(key="train.recipe.more.slow").proto
    assert getattr(shown, "select_all", 0) == 0  # Streamlit's "Select all" is English on every page
    assert not at.exception and any("Slower or faster" in told.value and "conv1" in told.value for told in at.caption)
    at.button(key="train.start").click().run()
    id = until(space, "done")
    assert engine().snapshot(id).recipe.layer_lr == {"conv1": 0.1}

    at = train(space.id)
    at.button(key="train.rewind").click().run()
    field = f"train.branch.{id}.0"
    at = opened(space, f"{field}.more.open", "train.branch.start")
    assert at.multiselect(key=f"{field}.more.slow").value == ["conv1"]
    at.multiselect(key=f"{field}.more.slow").set_value([]).run()
    assert "Learning rate of single layers conv1 ×0.1 → none" in markdown(at)
    at.button(key="train.branch.start").click().run()
    child = engine().snapshot(until(space, "done"))
    assert (child.parent, child.parent_step, child.recipe.layer_lr) == (id, 0, {})


def markdown(at: AppTest) -> str:
    return "\n".join(found.value for found in at.markdown)


def test_a_change_out_of_range_is_not_sent() -> None:
    space, id = started()
    at = opened(space, "train.change_it")
    field(at.number_input, "lr").set_value(-1.0)
    at.button(key="train.change.send").click().run()
    assert "Learning rate" in at.error[0].value and not engine().snapshot(id).changes


def test_what_cannot_be_resumed_says_so_from_within_the_page(monkeypatch: pytest.MonkeyPatch) -> None:
    space, _id = started()
    showing(space.id, "train.stop").button(key="train.stop").click().run()
    until(space, "stopped")
    at = showing(space.id, "train.again")

    def full(*_: object, **__: object) -> None:
        raise RunError("the disk is full")

    monkeypatch.setattr(Engine, "resume", full)
    at.button(key="train.again").click().run()
    assert not at.exception and [said.value for said in at.toast] == ["the disk is full"]
    at.run()
    assert not at.toast


def test_a_stopped_run_is_resumed() -> None:
    space, id = started()
    showing(space.id, "train.stop").button(key="train.stop").click().run()
    until(space, "stopped")
    showing(space.id, "train.again").button(key="train.again").click().run()
    assert until(space, "running") == id and engine().snapshot(id).resumed == 1


def test_an_interrupted_run_says_so_and_offers_to_go_on() -> None:
    space, id = started()
    engine().close()  # the lab is shut down
    at = showing(space.id, "train.again")
    assert engine().snapshot(id).state == "interrupted"
    assert "Nothing is lost" in at.info[0].value
    at.button(key="train.again").click().run()
    assert until(space, "running") == id


@pytest.mark.parametrize("state", ["stopped", "interrupted"])
def test_a_run_that_has_kept_nothing_offers_no_way_to_go_on(state: str) -> None:
    space = workspace(QUICK)
    id = keep_run(space, model_of((1, 28, 28), [Flatten(), Linear(out_features=10)]), state=state, steps=20)
    space.choose(run=id)  # as one that was brought from elsewhere
    at = train(space.id)
    assert not {"train.again", "run_line.again"} & keys(at) and "lab-numbers" in html(at)
    assert at.button(key="train.branch").disabled and at.button(key="train.rewind").disabled
    said = "".join(info.value for info in at.info)
    assert "Nothing is lost" not in said and ("nothing is kept here" in said) == (state == "interrupted")


def test_a_run_that_waits_says_how_many_come_before_it(monkeypatch: pytest.MonkeyPatch) -> None:
    space, id = started()
    showing(space.id, "train.stop").button(key="train.stop").click().run()
    until(space, "stopped")
    waiting = replace(engine().snapshot(id), state="queued")
    monkeypatch.setattr(Engine, "position", lambda lab, id: 2)
    monkeypatch.setattr(Engine, "snapshot", lambda lab, id: waiting)
    at = showing(space.id, "train.stop")
    assert at.info[0].value == "Runs that come before this one: 2. It begins by itself when its turn comes."
    assert not {"train.step", "train.pause", "train.change_it"} & keys(at)


# -------------------------------------------------------------------- the time machine
def done() -> tuple[Workspace, str]:
    space = workspace(QUICK)
    train(space.id).button(key="train.start").click().run()
    return space, until(space, "done")


def test_the_slider_goes_back_to_each_kept_moment_on_every_page() -> None:
    space, id = done()
    at = train(space.id)
    slider = at.select_slider(key=f"time.{id}")
    assert slider.options[0] == "step 0: nothing learned yet" and slider.options[-1] == "end: step 10"
    assert slider.value == _time.NOW and "after step 10<" in html(at)
    slider.set_value(4).run()
    assert not at.exception and space.choices.model == f"run:{id}@4"
    assert "after step 4<" in html(at) and "lab-mark-now" in html(at) and "after step 10<" not in html(at)
    for page in ("explore", "draw", "explain"):
        other = AppTest.from_file(str(ROOT / "pages" / f"{page}.py"), default_timeout=60)
        other.session_state[_session.keys.WORKSPACE] = space.id
        other.run()
        assert not other.exception and other.select_slider(key=f"time.{id}").value == 4
    train(space.id).select_slider(key=f"time.{id}").set_value(_time.NOW).run()
    assert space.choices.model == f"run:{id}"


def test_a_moment_that_is_no_longer_kept_becomes_the_nearest() -> None:
    space, id = done()
    space.choose(model=f"run:{id}@5")
    assert train(space.id).select_slider(key=f"time.{id}").value == 4


@pytest.mark.parametrize("page", ["train", "explore", "smaller"])
def test_a_browser_that_has_not_heard_of_the_end_stays_at_the_newest_weights(page: str) -> None:
    space, id = started()
    at = AppTest.from_file(str(ROOT / "pages" / f"{page}.py"), default_timeout=60)
    at.session_state[_session.keys.WORKSPACE] = space.id
    slider = at.run().select_slider(key=f"time.{id}")
    assert slider.options[-1] == "now" and slider.value == _time.NOW
    sent = at._tree.get_widget_states()  # "now", as the browser goes on saying until it is told otherwise
    engine().command(id, {"do": "stop"}, owner=space.owner)
    until(space, "stopped")
    at.run()  # one look sees the end, and calls it "end: step ..."
    at._run(sent)  # the next was asked for before the answer to that one had come
    assert not at.exception
    assert at.select_slider(key=f"time.{id}").value == _time.NOW
    assert space.choices.model == f"run:{id}"


def test_the_last_moment_stays_where_it_is_when_the_run_is_over() -> None:
    space, id = done()
    space.choose(model=f"run:{id}@10")  # chosen while the run stood there, before *Stop*
    at = train(space.id)
    assert at.select_slider(key=f"time.{id}").value == _time.NOW and "after step 10<" in html(at)
    assert space.choices.model == f"run:{id}"


@pytest.mark.parametrize(
    ("step", "places", "stands_for", "place"),
    [
        (None, (0, 4), 10, _time.NOW),
        (4, (0, 4), 10, 4),
        (10, (0, 4), 10, _time.NOW),  # the end has no other place
        (9, (0, 4), 10, _time.NOW),
        (6, (0, 4), 10, 4),
        (12, (0, 4, 12), 4, 12),  # the best by validation was before the end
        (4, (0, 4, 12), 4, 4),
        (11, (0, 4, 12), 4, 12),
        (9, (0, 4), None, 4),  # it still learns: the newest weights are no moment yet
        (9, (), None, _time.NOW),
    ],
)
def test_where_the_slider_stands(step: int | None, places: tuple[int, ...], stands_for: int | None, place: int) -> None:
    labels = {**dict.fromkeys(places, ""), _time.NOW: ""}
    assert _time.at(step, labels, stands_for) == place


def test_a_branch_goes_on_from_the_slider_and_leads_to_its_parent() -> None:
    space, id = done()
    train(space.id).select_slider(key=f"time.{id}").set_value(4).run()
    at = train(space.id)
    at.button(key="train.branch").click().run()
    assert "Go on from step 4 of" in markdown(at) and "train.start" not in keys(at)
    field = f"train.branch.{id}.4"
    assert at.number_input(key=f"{field}.lr").value == QUICK.lr
    at.number_input(key=f"{field}.lr").set_value(0.01).run()
    assert "Learning rate 0.003 → 0.01" in markdown(at)
    at.button(key="train.branch.start").click().run()
    assert not at.exception and not at.error
    child = engine().snapshot(until(space, "done"))
    assert (child.parent, child.parent_step, child.recipe.lr) == (id, 4, 0.01)
    at = train(space.id)
    assert "Branched from step 4 of" in markdown(at) and "train.start" in keys(at)
    at.button(key="train.parent").click().run()
    assert space.choices.run == id


def test_a_rewind_changes_exactly_one_thing() -> None:
    space, id = done()
    at = train(space.id)
    at.button(key="train.rewind").click().run()
    start, field = at.button(key="train.branch.start"), f"train.branch.{id}.0"
    assert start.disabled and "the very same run" in at.warning[0].value
    at.number_input(key=f"{field}.lr").set_value(0.01)
    at.number_input(key=f"{field}.batch_size").set_value(16).run()
    assert at.button(key="train.branch.start").disabled and "Keep only one change" in at.warning[0].value
    at.number_input(key=f"{field}.batch_size").set_value(32).run()
    at.button(key="train.branch.start").click().run()
    child = engine().snapshot(until(space, "done"))
    assert (child.parent, child.parent_step) == (id, 0) and child.recipe == engine().snapshot(id).recipe.changed(
        lr=0.01
    )


def test_a_branch_can_be_left() -> None:
    space, _id = done()
    at = train(space.id)
    at.button(key="train.branch").click().run()
    at = train(space.id)  # a reload
    at.button(key="train.branch.leave").click().run()
    assert "train.start" in keys(at) and "train.branch.start" not in keys(at)


def test_a_change_that_the_engine_refuses_keeps_what_was_entered() -> None:
    space, id = started()
    at = opened(space, "train.change_it")
    field(at.number_input, "lr").set_value(0.5)
    every = list(field(at.multiselect, "frozen").options)
    field(at.multiselect, "frozen").set_value(every)
    at.button(key="train.change.send").click().run()
    assert "nothing is left to learn" in at.error[0].value and not engine().snapshot(id).changes
    assert field(at.number_input, "lr").value == 0.5 and field(at.multiselect, "frozen").value == every
    field(at.multiselect, "frozen").set_value(every[:1])
    at.button(key="train.change.send").click().run()
    wait_for(lambda: engine().snapshot(id).changes)
    assert engine().snapshot(id).changes[0]["change"] == {"lr": 0.5, "frozen": every[:1]}


def test_a_branch_tells_what_is_frozen_from_its_parent_and_what_its_recipe_changed() -> None:
    space, id = started()
    engine().command(id, {"do": "change", "frozen": ["conv1"]}, owner=space.owner)
    wait_for(lambda: engine().snapshot(id).changes)
    engine().command(id, {"do": "step"}, owner=space.owner)
    wait_for(lambda: engine().snapshot(id).step > engine().snapshot(id).changes[0]["step"])
    engine().command(id, {"do": "stop"}, owner=space.owner)
    until(space, "stopped")
    parent = engine().snapshot(id)
    place = max(info.step for info in engine().checkpoints(id))
    assert place > parent.changes[0]["step"]
    recipe = parent.recipe_at(place).changed(lr=0.02, weight_decay=0.001)
    child = engine().branch(id, place, recipe.model_dump(mode="json"), owner=space.owner)
    space.choose(run=child)
    at = train(space.id)
    said = markdown(at)
    assert f"1. step {place:,}: conv1 frozen, from its parent; Learning rate 0.001 → 0.02; Weight decay" in said
    assert "none → conv1" not in said
    assert at.button(key="train.rewind").label == "Start again from here"
    engine().command(child, {"do": "stop"}, owner=space.owner)


def test_what_a_browser_still_says_of_the_menu_of_the_last_run_does_not_bring_that_run_back() -> None:
    space, id = done()
    at = train(space.id)
    at.button(key="train.start").click().run()
    first = until(space, "done")
    at = train(space.id)
    before = runs_menu(at)
    assert before.value == first
    late = before._widget_state  # sent before the browser knew of the new run
    at.button(key="train.start").click().run()
    new = until(space, "done")
    assert new != first and runs_menu(at).value == new
    states = at._tree.get_widget_states()
    states.widgets.add().CopyFrom(late)
    at._run(states)
    assert not at.exception and space.choices.run == new
    runs_menu(at).set_value(id).run()
    assert space.choices.run == id and runs_menu(at).value == id
    runs_menu(at).set_value(new).run()
    runs_menu(at).set_value(id).run()
    assert space.choices.run == id
