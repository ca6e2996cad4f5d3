"""A run as a folder, and as a command line: out, in, and what is refused."""

import csv
import json
import math
import shutil
import sys
from dataclasses import replace

import pytest
import torch
from click.testing import CliRunner
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from cnnlab.architecture import Architecture
from cnnlab.cli import main
from cnnlab.errors import CnnLabError, RunError
from cnnlab.model import Model
from cnnlab.runs import Engine, engine
from cnnlab.runs.folders import COLUMNS, export_run, import_run
from cnnlab.runs.tensorboard import event_file
from cnnlab.training.recipe import Recipe
from tests.runs.labs import NET, RECIPE, spec, until

ROW = {"run", "name", "state", "net", "data", "step", "epoch", "val_acc", "test_acc", "parent", "start", "created"}


@pytest.fixture
def lab(lab_home):
    found = engine()
    yield found
    found.close()


@pytest.fixture
def id(lab):
    id = lab.submit(spec(name="first"))
    assert lab.wait(id, 60).state == "done"
    return id


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """Return the folder of one exported run; copy it."""
    folder = tmp_path_factory.mktemp("exported")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CNNLAB_HOME", str(folder / "home"))
        lab = Engine()
        id = lab.submit(spec())
        lab.wait(id, 60)
        export_run(lab, id, folder / "run")
        lab.close()
    return folder / "run"


def call(*arguments):
    told = CliRunner().invoke(main, ["runs", *map(str, arguments)])
    assert "Traceback" not in told.output
    return told


def answer(*arguments):
    told = call(*arguments, "--json")
    assert told.exit_code == 0, told.output
    return json.loads(told.stdout)


def test_list_show_and_delete(lab, id):
    rows = answer("list")
    assert [row["run"] for row in rows] == [id] and rows[0].keys() == ROW
    assert (rows[0]["state"], rows[0]["step"], rows[0]["parent"]) == ("done", 40, None)
    shown = answer("show", id[:8])
    assert shown.keys() > ROW and shown["recipe"] == RECIPE.model_dump(mode="json")
    assert [kept["step"] for kept in shown["checkpoints"]] == [0, 1, 2, 4, 8, 16, 20, 32, 40]
    assert id in call("list").stdout and "0, 1, 2, 4" in call("show", id).stdout
    assert answer("delete", id) == {"deleted": [id]}
    assert answer("list") == []
    for arguments in (("show", id), ("show", "../x"), ("delete", id), ("resume", id), ("branch", id, "--step", 0)):
        told = call(*arguments)
        assert told.exit_code == 2 and "there is no run" in told.stderr


def test_branch_trains_and_answers_as_train_does(lab, id, tmp_path):
    out = tmp_path / "branch.safetensors"
    told = answer("branch", id, "--step", 20, "--lr", "0.0005", "--shift", "0", "--out", out)
    assert told.keys() >= {"run", "test_acc", "train_s", "images_per_s", "model"}
    row = answer("show", told["run"])
    assert (row["parent"], row["parent_step"], row["state"]) == (id, 20, "done")
    assert row["recipe"]["lr"] == 0.0005 and row["recipe"]["augmentation"]["shift"] == 0
    assert Model.load(out).about.result["test_acc"] == told["test_acc"]
    wrong = call("branch", id, "--step", 20, "--epochs", "0")
    assert wrong.exit_code == 2 and "epochs" in wrong.stderr
    assert call("branch", id, "--step", 3).exit_code == 2
    assert "only a run that was interrupted or stopped" in call("resume", id).stderr


