"""``python -m cnnlab``: one JSON document, one sentence for bad input, one screen before class."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from cnnlab import doctor
from cnnlab.cli import main
from cnnlab.figures.qr import qr_text
from cnnlab.i18n import LANGUAGES

ROOT = Path(__file__).resolve().parent.parent


def commands(
    group: click.Group = main, before: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from commands(command, (*before, name))
        else:
            yield (*before, name), command


ALL = dict(commands())


def test_every_capability_is_there() -> None:
    wanted = "data list|data fetch|data import|net list|net show|net code|train|predict|explain|bench|doctor"
    assert {tuple(words.split()) for words in wanted.split("|")} <= set(ALL)


@pytest.mark.parametrize("words", ALL, ids=" ".join)
def test_a_command_says_what_it_does_and_speaks_json(words: tuple[str, ...]) -> None:
    result = CliRunner().invoke(main, [*words, "--help"])
    assert result.exit_code == 0
    assert (ALL[words].help or "").strip()
    if words != ("net", "code"):  # prints source
        assert "--json" in result.output


BAD = {
    "an unknown command": ["fly"],
    "an unknown data set": ["data", "fetch", "mnist-of-the-moon"],
    "a file that is not there": ["data", "import", "/nowhere/pictures.zip"],
    "an unknown network": ["net", "show", "resnet-of-the-moon"],
    "a network that cannot run": ["net", "show", "article-004-cnn"],
    "an absent model": ["predict", "--model", "nobody", "README.md"],
    "a picture that is none": ["predict", "--model", "mnist-sprint", "README.md"],
    "an unknown method": ["explain", "--model", "mnist-sprint", "--method", "guess", "README.md"],
    "no data set": ["train", "--net", "mnist-sprint", "--data", "nothing"],
    "no number": ["train", "--net", "mnist-sprint", "--epochs", "x"],
    "no number for a branch": ["runs", "branch", "abcd", "--step", "1", "--lr", "abc"],
    "no run": ["runs", "delete"],
    "an unknown flag": ["--fly"],
    "a value out of range": ["train", "--net", "mnist-sprint", "--data", "mnist", "--epochs", "-1"],
}


@pytest.mark.parametrize("what", BAD)
def test_bad_input_ends_with_2_and_a_sentence(what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    result = CliRunner().invoke(main, BAD[what])
    assert result.exit_code == 2, result.output
    assert result.stdout == ""
    assert result.stderr.strip()
    assert "Traceback" not in result.stderr
    assert ("No such command" in result.stderr) == (what == "an unknown command")
    assert len(result.stderr.strip().splitlines()) == 1


def test_it_runs_as_a_module_and_starts_without_torch(lab_home: Path) -> None:
    code = "import sys; from cnnlab.cli import main; main(['doctor', '--json'], standalone_mode=False); print('torch' in sys.modules)"
    environment = {**os.environ, "CNNLAB_HOME": str(lab_home)}
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout.strip().endswith("False")
    run = subprocess.run(
        [sys.executable, "-m", "cnnlab", "--version"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert run.stdout.startswith("cnnlab, version ")


def test_doctor_reports_this_machine(lab_home: Path) -> None:
    result = CliRunner().invoke(main, ["doctor", "--json"])
    assert result.exit_code == 0
    report = json.loads(result.stdout)
    assert report["versions"]["python"].split(".")[0] == "3"
    assert all(report["versions"][name] for name in doctor.PACKAGES)
    assert 1 <= report["cores"] <= (os.cpu_count() or 1)
    assert report["data_sets"]["mnist"] == "bundled"
    assert "mnist-sprint" in report["models"]
    assert report["write_access"]["home"] == str(lab_home)
    assert report["write_access"]["writable"] is True
    assert set(report["languages"]) == set(LANGUAGES)
    assert report["teacher_pin"] is False
    assert not list(lab_home.iterdir())  # it leaves nothing behind


def test_doctor_fits_one_screen(lab_home: Path) -> None:
    lines = CliRunner().invoke(main, ["doctor"]).stdout.splitlines()
    assert len(lines) <= 24
    assert str(lab_home) in "\n".join(lines)


def test_doctor_shows_the_address_as_a_qr_code(lab_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "lan_address", lambda: "192.168.1.5")
    said = CliRunner().invoke(main, ["doctor", "--qr"]).stdout
    assert said.rstrip().endswith(qr_text("http://192.168.1.5:8501"))
    assert json.loads(CliRunner().invoke(main, ["doctor", "--qr", "--json"]).stdout)["lan_address"] == "192.168.1.5"
    monkeypatch.setattr(doctor, "lan_address", lambda: None)
    assert "█" not in CliRunner().invoke(main, ["doctor", "--qr"]).stdout


def test_doctor_names_a_port_that_is_taken() -> None:
    with socket.socket() as other:
        other.bind(("", 0))
        other.listen()
        port = other.getsockname()[1]
        report = doctor.examine(port)
        assert report.port == {"number": port, "free": False}
        assert any(str(port) in problem for problem in report.problems)
    assert doctor.examine(port).port["free"] is True


def test_doctor_names_a_folder_it_cannot_write_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("CNNLAB_HOME", str(tmp_path / "file"))
    report = doctor.examine(8501)
    assert report.write_access["writable"] is False
    assert any("CNNLAB_HOME" in problem for problem in report.problems)
    assert (tmp_path / "file").read_text() == "in the way"


def test_a_pin_is_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CNNLAB_TEACHER_PIN", "814253")
    result = CliRunner().invoke(main, ["doctor", "--json"])
    assert json.loads(result.stdout)["teacher_pin"] is True
    assert "814253" not in result.output
