"""The doctor of networks: findings of a run and of a description, their buttons, find the fault, the learning rate."""

from collections.abc import Callable
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from cnnlab.architecture import Architecture
from cnnlab.architecture.layers import Conv2d, Flatten, Linear, ReLU, Softmax
from cnnlab.architecture.presets import PRESETS
from cnnlab.health.faults import FAULTS
from cnnlab.health.rules import RULES
from cnnlab.runs import engine, lr_search
from cnnlab.runs.snapshot import BLANK, Snapshot
from cnnlab.training.recipe import Recipe
from cnnlab.workspace import Workspace, new_id
from pages import _fault_state, _session

ROOT = Path(__file__).resolve().parent.parent.parent
SPRINT = PRESETS["mnist-sprint"].architecture
QUICK = Recipe(epochs=2, batch_size=32, lr=0.003, limit_train=1600, threads=1, precision="float32")
WILD = QUICK.changed(lr=5.0)
SPOILT = Architecture(
    name="spoilt",
    input_shape=(1, 28, 28),
    layers=(Conv2d(out_channels=4), ReLU(), Flatten(), Linear(out_features=16), Softmax(), Linear(out_features=10)),
)


@pytest.fixture(autouse=True)
def _home(lab_home: Path) -> object:
    yield
    engine().close()


def page(name: str, space: Workspace) -> AppTest:
    at = AppTest.from_file(str(ROOT / "pages" / f"{name}.py"), default_timeout=60)
    at.session_state[_session.keys.WORKSPACE] = space.id
    return looked(at.run())


def looked(at: AppTest) -> AppTest:
    assert not at.exception, [e.value for e in at.exception]
    return at


def learner(recipe: Recipe = QUICK, network: Architecture = SPRINT) -> Workspace:
    space = Workspace(new_id())
    space.choose(recipe=recipe.model_dump_json(), architecture=network.to_json(), data="mnist")
    return space


def recipe_of(space: Workspace) -> Recipe:
    return Recipe.from_json(str(space.choices.recipe))


def network_of(space: Workspace) -> Architecture:
    return Architecture.from_json(str(space.choices.architecture))


def train(space: Workspace, at: AppTest | None = None) -> str:
    """Start a run with the page's own button and return its id once it is over."""
    before = space.choices.run
    looked((at or page("train", space)).button(key="train.start").click().run())
    id = str(space.choices.run)
    assert id != before and not engine().wait(id, 120).live
    return id


def words(at: AppTest) -> str:
    shown = [*at.markdown, *at.caption, *at.info, *at.success, *at.warning, *at.subheader]
    return "\n".join([str(one.value) for one in shown] + [e.proto.body for e in at.get("html")])


def keys(at: AppTest) -> set[str]:
    return {str(button.key) for button in at.button}


def test_a_finding_says_why_and_its_button_changes_the_next_run_and_can_be_undone() -> None:
    space = learner(WILD)
    id = train(space)
    at = page("train", space)
    assert "What stands out in this run" in words(at) and "Learning rate too high" in words(at)
    assert 'alt="Loss over the steps' in words(at)
    assert 'class="lab-run lab-run-failed"' in words(at)  # it has ended, and not well
    looked(at.button(key="health.apply.learning-rate-high").click().run())
    assert recipe_of(space) == WILD.changed(lr=0.5) and engine().snapshot(id).recipe.lr == 5.0
    assert "Changed for the next run: Learning rate 5 → 0.5" in words(at)
    assert at.number_input(key="train.recipe.lr").value == 0.5
    assert at.button(key="health.apply.learning-rate-high").disabled
    looked(at.button(key="health.undo").click().run())
    assert recipe_of(space) == WILD and "Changed for the next run" not in words(at)


def test_what_the_learner_has_changed_since_stays() -> None:
    space = learner(WILD)
    train(space)
    at = page("train", space)
    looked(at.number_input(key="train.recipe.epochs").set_value(7).run())
    looked(at.button(key="health.apply.learning-rate-high").click().run())
    assert recipe_of(space) == WILD.changed(lr=0.5, epochs=7)


