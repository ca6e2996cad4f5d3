"""Slots go round: who submits ten runs makes nobody wait for all ten."""

import pytest
from sqlalchemy import select

from cnnlab.architecture import Architecture
from cnnlab.architecture.layers import Flatten, Linear
from cnnlab.runs.engine import Engine
from cnnlab.runs.run import Run
from cnnlab.runs.snapshot import RunSpec
from cnnlab.runs.tables import RunRow, TurnRow
from cnnlab.training.recipe import Recipe
from tests.runs.labs import until

NET = Architecture(name="line", input_shape=(1, 28, 28), layers=(Flatten(), Linear(out_features=10)))
LONG = Recipe(epochs=200, batch_size=20, precision="float32", memory_format="contiguous", threads=1)


class Class:
    """Learners who submit runs that end when told; ``begun`` has the owners in the order in which they got a slot."""

    def __init__(self, slots: int) -> None:
        self.lab = Engine(slots=slots)
        self.begun: list[str] = []

    def submit(self, owner: str) -> str:
        return self.lab.submit(RunSpec(architecture=NET, data="mnist", recipe=LONG, owner=owner))

    def stop(self, id: str) -> None:
        """End a run and wait until its slot has gone to the next."""
        run = self.lab._crew.get(id)
        self.lab.command(id, {"do": "stop"})
        assert run.join(60)


@pytest.fixture
def class_of(lab_home, monkeypatch):
    made = []

    def make(slots):
        found = Class(slots)
        made.append(found)
        grant = Run.grant
        monkeypatch.setattr(Run, "grant", lambda run: (run.granted or found.begun.append(run.owner), grant(run))[1])
        return found

    yield make
    for found in made:
        found.lab.close()


def test_with_one_slot_owners_take_turns(class_of):
    learners = class_of(1)
    ann = [learners.submit("ann") for _ in range(10)]
    bob = [learners.submit("bob") for _ in range(2)]
    cat = learners.submit("cat")
    assert learners.begun == ["ann"]
    for id in (ann[0], bob[0], cat, ann[1], bob[1], ann[2]):
        learners.stop(id)
    assert learners.begun == ["ann", "bob", "cat", "ann", "bob", "ann", "ann"]
    assert learners.lab.snapshot(ann[3]).live


def test_with_two_slots_who_has_none_comes_first(class_of):
    learners = class_of(2)
    ann = [learners.submit("ann") for _ in range(5)]
    bob = [learners.submit("bob") for _ in range(2)]
    learners.submit("cat")
    assert learners.begun == ["ann", "ann"]
    learners.stop(ann[0])
    assert learners.begun[2:] == ["bob"]
    learners.stop(bob[0])  # ann has the other slot, cat had none yet
    assert learners.begun[3:] == ["cat"]
    learners.stop(ann[1])
    assert learners.begun[4:] == ["ann"]  # it is longest since she was given one


def test_one_learner_alone_has_all_slots_in_the_order_of_submission(class_of):
    learners = class_of(2)
    ids = [learners.submit("ann") for _ in range(4)]
    learners.stop(ids[1])
    assert [learners.lab.snapshot(id).state for id in ids[3:]] == ["queued"]
    assert set(learners.lab._slots.hand_out()) == {ids[0], ids[2]}
    assert [learners.lab.position(id) for id in ids] == [None, None, None, 0]
    for id in (ids[3], ids[0], ids[2]):
        learners.stop(id)
    assert not learners.lab._slots.hand_out()
    with learners.lab._store.database.read() as session:
        assert session.scalars(select(TurnRow)).all() == []  # nobody waits for anybody: all are equal again


def test_a_run_that_is_pausing_is_given_no_slot_and_learns_with_one_only(lab_home, monkeypatch):
    """Somebody hands out slots while a run writes down that it pauses: the row still says that it has its own."""
    lab = Engine(slots=1)
    slots: list[tuple[str, int | None]] = []
    enter = Run._enter

    def watched(run, state, *args, **values):
        if state == "paused":
            lab._crew._dispatch()
        enter(run, state, *args, **values)
        if state == "running":
            with lab._store.database.read() as session:
                slots.append((run.owner, session.get(RunRow, run.id).slot))

    monkeypatch.setattr(Run, "_enter", watched)
    try:
        spec = RunSpec(architecture=NET, data="mnist", recipe=LONG, owner="ann")
        first, second = lab.submit(spec), lab.submit(spec.model_copy(update={"owner": "bob"}))
        until(lambda: lab.snapshot(first).step > 0)
        lab.command(first, {"do": "pause"})
        until(lambda: lab.snapshot(second).step > 0)
        lab.command(first, {"do": "resume"})
        until(lambda: [event["state"] for event in lab.events(first) if event["kind"] == "state"][2:3] == ["paused"])
        until(lambda: lab.position(first) == 0 or lab.snapshot(first).state == "running")
        lab.command(second, {"do": "stop"})
        until(lambda: lab.snapshot(first).state == "running")
        until(lambda: len(slots) == 3)
        assert [owner for owner, _slot in slots] == ["ann", "bob", "ann"]
        assert all(slot is not None for _owner, slot in slots)
    finally:
        lab.close()


def test_a_slot_that_was_meant_for_a_run_before_it_paused_is_not_its_own_afterwards(lab_home):
    lab = Engine(slots=1)
    try:
        id = lab.submit(RunSpec(architecture=NET, data="mnist", recipe=LONG, owner="ann"))
        until(lambda: lab.snapshot(id).step > 0)
        run = lab._crew.get(id)
        lab.command(id, {"do": "pause"})
        until(lambda: lab.snapshot(id).state == "paused")
        run.grant()
        assert not run.granted
        run.asks()
        run.grant()
        assert run.granted
    finally:
        lab.close()
