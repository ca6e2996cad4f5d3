"""The keeper of this program's runs: whatever one row or one run does, the heart beats and the others are looked after."""

import pytest

from cnnlab.errors import RunError
from cnnlab.runs import Engine, store
from cnnlab.runs.processes import SILENT_S, is_alive
from cnnlab.runs.tables import CommandRow, ProcessRow, RunRow
from tests.runs.labs import LONG, RECIPE, spec, until


@pytest.fixture
def lab(lab_home):
    found = Engine(slots=2)
    yield found
    found.close()


def beaten(lab):
    with lab._store.database.read() as session:
        return session.get(ProcessRow, lab._store.process.id).heartbeat


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr("cnnlab.runs.crew.BEAT_S", 0.0)


def test_a_run_that_takes_no_command_does_not_keep_the_others_from_theirs(lab, monkeypatch):
    ids = [lab.submit(spec(LONG, owner=owner)) for owner in ("ann", "bob")]
    until(lambda: all(lab.snapshot(id).step for id in ids))
    take = lab._crew.command

    def deaf(run, command):
        if run.id == ids[0]:
            raise RunError("this run is over")
        take(run, command)

    with monkeypatch.context() as patch:
        patch.setattr(lab._crew, "command", deaf)
        with lab._store.database.write() as session:
            for id in ids:
                session.add(CommandRow(run=id, data={"do": "stop"}))
                session.flush()
        until(lambda: lab.snapshot(ids[1]).state == "stopped")
    assert lab.snapshot(ids[0]).live


@pytest.mark.parametrize(
    "damage", [[], 3, {}, {"changes": None}, {"changes": [{"step": 1}]}, {"changes": [3]}, {"recipe": []},
               {"architecture_key": "{"}, {"architecture_key": None}],
)  # fmt: skip
def test_a_damaged_record_of_a_live_run_does_not_stop_the_heart(lab, quick, damage):
    id = lab.submit(spec(LONG))
    until(lambda: lab.snapshot(id).step > 0)
    whole = lab.snapshot(id).as_dict()
    with lab._store.database.write() as session:
        row = RunRow(
            id="ab" * 8, owner="eve", state="queued", created=1.0, version=1, process=lab._store.process.id,
            waiting=10**6, snapshot={**whole, **damage} if isinstance(damage, dict) and damage else damage,
        )  # fmt: skip
        session.add(row)
    at = beaten(lab)
    second = lab.submit(spec(RECIPE, owner="bob"))  # somebody wants a slot: all rows are gone through
    until(lambda: beaten(lab) > at)
    assert id in lab._slots.hand_out()
    assert lab.wait(second, 60).state == "done"
    at = beaten(lab)
    until(lambda: beaten(lab) > at)


def test_an_unforeseen_fault_does_not_stop_the_heart(lab, quick, monkeypatch, caplog):
    failed = []

    def broken(_ids):
        failed.append(1)
        raise ZeroDivisionError

    with monkeypatch.context() as patch:
        patch.setattr(lab._crew, "_take_commands", broken)
        id = lab.submit(spec(LONG))
        until(lambda: len(failed) > 2)
    at = beaten(lab)
    until(lambda: beaten(lab) > at)
    assert lab.snapshot(id).live and "stumbled" in caplog.text


def test_a_program_that_was_silent_is_there_from_the_moment_it_has_a_run(database):
    """On another machine only the heartbeat tells: it must be as new as the row that is seen with it."""
    lab = Engine(slots=1)
    try:
        ended = lab.submit(spec(RECIPE))
        assert lab.wait(ended, 60).state == "done"
        lab._crew.retire()
        snapshot = lab.snapshot(ended)
        for begin in (
            lambda: lab._store.add(store.replace(snapshot, id=store.new_id(), state="queued"), []),
            lambda: lab._store.take(ended, 20, {"state": "queued"}),
        ):
            with lab._store.database.write() as session:
                row, now = session.get(ProcessRow, lab._store.process.id), lab._store.database.now(session)
                row.host, row.heartbeat = "another machine", now - 2 * SILENT_S
                session.flush()
                assert not is_alive(session, row.id, now)
            begin()
            with lab._store.database.read() as session:
                assert is_alive(session, lab._store.process.id, lab._store.database.now(session))
    finally:
        lab.close()


def test_only_runs_that_are_not_in_the_store_yet_are_the_crews(lab):
    id = lab.submit(spec(RECIPE))
    run = lab._crew.get(id)
    assert [one.id for one in lab._crew.all()] == [id]
    assert run.join(60) and run.record.saved_whole
    lab._crew._runs[id] = run  # over and written, but not retired yet
    assert lab._crew.get(id) is None and lab._crew.all() == []


@pytest.mark.parametrize("when", ["before it is written", "after it is written"])
def test_a_name_that_is_given_while_a_run_ends_is_not_lost(lab, monkeypatch, when):
    id = lab.submit(spec(LONG))
    until(lambda: lab.snapshot(id).step > 0)
    run = lab._crew.get(id)
    write = run.record.set

    def end(**values):
        if when == "before it is written":
            write(**values)
        monkeypatch.setattr(run.record, "set", write)
        run.command({"do": "stop"})
        assert run.join(60) and run.record.saved_whole
        if when == "after it is written":
            write(**values)

    monkeypatch.setattr(run.record, "set", end)
    lab.edit(id, name="the good one")
    assert lab.snapshot(id).name == lab._store.snapshot(id).name == "the good one"
    assert lab.snapshot(id).state == "stopped"
