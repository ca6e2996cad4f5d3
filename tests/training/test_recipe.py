"""The recipe: its ranges, its defaults, its sentences."""

import pytest

from cnnlab.architecture.presets import PRESETS
from cnnlab.errors import RecipeError
from cnnlab.i18n import translate
from cnnlab.training.recipe import LABELS, Recipe


def test_json_brings_the_same_recipe_back():
    recipe = Recipe(
        optimizer="sgd", momentum=0.9, nesterov=True, augmentation={"flip": True, "shift": 2}, limit_train=7
    )
    assert Recipe.from_json(recipe.model_dump_json()) == recipe


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_brings_a_valid_recipe(name):
    assert isinstance(Recipe.of(PRESETS[name].recipe), Recipe)


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"lr": 0}, "lr: 0 is too small"),
        ({"lr": float("nan")}, "lr"),
        ({"lr": float("inf")}, "lr"),
        ({"epochs": 0}, "epochs: 0 is too small; use 1 or more"),
        ({"epochs": 2.5}, "whole number"),
        ({"batch_size": 10**8}, "use 10000000 or less"),
        ({"optimizer": "lion"}, "'lion' is not known here; use sgd, adam, adamw, rmsprop or adagrad"),
        ({"colour": 1}, "colour: there is no such field"),
        ({"augmentation": {"shift": -1}}, "augmentation.shift"),
        ({"warmup": 1}, "warmup"),
        ({"nesterov": True}, "momentum 0.9"),
        ({"nesterov": True, "optimizer": "sgd"}, "momentum 0.9"),
        ({"loss": "mse", "label_smoothing": 0.1}, "no meaning with mse"),
        ({"warmup_epochs": 1, "schedule": "one_cycle"}, "set warmup, or use warmup_epochs 0"),
        ({"full_train": True, "early_stopping": 2}, "switch full_train off"),
        ({"full_train": True, "schedule": "reduce_on_plateau"}, "switch full_train off"),
        ({"mixup": -1}, "mixup"),
        ({"augmentation": {"shear": 61}}, "augmentation.shear"),
    ],
)
def test_a_wrong_field_is_one_sentence_with_a_way_out(fields, told):
    with pytest.raises(RecipeError) as caught:
        Recipe.of(fields)
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)
    assert caught.value.text("zh_CN") != str(caught.value)


@pytest.mark.parametrize("text", ["", "[]", "{", '{"lr": "x"}', '{"lr": 1e999}', "null"])
def test_text_that_is_no_recipe(text):
    with pytest.raises(RecipeError):
        Recipe.from_json(text)


def test_changed_checks_the_whole():
    recipe = Recipe(optimizer="sgd", momentum=0.9, nesterov=True)
    assert recipe.changed(lr=0.5).lr == 0.5
    with pytest.raises(RecipeError):
        recipe.changed(momentum=0)


@pytest.mark.parametrize("name", Recipe.model_fields)
def test_every_field_has_a_title_and_an_explanation_in_both_languages(name):
    info = Recipe.model_fields[name]
    assert info.title and info.description
    assert translate(info.description, {}, "zh_CN") != info.description
    assert info.title == "Nesterov" or translate(info.title, {}, "zh_CN") != info.title


def test_every_choice_has_a_label():
    schema = Recipe.model_json_schema()["properties"]
    choices = [choice for field in schema.values() for choice in field.get("enum", ())]
    assert choices and set(choices) == set(LABELS)
