"""Find the fault: each is found by its own rule in a real training, and nothing else on the list is right."""

import math
from functools import cache
from typing import get_args

import pytest

from cnnlab.architecture import Architecture
from cnnlab.architecture.layers import BatchNorm2d, Flatten, ReLU
from cnnlab.architecture.presets import PRESETS
from cnnlab.errors import RunError
from cnnlab.health.facts import DataFacts
from cnnlab.health.faults import CHOICES, FAULTS, Fault, check, mended, plant
from cnnlab.health.rules import RULES
from cnnlab.i18n import set_language
from cnnlab.training.recipe import ADAPTIVE, Optimizer, Recipe
from tests.health.makers import SOUND, Trained, conv, dense, described, digits, network, run, small, trained

RECIPE = Recipe.of(SOUND)
NET = small()
ROOMY = PRESETS["article-000-lenet5"].architecture


@cache
def facts() -> DataFacts:
    return DataFacts.of(digits(), RECIPE)


@cache
def planted(name: str) -> Fault:
    return plant(name, NET, RECIPE, facts(), seed=1)


@cache
def trained_with(name: str) -> Trained:
    fault = planted(name)
    recipe = fault.recipe if name != "batchnorm-batch" else fault.recipe.changed(limit_train=400, epochs=1)
    return trained(fault.architecture, recipe, digits())


def test_there_are_enough_to_choose_from() -> None:
    assert len(FAULTS) >= 8 and {*FAULTS} <= {*RULES}
    assert described(NET, RECIPE, digits()).ids == () and run("healthy").ids == ()  # what they are planted in is sound


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_found_by_its_own_rule_in_a_real_training(name: str) -> None:
    fault, case = planted(name), trained_with(name)
    assert fault.rule == name and (fault.recipe, fault.architecture) != fault.sound == (RECIPE, NET)
    assert name in case.ids
    assert {*fault.choices} & {*case.ids} == {name}, "another answer is right, too"


@pytest.mark.parametrize("name", ["learning-rate-high", "learning-rate-low"])
@pytest.mark.parametrize("optimizer", get_args(Optimizer))
def test_a_learning_rate_is_spoilt_as_each_optimizer_feels_it(optimizer: str, name: str) -> None:
    sound = RECIPE.changed(optimizer=optimizer, lr=1e-3 if optimizer in ADAPTIVE - {"adagrad"} else 1e-2)
    assert name not in trained(NET, sound, digits()).ids
    drawn = [plant(name, NET, sound, facts(), seed=seed) for seed in range(6)]
    mildest = min(drawn, key=lambda fault: abs(math.log(fault.recipe.lr / sound.lr)))
    assert name in trained(mildest.architecture, mildest.recipe, digits()).ids


@pytest.mark.parametrize("name", FAULTS)
def test_one_answer_is_right_and_the_others_are_told_so(name: str) -> None:
    fault = planted(name)
    assert len({*fault.choices}) == len(fault.choices) == CHOICES
    assert [choice for choice in fault.choices if check(fault, choice)] == [name]
    assert not check(fault, "") and name not in repr(fault).replace(repr(fault.choices), "")
    for language in ("en", "zh_CN"):
        set_language(language)
        assert len({title.text() for title in fault.titles}) == CHOICES


@pytest.mark.parametrize("name", FAULTS)
def test_it_is_mended_by_what_was_there_before_and_not_by_nothing(name: str) -> None:
    fault = planted(name)
    assert not mended(fault, fault.architecture, fault.recipe, facts())
    assert mended(fault, fault.sound[1], fault.sound[0], facts())
    assert not mended(fault, fault.architecture, fault.recipe.changed(epochs=7), facts())


@pytest.mark.parametrize("name", FAULTS)
def test_it_is_mended_by_what_its_rule_offers(name: str) -> None:
    fault, case = planted(name), trained_with(name)
    recipe, architecture = fault.recipe, fault.architecture
    change = case.finding(name).change
    assert change is not None
    for _click in range(4):  # a tenth of the learning rate, a few times
        step = change[0]
        if name.startswith("learning-rate"):
            recipe = recipe.changed(lr=recipe.lr * step.lr / fault.recipe.lr)
        elif name == "weight-decay-strong":
            recipe = recipe.changed(weight_decay=recipe.weight_decay / 10)
        else:
            recipe, architecture = change
        if mended(fault, architecture, recipe, facts()):
            return
    pytest.fail("still there")


def test_a_run_of_the_mended_network_is_the_better_judge() -> None:
    fault, case = planted("learning-rate-high"), trained_with("learning-rate-high")
    assert not mended(fault, case.architecture, case.recipe, facts(), case.history)
    healthy = run("healthy")
    assert mended(fault, healthy.architecture, healthy.recipe, facts(), healthy.history)


def test_another_fault_in_its_place_is_no_repair() -> None:
    fault = planted("learning-rate-low")
    worse = fault.recipe.changed(lr=1e-3, batch_size=5000)
    assert mended(fault, NET, fault.recipe.changed(lr=2e-3), facts())
    assert not mended(fault, NET, worse, facts())
    assert not mended(fault, NET, fault.recipe.changed(lr=0.1), facts())
    other = fault.recipe.changed(optimizer="sgd", lr=0.05)
    assert mended(fault, NET, other, facts()) and not mended(fault, NET, other.changed(lr=5.0), facts())
    assert not mended(fault, network(Flatten(), ReLU(), conv(3)), fault.recipe.changed(lr=1e-3), facts())


def test_the_same_seed_plants_the_same_and_others_all_kinds() -> None:
    drawn = [plant(seed, ROOMY, RECIPE, facts()) for seed in range(60)]
    assert drawn == [plant(seed, ROOMY, RECIPE, facts()) for seed in range(60)]
    assert {fault.rule for fault in drawn} == {*FAULTS}
    assert len({fault.choices.index(fault.rule) for fault in drawn}) == CHOICES  # not always in the same place
    assert [fault.seed for fault in drawn] == [*range(60)]


@pytest.mark.parametrize("name", [name for name, preset in PRESETS.items() if preset.error is None])
def test_presets_can_be_spoilt_too(name: str) -> None:
    preset = PRESETS[name]
    recipe = Recipe.of(preset.recipe)
    for seed in range(8):
        fault = plant(seed, preset.architecture, recipe, facts())
        fault.architecture.check()
        assert fault.rule in fault.choices and not mended(fault, fault.architecture, fault.recipe, facts())


def test_pictures_of_things_are_mirrored_in_vain() -> None:
    things = DataFacts("things", ("cat", "ship", *"abcdefgh"), (540,) * 10)
    with pytest.raises(RunError, match="mirrored-characters cannot be planted"):
        plant("mirrored-characters", NET, RECIPE, things)
    assert {plant(seed, NET, RECIPE, things).rule for seed in range(40)}.isdisjoint(
        {"mirrored-characters", "turned-characters"}
    )


def test_what_cannot_be_planted_is_refused_by_name() -> None:
    with pytest.raises(RunError, match="there is no fault called broken"):
        plant("broken", NET, RECIPE, facts())
    flat: Architecture = network(Flatten(), dense(10))
    for name in ("no-nonlinearity", "map-too-small", "sigmoid-stack", "batchnorm-batch", "softmax-inside"):
        with pytest.raises(RunError, match=f"{name} cannot be planted"):
            plant(name, flat, RECIPE, facts())
    normed = network(conv(4), BatchNorm2d(), ReLU(), Flatten(), dense(10))
    with pytest.raises(RunError, match="sigmoid-stack"):
        plant("sigmoid-stack", normed, RECIPE, facts())
