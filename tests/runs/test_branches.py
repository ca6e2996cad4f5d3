"""Branches: what they take over of their parent, what they say of it, and what is left where they cannot begin."""

import errno
import os

import pytest
import torch
from click.testing import CliRunner

from cnnlab.cli import main
from cnnlab.errors import RunError
from cnnlab.model import Model
from cnnlab.runs import Engine, engine
from tests.runs.labs import LONG, spec, until


@pytest.fixture
def lab(lab_home):
    found = Engine(slots=2)
    yield found
    found.close()


def paused_at(lab, id):
    return until(lambda: (now := lab.snapshot(id)).state == "paused" and now).step


def same(first, second):
    return all(torch.equal(first.state[name], tensor) for name, tensor in second.state.items())


@pytest.fixture
def parent(lab):
    """A run that was stopped one step after two changes that no recipe holds."""
    id = lab.submit(spec())
    lab.command(id, {"do": "pause"})
    step = paused_at(lab, id)
    lab.command(id, {"do": "change", "dropout": {"drop1": 0.5}, "frozen": ["conv1"], "lr": 0.01})
    lab.command(id, {"do": "step"})
    until(lambda: lab.snapshot(id).step > step)
    paused_at(lab, id)
    lab.command(id, {"do": "stop"})
    assert lab.wait(id, 60).state == "stopped"
    return id


def test_a_branch_says_which_layers_stand_still_and_what_is_dropped(lab, parent):
    step = lab.snapshot(parent).step
    id = lab.branch(parent, step, {"lr": 0.02})
    inherited = {"step": step, "change": {"dropout": {"drop1": 0.5}, "frozen": ["conv1"]}, "inherited": True}
    assert lab.snapshot(id).changes == (inherited,)
    ended = lab.wait(id, 60)
    assert (ended.state, ended.changes) == ("done", (inherited,))
    assert (ended.recipe.lr, ended.recipe_now.lr) == (0.02, 0.02)
    first, last = Model.from_bytes(lab.model(id, step)), Model.from_bytes(lab.model(id))
    assert torch.equal(first.state["conv1.weight"], last.state["conv1.weight"])
    assert not torch.equal(first.state["fc1.weight"], last.state["fc1.weight"])
    again = lab.branch(id, step)  # of the branch, to the same end
    assert lab.wait(again, 60).changes == (inherited,) and same(Model.from_bytes(lab.model(again)), last)
    before = lab.branch(parent, 0)
    assert lab.snapshot(before).changes == ()


def test_a_branch_with_an_inheritance_can_be_stopped_and_goes_on_to_the_same_bits(lab, parent):
    step = lab.snapshot(parent).step
    whole = lab.branch(parent, step)
    assert lab.wait(whole, 60).state == "done"
    id = lab.branch(parent, step)
    lab.command(id, {"do": "pause"})
    paused_at(lab, id)
    lab.command(id, {"do": "stop"})
    assert lab.wait(id, 60).state == "stopped"
    lab.resume(id)
    ended = lab.wait(id, 60)
    assert (ended.state, ended.error) == ("done", None)
    assert ended.changes == lab.snapshot(whole).changes != ()
    assert same(Model.from_bytes(lab.model(id)), Model.from_bytes(lab.model(whole)))


@pytest.mark.parametrize("failing", ["put", "save_checkpoint", "start"])
def test_a_branch_that_cannot_begin_is_one_sentence_and_leaves_nothing(lab, parent, lab_home, monkeypatch, failing):
    def full(*_args, **_more):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def closed(*_args, **_more):
        raise RunError("the lab is closing; no new run can begin")

    before = {path.name for path in (lab_home / "runs").iterdir()}
    place = {"put": lab._store.files, "save_checkpoint": lab._store, "start": lab._crew}[failing]
    with monkeypatch.context() as patch:
        patch.setattr(place, failing, closed if failing == "start" else full)
        with pytest.raises(RunError, match="No space left|closing") as told:
            lab.branch(parent, 0)
    assert told.value.text("zh_CN") != str(told.value)
    assert [run.id for run in lab.list()] == [parent]
    assert {path.name for path in (lab_home / "runs").iterdir()} == before
    assert lab.wait(lab.branch(parent, 0), 60).state == "done"


@pytest.fixture
def changed(lab):
    """A run with two changes of its augmentation, the first at a step at which nothing else was kept."""
    id = lab.submit(spec(LONG))
    until(lambda: lab.snapshot(id).step > 32)
    for number, rotate in enumerate((5, 9), 1):
        lab.command(id, {"do": "change", "augmentation": {"shift": 2, "rotate": rotate}, "lr": 0.001 * rotate})
        until(lambda number=number: len(lab.snapshot(id).changes) == number)
        until(lambda: lab.snapshot(id).step > lab.snapshot(id).changes[-1]["step"] + 2)
    lab.command(id, {"do": "stop"})
    return lab.wait(id, 60)


def test_a_recipe_is_the_one_of_the_checkpoint(lab, changed):
    from cnnlab.training.checkpoint import Checkpoint

    steps = [info.step for info in lab.checkpoints(changed.id)]
    assert {made["step"] for made in changed.changes} <= set(steps)  # the moment before each change is kept
    for step in steps:
        assert changed.recipe_at(step) == Checkpoint.from_bytes(lab._store.checkpoint(changed.id, step)).recipe
    assert changed.recipe_at(changed.step) == changed.recipe_now != changed.recipe == changed.recipe_at(0)


def test_a_branch_by_command_line_keeps_what_was_in_force_at_its_step(lab, changed, lab_home):
    first, second = (made["step"] for made in changed.changes)
    lab.close()
    for step, rotate in ((first, 0), (second, 5), (changed.step, 9)):
        flags = ["--step", str(step), "--shift", "1", "--epochs", "1"]
        told = CliRunner().invoke(main, ["runs", "branch", changed.id, *flags, "--json"])
        assert told.exit_code == 0, told.output
        found = next(run for run in engine().list() if run.parent_step == step)
        assert (found.recipe.augmentation.shift, found.recipe.augmentation.rotate) == (1, rotate)
    engine().close()


def test_a_step_that_was_not_kept_is_answered_with_those_that_were(lab, parent):
    steps = [kept.step for kept in lab.checkpoints(parent)]
    lab.close()
    told = CliRunner().invoke(main, ["runs", "branch", parent, "--step", "99999"])
    engine().close()
    assert told.exit_code == 2 and len(told.stderr.strip().splitlines()) == 1
    assert f"no checkpoint of step 99999; of its {len(steps)}, the nearest: " in told.stderr
    assert told.stderr.strip().endswith(str(max(steps)))


def test_a_run_is_shown_to_be_read(lab, parent):
    lab.close()
    told = CliRunner().invoke(main, ["runs", "show", parent])
    engine().close()
    lines = told.stdout.splitlines()
    assert told.exit_code == 0 and lines[0].split() == ["run", parent]
    said = {line.split()[0]: line for line in lines}
    assert lines.index(said["recipe"]) < lines.index(said["optimizer"]) and "{" not in told.stdout
    assert "dropout drop1 0.5" in told.stdout and "lr 0.01" in told.stdout
