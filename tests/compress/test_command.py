"""``compress`` on the command line: what it measures is what is in the file it writes."""

import json

import pytest
from click.testing import CliRunner

from cnnlab.architecture import Architecture
from cnnlab.architecture.layers import Conv2d, Flatten, Linear, ReLU
from cnnlab.cli import main
from cnnlab.compress.int8 import Int8Model
from cnnlab.data import loader
from cnnlab.data.dataset import DataSet
from cnnlab.description import bundled_path
from cnnlab.model import Model
from tests.compress.makers import needs_int8

FIXED = ("--precision", "float32", "--memory-format", "contiguous", "--threads", "1")


@pytest.fixture(autouse=True)
def fewer(lab_home, monkeypatch):
    """Let MNIST have its first 1,000 test images only; a home of the test's own."""
    whole, real = loader.load("mnist"), loader.load
    data = DataSet("mnist", "MNIST", whole.class_names, whole.train, whole.test[:1000], whole.hash)
    monkeypatch.setattr(loader, "load", lambda name: data if name == "mnist" else real(name))


def call(*arguments):
    return CliRunner().invoke(main, ["compress", *arguments])


def result_of(*arguments):
    told = call(*arguments, "--json")
    assert told.exit_code == 0, told.output
    return json.loads(told.stdout)


def right(model):
    test = loader.load("mnist").test
    return int((model.logits(test.images).argmax(1) == test.targets).sum())


def check(result, model, out):
    """Hold the figures of ``result`` against the file that was written."""
    after = result["after"]
    assert result["out"] == str(out)
    assert after["file_bytes"] == out.stat().st_size
    assert (after["right"], after["images"], after["test_acc"]) == (right(model), 1000, right(model) / 1000)
    assert result["before"]["right"] == right(Model.load(bundled_path("mnist-sprint"))) and result["data"] == "mnist"
    assert set(after["latency_s"]) == {"1", "64"} and min(after["latency_s"].values()) > 0
    gone = result["became_right"] - result["became_wrong"]
    assert after["right"] - result["before"]["right"] == gone
    assert len(result["changed"]) >= result["became_right"] + result["became_wrong"]


def test_prune_weights(tmp_path):
    out = tmp_path / "small.safetensors"
    result = result_of("--model", "mnist-sprint", "--prune", "0.4", "--out", str(out))
    model = Model.load(out)
    check(result, model, out)
    assert result["how"] == {"prune": {"share": 0.4, "per": "weight", "steps": 1, "epochs": 0}}
    assert result["after"]["zero_weights"] == round(0.4 * 18320)
    assert model.about.name == "mnist-sprint-pruned"
    assert model.about.result == {"made_from": "mnist-sprint", "compressed": result["how"]}


def test_prune_channels_and_learn_on(tmp_path):
    out = tmp_path / "small.safetensors"
    flags = ("--per", "channel", "--steps", "2", "--epochs", "1", "--limit-train", "512", *FIXED)
    result = result_of("--model", "mnist-sprint", "--prune", "0.25", *flags, "--out", str(out))
    model = Model.load(out)
    check(result, model, out)
    assert [row.output_shape[0] for row in model.architecture.trace().rows if isinstance(row.layer, Conv2d)] == [12, 24]
    assert result["after"]["num_params"] == 11458 == sum(p.numel() for p in model.network.parameters())
    assert result["how"]["kept"] == {"fc1": "the classes stay"} and result["how"]["tied"] == []
    assert result["after"]["test_acc"] > 0.9
    assert model.about.recipe["lr"] == pytest.approx(0.001) and model.about.recipe["limit_train"] == 512


@needs_int8
def test_int8(tmp_path):
    out = tmp_path / "small.safetensors"
    result = result_of("--model", "mnist-sprint", "--int8", "--out", str(out))
    model = Int8Model.load(out)
    check(result, model, out)
    told = result["how"]["int8"]
    assert told["layers"] == ["conv1", "conv2", "fc1"] and told["calibration"] == 256
    assert told["kernels"] == {"onednn.qconv_pointwise.default": 2, "onednn.qlinear_pointwise.default": 1}
    assert result["after"]["file_bytes"] < 0.4 * result["before"]["file_bytes"]
    assert abs(result["after"]["right"] - result["before"]["right"]) < 5


def test_distil(tmp_path):
    net, out = tmp_path / "net.json", tmp_path / "small.safetensors"
    layers = (Conv2d(out_channels=4, kernel_size=5, stride=3), ReLU(), Flatten(), Linear(out_features=10))
    net.write_text(Architecture(name="pupil", input_shape=(1, 28, 28), layers=layers).to_json())
    flags = ("--epochs", "1", "--limit-train", "512", "--lr", "0.01", "--temperature", "3", *FIXED)
    result = result_of("--model", "mnist-sprint", "--distil", str(net), *flags, "--out", str(out))
    model = Model.load(out)
    check(result, model, out)
    assert result["how"] == {"distil": {"temperature": 3.0, "soft": 0.7}}
    assert result["alone"]["name"] == "pupil alone" and result["alone"]["num_params"] == result["after"]["num_params"]
    assert result["alone"]["right"] != result["after"]["right"]
    assert model.about.name == "pupil" and model.about.result["made_from"] == "mnist-sprint"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ((), "--prune SHARE, --int8 or --distil NET"),
        (("--prune", "0.5", "--int8"), "--prune SHARE, --int8 or --distil NET"),
        (("--prune", "1.5"), "share: 1.5 is too large"),
        (("--prune", "0.5", "--steps", "0"), "steps"),
        (("--prune", "0.5", "--epochs", "999"), "epochs"),
        (("--prune", "0.5", "--data", "nothing"), "nothing"),
        (("--prune", "0.5", "--data", "cifar10-sample"), "1x28x28"),
        (("--distil", "no-such-net"), "no-such-net"),
        (("--distil", "article-000-lenet5", "--soft", "2"), "soft"),
    ],
)
def test_bad_input_is_one_sentence_and_exit_2(arguments, told):
    result = call("--model", "mnist-sprint", *arguments, "--json")
    assert result.exit_code == 2
    assert result.stdout == ""
    assert told in result.stderr
    assert "Traceback" not in result.stderr


def test_a_file_that_cannot_be_written_is_said_before_the_work(tmp_path):
    (tmp_path / "file").write_text("no folder")
    result = call("--model", "mnist-sprint", "--prune", "0.5", "--out", str(tmp_path / "file" / "small.safetensors"))
    assert result.exit_code == 2 and "cannot be written" in result.stderr


def test_without_json_a_table_is_printed():
    told = call("--model", "mnist-sprint", "--prune", "0")
    assert told.exit_code == 0
    assert "0 of 1000 test images of mnist changed their answer" in told.stdout
    lines = [line for line in told.stdout.splitlines() if line.startswith(("test accuracy", "multiply-adds"))]
    assert [line.split()[-1] for line in lines] == [
        f"{right(Model.load(bundled_path('mnist-sprint'))) / 1000:.2%}",
        "1,054,720",
    ]