def test_of_a_branch_that_fell_ill_it_is_said_what_it_changed() -> None:
    space = learner()
    id = train(space)
    branch = engine().branch(id, 0, QUICK.changed(lr=5.0).model_dump(mode="json"), owner=space.owner)
    assert engine().wait(branch, 120).state == "done"
    space.choose(run=branch)
    said = words(page("train", space))
    assert "What stands out in this run" in said
    assert "This run differs from its parent in" in said and "Learning rate 0.003 → 5." in said


def test_a_remedy_never_brings_back_some_of_what_the_learner_has_left() -> None:
    """The run learned at 5, the next one is to learn at 0.02: a tenth of 5 would be a step back."""
    space = learner(WILD)
    train(space)
    at = page("train", space)
    looked(at.number_input(key="train.recipe.lr").set_value(0.02).run())
    looked(at.button(key="health.apply.learning-rate-high").click().run())
    assert recipe_of(space) == WILD.changed(lr=0.02)
    assert "The next run has that already." in words(at)


def test_a_network_that_the_learner_builds_meanwhile_is_kept() -> None:
    space = learner(network=SPOILT)
    train(space)
    own = Architecture(name="own", input_shape=(1, 28, 28), layers=(Flatten(), Linear(out_features=10)))
    space.choose(architecture=own.to_json())
    at = page("train", space)
    looked(at.button(key="health.apply.softmax-inside").click().run())
    assert [layer.kind for layer in network_of(space).layers][4] == "ReLU" and own in space.networks.values()
    looked(at.button(key="health.undo").click().run())
    assert network_of(space) == own


def test_a_healthy_run_is_left_in_peace() -> None:
    space = learner()
    train(space)
    at = page("train", space)
    assert f"None of {len(RULES)} rules has anything to say" in words(at)
    assert 'class="lab-run lab-run-done"' in words(at)
    assert not [key for key in keys(at) if key.startswith("health.apply")]


def test_each_layer_has_its_charts_once_they_are_asked_for() -> None:
    space = learner()
    train(space)
    at = page("train", space)
    assert "<h4>" not in words(at)
    at.session_state["health.layers"] = True
    looked(at.run())
    assert (
        "<h4>conv1</h4>" in words(at)
        and "<h4>bn1 · relu1</h4>" in words(at)
        and 'alt="Gradient over the steps' in words(at)
    )
    assert 'alt="Spread over the steps' not in words(at)
    pills = next(one for one in at.get("button_group") if one.key == "train.health.series")
    looked(pills.set_value([*pills.value, "std"]).run())
    assert 'alt="Spread over the steps' in words(at)


@pytest.mark.parametrize("language", ["en", "zh_CN"])
def test_build_says_what_is_the_matter_before_a_step(language: str) -> None:
    space = learner(network=SPOILT)
    space.choose(language=language)
    at = page("build", space)
    assert ("Softmax in the middle" if language == "en" else "Softmax 放在了中间") in words(at)
    looked(at.button(key="build.health.apply.softmax-inside").click().run())
    assert [layer.kind for layer in network_of(space).layers][4] == "ReLU"
    assert "build.health.apply.softmax-inside" not in keys(at) and "ReLU()" in words(at)
    looked(at.button(key="build.health.undo").click().run())
    assert network_of(space).layers == SPOILT.layers


def test_a_sound_network_hears_nothing_on_build() -> None:
    assert not [key for key in keys(page("build", learner())) if key.startswith("build.health")]


def test_train_says_what_is_the_matter_with_the_recipe_before_a_step() -> None:
    space = learner(QUICK.changed(optimizer="sgd", momentum=0.99))
    at = page("train", space)
    assert "Momentum too high" in words(at)
    looked(at.button(key="train.health.apply.momentum-too-high").click().run())
    assert recipe_of(space).momentum == 0.9 and "train.health.apply.momentum-too-high" not in keys(at)
    looked(page("build", space))


