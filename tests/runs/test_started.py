"""Runs that begin with borrowed weights, through the engine: the same to the bit however they are broken off."""

import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner

from cnnlab.cli import main
from cnnlab.cli.train import OWNER
from cnnlab.description import ModelRef
from cnnlab.errors import CnnLabError, ModelError, NotAllowedError, RecipeError, RunError
from cnnlab.export.subject import of_model
from cnnlab.model import Model
from cnnlab.runs import Engine, resolve
from cnnlab.runs.compare import over_seeds
from cnnlab.runs.packed import pack_run, unpack_run
from cnnlab.runs.snapshot import Snapshot
from cnnlab.training.loop import Training
from cnnlab.training.transfer import Start, borrow
from tests.runs.labs import RECIPE, spec, until

SPRINT = resolve(ModelRef("bundled:mnist-sprint"))
START = Start(model="bundled:mnist-sprint", fresh=("fc1",), frozen=("conv1", "bn1"))
SHORT = RECIPE.changed(limit_train=200)
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def lab(lab_home):
    found = Engine(slots=2)
    yield found
    found.close()


def asked(start=START, recipe=SHORT, **fields):
    return spec(recipe, architecture=SPRINT.architecture, data="fashion_mnist-sample", start=start, **fields)


def same(first, second):
    return all(torch.equal(first.state[name], tensor) for name, tensor in second.state.items())


def alone(recipe=SHORT):
    from cnnlab.data.loader import load

    training = Training(SPRINT.architecture, load("fashion_mnist-sample"), recipe)
    borrow(training, SPRINT, START.fresh)
    training.apply({"frozen": START.frozen})
    for _event in training.events():
        pass
    return training.model()


def test_a_run_says_what_it_has_begun_with_and_ends_as_the_loop_alone(lab):
    id = lab.submit(asked())
    ended = lab.wait(id, 60)
    assert ended.state == "done" and ended.start is not None
    assert ended.start.taken == ("conv1", "bn1", "conv2", "bn2") and ended.start.fresh == ("fc1",)
    assert (ended.start.model, ended.start.title) == ("bundled:mnist-sprint", "mnist-sprint")
    assert ended.changes == ({"step": 0, "change": {"frozen": ["conv1", "bn1"]}},)
    model = Model.from_bytes(lab.model(id))
    assert same(model, alone())
    assert torch.equal(model.state["conv1.weight"], SPRINT.state["conv1.weight"])
    assert model.about.result["start"]["title"] == "mnist-sprint"
    first = Model.from_bytes(lab.model(id, 0))
    assert torch.equal(first.state["conv2.weight"], SPRINT.state["conv2.weight"])
    assert not torch.equal(first.state["fc1.weight"], SPRINT.state["fc1.weight"])
    assert Snapshot.from_dict(json.loads(json.dumps(ended.as_dict()))) == ended


def test_it_is_stopped_resumed_and_rewound_like_any_other(lab):
    id = lab.submit(asked())
    lab.command(id, {"do": "pause"})
    until(lambda: lab.snapshot(id).state == "paused")
    lab.command(id, {"do": "stop"})
    assert lab.wait(id, 60).state == "stopped"
    lab.resume(id)
    assert lab.wait(id, 60).state == "done"
    whole = Model.from_bytes(lab.model(id))
    assert same(whole, alone())
    again = lab.branch(id, 0)
    ended = lab.wait(again, 60)
    assert ended.state == "done" and ended.start is None and ended.parent == id
    assert same(Model.from_bytes(lab.model(again)), whole)


def test_one_that_was_broken_off_before_its_first_step_goes_on_with_the_borrowed_weights(lab, lab_home):
    blocking = [lab.submit(spec(RECIPE.changed(epochs=200, limit_train=2000))) for _slot in range(2)]
    id = lab.submit(asked())
    lab.command(id, {"do": "stop"})
    assert lab.wait(id, 60).state == "stopped" and lab.snapshot(id).step == 0
    for one in blocking:
        lab.command(one, {"do": "stop"})
    assert lab.can_resume(id)
    lab.resume(id)
    assert lab.wait(id, 60).state == "done"
    assert same(Model.from_bytes(lab.model(id)), alone())


