"""Train's "Begin with": new weights or a model's, layer by layer, the fitting network by one button, and the comparison."""

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from cnnlab.architecture.head import with_head
from cnnlab.architecture.presets import PRESETS
from cnnlab.data.loader import load
from cnnlab.description import ModelRef, bundled_path
from cnnlab.runs import engine, resolve
from cnnlab.training.recipe import Recipe
from cnnlab.workspace import Workspace, new_id
from pages import _begin_state, _session, _time
from tests.pages.makers import keep_run

ROOT = Path(__file__).resolve().parent.parent.parent
SPRINT = PRESETS["mnist-sprint"].architecture
BUNDLED = "bundled:mnist-sprint"
TINY = Recipe(epochs=1, batch_size=20, limit_train=40, precision="float32", threads=1)


@pytest.fixture
def space(lab_home, monkeypatch):
    monkeypatch.chdir(ROOT)
    yield Workspace(new_id())
    engine().close()


def train(space, network=SPRINT, data="fashion_mnist-sample", model=BUNDLED, recipe=TINY, language="en"):
    space.choose(architecture=network.to_json(), data=data, recipe=recipe.model_dump_json())
    space.choose_widget(_begin_state.MODEL, model)
    at = AppTest.from_file(str(ROOT / "pages" / "train.py"), default_timeout=60)
    at.session_state[_session.keys.WORKSPACE] = space.id
    at.session_state[_session.keys.LANGUAGE] = language
    at.run()
    assert not at.exception
    return at


def said(at):
    return "\n".join(one.value for one in [*at.caption, *at.markdown, *at.warning, *at.info]).replace("\\", "")


def test_new_weights_are_the_first_choice_and_models_that_fit_stand_before_others(space):
    at = train(space, model=_begin_state.NEW)
    menu = at.selectbox(key="train.begin")
    assert menu.value == _begin_state.NEW and menu.options[0] == "new weights"
    assert menu.options[1] == "mnist-sprint: comes with the lab · 5 of 5 learning layers fit"
    assert menu.options[-1].endswith("another network")
    menu.set_value(BUNDLED).run()
    assert not at.exception
    assert (
        "Taken: conv1, bn1, conv2, bn2. New: fc1 (the model's last layer tells other classes apart (0, 1, 2, ...))."
        in (said(at))
    )


def test_the_shortcuts_freeze_or_slow_down_what_is_taken_and_the_run_does_as_was_said(space):
    at = train(space)
    at.button(key="train.begin.freeze").click().run()
    assert "Frozen: conv1, bn1, conv2, bn2." in said(at)
    at.button(key="train.begin.slow").click().run()
    assert "Slower or faster: bn1 ×0.1, bn2 ×0.1, conv1 ×0.1, conv2 ×0.1." in said(at) and "Frozen:" not in said(at)
    at.button(key="train.start").click().run()
    assert not at.exception and not at.error
    run = engine().wait(engine().list(space.owner)[0].id, 60)
    assert run.start.taken == ("conv1", "bn1", "conv2", "bn2") and run.start.fresh == ("fc1",)
    assert run.recipe.layer_lr == dict.fromkeys(("bn1", "bn2", "conv1", "conv2"), 0.1)
    at = train(space)
    assert "Began with weights of mnist-sprint in all layers but fc1." in said(at)
    assert at.select_slider(key=f"time.{run.id}").options[0] == "step 0: weights taken from mnist-sprint"
    branch = engine().wait(engine().branch(run.id, 0, {"seed": 1}), 60)
    assert _time.moments(branch.id)[0][0] == "step 0: weights taken from mnist-sprint"


def test_a_data_set_is_called_in_the_learners_language(space):
    at = train(space, network=with_head(SPRINT, 3), model=_begin_state.NEW, language="zh_CN")
    assert "网络有 3 个输出，而 Fashion-MNIST 样本 有 10 个类别" in said(at)


def test_another_number_of_classes_is_one_button(space):
    at = train(space, network=with_head(SPRINT, 3), model=_begin_state.NEW)
    assert "has 3 outputs, but Fashion-MNIST sample has 10 classes" in said(at)
    assert at.button(key="train.start").disabled
    at.button(key="train.head").click().run()
    assert not at.exception and not at.button(key="train.start").disabled
    assert space.choices.architecture and SPRINT.layers[-1].out_features == 10
    assert _session.keys.ARCHITECTURE in at.session_state
    assert at.session_state[_session.keys.ARCHITECTURE].layers == SPRINT.layers


def test_the_network_that_fits_a_model_is_one_button_and_the_old_one_is_kept(space):
    mine = PRESETS["article-003-keras"].architecture.renamed("of my own").replace(0, SPRINT.layers[0])
    at = train(space, network=mine)
    assert "Taken: conv1. New: conv2 (other shape: weight is 32×16×5×5 in the model and 64×16×3×3 here)" in said(at)
    at.button(key="train.fitting").click().run()
    assert not at.exception
    assert at.session_state[_session.keys.ARCHITECTURE].layers == SPRINT.layers
    assert "of my own" in space.networks
    assert "Taken: conv1, bn1, conv2, bn2." in said(at)


def test_ones_own_run_can_be_borrowed_from_and_nobody_elses(space):
    model = resolve(ModelRef(BUNDLED))
    mine = keep_run(space, model, architecture_key=SPRINT.key)
    other = keep_run(Workspace(new_id()), model, architecture_key=SPRINT.key)
    at = train(space, model=f"run:{mine}")
    assert at.selectbox(key="train.begin").value == f"run:{mine}" and "Taken: conv1" in said(at)
    at = train(space, model=f"run:{other}")
    assert at.selectbox(key="train.begin").value == _begin_state.NEW


