"""kill -9, a full disk, two programs on one store: nothing is lost, and the bits are those of a run left in peace."""

import json
import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from cnnlab.errors import RunError
from cnnlab.model import Model
from cnnlab.runs import Engine
from tests.runs.labs import LONG, NET, RECIPE, spec, uninterrupted, until

ROOT = Path(__file__).resolve().parents[2]
FLAGS = ("--epochs", "3", "--batch-size", "20", "--limit-train", "8000", "--lr", "0.003", "--precision", "float32",
         "--memory-format", "contiguous", "--threads", "1", "--shift", "2", "--schedule", "cosine")  # fmt: skip
TOLD = RECIPE.changed(epochs=3, limit_train=8000)


@pytest.fixture
def lab(database):
    found = Engine(slots=2)
    yield found
    found.close()


@pytest.fixture
def net(tmp_path):
    path = tmp_path / "net.json"
    path.write_text(NET.to_json())
    return str(path)


def command_line(*arguments, **options):
    return subprocess.Popen(
        [sys.executable, "-m", "cnnlab", *arguments], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True, env={**os.environ, "OMP_NUM_THREADS": "1"}, **options,
    )  # fmt: skip


def equal(model, state):
    return all(torch.equal(model.state[name], tensor) for name, tensor in state.items())


def test_a_killed_train_is_interrupted_and_another_process_ends_it_with_the_same_bits(lab, net, tmp_path):
    killed = command_line("train", "--net", net, "--data", "mnist", *FLAGS, "--json")
    run = until(lab.list)[0]
    assert (run.state, run.name, run.owner) == ("queued", "small", "command line")  # listed before torch was imported
    until(lambda: lab.snapshot(run.id).step > 280)
    lab.command(run.id, {"do": "change", "lr": 0.001})  # from another process, long after the last checkpoint
    changed = until(lambda: lab.snapshot(run.id).changes)
    os.kill(killed.pid, signal.SIGKILL)
    killed.communicate()
    assert killed.returncode == -signal.SIGKILL
    found = lab.snapshot(run.id)
    kept = [moment.step for moment in lab.checkpoints(run.id)]
    assert found.state == "interrupted" and "resume it" in str(found.error) and found.has_model
    assert kept[:10] == [0, 1, 2, 4, 8, 16, 32, 64, 128, 256] and found.step < found.steps == 1200
    assert Model.from_bytes(lab.model(run.id)).about.result["step"] == kept[-1]
    out = tmp_path / "model.safetensors"
    resumed = command_line("runs", "resume", run.id, "--out", str(out), "--json")
    told, errors = resumed.communicate(timeout=120)
    assert resumed.returncode == 0, errors
    events, weights = uninterrupted(TOLD, changed)
    answer = json.loads(told)
    assert answer.keys() >= {"run", "test_acc", "train_s", "images_per_s", "model"}
    assert (answer["run"], answer["test_acc"], answer["model"]) == (run.id, events[-1].acc, str(out))
    assert equal(Model.load(out), weights) and equal(Model.from_bytes(lab.model(run.id)), weights)
    train = [(event["step"], event["loss"]) for event in lab.events(run.id) if event["kind"] == "train"]
    assert train == [(event.step, event.loss) for event in events if event.kind == "train"]
    assert [event["n"] for event in lab.events(run.id)] == list(range(1, len(lab.events(run.id)) + 1))
    assert lab.snapshot(run.id).state == "done"


def test_programs_share_the_slots_and_neither_takes_the_others_run_for_dead(database, net):
    lab = Engine(slots=1)
    try:
        mine = lab.submit(spec(LONG))
        until(lambda: lab.snapshot(mine).state == "running")
        other = command_line("train", "--net", net, "--data", "mnist", *FLAGS, "--name", "other", "--json")
        os.sched_setaffinity(other.pid, {min(os.sched_getaffinity(0))})  # with one core it sees one slot, too
        theirs = until(lambda: [run for run in lab.list() if run.name == "other"])[0].id
        until(lambda: lab.position(theirs) == 0)
        listed = command_line("runs", "list", "--json")
        rows = {row["run"]: row["state"] for row in json.loads(listed.communicate(timeout=60)[0])}
        assert rows[mine] == "running" and rows[theirs] in ("queued", "running")
        lab.command(mine, {"do": "pause"})  # gives its slot away
        until(lambda: lab.snapshot(theirs).step > 20)
        lab.command(theirs, {"do": "stop"})
        assert json.loads(other.communicate(timeout=60)[0])["run"] == theirs
        assert lab.snapshot(theirs).state == "stopped" and lab.snapshot(mine).state == "paused"
    finally:
        lab.close()