def test_a_run_is_a_model_to_begin_with_at_the_step_that_was_meant(lab):
    first = lab.submit(spec(SHORT, architecture=SPRINT.architecture, data="fashion_mnist-sample"))
    steps = lab.wait(first, 60).step
    second = lab.submit(asked(Start(model=f"run:{first}")))
    ended = lab.wait(second, 60)
    assert ended.start.model == f"run:{first}@{steps}"
    assert same(Model.from_bytes(lab.model(second, 0)), Model.from_bytes(lab.model(first)))


def test_runs_over_seeds_belong_together_where_they_begin_with_the_same_weights(lab):
    runs = [lab.submit(asked(START if borrowed else None, SHORT.changed(seed=seed)))
            for seed in (1, 2) for borrowed in (True, False)]  # fmt: skip
    for id in runs:
        assert lab.wait(id, 60).state == "done"
    groups = over_seeds(lab.list("ann"))
    assert sorted(bool(group.runs[0].start) for group in groups) == [False, True]
    assert [group.count for group in groups] == [2, 2]
    one = lab.snapshot(runs[0])
    other = replace(one, start=one.start.model_copy(update={"weights": "0" * 64}))
    assert len(over_seeds([*lab.list("ann"), other, replace(other, recipe=other.recipe.changed(seed=9))])) == 3


def test_a_sparse_run_keeps_its_beginning_and_its_end(lab):
    id = lab.submit(asked(recipe=SHORT.changed(epochs=6), sparse=True))
    ended = lab.wait(id, 60)
    assert [info.step for info in lab.checkpoints(id)] == [0, ended.step]


def test_it_travels_in_a_zip_and_its_notebook_brings_the_borrowed_weights_along(lab):
    import io

    id = lab.submit(asked())
    ended = lab.wait(id, 60)
    there = lab.snapshot(unpack_run(lab, io.BytesIO(pack_run(lab, id)), "run.zip"))
    assert there.start == ended.start
    subject = of_model(Model.from_bytes(lab.model(id)))
    assert not subject.unlike
    assert {name.rpartition(".")[0] for name in subject.borrowed} == {"conv1", "bn1", "conv2", "bn2"}
    assert all(torch.equal(tensor, SPRINT.state[name]) for name, tensor in subject.borrowed.items())


@pytest.mark.parametrize(
    ("start", "error", "said"),
    [
        ({"model": "bundled:nothing"}, ModelError, "nothing"),
        ({"model": "somewhere"}, ModelError, "somewhere: not a model"),
        ({"model": "file:/no/such/model.safetensors"}, ModelError, "model.safetensors: cannot be read"),
        ({"model": "run:0123456789abcdef"}, RunError, "0123456789abcdef"),
        ({"model": "bundled:mnist-sprint", "fresh": ("conv8",)}, RecipeError, "conv8 is no layer.*conv1, bn1"),
        ({"model": "bundled:mnist-sprint", "frozen": ("conv8",)}, RecipeError, "frozen: conv8 is no layer"),
        ({"model": "bundled:cifar-blocks"}, RecipeError, "no layer of cifar-blocks fits"),
        (
            {"model": "bundled:mnist-sprint", "frozen": ("conv1", "bn1", "conv2", "bn2", "fc1")},
            RecipeError,
            "nothing is left to learn",
        ),
    ],
)
def test_a_start_that_cannot_be_leaves_no_run(lab, start, error, said):
    with pytest.raises(error, match=said):
        lab.submit(asked(Start(**start)))
    assert lab.list() == []


def call(*words):
    return CliRunner().invoke(main, [*words], catch_exceptions=False)


