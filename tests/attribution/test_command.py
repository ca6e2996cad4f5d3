"""``explain`` on the command line: numbers, a picture, and one sentence for each kind of bad input."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from cnnlab.attribution import METHODS, attribute
from cnnlab.cli import main
from cnnlab.cli.explain import METHOD_IDS
from cnnlab.data.prepare import picture_to_input
from cnnlab.model import Model
from tests.insight.makers import mlp
from tests.pages.test_explore import colour_net, mnist_net


@pytest.fixture
def files(lab_home: Path, tmp_path: Path) -> Path:
    """Return a folder with two models and two pictures."""
    mnist_net().save(tmp_path / "grey.safetensors")
    colour_net().save(tmp_path / "colour.safetensors")
    digit = np.zeros((28, 28), np.uint8)
    digit[6:22, 12:16] = 230
    Image.fromarray(digit).save(tmp_path / "digit.png")
    photo = np.random.default_rng(3).integers(0, 256, (40, 50, 3), dtype=np.uint8)
    Image.fromarray(photo).save(tmp_path / "photo.png")
    return tmp_path


def explain(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["explain", *map(str, arguments)])


def answer(*arguments: object) -> dict:
    result = explain(*arguments, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_the_methods_in_the_help_are_those_there_are():
    assert METHOD_IDS.split(", ") == list(METHODS)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(("model", "picture"), [("grey", "digit"), ("colour", "photo")])
def test_every_method_gives_its_sum(files, method, model, picture):
    file = files / f"{model}.safetensors"
    value = answer("--model", file, "--method", method, files / f"{picture}.png", "--target", 3)
    loaded = Model.load(file)
    image = picture_to_input((files / f"{picture}.png").read_bytes(), loaded)
    wanted = attribute(loaded, image, method, 3)
    assert (value["method"], value["target"]) == (method, 3)
    assert value["attribution_sum"] == pytest.approx(wanted.sum, rel=1e-6)
    assert value.get("delta") == (pytest.approx(wanted.delta) if METHODS[method].complete else None)


def test_without_a_target_it_is_the_predicted_class(files):
    value = answer("--model", files / "grey.safetensors", "--method", "integrated_gradients", files / "digit.png")
    model = Model.load(files / "grey.safetensors")
    image = picture_to_input((files / "digit.png").read_bytes(), model)
    assert value["target"] == int(model.logits(image[None]).argmax())
    assert abs(value["attribution_sum"] - value["delta"]) <= 0.01 * max(1, abs(value["delta"]))


def test_a_picture_is_written(files):
    out = files / "out.png"
    value = answer("--model", files / "grey.safetensors", "--method", "grad_cam", files / "digit.png", "--out", out)
    assert value["out"] == str(out)
    assert value["layer"] == "conv1"
    assert Image.open(io.BytesIO(out.read_bytes())).size == (8 * (3 * 32 + 2), 8 * 32)


def test_for_people_it_is_lines(files):
    result = explain("--model", files / "grey.safetensors", "--method", "saliency", files / "digit.png")
    assert "attribution_sum: " in result.output


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"--method": "magic"}, "no such method; there are saliency"),
        ({"--target": "10"}, "classes 0 to 9"),
        ({"--target": "-1"}, "classes 0 to 9"),
        ({"--model": "nowhere.safetensors"}, "nowhere.safetensors"),
        ({"--model": "norun"}, "norun"),
        ({"image": "absent.png"}, "absent.png"),
        ({"image": "."}, "cannot be read"),
        ({"image": "broken.png"}, "cannot be read"),
        ({"image": "grey.safetensors"}, "cannot be read"),
        ({"--model": "mlp.safetensors", "--method": "grad_cam"}, "no convolution"),
        ({"--model": "digit.png"}, "safetensors"),
        ({"--out": "digit.png/deeper.png"}, "cannot be written"),
    ],
)
def test_bad_input_is_one_sentence_and_exit_code_two(files, change, said, monkeypatch):
    monkeypatch.chdir(files)
    (files / "broken.png").write_bytes((files / "digit.png").read_bytes()[:60])
    dense = mlp()
    dense.save(files / "mlp.safetensors")
    given = {"--model": "grey.safetensors", "--method": "saliency", **change}
    image = given.pop("image", "digit.png")
    if given["--model"] == "mlp.safetensors":
        monkeypatch.setattr("cnnlab.data.prepare.file_to_input", lambda _path, model: _blank(model.preprocessing))
    result = explain(*[part for pair in given.items() for part in pair], image, "--json")
    assert result.exit_code == 2, result.output
    assert result.stdout == ""
    assert said in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1
    assert "Traceback" not in result.stderr


def _blank(preprocessing):
    import torch

    return torch.zeros(preprocessing.data_shape, dtype=torch.uint8)
