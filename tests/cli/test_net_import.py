"""``net import``: the JSON of the documentation, exit code 2 where no network results, one sentence for what cannot be."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from cnnlab.architecture import Architecture
from cnnlab.architecture.presets import PRESETS
from cnnlab.architecture.source import to_pytorch
from cnnlab.cli import main

SOURCE = """import torch
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3)
        self.fc = nn.Linear({numbers}, 10)

    def forward(self, x):
        x = torch.relu(self.conv(x))
        return self.fc(x.flatten(1))

net = Net()
print(net)
{fed}
"""
FED = "net(torch.zeros(1, 3, 8, 8))"


def run(*words: str | Path) -> tuple[int, str, str]:
    result = CliRunner().invoke(main, ["net", "import", *map(str, words)])
    return result.exit_code, result.stdout, result.stderr


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "net.py"
    path.write_text(SOURCE.format(numbers=8 * 6 * 6, fed=FED))
    return path


def test_json_and_out(file: Path, tmp_path: Path) -> None:
    code, out, err = run(file, "--out", tmp_path / "net.json", "--json")
    found = json.loads(out)
    assert (code, err) == (0, "")
    assert set(found) == {"architecture", "input_shape", "num_params", "problems", "ignored", "notes", "choices"}
    assert found["input_shape"] == [3, 8, 8]
    assert found["num_params"] == 8 * 27 + 8 + 288 * 10 + 10
    assert found["problems"] == []
    assert [one["line"] for one in found["ignored"]] == [15, 16]
    architecture = Architecture.from_json(json.dumps(found["architecture"]))
    assert architecture == Architecture.from_json((tmp_path / "net.json").read_text())
    assert [layer.kind for layer in architecture.layers] == ["Conv2d", "ReLU", "Flatten", "Linear"]


def test_in_words(file: Path) -> None:
    code, out, err = run(file)
    assert (code, err) == (0, "")
    assert "Net, input 3×8×8" in out
    assert "line 15: ignored" in out


def test_numbers_that_do_not_fit_stand_at_their_line(tmp_path: Path) -> None:
    path = tmp_path / "net.py"
    path.write_text(SOURCE.format(numbers=100, fed=FED))
    code, out, _err = run(path, "--json")
    found = json.loads(out)
    assert code == 0
    assert found["architecture"] is not None
    assert [(one["line"], "288" in one["text"] and "100" in one["text"]) for one in found["problems"]] == [(8, True)]


def test_the_size_is_asked_for_and_given(tmp_path: Path) -> None:
    path = tmp_path / "net.py"
    path.write_text("from torch import nn\nnet = nn.Sequential(nn.Conv2d(1, 2, 3), nn.AdaptiveAvgPool2d(1))\n")
    code, out, _err = run(path, "--json")
    found = json.loads(out)
    assert code == 2
    assert (found["architecture"], found["input_shape"], found["num_params"]) == (None, None, None)
    assert "how large" in found["problems"][0]["text"]
    code, out, err = run(path)
    assert (code, out) == (2, "")
    assert "how large" in err
    assert run(path, "--input", "1,9,9")[0] == 0


def test_one_of_several(tmp_path: Path) -> None:
    path = tmp_path / "net.py"
    path.write_text(
        "from torch import nn\na = nn.Sequential(nn.Conv2d(1, 2, 3))\nb = nn.Sequential(nn.Conv2d(1, 4, 3))\n"
    )
    code, out, _err = run(path, "--json")
    assert (code, json.loads(out)["choices"]) == (2, ["a", "b"])
    code, out, _err = run(path, "--network", "b", "--input", "1,9,9", "--json")
    assert (code, json.loads(out)["num_params"]) == (0, 40)


@pytest.mark.parametrize("given", ["1,28", "a,b,c", "0,28,28", "1,28,99999999", "1,2,3,4", "65,8,8"])
def test_a_size_that_cannot_be(file: Path, given: str) -> None:
    code, out, err = run(file, "--input", given)
    assert (code, out) == (2, "")
    assert "C,H,W" in err


def test_no_file_and_no_text(tmp_path: Path) -> None:
    code, _out, err = run(tmp_path / "none.py")
    assert code == 2
    assert "cannot be read" in err
    (tmp_path / "large.py").write_bytes(b"#" * 10_000_000)
    code, _out, err = run(tmp_path / "large.py")
    assert code == 2
    assert "characters" in err


def test_what_net_code_writes(tmp_path: Path) -> None:
    for name in ("mnist-sprint", "mlp-lenet"):
        path = tmp_path / f"{name}.py"
        path.write_text(to_pytorch(PRESETS[name].architecture))
        code, out, _err = run(path, "--json")
        assert (code, json.loads(out)["num_params"]) == (0, PRESETS[name].architecture.trace().num_params)