TRAIN = (
    "train", "--net", "mnist-sprint", "--data", "fashion_mnist-sample", "--limit-per-class", "6", "--epochs", "1",
    "--batch-size", "20", "--threads", "1", "--precision", "float32",
)  # fmt: skip


def test_on_the_command_line(lab_home):
    told = call(*TRAIN, "--start", "mnist-sprint", "--fresh", "fc1", "--freeze", "conv1", "--freeze", "bn1",
                "--layer-lr", "conv2=0.1", "--json")  # fmt: skip
    assert told.exit_code == 0, told.output
    model = Model.load(json.loads(told.stdout)["model"])
    assert model.about.recipe["layer_lr"] == {"conv2": 0.1} and model.about.recipe["limit_per_class"] == 6
    assert torch.equal(model.state["conv1.weight"], SPRINT.state["conv1.weight"])
    assert not torch.equal(model.state["fc1.weight"], SPRINT.state["fc1.weight"])
    shown = json.loads(call("runs", "show", json.loads(told.stdout)["run"], "--json").stdout)
    assert shown["start"]["taken"] == ["conv1", "bn1", "conv2", "bn2"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--start", "no-such-model"], "no such model"),
        (["--start", "mnist-sprint", "--fresh", "fc7"], "fc7 is no layer with weights"),
        (["--start", "mnist-sprint", "--freeze", "fc7"], "fc7 is no layer with weights"),
        (["--start", "mnist-sprint", "--layer-lr", "fc7=0.1"], "fc7 is no layer with weights"),
        (["--layer-lr", "fc1=0"], "freeze it instead"),
        (["--layer-lr", "fc1=-2"], "a factor above 0"),
        (["--layer-lr", "fc1"], "write a layer and a factor"),
        (["--freeze", "fc1"], "go with --start"),
        (["--start", "cifar-blocks"], "no layer of cifar-blocks fits"),
    ],
)
def test_what_cannot_be_is_one_sentence_and_exit_2(lab_home, words, said):
    told = call(*TRAIN, *words)
    assert told.exit_code == 2 and said in told.stderr and "Traceback" not in told.stderr
    assert issubclass(RecipeError, CnnLabError)


def test_published_weights_that_are_here_are_a_beginning(lab_home):
    """With random weights in their place: what torchvision's hold is no matter here."""
    from cnnlab.architecture.head import fitting, head
    from cnnlab.architecture.presets import PRESETS
    from cnnlab.build import build
    from cnnlab.cli.train import start_of
    from cnnlab.data.loader import load
    from cnnlab.description import ModelDescription, Preprocessing
    from cnnlab.weights import saved

    whole = PRESETS["squeezenet1_1"].architecture
    network = build(whole, torch.Generator().manual_seed(1))
    look = Preprocessing(data_shape=(3, 224, 224), input_shape=(3, 224, 224), mean=(0.5,) * 3, std=(0.2,) * 3)
    names = tuple(map(str, range(1000)))
    Model(ModelDescription(architecture=whole, preprocessing=look, class_names=names), network.state_dict()).save(
        saved("squeezenet1_1")
    )
    start = start_of("squeezenet1_1", (), ())
    assert start == Start(model=f"file:{saved('squeezenet1_1')}")
    mine = fitting(whole, (3, 32, 32), 10)
    assert mine.input_shape == (3, 32, 32)
    training = Training(mine, load("cifar10-sample"), SHORT)
    found = borrow(training, resolve(ModelRef.parse(start.model)))
    assert found.fresh == (head(mine),) and len(found.taken) == 25


def test_a_file_is_remembered_by_its_name_not_by_its_place(lab, tmp_path):
    SPRINT.save(tmp_path / "mine.safetensors")
    id = lab.submit(asked(Start(model=f"file:{tmp_path / 'mine.safetensors'}")))
    lab.command(id, {"do": "stop"})
    run = lab.wait(id, 60)
    assert run.start.model == "file:mine.safetensors" and str(tmp_path) not in json.dumps(run.as_dict())


