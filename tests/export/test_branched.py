"""A branch: its notebook repeats the run that it went on from up to that step, then goes on, and ends alike to the bit."""

from pathlib import Path
from typing import Any

import pytest

from cnnlab.architecture import Architecture, make_layer
from cnnlab.description import ModelRef
from cnnlab.export import branched
from cnnlab.export.notebook import to_notebook
from cnnlab.export.subject import Subject, of_model
from cnnlab.model import Model
from cnnlab.runs import RunSpec, engine, resolve
from cnnlab.training.recipe import Recipe
from cnnlab.training.transfer import Start
from tests.export.makers import check_repeats

QUICK = {"epochs": 2, "limit_train": 100, "batch_size": 20, "threads": 1, "precision": "float32", "memory_format": "channels_last"}  # fmt: skip
"""Five steps in each epoch."""


def small_net(drop: bool = False) -> Architecture:
    kinds = ["ReLU", "MaxPool2d", *(["Dropout"] if drop else []), "Flatten", "Linear"]
    first = (make_layer("Conv2d", out_channels=4, padding=1), make_layer("BatchNorm2d"))
    return Architecture(input_shape=(1, 28, 28), layers=(*first, *map(make_layer, kinds)))


def run(net: Architecture, more: dict[str, Any], start: Start | None = None) -> str:
    recipe = Recipe.of({**QUICK, **more})
    id = engine().submit(
        RunSpec(architecture=net, data="fashion_mnist-sample", recipe=recipe, name="parent", start=start)
    )
    return done(id)


def branch(parent: str, step: int, changes: dict[str, Any]) -> str:
    return done(engine().branch(parent, step, changes))


def done(id: str) -> str:
    engine().wait(id, 60)
    assert engine().snapshot(id).state == "done", engine().snapshot(id).error
    return id


def subject_of(id: str) -> Subject:
    ref = ModelRef(f"run:{id}")
    return of_model(resolve(ref), ref)


@pytest.mark.parametrize(
    ("first", "step", "then"),
    [
        ({}, 5, {"lr": 0.01, "epochs": 3, "label_smoothing": 0.1}),
        ({"optimizer": "sgd", "lr": 0.05, "schedule": "cosine"}, 8, {"momentum": 0.9, "nesterov": True, "batch_size": 7}),
        ({"optimizer": "rmsprop", "momentum": 0.9}, 2, {"momentum": 0.0, "weight_decay": 0.01, "clip_norm": 0.5, "l1": 1e-4}),
        ({"augmentation": {"flip": True}}, 2, {"optimizer": "sgd", "schedule": "one_cycle", "augmentation": {"shift": 2}}),
        ({"layer_lr": {"conv1": 0.1}, "augmentation": {"shift": 2}}, 4, {"seed": 7, "layer_lr": {"fc1": 2.0}}),
        ({"schedule": "reduce_on_plateau", "plateau_patience": 0, "lr": 0.5, "epochs": 4}, 10, {"lr": 0.3, "epochs": 5}),
        ({"early_stopping": 1, "lr": 0.3, "epochs": 4}, 5, {"lr": 0.1, "epochs": 5, "seed": 7}),
        ({"precision": "bfloat16"}, 0, {"precision": "float32", "memory_format": "contiguous", "mirror": True, "mixup": 0.3}),
        ({"full_train": True, "whiten": True}, 10, {"epochs": 3, "loss": "mse"}),
    ],
)  # fmt: skip
def test_a_branch_is_repeated(lab_home: Path, first: dict[str, Any], step: int, then: dict[str, Any]) -> None:
    parent = run(small_net(drop="seed" in then), first)
    subject = subject_of(branch(parent, step, then))
    assert [(one.name, one.until) for one in subject.past] == [("parent", step)]
    check_repeats(subject)


def test_what_was_changed_by_hand_before_and_after(lab_home: Path) -> None:
    """Whenever the changes reach the runs: the notebook makes each at its step."""
    net = small_net(drop=True)
    recipe = Recipe.of({**QUICK, "epochs": 4, "batch_size": 4, "optimizer": "sgd", "lr": 0.02, "momentum": 0.9})
    parent = engine().submit(RunSpec(architecture=net, data="fashion_mnist-sample", recipe=recipe, name="parent"))
    engine().command(parent, {"do": "slow", "rate": 300})
    engine().command(parent, {"do": "change", "frozen": ["conv1"], "dropout": {"drop1": 0.2}, "lr": 0.01})
    engine().command(parent, {"do": "change", "batch_size": 7, "augmentation": {"shift": 2}, "momentum": 0.0})
    engine().command(parent, {"do": "resume"})
    done(parent)
    made = engine().snapshot(parent).changes
    assert len(made) == 2
    steps = [info.step for info in engine().checkpoints(parent)]
    middle = next(step for step in steps if step > made[-1]["step"])
    child = engine().branch(parent, middle, {"momentum": 0.5, "epochs": 5})
    engine().command(child, {"do": "change", "frozen": [], "layer_lr": {"fc1": 0.5}})
    check_repeats(subject_of(done(child)))


def test_branches_of_branches(lab_home: Path) -> None:
    first = run(small_net(), {})
    second = branch(first, 4, {"lr": 0.01, "epochs": 3})
    third = branch(second, 10, {"optimizer": "sgd", "momentum": 0.9, "epochs": 4})
    subject = subject_of(branch(third, 10, {"batch_size": 16}))
    assert [one.until for one in subject.past] == [4, 10, 10]
    check_repeats(subject)
    assert subject.model is not None
    check_repeats(of_model(Model.from_bytes(subject.model.to_bytes())))  # its file alone, in this lab, names them all


@pytest.mark.parametrize("step", [0, 5])
def test_a_branch_of_a_borrowed_start(lab_home: Path, step: int) -> None:
    sprint = resolve(ModelRef("bundled:mnist-sprint")).architecture
    start = Start(model="bundled:mnist-sprint", fresh=("fc1",), frozen=("conv1", "bn1"))
    parent = run(sprint, {}, start)
    subject = subject_of(branch(parent, step, {"lr": 0.01, "optimizer": "sgd"}))
    assert {name.rpartition(".")[0] for name in subject.borrowed} == {"conv1", "bn1", "conv2", "bn2"}
    check_repeats(subject)


def test_what_cannot_be_repeated_is_said_and_why(lab_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    parent = run(small_net(), {})
    child = branch(parent, 4, {"lr": 0.01})
    model = resolve(ModelRef(f"run:{child}"))

    def said(**result: Any) -> str:
        about = model.about.model_copy(update={"result": {**model.about.result, **result}})
        subject = of_model(Model(model.description.model_copy(update={"about": about}), model.state))
        assert subject.past == () and len(subject.unlike) == 1
        assert subject.unlike[0].text("zh_CN") != str(subject.unlike[0])
        return str(subject.unlike[0])

    other = run(Architecture(input_shape=(1, 28, 28), layers=(make_layer("Flatten"), make_layer("Linear"))), {})
    for parent_of in ("0" * 16, "../../x", 5, ["a"]):
        assert "(that run is no longer here)" in said(parent=parent_of)
    assert "(that run is no longer here)" in said(parent_step="4")
    assert "(that run has another network or other images)" in said(parent=other)
    with monkeypatch.context() as patch:
        patch.setattr(branched, "MOST_PARENTS", 0)
        assert "(it was changed in a way" in said()
    engine().delete(parent)
    subject = subject_of(child)
    assert ["no longer here" in str(note) for note in subject.unlike] == [True]
    assert "no longer here" in to_notebook(subject)[0].decode()
