"""``export``: each thing is written, the JSON says what and where, and what cannot be is one sentence."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from cnnlab.architecture import Architecture, make_layer, share
from cnnlab.architecture.presets import PRESETS, load_network
from cnnlab.cli import main
from cnnlab.export import EXPORTS
from cnnlab.model import Model
from cnnlab.training.recipe import Recipe


def run(*words: Any) -> tuple[int, str, str]:
    result = CliRunner().invoke(main, ["export", *map(str, words)])
    return result.exit_code, result.stdout, result.stderr


@pytest.mark.parametrize("to", [name for name in EXPORTS if name != "link"])
def test_a_model_becomes_each_of_them(to: str, tmp_path: Path) -> None:
    out = tmp_path / f"made{EXPORTS[to].suffix}"
    code, text, err = run("--model", "article-003-keras", "--to", to, "--out", out, "--json")
    assert (code, err) == (0, "")
    assert json.loads(text) == {"to": to, "out": str(out), "files": [str(out)], "link": None, "notes": []}
    assert out.stat().st_size > 500
    if to == "model":
        assert Model.load(out).about.name == "article-003-keras"


def test_a_link_is_printed_and_opens() -> None:
    code, text, err = run("--net", "mnist-sprint", "--to", "link", "--address", "http://lab:8501/")
    assert code == 0
    address, _question, query = text.strip().partition("?net=")
    shared, preset = share.read(query), PRESETS["mnist-sprint"]
    assert address == "http://lab:8501/build"
    assert (shared.architecture, shared.data) == (preset.architecture, preset.data)
    assert Recipe.of(shared.recipe or {}) == Recipe.of(preset.recipe)


def long_network() -> Architecture:
    return Architecture(
        name="long one",
        input_shape=(1, 8, 8),
        layers=tuple(
            make_layer("BatchNorm2d", eps=((i * 7919) % 9973 + 1) / 9974, momentum=((i * 6007) % 9973) / 9973)
            for i in range(450)
        ),
    )


def test_a_link_that_is_too_long_becomes_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("net.json").write_text(long_network().to_json())
    Path("recipe.json").write_text('{"lr": 0.02}')
    words = "--net net.json --recipe recipe.json --data mnist --to link --json".split()
    code, text, err = run(*words)
    said = json.loads(text)
    assert (code, said["link"], said["out"]) == (0, None, "long-one.json")
    assert "A link would take" in said["notes"][0] and "6000 are the most" in said["notes"][0]
    shared = share.Shared.from_json(Path("long-one.json").read_bytes())
    assert shared == share.Shared.of(long_network(), {"lr": 0.02}, "mnist")
    code, text, err = run("--net", "long-one.json", "--to", "link", "--out", "again.json", "--json")
    assert Path("again.json").read_bytes() == Path("long-one.json").read_bytes()


def test_every_command_opens_a_shared_file(tmp_path: Path) -> None:
    file = tmp_path / "shared.json"
    file.write_text(share.Shared.of(PRESETS["mnist-sprint"].architecture, {"lr": 0.02}, "mnist").to_json())
    assert load_network(str(file)) == PRESETS["mnist-sprint"].architecture


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("--to keras --out x", "name what to export by one of two"),
        ("--model mnist-sprint --net mnist-sprint --to keras --out x", "name what to export by one of two"),
        ("--model nothere --to onnx --out x", "nothere: no such model"),
        ("--model nothere.safetensors --to onnx --out x", "cannot be read"),
        ("--model {readme} --to onnx --out x", "not a whole safetensors file"),
        ("--net nothere --to onnx --out x", "neither a preset nor a readable file"),
        ("--net {readme} --to onnx --out x", "not a network"),
        ("--net article-004-cnn --to keras --out x", "4096 features arrive"),
        ("--net mnist-sprint --to keras", "say where to write it: --out FILE.py"),
        ("--net mnist-sprint --to model --out x", "a network without weights is no model yet"),
        ("--net mnist-sprint --to keras --out /proc/x.py", "/proc/x.py: cannot be written"),
        ("--net mnist-sprint --to keras --with-data --out x", "goes with `--to notebook`"),
        ("--model mnist-sprint --data mnist --to keras --out x", "a model brings its own recipe"),
        ("--net {net} --to notebook --out x", "nobody said how this network is trained"),
        ("--net {net} --recipe nothere --to notebook --out x", "nothere: cannot be read"),
        ("--net {net} --recipe {net} --data mnist --to notebook --out x", "recipe: "),
        ("--net mnist-sprint --data nothere --to notebook --out x", "no data set called nothere"),
    ],
)
def test_what_cannot_be_is_one_sentence(words: str, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("README.md").write_text("# not a model")
    Path("net.json").write_text(PRESETS["mnist-sprint"].architecture.to_json())
    code, text, err = run(*words.format(readme="README.md", net="net.json").split())
    assert (code, text) == (2, "")
    assert says in err and err.count("\n") == 1
    assert not Path("x").exists()