def test_the_finder_suggests_a_rate_and_it_is_used() -> None:
    space = learner()
    at = page("train", space)
    at.session_state["train.lr.open"] = True
    looked(at.run())
    looked(at.button(key="train.lr.start").click().run())
    found = lr_search.wait(space.owner, 120)
    assert found is not None and found.finding is not None and found.finding.suggested is not None
    looked(at.run())
    assert "The loss falls fastest at" in words(at)
    looked(at.button(key="train.lr.use").click().run())
    assert (
        recipe_of(space).lr == float(f"{found.finding.suggested:.2g}") == at.number_input(key="train.recipe.lr").value
    )
    assert at.button(key="train.lr.use").disabled
    looked(at.number_input(key="train.recipe.batch_size").set_value(16).run())
    assert "train.lr.start" in keys(at)  # made for another batch size


def test_a_search_is_called_off() -> None:
    space = learner(QUICK.changed(batch_size=1600))
    at = page("train", space)
    at.session_state["train.lr.open"] = True
    looked(at.run())
    looked(at.button(key="train.lr.start").click().run())
    looked(at.button(key="train.lr.cancel").click().run())
    found = lr_search.wait(space.owner, 60)
    assert found is not None and found.state == "cancelled" and "train.lr.start" in keys(at)


# -------------------------------------------------------------------- find the fault
def number_of(wanted: Callable[[str], bool]) -> int:
    return next(n for n in range(1, 200) if wanted(_fault_state.fault(n).rule))


def begun(space: Workspace, number: int) -> AppTest:
    at = page("train", space)
    looked(at.number_input(key="train.fault.number").set_value(number).run())
    return looked(at.button(key="train.fault.begin").click().run())


def test_every_fault_can_be_drawn() -> None:
    assert {_fault_state.fault(n).rule for n in range(1, 200)} == {*FAULTS}


def test_a_fault_is_planted_trained_named_mended_and_ones_own_network_comes_back() -> None:
    own = Architecture(name="own", input_shape=(1, 28, 28), layers=(Flatten(), Linear(out_features=10)))
    space = learner(QUICK, own)
    number = number_of(lambda rule: rule == "batch-too-large")  # a run of nine steps
    fault = _fault_state.fault(number)
    at = begun(space, number)
    assert network_of(space).layers == fault.architecture.layers and recipe_of(space) == fault.recipe
    assert "fault.answer" not in keys(at) and RULES[fault.rule].title not in words(at)
    train(space, at)
    at = page("train", space)  # a reload
    assert "hidden until you have named" in words(at) and RULES[fault.rule].title not in words(at)
    assert "batch " not in "".join(
        e.proto.body for e in at.get("html") if "lab-facts" in e.proto.body and "·" in e.proto.body
    )

    wrong = [choice for choice in fault.choices if choice != fault.rule]
    for choice in wrong[:2]:
        assert "fault.tell" not in keys(at)
        looked(at.radio(key=f"fault.choice.{number}").set_value(choice).run())
        looked(at.button(key="fault.answer").click().run())
        assert f"{RULES[choice].title}: no, that is not it. Look at the recipe: how many images" in words(at)
    assert "fault.tell" in keys(at)
    looked(at.radio(key=f"fault.choice.{number}").set_value(fault.rule).run())
    looked(at.button(key="fault.answer").click().run())
    assert f"Right: {RULES[fault.rule].title}." in words(at) and "What stands out in this run" in words(at)
    assert not [key for key in keys(at) if ".apply." in key]  # it is mended by hand

    mine = (space.choices.architecture, space.choices.recipe)
    space.choose(architecture=SPRINT.to_json(), recipe=QUICK.model_dump_json())
    train(space)  # another network, as from another device: it shows nothing of the fault
    at = page("train", space)
    assert "Mended: " not in words(at) and "Judged: " not in words(at)
    assert f"Only runs of {fault.architecture.name} are." in words(at)
    assert [key for key in keys(at) if key.startswith("health.apply")] == []
    space.choose(architecture=mine[0], recipe=mine[1])

    train(space)  # nothing was changed: no verdict
    assert "Mended" not in words(page("train", space))
    at = page("train", space)
    looked(at.number_input(key="train.recipe.batch_size").set_value(1024).run())
    train(space, at)
    at = page("train", space)
    assert "is still there" in words(at) and f"Judged: {fault.architecture.name}: your run" in words(at).replace(
        "\\", ""
    )
    at = page("train", space)
    looked(at.number_input(key="train.recipe.batch_size").set_value(64).run())
    train(space, at)
    at = page("train", space)
    assert "Mended: " in words(at) and "the run below" in words(at)

    looked(at.button(key="fault.end").click().run())
    assert network_of(space) == own and recipe_of(space) == QUICK and space.choices.data == "mnist"
    assert "train.fault.begin" in keys(at) and "fault.end" not in keys(at)


