"""The engine's face, with nothing but JSON and bytes across it, on each database."""

import json
from inspect import signature
from pathlib import Path

import pytest
import torch

from cnnlab.errors import NotAllowedError, RecipeError, RunError
from cnnlab.model import Model
from cnnlab.runs import Engine, EngineFace, Place, RunSpec, Snapshot
from cnnlab.training.checkpoint import Checkpoint
from tests.runs.labs import DEADLINE_S, LONG, NET, RECIPE, spec, uninterrupted, until


def wire(value):
    """Return ``value`` after a journey as JSON; it must come out as it went in."""
    arrived = json.loads(json.dumps(value, allow_nan=False))
    assert arrived == value
    return arrived


class Wire:
    """An engine at the far end of a wire."""

    def __init__(self, **options):
        self.far = Engine(**options)

    def submit(self, asked):
        return wire(self.far.submit(RunSpec.model_validate(wire(asked.model_dump(mode="json")))))

    def snapshot(self, id):
        return self._snapshot(self.far.snapshot(wire(id)))

    def list(self, owner=None):
        return [self._snapshot(found) for found in self.far.list(wire(owner))]

    def wait(self, id, timeout_s=DEADLINE_S):
        return self._snapshot(self.far.wait(wire(id), wire(timeout_s)))

    def events(self, id, since=0):
        return wire(self.far.events(wire(id), wire(since)))

    def command(self, id, change, owner=None):
        assert self.far.command(wire(id), wire(change), wire(owner)) is None

    def checkpoints(self, id):
        return wire([kept.as_dict() for kept in self.far.checkpoints(wire(id))])

    def branch(self, id, step, changes=None, **more):
        return wire(self.far.branch(wire(id), wire(step), wire(changes), **wire(more)))

    def resume(self, id, owner=None):
        assert self.far.resume(wire(id), wire(owner)) is None

    def can_resume(self, id):
        return wire(self.far.can_resume(wire(id)))

    def add(self, record, events, model=None, owner=""):
        assert model is None or isinstance(model, bytes)
        return wire(self.far.add(wire(record), wire(events), model, wire(owner)))

    def edit(self, id, **values):
        assert self.far.edit(wire(id), **wire(values)) is None

    def delete(self, id, owner=None):
        assert self.far.delete(wire(id), wire(owner)) is None

    def position(self, id):
        return wire(self.far.position(wire(id)))

    def queue(self):
        return [Place(**wire(place.as_dict())) for place in self.far.queue()]

    @property
    def room(self):
        return tuple(wire([*self.far.room]))

    def checkpoint(self, id, step):
        data = self.far.checkpoint(wire(id), wire(step))
        assert isinstance(data, bytes)
        return Checkpoint.from_bytes(data)

    def model_step(self, id, step=None):
        return wire(self.far.model_step(wire(id), wire(step)))

    def model_path(self, id):
        path = self.far.model_path(wire(id))
        return path and Path(wire(str(path)))

    def close(self):
        assert self.far.close() is None

    @property
    def closed(self):
        return wire(self.far.closed)

    def model(self, id, step=None):
        data = self.far.model(wire(id), wire(step))
        assert isinstance(data, bytes)
        assert self.model_step(id, step) == Model.from_bytes(data).about.result["step"]
        return Model.from_bytes(data)

    def _snapshot(self, found):
        arrived = Snapshot.from_dict(wire(found.as_dict()))
        assert arrived == found
        return arrived


@pytest.fixture
def lab(database):
    found = Wire(slots=2)
    yield found
    found.close()


def paused_at(lab, id):
    return until(lambda: (now := lab.snapshot(id)).state == "paused" and now)


def same(model, state):
    return all(torch.equal(model.state[name], tensor) for name, tensor in state.items())


def public(kind):
    return {name for name in vars(kind) if not name.startswith("_")}


def test_all_of_the_face_goes_over_the_wire_and_nothing_else_is_public():
    assert public(EngineFace) == public(Engine) == public(Wire)
    for name in public(EngineFace):
        said, done = (getattr(kind, name) for kind in (EngineFace, Engine))
        if callable(said):
            assert signature(said) == signature(done), name


def test_a_run_from_submit_to_its_end(lab):
    id = lab.submit(spec(name="first"))
    found = lab.wait(id)
    expected, weights = uninterrupted()
    assert (found.state, found.step, found.name, found.parent, found.error) == ("done", 40, "first", None, None)
    assert same(lab.model(id), weights) and found.test_acc == expected[-1].acc
    events = lab.events(id)
    assert [event["n"] for event in events] == list(range(1, len(events) + 1))
    told = [event for event in events if event["kind"] in ("train", "val", "test")]
    assert [_bare(event) for event in told] == [_bare(event.as_dict()) for event in expected]
    assert lab.events(id, since=5) == events[5:]
    assert lab.list("ann") == [found] and lab.list("bob") == []


def _bare(event):
    return {name: value for name, value in event.items() if name not in ("n", "images")}