def test_a_run_that_another_program_took_over_is_let_go(lab):
    """As when a machine slept for so long that others thought it dead."""
    id = lab.submit(spec(LONG))
    until(lambda: lab.snapshot(id).step > 3)
    other = Engine()
    try:
        with lab._store.database.write() as session:
            lab._store.process.leave(session)
        assert other.snapshot(id).state == "interrupted"
        other.resume(id)
        until(lambda: lab._crew.get(id) is None)
        assert lab.snapshot(id).resumed == 1
        until(lambda: other.snapshot(id).step > 3)
        lab.command(id, {"do": "stop"})
        assert other.wait(id, 60).state == "stopped"
        assert [moment.step for moment in other.checkpoints(id)] == [m.step for m in lab.checkpoints(id)]
    finally:
        other.close()


DISK = """
import resource, sys, json
from cnnlab.runs import engine
from tests.runs.labs import spec, RECIPE, until
lab = engine()
before = lab.submit(spec(name="before"))
assert lab.wait(before, 60).state == "done"
kept = lab.model(before)
id = lab.submit(spec(RECIPE.changed(epochs=200), name="full"))
until(lambda: any(moment.step >= 64 for moment in lab.checkpoints(id)))
FILL
until(lambda: lab.snapshot(id).warning is not None)
step = lab.snapshot(id).step
until(lambda: lab.snapshot(id).step > step + 20)
warning = str(lab.snapshot(id).warning)
lab.command(id, {"do": "stop"})
ended = lab.wait(id, 60)
assert lab.model(before) == kept and lab.model(id)
print(json.dumps([id, before, warning, ended.state, str(ended.error)]))
sys.stdout.flush()
import os; os._exit(0)
"""


def full_disk(home, fill, **options):
    script = DISK.replace("FILL", fill)
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1", "CNNLAB_HOME": str(home)}, **options,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout)


def check_after(id, before, warning, state, error):
    """The disk has room again: all that was there is whole, and the run goes on."""
    assert "the disk is full" in warning and state == "interrupted" and error == warning
    lab = Engine()
    try:
        assert lab.snapshot(before).state == "done" and lab.model(before)
        found = lab.snapshot(id)
        assert found.state == "interrupted"
        kept = [moment.step for moment in lab.checkpoints(id)]
        assert kept[0] == 0 and kept[-1] >= 64
        for step in kept:
            lab.model(id, step)
        lab.resume(id)
        until(lambda: lab.snapshot(id).step > kept[-1] + 5)
        lab.command(id, {"do": "stop"})
        assert lab.wait(id, 60).state == "stopped" and lab.snapshot(id).warning is None
    finally:
        lab.close()


@pytest.mark.skipif(not hasattr(resource, "RLIMIT_FSIZE"), reason="this system limits no files")
def test_no_file_may_grow_any_more(lab_home, tmp_path):
    """A limit on the size of files, as the kernel enforces it: writing fails as on a full disk."""
    found = full_disk(lab_home, "resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))")
    check_after(*found)


@pytest.fixture
def small_disk(tmp_path):
    """A file system of three megabytes, where this machine lets us have one."""
    disk = tmp_path / "disk"
    disk.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(disk)], capture_output=True, text=True, check=False
    )
    if made.returncode:
        pytest.skip(f"no small file system can be made here: {made.stderr.strip()}")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="a tmpfs is Linux's")
def test_a_disk_that_is_really_full(small_disk, monkeypatch):
    monkeypatch.setenv("CNNLAB_HOME", str(small_disk))
    fill = (
        f"import os\nwith open({str(small_disk / 'filler')!r}, 'wb', buffering=0) as filler:\n"
        "    try:\n        while True:\n            filler.write(bytes(4096))\n    except OSError:\n        pass"
    )
    found = full_disk(small_disk, fill)
    lab = Engine()  # nothing can be written, and all is there
    try:
        assert {run.id: run.state for run in lab.list()} == {found[0]: "interrupted", found[1]: "done"}
        assert lab.model(found[0]) and lab.events(found[0])
        with pytest.raises(RunError, match="full"):
            lab.resume(found[0])
    finally:
        lab.close()
    (small_disk / "filler").unlink()
    check_after(*found)