def test_after_two_wrong_answers_it_is_told() -> None:
    space = learner()
    number = number_of(lambda rule: rule == "batch-too-large")
    train(space, begun(space, number))
    at = page("train", space)
    fault = _fault_state.fault(number)
    for choice in [choice for choice in fault.choices if choice != fault.rule][:2]:
        looked(at.radio(key=f"fault.choice.{number}").set_value(choice).run())
        looked(at.button(key="fault.answer").click().run())
    looked(at.button(key="fault.tell").click().run())
    assert f"It is this: {RULES[fault.rule].title}." in words(at)


def test_build_and_the_recipe_give_no_fault_away() -> None:
    space = learner()
    number = number_of(lambda rule: rule == "softmax-inside")
    begun(space, number)
    assert not [key for key in keys(page("build", space)) if key.startswith("build.health")]
    at = page("train", space)
    assert not [key for key in keys(at) if key.startswith("train.health")]
    looked(at.button(key="fault.next").click().run())
    assert recipe_of(space) == _fault_state.fault(number + 1).recipe


def test_build_tells_of_the_round_and_undo_ends_at_the_planted_network() -> None:
    own = Architecture(name="own", input_shape=(1, 28, 28), layers=(Flatten(), Linear(out_features=10)))
    space = learner(network=own)
    number = number_of(lambda rule: rule == "softmax-inside")
    assert "Find the fault" not in words(page("build", space))
    begun(space, number)
    at = page("build", space)
    assert f"**Find the fault {number}**" in words(at) and at.button(key="build.undo").disabled
    planted = network_of(space)
    space.choose(architecture=planted.remove(1).to_json(), past=(own.to_json(), planted.to_json()))
    at = page("build", space)
    looked(at.button(key="build.undo").click().run())
    assert network_of(space) == planted and at.button(key="build.undo").disabled


def test_only_runs_of_the_planted_network_begun_after_the_answer_count() -> None:
    number = number_of(lambda rule: rule == "batch-too-large")
    planted = _fault_state.fault(number)
    name = planted.architecture.name
    now = _fault_state.Game(number, since=100.0, named_at=200.0)

    def run(net: str = name, **changes: object) -> Snapshot:
        identity = {"id": "r", "name": net, "owner": "", "net": net, "data": "mnist", "data_hash": "", "created": 300.0}
        setup = {"recipe": planted.recipe.changed(batch_size=64), "epochs": 3, "images": None, "parent": None}
        network = planted.architecture.renamed(net).key
        return Snapshot(**{**BLANK, **identity, **setup, "architecture_key": network, **changes})

    assert _fault_state.counts(run(), now) and _fault_state.counts(run(net=f"{name} 2"), now)
    assert not _fault_state.counts(run(net="mnist-sprint"), now) and not _fault_state.counts(run(net=f"{name}1"), now)
    assert not _fault_state.counts(run(created=150.0), now) and not _fault_state.counts(run(data="cifar10"), now)
    assert not _fault_state.counts(run(recipe=planted.recipe.changed(seed=7)), now)  # as it was planted
    assert not _fault_state.counts(run(), _fault_state.Game(number, since=100.0))