def test_a_model_that_was_brought_along_can_be_borrowed_from(space):
    source = space.save_model(bundled_path("mnist-sprint").read_bytes())
    at = train(space, model=source)
    assert at.selectbox(key="train.begin").value == source and "Taken: conv1, bn1, conv2, bn2." in said(at)
    assert "mnist-sprint: your own model · 5 of 5 learning layers fit" in at.selectbox(key="train.begin").options


def test_what_the_picture_sends_is_checked(space, monkeypatch):
    state, kept = {}, {}
    monkeypatch.setattr(_begin_state.st, "session_state", state)
    monkeypatch.setattr(_session, "keep", kept.__setitem__)
    monkeypatch.setattr(_session, "kept", kept.get)
    _begin_state._set(_begin_state.Layers("x", ("fc1",), ()))
    monkeypatch.setattr(_session, "architecture", lambda: SPRINT)
    recipes = [TINY]
    monkeypatch.setattr(_session, "recipe", lambda: recipes[-1])
    monkeypatch.setattr(_session, "set_recipe", recipes.append)

    def send(**action):
        state[_begin_state.NET] = type("Sent", (), {"action": action})()
        _begin_state.on_picture()
        return _begin_state._layers()

    assert send(do="take", layers=["conv1", "nothing"], value=False).fresh == ("fc1", "conv1")
    assert send(do="take", layers=["conv1", "fc1"], value=True).fresh == ()
    assert send(do="learn", layers=["conv1", "bn1"], value="0").frozen == ("conv1", "bn1")
    assert send(do="learn", layers=["bn1"], value="0.3").frozen == ("conv1",) and recipes[-1].layer_lr == {"bn1": 0.3}
    assert send(do="take", layers=["conv1"], value=False).frozen == ()  # new, it has everything to learn
    before = (_begin_state._layers(), recipes[-1])
    for wrong in (
        {"do": "learn", "layers": ["bn1"], "value": "quick"}, {"do": "learn", "layers": ["bn1"], "value": "-1"},
        {"do": "learn", "layers": ["bn1"], "value": "nan"}, {"do": "take", "layers": "conv1", "value": True},
        {"do": "take", "layers": ["conv1"], "value": "yes"}, {"do": "erase", "layers": ["conv1"]}, {},
    ):  # fmt: skip
        send(**wrong)
        assert (_begin_state._layers(), recipes[-1]) == before


def test_what_was_chosen_for_each_layer_outlasts_a_reload(space):
    at = train(space)
    at.button(key="train.begin.freeze").click().run()
    frozen = "Frozen: conv1, bn1, conv2, bn2."
    assert frozen in said(at)
    again = AppTest.from_file(str(ROOT / "pages" / "train.py"), default_timeout=60)
    again.session_state[_session.keys.WORKSPACE] = space.id
    assert frozen in said(again.run())
    names = tuple(f"stage{number}.block.conv" for number in range(300))  # more than fit into one choice of a workspace
    kept = _begin_state.Layers("x", (), names)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_session, "keep", space.choose_widget)
        patch.setattr(_session, "kept", lambda key, default: space.choices.widgets.get(key, default))
        _begin_state._set(kept)
        assert _begin_state._layers() == kept


def test_the_comparison_is_made_from_the_panel_and_shown(space):
    recipe = TINY.changed(limit_train=None, batch_size=200)
    at = train(space, recipe=recipe)
    assert "18 short runs" in said(at)
    at.segmented_control(key="train.sizes.seeds").set_value(1)
    at.segmented_control(key="train.sizes.steps").set_value(50).run()
    assert "6 short runs" in said(at) and load("fashion_mnist-sample").train.counts(10) == (500,) * 10
    at.button(key="train.sizes.begin").click().run()
    assert not at.exception
    from cnnlab.runs.comparing import stop

    stop(space.owner)


@pytest.mark.parametrize("language", ["en", "zh_CN"])
def test_in_both_languages_with_blocks_and_with_a_model_that_does_not_fit(space, language):
    at = train(space, network=PRESETS["resnet20-cifar"].architecture, data="cifar10-sample", language=language)
    assert not at.error and at.button(key="train.start").disabled is False
    at = train(space, network=PRESETS["article-004-cnn"].architecture, data="mnist", language=language)
    assert at.button(key="train.start").disabled
    assert at.button(key="train.fitting")


def test_a_network_that_does_not_run_is_left_by_the_same_button(space):
    at = train(space, network=PRESETS["article-004-cnn"].architecture, data="mnist")
    at.button(key="train.fitting").click().run()
    assert not at.exception and not at.button(key="train.start").disabled


def test_single_layers_rates_of_a_recipe_are_said_without_a_picture_too_and_taken_back(space):
    recipe = TINY.changed(layer_lr={"conv1": 0.5, "conv9": 0.1})
    at = train(space, model=_begin_state.NEW, recipe=recipe)
    assert "Slower or faster: conv1 ×0.5." in said(at)  # the layer that is not here would keep the run from beginning
    at.button(key="train.begin.all").click().run()
    assert not at.exception and "Slower or faster" not in said(at)
    assert at.session_state[_session.keys.RECIPE].layer_lr == {}
