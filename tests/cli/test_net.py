"""``net list``, ``net show``, ``net code``: the JSON of the documentation, one sentence for what cannot be."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from cnnlab.architecture import Architecture
from cnnlab.architecture.presets import PRESETS
from cnnlab.architecture.source import to_pytorch
from cnnlab.cli import main


def run(*words: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(main, ["net", *words])
    return result.exit_code, result.stdout, result.stderr


def test_list() -> None:
    code, out, err = run("list", "--json")
    entries = json.loads(out)
    assert (code, err) == (0, "")
    assert [entry["name"] for entry in entries] == list(PRESETS)
    assert set(entries[0]) == {"name", "title", "source", "input_shape", "num_params", "error"}
    by_name = {entry["name"]: entry for entry in entries}
    assert by_name["article-000-lenet5"]["num_params"] == 61_706
    assert by_name["article-000-lenet5"]["input_shape"] == [1, 32, 32]
    assert [name for name, entry in by_name.items() if entry["error"]] == ["article-004-cnn"]
    assert "4096" in by_name["article-004-cnn"]["error"]
    assert by_name["article-004-cnn"]["num_params"] is None
    assert all(name in run("list")[1] for name in PRESETS)


@pytest.mark.parametrize("name", [name for name, preset in PRESETS.items() if not preset.error])
def test_show(name: str) -> None:
    code, out, err = run("show", name, "--json")
    shown = json.loads(out)
    trace = PRESETS[name].architecture.trace()
    assert (code, err) == (0, "")
    assert (shown["num_params"], shown["macs"]) == (trace.num_params, trace.macs)
    assert [tuple(layer["output_shape"]) for layer in shown["layers"]] == [row.output_shape for row in trace.rows]
    assert set(shown["layers"][0]) == {"name", "kind", "output_shape", "num_params", "macs", "receptive_field"}
    assert sum(layer["num_params"] for layer in shown["layers"]) == shown["num_params"]
    assert f"{trace.num_params:,}" in run("show", name)[1]


def test_show_counts_the_receptive_field() -> None:
    layers = {layer["name"]: layer for layer in json.loads(run("show", "article-000-lenet5", "--json")[1])["layers"]}
    assert layers["pool2"]["receptive_field"] == {"size": [16, 16], "stride": [4, 4]}
    assert layers["fc1"]["receptive_field"] == {"size": [32, 32], "stride": None}


def test_show_for_another_input() -> None:
    shown = json.loads(run("show", "mnist-sprint", "--input", "3,32,32", "--json")[1])
    assert shown["input_shape"] == [3, 32, 32]
    assert shown["layers"][0]["num_params"] == 3 * 25 * 16 + 16


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["show", "article-004-cnn"], "fc1"),
        (["show", "article-004-cnn", "--json"], "fc1"),
        (["code", "article-004-cnn"], "fc1"),
        (["show", "article-000-lenet5", "--input", "1,28,28"], "256 features arrive"),
        (["show", "mnist-sprint", "--input", "1,28"], "C,H,W"),
        (["show", "mnist-sprint", "--input", "1,28,x"], "C,H,W"),
        (["show", "mnist-sprint", "--input", "1,28,99999999999999"], "C,H,W"),
        (["show", "mnist-sprint", "--input", "0,28,28"], "1 to 64"),
        (["show", "mnist-sprint", "--input", "1,2000,28"], "1 to 1024"),
        (["show", "nobody"], "preset"),
        (["code", "/"], "preset"),
    ],
)
def test_what_cannot_be_is_one_sentence(words: list[str], says: str) -> None:
    code, out, err = run(*words)
    assert (code, out) == (2, "")
    assert says in err
    assert err.count("\n") == 1


def test_code_and_files(tmp_path: Path) -> None:
    architecture = PRESETS["lenet5-1998"].architecture.renamed("mine")
    path = tmp_path / "mine.json"
    path.write_text(architecture.to_json(), encoding="utf-8")
    assert run("code", str(path)) == (0, to_pytorch(architecture), "")
    assert Architecture.from_json(path.read_text()) == architecture
    path.write_text("[" * 200_000, encoding="utf-8")
    code, _out, err = run("show", str(path))
    assert code == 2
    assert "nests deeper" in err