WORDS = (
    *("train", "--net", "mnist-sprint", "--data", "fashion_mnist-sample", "--batch-size", "20"),
    *("--precision", "float32", "--memory-format", "contiguous", "--threads", "1"),
)
BORROWED = ("--fresh", "fc1", "--freeze", "conv1", "--freeze", "bn1")


def train(*words):
    return subprocess.Popen(
        [sys.executable, "-m", "cnnlab", *WORDS, *words], cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip


def interrupted(lab, process, id):
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    return until(lambda: (now := lab.snapshot(id)).state == "interrupted" and now)


def test_a_killed_one_goes_on_to_the_same_bits_without_asking_for_the_model_again(lab, tmp_path):
    source = tmp_path / "lender.safetensors"
    SPRINT.save(source)
    told = ("--epochs", "2", "--limit-train", "4000", "--start", str(source), *BORROWED, "--layer-lr", "bn2=0.1")
    killed = train(*told)
    run = until(lab.list)[0]
    until(lambda: lab.snapshot(run.id).step > 40)
    found = interrupted(lab, killed, run.id)
    source.unlink()  # what was borrowed is the run's own by now
    assert found.start.taken == ("conv1", "bn1", "conv2", "bn2") and 0 < found.step < found.steps
    lab.resume(run.id)
    ended = lab.wait(run.id, 120)
    assert (ended.state, ended.resumed, ended.start) == ("done", 1, found.start)
    assert same(Model.from_bytes(lab.model(run.id)), alone(ended.recipe))


@pytest.mark.parametrize("start", [(), ("--start", "bundled:mnist-sprint", *BORROWED)])
def test_one_that_was_killed_while_it_was_prepared_begins_when_it_is_resumed(lab, start):
    killed = train("--epochs", "1", "--limit-train", "200", *start)
    run = until(lab.list)[0]  # listed before torch was imported, so nothing is known of it but what was asked for
    found = interrupted(lab, killed, run.id)
    assert (found.steps, found.data_hash, found.start) == (0, "", None)
    assert lab.can_resume(run.id)
    lab.resume(run.id)
    ended = lab.wait(run.id, 120)
    assert (ended.state, ended.resumed, ended.step, ended.error) == ("done", 1, ended.steps, None) and ended.steps > 0
    assert (ended.start is not None) == bool(start)
    if start:
        assert ended.start.taken == ("conv1", "bn1", "conv2", "bn2")
        assert same(Model.from_bytes(lab.model(run.id)), alone(ended.recipe))


def test_weights_of_somebody_elses_run_are_lent_to_who_is_at_the_machine_only(lab):
    anns = lab.submit(asked())
    assert lab.wait(anns, 60).state == "done"
    start = Start(model=f"run:{anns}")
    with pytest.raises(NotAllowedError, match="somebody else"):
        lab.submit(asked(start, owner="bob"))
    assert not lab.list("bob")
    for owner in ("ann", "", OWNER):
        assert lab.wait(lab.submit(asked(start, owner=owner)), 60).start.model == f"run:{anns}@20"


def test_an_end_that_was_written_is_not_written_again_over_a_run_that_goes_on(lab, lab_home):
    """The keeper may ask for it while it is being written, and be heard when the run has been resumed already."""
    blocking = [lab.submit(spec(RECIPE.changed(epochs=200, limit_train=2000))) for _slot in range(2)]
    id = lab.submit(spec(SHORT))
    before = lab._crew.get(id).record
    lab.command(id, {"do": "stop"})
    assert lab.wait(id, 60).state == "stopped"
    lab.resume(id)
    before.save_again()
    for one in blocking:
        lab.command(one, {"do": "stop"})
    assert lab.wait(id, 60).state == "done"
