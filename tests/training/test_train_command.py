"""``train`` on the command line: its flags, its JSON, its refusals."""

import json

import pytest
import torch
from click.testing import CliRunner

from cnnlab.architecture import Architecture
from cnnlab.architecture.layers import Flatten, Linear
from cnnlab.cli import main
from cnnlab.data.loader import load
from cnnlab.model import Model
from cnnlab.training.recipe import Recipe


def call(*arguments):
    return CliRunner().invoke(main, ["train", *arguments])


SMALL = ("--net", "mnist-sprint", "--data", "mnist", "--limit-train", "256", "--precision", "float32", "--threads", "1",
         "--memory-format", "contiguous")  # fmt: skip


def test_train_prints_one_json_document_and_writes_the_model(lab_home, tmp_path, monkeypatch):
    out = tmp_path / "sprint.safetensors"
    monkeypatch.setattr("sys.argv", ["cnnlab", "train", "--net", "mnist-sprint"])
    told = call(*SMALL, "--seed", "3", "--lr", "0.02", "--batch-size", "64", "--out", str(out), "--json")
    assert told.exit_code == 0, told.output
    result = json.loads(told.stdout)
    assert result.keys() >= {"run", "test_acc", "train_s", "images_per_s", "model"}
    assert result["model"] == str(out)
    assert "step" in told.stderr
    model = Model.load(out)
    recipe = Recipe.of(model.about.recipe)
    assert (recipe.seed, recipe.lr, recipe.batch_size, recipe.limit_train) == (3, 0.02, 64, 256)
    assert (recipe.schedule, recipe.label_smoothing) == ("one_cycle", 0.05)  # the preset's own
    assert model.about.result["test_acc"] == result["test_acc"]
    assert model.about.result["command"] == "python -m cnnlab train --net mnist-sprint"
    assert (lab_home / "runs" / result["run"] / "model.safetensors").is_file()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--net", "no-such-net", "--data", "mnist"), "no-such-net"),
        (("--net", "mnist-sprint", "--data", "no-such-data"), "no-such-data"),
        (("--net", "article-004-cnn", "--data", "cifar10-sample"), "fc1"),
        ((*SMALL, "--lr", "-1"), "lr"),
        ((*SMALL, "--epochs", "0"), "epochs"),
        ((*SMALL, "--shift", "99"), "augmentation.shift"),
        ((*SMALL, "--optimizer", "lion"), "lion"),
        ((*SMALL, "--epochs", "many"), "many"),
        (("--data", "mnist"), "--net"),
    ],
)
def test_bad_input_is_one_sentence_and_exit_2(lab_home, arguments, told):
    result = call(*arguments, "--json")
    assert result.exit_code == 2
    assert result.stdout == ""
    assert told in result.stderr
    assert "Traceback" not in result.stderr


def test_a_run_that_fails_says_why(lab_home, tmp_path):
    network = Architecture(input_shape=(1, 28, 28), layers=(Flatten(), Linear(out_features=10)))
    (tmp_path / "net.json").write_text(network.to_json())
    result = call("--net", str(tmp_path / "net.json"), *SMALL[2:], "--batch-size", "16", "--optimizer", "sgd",
                  "--lr", "10", "--loss", "mse", "--epochs", "5", "--json")  # fmt: skip
    assert result.exit_code == 2
    assert "Try a smaller learning rate" in result.stderr


def test_half_the_bytes_and_tested_as_they_are_kept(lab_home, tmp_path):
    whole, half = tmp_path / "whole.safetensors", tmp_path / "half.safetensors"
    net = ("--net", "article-000-lenet5", *SMALL[2:])
    assert call(*net, "--out", str(whole)).exit_code == 0
    told = call(*net, "--out", str(half), "--half", "--json")
    assert told.exit_code == 0, told.output
    assert half.stat().st_size < 0.6 * whole.stat().st_size
    first, second, mnist = Model.load(whole), Model.load(half), load("mnist").test
    assert all(
        torch.equal(second.state[name], first.state[name].half().float())
        for name in first.state
        if name.endswith("weight")
    )
    right = (second.logits(mnist.images).argmax(1) == mnist.targets).double().mean().item()
    assert json.loads(told.stdout)["test_acc"] == second.about.result["test_acc"] == right


@pytest.mark.parametrize("name", ["file/model.safetensors", "file/deeper/model.safetensors"])
def test_a_place_that_cannot_be_written_is_refused_before_the_training(lab_home, tmp_path, name):
    (tmp_path / "file").write_text("no folder")
    told = call(*SMALL, "--out", str(tmp_path / name), "--json")
    assert told.exit_code == 2
    assert "cannot be written" in told.stderr and "step" not in told.stderr


def test_every_recipe_field_has_a_flag():
    flags = {option.name for option in main.commands["train"].params}
    assert set(Recipe.model_fields) - {"augmentation"} <= flags
    assert {"shift", "crop_padding", "rotate", "scale", "flip"} <= flags
