"""``surgery`` and ``lesions`` without a browser."""

import json

import pytest
from click.testing import CliRunner

from cnnlab.cli import main
from cnnlab.insight.surgery import Edit, operated, table_for
from cnnlab.model import Model
from cnnlab.runs.models import named


def run(*words):
    return CliRunner().invoke(main, words)


def test_surgery_says_what_changes_and_writes_the_model(tmp_path):
    out = tmp_path / "cut.safetensors"
    told = run(
        "surgery", "--model", "mnist-sprint", "--do", "silence", "conv2[5]", "--do", "scale=-1", "conv2.weight[1,3]",
        "--out", str(out), "--json",
    )  # fmt: skip
    assert told.exit_code == 0, told.output
    model = named("mnist-sprint")
    edits = [
        Edit(do="silence", layer="conv2", unit=5),
        Edit(do="scale", layer="conv2", unit=1, source=3, factor=-1),
    ]
    effect = table_for(model).operate(edits)[1]
    value = json.loads(told.stdout)
    assert (value["acc_before"], value["acc_after"]) == (effect.acc_before, effect.acc_after)
    assert [one["right_after"] for one in value["classes"]] == list(effect.after)
    written = Model.load(out)
    assert (written.state["conv2.weight"] == operated(model, edits).state["conv2.weight"]).all()
    assert written.about.result["measured"] == {"images": 2000, "acc": effect.acc_after}


def test_lesions_are_those_of_the_table():
    told = run("lesions", "--model", "mnist-sprint", "fc1", "--json")
    value = json.loads(told.stdout)
    effect = table_for(named("mnist-sprint")).operate([Edit(do="silence", layer="fc1", unit=4)])[1]
    assert value["channels"][4]["cost"] == pytest.approx(-effect.change)
    assert len(value["channels"]) == 10 and value["images"] == 2000


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "say what is to be done"),
        (("--do", "cure", "conv1[0]"), "not an operation"),
        (("--do", "silence=3", "conv1[0]"), "not an operation"),
        (("--do", "write", "conv1[0]"), "not an operation"),
        (("--do", "rotate=5", "conv1[0]"), "not an operation"),
        (("--do", "silence", "conv1"), "write a channel as"),
        (("--do", "silence", "conv1.bias[0]"), "write a channel as"),
        (("--do", "silence", "conv1[99]"), "channels 0 to 15"),
    ],
)
def test_what_makes_no_sense_ends_with_a_sentence(words, said):
    told = run("surgery", "--model", "mnist-sprint", *words)
    assert told.exit_code == 2 and said in told.output
