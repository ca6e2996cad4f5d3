"""The disk or the database fails for a moment: no run is lost by it, and none says what is not so."""

import errno
import json
import math
import os
import subprocess
import sys
from pathlib import Path

import pytest

from cnnlab.architecture.presets import PRESETS
from cnnlab.data.loader import load
from cnnlab.errors import RunError
from cnnlab.health.monitor import Monitor
from cnnlab.runs import Engine
from cnnlab.runs.artefacts import Folder
from cnnlab.runs.database import StoreError
from cnnlab.runs.folders import export_run, import_run
from cnnlab.training.checkpoint import Checkpoint
from cnnlab.training.loop import Training
from tests.runs.labs import LONG, RECIPE, spec, until

ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.fixture
def lab(lab_home):
    lab = Engine(slots=1)
    yield lab
    lab.close()


def fails_once(monkeypatch, place, name, error):
    """Let the method ``name`` of ``place`` fail when it is called next."""
    real = getattr(place, name)

    def once(*args, **options):
        monkeypatch.setattr(place, name, real)
        raise error

    monkeypatch.setattr(place, name, once)


def paused(lab, id):
    until(lambda: lab.snapshot(id).step > 3)
    lab.command(id, {"do": "pause"})
    return until(lambda: lab.snapshot(id).state == "paused" and lab.snapshot(id))


def stopped(lab, id):
    lab.command(id, {"do": "stop"})
    return lab.wait(id, 60)


def test_a_slot_that_could_not_be_given_back_is_given_back_later(lab, monkeypatch):
    one = lab.submit(spec(LONG))
    until(lambda: lab.snapshot(one).step > 3)
    fails_once(monkeypatch, lab._slots, "release", StoreError("the database is busy"))
    paused(lab, one)
    other = lab.submit(spec(LONG))
    until(lambda: lab.snapshot(other).step > 3)
    assert stopped(lab, other).state == stopped(lab, one).state == "stopped"


def test_a_run_goes_on_though_its_wish_could_not_be_written_at_once(lab, monkeypatch):
    id = lab.submit(spec(LONG))
    step = paused(lab, id).step
    fails_once(monkeypatch, lab._slots, "want", StoreError("the database is busy"))
    lab.command(id, {"do": "resume"})
    until(lambda: lab.snapshot(id).step > step)
    assert stopped(lab, id).state == "stopped"


def test_what_cannot_ask_for_a_slot_leaves_nothing_behind(lab, monkeypatch):
    fails_once(monkeypatch, lab._slots, "want", StoreError("the database is busy"))
    with pytest.raises(StoreError):
        lab.submit(spec())
    assert lab.list() == [] and lab._crew.all() == []


def test_a_run_that_the_store_breaks_off_is_interrupted_and_goes_on(lab, monkeypatch):
    id = lab.submit(spec(RECIPE.changed(epochs=40)))
    until(lambda: lab.checkpoints(id))
    fails_once(monkeypatch, lab._crew.get(id), "_follow", StoreError("the server is gone"))
    ended = lab.wait(id, 60)
    assert ended.state == "interrupted" and "server is gone" in ended.error.text("en")
    lab.resume(id)
    assert lab.wait(id, 60).state == "done"


def test_files_that_cannot_be_removed_keep_no_run_from_going_on(lab, monkeypatch):
    id = lab.submit(spec(LONG))
    until(lambda: lab.snapshot(id).step > 3)
    stopped(lab, id)
    fails_once(monkeypatch, Folder, "remove_run", PermissionError(errno.EACCES, "in use"))
    lab.resume(id)
    until(lambda: lab.snapshot(id).step > 6)
    stopped(lab, id)
    fails_once(monkeypatch, Folder, "remove_run", PermissionError(errno.EACCES, "in use"))
    lab.delete(id)
    assert lab.list() == []


def test_a_resume_that_fails_leaves_the_run_to_be_resumed_again(lab, monkeypatch):
    id = lab.submit(spec(LONG))
    until(lambda: lab.snapshot(id).step > 3)
    stopped(lab, id)
    fails_once(monkeypatch, lab._slots, "want", StoreError("the database is busy"))
    with pytest.raises(StoreError):
        lab.resume(id)
    assert lab.snapshot(id).state == "interrupted"
    lab.resume(id)
    until(lambda: lab.snapshot(id).step > 6)
    stopped(lab, id)