def test_each_kept_moment_can_be_looked_at(lab):
    id = lab.submit(spec())
    lab.wait(id)
    kept = lab.checkpoints(id)
    assert [moment["step"] for moment in kept] == [0, 1, 2, 4, 8, 16, 20, 32, 40]
    assert [moment["step"] for moment in kept if moment["whole"]] == [0, 20, 40]
    assert all(moment["bytes"] > 1000 for moment in kept)
    models = [lab.model(id, moment["step"]) for moment in kept]
    assert [model.about.result["step"] for model in models] == [moment["step"] for moment in kept]
    _events, first_epoch = uninterrupted(RECIPE)
    assert same(models[-1], first_epoch)
    assert not torch.equal(models[0].state["fc1.weight"], models[1].state["fc1.weight"])
    with pytest.raises(RunError, match="has kept no weights of step 3"):
        lab.model(id, 3)


def test_one_step_one_epoch_slow_motion_and_on(lab):
    id = lab.submit(spec(LONG))
    until(lambda: lab.snapshot(id).step >= 1)
    lab.command(id, {"do": "pause"})
    first = paused_at(lab, id).step
    for steps in (1, 2):
        lab.command(id, {"do": "step"})
        until(lambda steps=steps: lab.snapshot(id).step == first + steps)
        assert paused_at(lab, id).step == first + steps
    lab.command(id, {"do": "epoch"})
    until(lambda: lab.snapshot(id).step > first + 2)
    found = paused_at(lab, id)
    assert found.step % 100 == 0 and found.val_acc is not None
    lab.command(id, {"do": "slow", "rate": 2})
    until(lambda: lab.snapshot(id).step > found.step)
    assert lab.snapshot(id).rate == 2 and lab.snapshot(id).step <= found.step + 3
    lab.command(id, {"do": "resume"})
    until(lambda: lab.snapshot(id).step > found.step + 20)
    assert lab.snapshot(id).rate is None
    lab.command(id, {"do": "stop"})
    assert lab.wait(id).state == "stopped"
    log = [event["do"] for event in lab.events(id) if event["kind"] == "command"]
    assert log == ["pause", "step", "step", "epoch", "slow", "resume", "stop"]


def test_who_holds_a_run_is_known_until_it_goes_on(lab):
    id = lab.submit(spec(LONG))
    until(lambda: lab.snapshot(id).step >= 1)
    lab.command(id, {"do": "pause", "by": "teacher"})
    assert paused_at(lab, id).held_by == "teacher"
    lab.command(id, {"do": "resume"})
    until(lambda: lab.snapshot(id).state == "running")
    assert lab.snapshot(id).held_by == ""
    lab.command(id, {"do": "stop", "by": "teacher"})
    assert lab.wait(id).state == "stopped"
    assert lab.snapshot(id).held_by == "teacher"
    lab.resume(id)
    assert lab.snapshot(id).held_by == ""
    with pytest.raises(NotAllowedError, match="only the teacher"):
        lab.command(id, {"do": "stop", "by": "teacher"}, owner=lab.snapshot(id).owner)
    lab.command(id, {"do": "stop"})
    try:
        lab.command(id, {"do": "pause", "by": "teacher"})  # comes too late to be followed
    except RunError:
        pass
    found = lab.wait(id)
    assert (found.state, found.held_by) == ("stopped", "")


def test_live_changes_are_logged_and_made_again_by_resume(lab):
    id = lab.submit(spec())
    lab.command(id, {"do": "pause"})
    found = paused_at(lab, id)
    lab.command(id, {"do": "change", "lr": 0.01, "frozen": ["conv1"]})
    lab.command(id, {"do": "step"})
    until(lambda: lab.snapshot(id).step == found.step + 1 and lab.snapshot(id).state == "paused")
    lab.command(id, {"do": "change", "batch_size": 10, "dropout": {"drop1": 0.5}})
    lab.command(id, {"do": "stop"})
    stopped = lab.wait(id)
    expected = [
        {"step": found.step, "change": {"lr": 0.01, "frozen": ["conv1"]}},
        {"step": found.step + 1, "change": {"batch_size": 10, "dropout": {"drop1": 0.5}}},
    ]
    assert list(stopped.changes) == expected
    log = [event for event in lab.events(id) if event.get("do") == "change"]
    assert [{"step": event["step"], "change": event["change"]} for event in log] == expected
    lab.resume(id)
    ended = lab.wait(id)
    assert (ended.state, ended.resumed, ended.steps) == ("done", 1, stopped.steps)
    assert same(lab.model(id), uninterrupted(changes=expected)[1])
    assert ended.recipe == RECIPE and ended.recipe_now.lr == 0.01


