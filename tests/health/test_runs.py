"""Health where runs are carried out: events of the engine, findings of a run, and the command line."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from cnnlab.cli import main
from cnnlab.health.case import Finding
from cnnlab.health.facts import DataFacts, facts_for
from cnnlab.health.history import History
from cnnlab.runs import Engine, RunSpec
from cnnlab.runs.checkup import examined
from cnnlab.training.recipe import Recipe
from tests.health.makers import SOUND, small

BRIEF = {**SOUND, "limit_train": 3200, "precision": "float32", "memory_format": "contiguous", "threads": 1}


def findings(runs: Engine, id: str) -> list[Finding]:
    return [*examined(runs, runs.snapshot(id)).findings]


def history(runs: Engine, id: str) -> History:
    return examined(runs, runs.snapshot(id)).history


@pytest.fixture
def runs(lab_home: Path) -> Iterator[Engine]:
    engine = Engine()
    yield engine
    engine.close()


def finished(runs: Engine, **fields: object) -> str:
    id = runs.submit(RunSpec(architecture=small(), data="mnist", recipe=Recipe.of({**BRIEF, **fields})))
    assert runs.wait(id, 60).state in ("done", "failed")
    return id


def test_a_run_notes_what_each_layer_does(runs: Engine) -> None:
    id = finished(runs)
    looks = [event for event in runs.events(id) if event["kind"] == "health"]
    assert [look["step"] for look in looks] == [1, 2, 4, 8, 16, 32, 50, 100, 150]
    assert {"grad_norm", "weight_norm", "update_ratio", "mean", "std"} <= {*looks[0]["layers"]["conv1"]}
    assert json.loads(json.dumps(looks)) == looks
    assert findings(runs, id) == []
    assert len(history(runs, id).looks) == 9 and not history(runs, id).diverged


def test_what_is_the_matter_with_a_run_is_known_after_the_lab_is_opened_again(runs: Engine) -> None:
    id = finished(runs, lr=0.1)
    found = findings(runs, id)
    assert "learning-rate-high" in [finding.rule for finding in found]
    again = Engine()
    try:
        assert findings(again, id) == found
    finally:
        again.close()


def test_a_run_that_broke_off_is_told_why(runs: Engine) -> None:
    id = finished(runs, optimizer="sgd", lr=10.0, momentum=0.9, loss="mse")
    assert runs.snapshot(id).state == "failed" and history(runs, id).diverged
    found = {finding.rule: finding for finding in findings(runs, id)}
    assert "no number any more" in str(found["learning-rate-high"].why)
    assert History.of(runs.events(id)).diverged is False  # it is the error that says so


def test_facts_are_measured_once() -> None:
    recipe = Recipe.of(BRIEF)
    facts = facts_for("mnist", recipe)
    assert facts is facts_for("mnist", recipe.changed(lr=0.5)) and facts.images == 3200
    from cnnlab.data.loader import load

    assert facts == DataFacts.of(load("mnist"), recipe)


@pytest.mark.parametrize(("lr", "said"), [("0.2", True), ("0.001", False)])
def test_train_says_what_is_the_matter(lab_home: Path, tmp_path: Path, lr: str, said: bool) -> None:
    net = tmp_path / "net.json"
    net.write_text(small().to_json(), encoding="utf-8")
    flags = [
        "--optimizer",
        "adam",
        "--lr",
        lr,
        "--limit-train",
        "3200",
        "--epochs",
        "3",
        "--batch-size",
        "64",
        "--threads",
        "1",
    ]
    done = CliRunner().invoke(main, ["train", "--net", str(net), "--data", "mnist", *flags, "--json"])
    assert done.exit_code == 0, done.output
    result = json.loads(done.stdout)
    assert {"run", "test_acc", "train_s", "images_per_s", "model", "findings"} <= {*result}
    assert ("learning-rate-high" in result["findings"]) == said
    assert ("fault: Learning rate too high. At step" in done.stderr) == said
    assert said or result["findings"] == []
