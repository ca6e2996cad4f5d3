"""A run that began with the weights of another model: its notebook brings them along, and ends alike to the bit."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from cnnlab.cli import main
from cnnlab.description import ModelRef
from cnnlab.export import borrowed
from cnnlab.export.subject import Subject, of_model
from cnnlab.model import Model
from cnnlab.runs import engine, resolve
from tests.export.makers import check_repeats

QUICK = "--data fashion_mnist-sample --epochs 2 --limit-train 200 --batch-size 40 --threads 1 --precision float32"


def train(words: str) -> ModelRef:
    asked = [*f"train {words} {QUICK} --json".split()]
    done = CliRunner().invoke(main, asked)
    assert done.exit_code == 0, done.output
    return ModelRef(f"run:{json.loads(done.stdout)['run']}")


def subject_of(ref: ModelRef) -> Subject:
    return of_model(resolve(ref), ref)


@pytest.mark.parametrize(
    "more",
    ["", "--freeze conv1 --freeze bn1 --freeze conv2 --freeze bn2", "--layer-lr conv1=0.1 --freeze bn1", "--whiten"],
)
def test_a_borrowed_start_is_repeated(lab_home: Path, more: str) -> None:
    ref = train(f"--net mnist-sprint --start bundled:mnist-sprint --fresh fc1 {more}")
    subject = subject_of(ref)
    assert {name.rpartition(".")[0] for name in subject.borrowed} == {"conv1", "bn1", "conv2", "bn2"}
    check_repeats(subject)
    assert subject.model is not None
    check_repeats(
        of_model(Model.from_bytes(subject.model.to_bytes()))
    )  # from its file alone, since all labs have that model


def test_the_weights_of_a_run_are_brought_along(lab_home: Path) -> None:
    first = train("--net mnist-sprint --seed 5")
    ref = train(f"--net mnist-sprint --start {first} --fresh bn1")
    engine().delete(first.value)
    check_repeats(subject_of(ref))


def test_weights_that_are_gone_are_said(lab_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ref = train("--net mnist-sprint --start bundled:mnist-sprint --fresh fc1 --freeze conv1")
    model = resolve(ref)
    start: dict[str, Any] = model.about.result["start"]
    for other in ({"weights": "0" * 64}, {"model": "file:gone.safetensors"}, {"taken": ["conv9"]}, {"fresh": 5}):
        result = {**model.about.result, "start": {**start, **other}}
        about = model.about.model_copy(update={"result": result})
        subject = of_model(Model(model.description.model_copy(update={"about": about}), model.state))
        assert subject.borrowed == {} and subject.changes == ()  # new weights are not frozen
        assert ["which are not here" in str(note) for note in subject.unlike] == [True]
    monkeypatch.setattr(borrowed, "MOST_BYTES", 1000)
    assert ["too many for a notebook" in str(note) for note in subject_of(ref).unlike] == [True]
