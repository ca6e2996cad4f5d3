"""``trace``: one object whose terms add up, in both modes, with errors in one sentence."""

from __future__ import annotations

import json
import math

import pytest
from click.testing import CliRunner
from PIL import Image

from cnnlab.cli import main
from cnnlab.data.loader import load
from cnnlab.runs import engine
from tests.runs.labs import spec


@pytest.fixture(scope="module")
def digit(tmp_path_factory):
    path = tmp_path_factory.mktemp("trace") / "digit.png"
    Image.fromarray(load("mnist").test.images[3, 0].numpy()).resize((96, 96)).save(path)
    return str(path)


def traced(*words: str) -> dict:
    done = CliRunner().invoke(main, ["trace", *words, "--json"])
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def added_up(value: dict) -> float:
    return value["bias"] + math.fsum(term["product"] for term in value["terms"]) + value["rest"]


@pytest.mark.parametrize("unit", ["conv2[3,4,5]", "fc1[7]", "pool1[1,2,3]", "input[0,9,9]", "probs[3]"])
def test_the_terms_and_the_rest_are_the_number(digit, unit):
    value = traced("--model", "article-000-lenet5", digit, "--unit", unit, "--top", "4")
    assert value["unit"].endswith(unit[unit.index("[") :])
    assert {"unit", "value", "bias", "terms", "rest", "sum"} <= value.keys()
    assert len(value["terms"]) <= 4
    assert added_up(value) == pytest.approx(value["sum"], abs=1e-9)
    assert abs(value["sum"] - value["value"]) <= 1e-5 * max(1.0, abs(value["value"]))
    for term in value["terms"]:
        assert term.keys() >= {"input", "weight", "product"}


def test_without_a_unit_it_is_the_predicted_class(digit):
    value = traced("--model", "article-003-keras", digit)
    assert value["kind"] == "Softmax" and value["value"] > 0.5


def test_training_mode_says_its_batch(digit):
    words = ("--model", "mnist-sprint", digit, "--unit", "bn1[2,5,5]")
    evaluated, trained = traced(*words), traced(*words, "--training", "--batch", "16")
    assert evaluated["mode"] == "evaluation" and "batch" not in evaluated
    assert trained["batch"] == {"data": "mnist", "split": "train", "first": 15, "size": 16, "seed": 0}
    assert trained["numbers"]["mean"] != evaluated["numbers"]["mean"]
    assert added_up(trained) == pytest.approx(trained["value"], abs=1e-4)


def test_what_is_wrong_is_one_sentence(digit):
    done = CliRunner().invoke(main, ["trace", "--model", "article-000-lenet5", digit, "--unit", "conv2[99,0,0]"])
    assert done.exit_code == 2
    assert done.stderr.strip().splitlines() == [
        "conv2[99,0,0]: no such number; conv2 has 16x10x10 numbers, the last one is conv2[15,9,9]"
    ]


def test_the_unit_that_is_proposed_in_place_of_a_weight_is_there(digit):
    words = ["trace", "--model", "article-000-lenet5", digit, "--unit"]
    said = CliRunner().invoke(main, [*words, "conv1.weight[0,0,1,1]"]).stderr
    assert said.strip().endswith("ask for a unit, for example conv1[0,0,0]")
    assert CliRunner().invoke(main, [*words, "conv1[0,0,0]"]).exit_code == 0


def test_a_person_reads_a_table(digit):
    done = CliRunner().invoke(main, ["trace", "--model", "article-000-lenet5", digit, "--unit", "fc1[7]", "--top", "2"])
    assert "the rest (" in done.output and "fc1.weight[7," in done.output


def test_the_trail_goes_down_to_a_pixel(digit):
    value = traced("--model", "article-000-lenet5", digit, "--unit", "probs[0]", "--trail", "--top", "3")
    hops = value["trail"]
    assert hops[0]["unit"] == value["unit"] == "probs[0]" and hops[1]["unit"] == "fc3[0]"
    assert [hop["follows"] for hop in hops[:-1]] == [hop["unit"] for hop in hops[1:]]
    assert hops[-1]["kind"] == "Preprocessing" and hops[-1]["follows"].startswith("image[0,")
    for hop in hops:
        assert added_up(hop) == pytest.approx(hop["value"], abs=1e-4)


@pytest.mark.parametrize("unit", ["fc3[2]", "conv2[3,4,5]", "conv1.weight[0,0,1,1]", "fc1.bias[3]"])
def test_a_gradient_adds_up(digit, unit):
    words = ("--model", "article-000-lenet5", digit, "--unit", unit, "--gradient", "--target", "2", "--top", "4")
    value = traced(*words)
    assert value["target"] == 2 and value["loss"] > 0
    assert added_up(value) == pytest.approx(value["value"], abs=1e-5)
    assert ("step" in value) == (".weight" in unit or ".bias" in unit)
    if "step" in value:
        step = traced(*words, "--batch", "4", "--steps", "2")["step"]
        assert step["number"] == 3 and step["remembered"] and step["lines"][-1]["value"] == step["after"]


def test_the_step_of_a_run_has_what_its_optimizer_remembered_unless_it_begins_afresh(digit, lab_home):
    id = engine().submit(spec())
    assert engine().wait(id, 60).state == "done"
    words = ("--model", id, digit, "--unit", "conv1.weight[0,0,1,1]", "--gradient", "--target", "2")
    value, steps = traced(*words), engine().snapshot(id).steps
    assert (
        value["optimizer_from_step"] == steps and value["step"]["number"] == steps + 1 and value["step"]["remembered"]
    )
    fresh = traced(*words, "--afresh")
    assert fresh["optimizer_from_step"] is None and fresh["step"]["number"] == 1 and not fresh["step"]["remembered"]
    assert fresh["value"] == value["value"]


@pytest.mark.parametrize("more", [(), ("--gradient",), ("--trail",)])
def test_a_network_whose_training_failed_gives_null(digit, tmp_path, more):
    from tests.pages.test_explore import mnist_net

    model = mnist_net()
    model.state["conv1.weight"][0] = float("nan")
    model.state["fc1.weight"][0] = float("inf")
    model.save(tmp_path / "failed.safetensors")
    value = traced("--model", str(tmp_path / "failed.safetensors"), digit, "--unit", "fc1[0]", *more)
    assert value["value"] is None and value["unit"] == "fc1[0]"