def test_what_cannot_be_written_here_is_not_brought_here(lab, monkeypatch):
    id = lab.submit(spec())
    record = lab.wait(id, 60).as_dict()
    fails_once(monkeypatch, Folder, "put", OSError(errno.ENOSPC, "No space left on device"))
    with pytest.raises(RunError, match="No space left"):
        lab.add(record, [], b"weights")
    assert [run.id for run in lab.list()] == [id]


def test_a_moment_that_could_not_be_kept_is_kept_when_there_is_room_again(lab, monkeypatch):
    id = lab.submit(spec(LONG))
    until(lambda: lab.snapshot(id).step > 70)
    with monkeypatch.context() as patch:

        def full(*args):
            raise OSError(errno.ENOSPC, "No space left on device")

        patch.setattr(Folder, "put", full)
        step = paused(lab, id).step
        until(lambda: lab.snapshot(id).warning is not None)
        lab.edit(id, notes="the row alone can be written")  # which makes the weights no safer
        assert "disk is full" in lab.snapshot(id).warning.text("en")
        assert all(moment.step < step for moment in lab.checkpoints(id))
    ended = stopped(lab, id)
    assert ended.step == step and ended.warning is None
    assert lab.checkpoints(id)[-1].step == step


def test_losses_that_are_no_numbers_are_written_as_none(database, tmp_path):
    """Squared errors overflow in the looks at the validation images before the loss of a step does."""
    lab = Engine(slots=1)
    try:
        recipe = RECIPE.changed(
            epochs=60,
            limit_train=32,
            batch_size=32,
            optimizer="sgd",
            lr=10.0,
            momentum=0.99,
            loss="mse",
            schedule="constant",
        )
        id = lab.submit(spec(recipe))
        ended = lab.wait(id, 60)
        assert any(event["kind"] == "val" and event["loss"] is None for event in lab.events(id)), "it never overflowed"
        until(lambda: lab._crew.get(id) is None)  # all of it is in the store
        assert ended.state in ("failed", "done")
        json.dumps(lab.snapshot(id).as_dict(), allow_nan=False)
        export_run(lab, id, tmp_path / "run")
        again = lab.snapshot(import_run(lab, tmp_path / "run"))
        assert again.val_loss is None or math.isfinite(again.val_loss)
    finally:
        lab.close()


def test_what_is_seen_of_the_layers_goes_on_over_a_break_as_if_there_had_been_none():
    preset, dataset = PRESETS["vgg-mnist"], load("mnist")
    recipe = RECIPE.changed(limit_train=640, batch_size=32, epochs=3, lr=0.03)

    def looked(training, until_step, every=5):
        training.monitor, found = Monitor(training.network, every, training.watched), []
        for event in training.events():
            if event.kind == "health":
                found.append(event)
            if training.step == until_step and event.kind != "look":
                break
        return found

    whole = looked(Training(preset.architecture, dataset, recipe), 46)
    first = Training(preset.architecture, dataset, recipe)
    before = looked(first, 28)
    kept = Checkpoint.from_bytes(first.checkpoint().to_bytes())
    after = looked(Training.restore(preset.architecture, dataset, kept), 46)
    assert [event.step for event in whole] == [1, 2, 4, 5, 8, 10, 15, 16, 20, 25, 30, 32, 35, 40, 45]
    assert [event for event in whole if event.step > 28] == [event for event in after if event.step > 28]
    assert len(before) + len(after) == len(whole)
    layer = {event.step: event.layers["relu1_1" if "relu1_1" in event.layers else "relu1"] for event in whole}
    assert "dead_window" not in layer[5] and layer[8]["dead_window"] <= layer[8]["dead"]


ENDS = """
from cnnlab.architecture.presets import PRESETS
from cnnlab.runs import engine
from tests.runs.labs import LONG, spec, until
recipe = LONG.changed(threads=2, batch_size=128)
id = engine().submit(spec(recipe, architecture=PRESETS["article-000-lenet5"].architecture))
until(lambda: engine().snapshot(id).step > 5)
"""


def test_a_program_that_ends_while_threads_share_a_step_interrupts_its_run(lab_home):
    """The interpreter ends its pools of threads before anybody is asked to close."""
    done = subprocess.run(
        [sys.executable, "-c", ENDS], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    lab = Engine()
    try:
        (run,) = lab.list()
        assert run.state == "interrupted" and lab.can_resume(run.id)
        assert lab.checkpoints(run.id)[-1].step == run.step
    finally:
        lab.close()