def test_there_and_back(lab, id, tmp_path):
    folder = tmp_path / "out"
    told = answer("export", id, folder)
    assert told["files"] == ["architecture.json", "history.csv", "model.safetensors", "recipe.json", "run.json"]
    assert Architecture.from_json((folder / "architecture.json").read_text()) == NET
    assert Recipe.from_json((folder / "recipe.json").read_text()) == RECIPE
    assert (folder / "model.safetensors").read_bytes() == lab.model(id)
    rows = list(csv.DictReader((folder / "history.csv").read_text().splitlines()))
    points = [event for event in lab.events(id) if event["kind"] in ("train", "val", "test")]
    assert [(row["kind"], int(row["step"]), float(row["loss"])) for row in rows] == [
        (event["kind"], event["step"], event["loss"]) for event in points
    ]
    there = answer("import", folder)
    assert there["run"] != id and {**there, "run": id} == answer("list")[0 if answer("list")[0]["run"] == id else 1]
    first, second = lab.snapshot(id), lab.snapshot(there["run"])
    assert second.recipe == first.recipe and second.architecture == first.architecture
    assert second.test_loss == first.test_loss and second.owner == "command line"
    again = [{**event, "n": 0} for event in lab.events(second.id)]
    assert again == [{**event, "n": 0} for event in points]
    state = Model.from_bytes(lab.model(second.id)).state
    assert all(torch.equal(state[name], tensor) for name, tensor in Model.from_bytes(lab.model(id)).state.items())
    assert "not empty" in call("export", id, folder).stderr


def test_tensorboards_own_reader_opens_it_and_need_not_be_here_when_it_is_written(lab, id, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        for name in [name for name in sys.modules if name.partition(".")[0] in ("tensorboard", "tensorflow")]:
            patch.delitem(sys.modules, name)
        patch.setitem(sys.modules, "tensorboard", None)
        files = export_run(lab, id, tmp_path / "tb", tensorboard=True)
    assert any("tfevents" in name for name in files)
    reader = EventAccumulator(str(tmp_path / "tb"))
    reader.Reload()
    tags = set(reader.Tags()["scalars"])
    assert tags == {"train/loss", "train/acc", "train/lr", "val/loss", "val/acc", "test/loss", "test/acc"}
    train = [event for event in lab.events(id) if event["kind"] == "train"]
    read = reader.Scalars("train/loss")
    assert [point.step for point in read] == [event["step"] for event in train]
    assert [point.value for point in read] == pytest.approx([event["loss"] for event in train])
    assert [point.value for point in reader.Scalars("train/lr")] == pytest.approx([event["lr"] for event in train])
    assert reader.Scalars("test/acc")[0].value == pytest.approx(lab.snapshot(id).test_acc)
    assert abs(read[0].wall_time - lab.snapshot(id).created) < 60


def test_an_event_file_may_hold_any_number_and_any_length(lab, id, tmp_path):
    run = replace(lab.snapshot(id), name="x" * 80, created=0.0)
    values = [0.5, math.nan, math.inf, -1e300, 3.4e38]
    events = [{"kind": "train", "step": 2**n, "loss": value, "acc": None} for n, value in enumerate(values, 50)]
    name, data = event_file(run, [*events, {"kind": "health", "step": 1, "loss": 1.0}])
    (tmp_path / name).write_bytes(data)
    reader = EventAccumulator(str(tmp_path))
    reader.Reload()
    read = reader.Scalars("train/loss")
    assert [point.step for point in read] == [event["step"] for event in events]
    assert [point.value for point in read] == pytest.approx([0.5, math.nan, math.inf, -math.inf, 3.4e38], nan_ok=True)


def _no_rows(count):
    return ",".join(COLUMNS) + "\n" + "train,1,1,0.5\n" * count


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("architecture.json", None, "architecture.json"),
        ("architecture.json", "[" * 100_000, "nests deeper"),
        ("architecture.json", '{"name": "x"}', "layers|input_shape"),
        ("recipe.json", '{"lr": "__import__(\'os\')"}', "lr"),
        ("recipe.json", b"\xff\xfe", "UTF-8"),
        ("history.csv", "a,b\n1,2\n", "line 1"),
        ("history.csv", _no_rows(1), "line 2"),
        ("history.csv", ",".join(COLUMNS) + "\ntrain,1,1,nan,0.5,0.1,,\n", "line 2"),
        ("history.csv", ",".join(COLUMNS) + "\ntrain,1,9999999,0.5,0.5,0.1,,\n", "line 2"),
        ("history.csv", ",".join(COLUMNS) + "\ntrain,1,-1,0.5,0.5,0.1,,\n", "line 2"),
        ("history.csv", ",".join(COLUMNS) + "\n" + "train,1,1,0.5,0.5,0.1,,\n" * 50_001, "more than 50,000 rows"),
        ("history.csv", ",".join(COLUMNS) + "\ntrain,-1,1,0.5,0.5,0.1,,\n", "line 2"),
        ("history.csv", ",".join(COLUMNS) + "\nstate,1,1,0.5,0.5,0.1,,\n", "line 2"),
        ("history.csv", ",".join(COLUMNS) + '\n"train,1', "line"),
        ("run.json", '{"state": "flying"}', "'flying' is not known here"),
        ("run.json", '{"created": 1e300}', "created"),
        ("run.json", '{"test_acc": 7}', "test_acc"),
        ("model.safetensors", b"\x80\x04pickle", "model.safetensors"),
    ],
)
def test_what_comes_from_elsewhere_is_checked(lab, exported, tmp_path, name, content, told):
    folder = shutil.copytree(exported, tmp_path / "out")
    if content is None:
        (folder / name).unlink()
    else:
        (folder / name).write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(CnnLabError, match=told):
        import_run(lab, folder)
    assert lab.list() == []
    assert call("import", folder).exit_code == 2