def test_a_branch_knows_its_parent_and_differs_in_one_thing(lab):
    parent = lab.submit(spec())
    lab.wait(parent)
    same_again = lab.branch(parent, 0)
    other = lab.branch(parent, 20, {"lr": 0.0005}, name="slower", owner="ann")
    found = lab.wait(other)
    assert (found.parent, found.parent_step, found.name, found.state) == (parent, 20, "slower", "done")
    assert found.recipe == RECIPE.changed(lr=0.0005)
    first = lab.model(other, 20)
    assert same(first, lab.model(parent, 20).state) and lab.checkpoints(other)[0]["step"] == 20
    assert not same(lab.model(other), lab.model(parent).state)
    lab.wait(same_again)
    assert same(lab.model(same_again), lab.model(parent).state)
    lab.delete(parent)
    assert same(lab.model(other, 20), first.state)  # it has all it needs
    assert lab.snapshot(other).parent == parent
    with pytest.raises(NotAllowedError):
        lab.branch(other, 20, owner="bob")
    with pytest.raises(RunError, match="no checkpoint of step 21"):
        lab.branch(other, 21)
    with pytest.raises(RecipeError):
        lab.branch(other, 20, {"epochs": 0})


def test_what_cannot_be_done_is_one_sentence(lab):
    id = lab.submit(spec(LONG))
    for change, told in [
        ({"do": "slow"}, "no such command"), ({"do": "slow", "rate": 0}, "steps a second"),
        ({"do": "stop", "by": "ann"}, "no such command"), ({"do": "step", "by": "teacher"}, "no such command"),
        ({"do": "slow", "rate": True}, "steps a second"), ({"do": "step", "n": 3}, "no such command"),
    ]:  # fmt: skip
        with pytest.raises(RunError, match=told):
            lab.command(id, change)
    for change in ({}, {"lr": -1}, {"speed": 1}, {"frozen": ["conv9"]}, {"batch_size": 0}):
        with pytest.raises(RecipeError):
            lab.command(id, {"do": "change", **change})
    with pytest.raises(NotAllowedError):
        lab.command(id, {"do": "stop"}, owner="bob")
    with pytest.raises(RunError, match="only a run that was interrupted or stopped"):
        lab.resume(id)
    lab.command(id, {"do": "stop"})
    lab.wait(id)
    with pytest.raises(NotAllowedError):
        lab.resume(id, owner="bob")


def test_names_and_notes(lab):
    id = lab.submit(spec(RECIPE.changed(epochs=1)))
    lab.wait(id)
    lab.edit(id, name="the good one", notes="看这里 \U0001f600")
    found = lab.snapshot(id)
    assert (found.name, found.notes, found.state) == ("the good one", "看这里 \U0001f600", "done")
    with pytest.raises(NotAllowedError):
        lab.edit(id, notes="mine", owner="bob")
    assert lab.model(id).architecture == NET


def test_a_run_that_is_over_can_be_kept_from_elsewhere(lab):
    id = lab.submit(spec())
    found = lab.wait(id)
    copy = lab.add(found.as_dict(), lab.events(id), lab.far.model(id), owner="bob")
    there = lab.snapshot(copy)
    assert (there.owner, there.test_acc, there.has_model) == ("bob", found.test_acc, True)
    assert lab.events(copy) == lab.events(id)
    assert same(lab.model(copy), lab.model(id).state)
    with pytest.raises(RunError, match="no record of a run"):
        lab.add({"id": 3}, [])


def test_with_early_stopping_the_model_is_the_one_that_val_chose(lab):
    hasty = RECIPE.changed(epochs=30, lr=0.05, early_stopping=1, schedule="constant")
    id = lab.submit(spec(hasty))
    found = lab.wait(id)
    expected, weights = uninterrupted(hasty)
    assert found.state == "done" and found.step == found.steps < 600
    assert found.chosen_step == expected[-1].step < found.step and found.test_acc == expected[-1].acc
    model = lab.model(id)
    assert same(model, weights) and model.about.result["step"] == found.chosen_step
    assert lab.checkpoints(id)[-1]["step"] == found.step  # the last moment can be looked at, too
    assert not same(lab.model(id, found.step), weights)
    assert any(event["kind"] == "health" for event in lab.events(id))


def test_who_waits_and_how_much_room_there_is(database):
    lab = Wire(slots=1, memory=10**9)
    try:
        first, second = lab.submit(spec(LONG)), lab.submit(spec(LONG, owner="bob"))
        assert lab.room == (1, 10**9)
        until(lambda: lab.snapshot(first).step > 0)
        assert (lab.position(first), lab.position(second)) == (None, 0)
        (place,) = lab.queue()
        assert (place.id, place.owner, place.for_memory) == (second, "bob", False)
        assert not lab.can_resume(first)
        lab.command(first, {"do": "stop"})
        assert lab.wait(first).state == "stopped" and lab.can_resume(first)
        until(lambda: lab.snapshot(second).step > 0)
        assert lab.wait(second, 0).live
        path = lab.model_path(first)
        assert path is not None and path.read_bytes() == lab.far.model(first)
        lab.delete(first)
        assert lab.model_path(first) is None
    finally:
        lab.close()
    assert lab.closed
    with pytest.raises(RunError, match="closing"):
        lab.submit(spec())