def test_a_model_of_another_network_is_refused(lab, exported, tmp_path):
    folder = shutil.copytree(exported, tmp_path / "out")
    (folder / "architecture.json").write_text(NET.duplicate(2).to_json())
    with pytest.raises(CnnLabError, match="its network is not the one"):
        import_run(lab, folder)


def test_an_imported_run_cannot_be_resumed_and_loses_nothing_by_the_attempt(lab, tmp_path):
    id = lab.submit(spec(RECIPE.changed(epochs=200)))
    until(lambda: lab.snapshot(id).step > 2)
    lab.command(id, {"do": "stop"})
    assert lab.wait(id, 60).state == "stopped" and lab.can_resume(id)
    export_run(lab, id, tmp_path / "out")
    copy = import_run(lab, tmp_path / "out", "ann")
    before, events = lab.snapshot(copy), lab.events(copy)
    assert before.state == "stopped" and not lab.can_resume(copy)
    with pytest.raises(RunError, match="no checkpoint that it could go on from"):
        lab.resume(copy)
    assert lab.snapshot(copy) == before and lab.events(copy) == events
    lab.resume(id)
    assert not lab.can_resume(id)  # it is going on already
    lab.command(id, {"do": "stop"})
    assert not lab.wait(id, 60).live


def test_a_run_that_was_exported_while_it_rested_comes_back_as_a_stopped_one(lab, tmp_path):
    id = lab.submit(spec(RECIPE.changed(epochs=200)))
    until(lambda: lab.snapshot(id).step > 2)
    lab.command(id, {"do": "pause"})
    until(lambda: lab.snapshot(id).state == "paused")
    export_run(lab, id, tmp_path / "out")
    lab.command(id, {"do": "stop"})
    lab.wait(id, 60)
    copy = lab.snapshot(import_run(lab, tmp_path / "out", "ann"))
    assert copy.state == "stopped" and copy.has_model and not copy.live
    assert (copy.step, copy.steps) == (lab.snapshot(id).step, lab.snapshot(id).steps)


def test_a_run_whose_checkpoints_are_all_damaged_keeps_what_is_left_of_it(lab, lab_home):
    id = lab.submit(spec(RECIPE.changed(epochs=200)))
    until(lambda: lab.snapshot(id).step > 2)
    lab.command(id, {"do": "stop"})
    before, events = lab.wait(id, 60), lab.events(id)
    for path in (lab_home / "runs" / id).glob("step-*"):
        path.write_bytes(b"")
    with pytest.raises(RunError, match="no checkpoint that it could go on from"):
        lab.resume(id)
    assert (lab.snapshot(id), lab.events(id)) == (before, events)
    assert Model.from_bytes(lab.model(id)).about.result["step"] == before.step


def test_what_another_machine_was_like_says_nothing_of_the_queue_here(lab, exported, tmp_path):
    folder = shutil.copytree(exported, tmp_path / "out")
    values = json.loads((folder / "run.json").read_text())
    (folder / "run.json").write_text(json.dumps({**values, "images_per_s": 1e9, "rate": 3.0}))
    for id in (import_run(lab, folder), lab.add({**values, "images_per_s": 1e9, "rate": 3.0}, [])):
        found = lab.snapshot(id)
        assert (found.images_per_s, found.rate, found.parent, found.error) == (0.0, None, None, None)
        assert found.train_s == values["train_s"]
