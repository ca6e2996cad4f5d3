"""The database: made, migrated, shared, refused; and the artefacts beside it."""

import json
import threading

import pytest
from alembic.script import ScriptDirectory
from sqlalchemy import inspect, text, update

from cnnlab.description import ModelRef
from cnnlab.errors import RunError
from cnnlab.runs import Engine, resolve
from cnnlab.runs import database as module
from cnnlab.runs.artefacts import Elsewhere, Folder, artefacts
from cnnlab.runs.database import HEAD, Database, StoreError
from cnnlab.runs.processes import Process, is_alive, started, this_host
from cnnlab.runs.store import Store
from cnnlab.runs.tables import Base, ProcessRow, RunRow
from cnnlab.workspace import Workspace, new_id
from tests.pages.makers import keep_run
from tests.runs.labs import RECIPE, spec


def columns(connection):
    found = inspect(connection)
    return {
        table: {column["name"]: (bool(column["nullable"]), type(column["type"].as_generic()).__name__)
                for column in found.get_columns(table)}
        for table in found.get_table_names() if table != "alembic_version"
    }  # fmt: skip


def test_the_migrations_lead_to_the_tables_of_today(database):
    assert ScriptDirectory(str(module._MIGRATIONS)).get_current_head() == HEAD
    found = Database()
    with found.write() as session:
        migrated = columns(session.connection())
        Base.metadata.drop_all(session.connection())
        Base.metadata.create_all(session.connection())
        assert migrated == columns(session.connection())
    found.close()


def test_an_older_database_is_migrated_and_its_runs_are_still_there(database, lab_home):
    lab = Engine()
    id = lab.submit(spec(RECIPE.changed(epochs=1)))
    snapshot = lab.wait(id, 60)
    events = lab.events(id)
    lab.close()
    emptied = Database()
    with emptied.write() as session:
        Base.metadata.drop_all(session.connection())
        session.execute(text("DROP TABLE alembic_version"))
    emptied.close()
    old = Database(revision="0001")
    with old.write() as session:
        assert set(columns(session.connection())) == {"runs", "events", "processes"}
        session.execute(
            text(
                "INSERT INTO runs (id, owner, state, created, version, snapshot) VALUES (:id, 'ann', 'done', 1, 1, :s)"
            ),
            {"id": id, "s": json.dumps(snapshot.as_dict())},
        )
        for event in events:
            session.execute(
                text("INSERT INTO events (run, n, data) VALUES (:id, :n, :data)"),
                {"id": id, "n": event["n"], "data": json.dumps(event)},
            )
    old.close()
    again = Engine()
    try:
        assert again.list() == [snapshot] and again.events(id) == events
        assert again.checkpoints(id) == []
        second = again.submit(spec(RECIPE.changed(epochs=1)))
        assert again.wait(second, 60).state == "done"
    finally:
        again.close()


def test_a_newer_database_is_refused_and_left_as_it_is(database):
    found = Database()
    with found.write() as session:
        session.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    found.close()
    for _attempt in range(2):
        with pytest.raises(RunError, match="written by a newer CNN Lab .*9999"):
            Database()


def test_several_programs_open_a_new_database_at_once(database):
    opened, errors = [], []

    def work():
        try:
            opened.append(Database())
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not errors and len(opened) == 6
    for found in opened:
        found.close()


def test_sqlite_waits_for_others_keeps_rows_together_and_writes_ahead(lab_home):
    found = Database()
    with found.read() as session:
        values = [session.execute(text(f"PRAGMA {name}")).scalar() for name in ("journal_mode", "foreign_keys")]
        assert values == ["wal", 1]
        assert session.execute(text("PRAGMA busy_timeout")).scalar() >= 10_000

    def half():
        with found.write() as session:
            session.add(ProcessRow(id="a", host="h", pid=1, started=1.0, heartbeat=1.0))
            session.flush()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        half()
    with found.read() as session:
        assert session.get(ProcessRow, "a") is None  # all of it or nothing
    with pytest.raises(StoreError, match="does not do its work"), found.write() as session:
        session.execute(text("SELECT * FROM nowhere"))
    found.close()


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("no url", "holds no database URL"), ("wrong://x/y", "cannot be opened"),
        ("sqlite:////proc/nowhere/runs.sqlite", "cannot be opened"),
        ("postgresql://ann:secret@127.0.0.1:1/none", "cannot be opened"),
    ],
)  # fmt: skip
def test_a_place_that_is_none_is_one_sentence(lab_home, monkeypatch, url, told):
    monkeypatch.setenv("CNNLAB_DATABASE_URL", url)
    with pytest.raises(RunError, match=told) as error:
        Database()
    assert "secret" not in str(error.value)


def test_who_is_alive(database):
    store = Store()
    with store.database.write() as session:
        now = store.database.now(session)
        assert is_alive(session, store.process.id, now + 1e9)  # it may sleep as long as it likes
        assert not is_alive(session, None, now) and not is_alive(session, "00" * 8, now)
        row = session.get(ProcessRow, store.process.id)
        row.started += 1000  # the number was given again to a process that began later
        assert not is_alive(session, store.process.id, now)
        row.host = "another machine"
        assert is_alive(session, store.process.id, now) and not is_alive(session, store.process.id, now + 60)
    store.close()
    assert started(2**22 + 5) is None and this_host() == Process().host


def test_deleting_a_run_leaves_nothing(database, lab_home):
    lab = Engine()
    id = lab.submit(spec(RECIPE.changed(epochs=1)))
    lab.wait(id, 60)
    assert any((lab_home / "runs" / id).iterdir())
    lab.delete(id)
    with lab._store.database.read() as session:
        rows = {name: session.execute(text(f"SELECT count(*) FROM {name} ")).scalar()
                for name in ("runs", "events", "checkpoints", "commands")}  # fmt: skip
    assert set(rows.values()) == {0} and not (lab_home / "runs" / id).exists()
    lab.close()


def test_an_artefact_is_whole_or_said_to_be_damaged(tmp_path):
    files = Folder(tmp_path)
    hash = files.put("a/b", b"some bytes")
    assert files.get("a/b", hash) == b"some bytes"
    (tmp_path / "a" / "b").write_bytes(b"some bytea")
    with pytest.raises(RunError, match="damaged"):
        files.get("a/b", hash)
    files.remove_run("a")
    with pytest.raises(RunError, match="cannot be read"):
        files.get("a/b", hash)


@pytest.mark.parametrize("url", ["memory://cnnlab-tests", "local://{folder}/far"])
def test_artefacts_may_lie_anywhere_that_fsspec_reaches(lab_home, tmp_path, monkeypatch, url):
    monkeypatch.setenv("CNNLAB_ARTEFACTS", url.format(folder=tmp_path))
    assert isinstance(artefacts(), Elsewhere)
    lab = Engine()
    try:
        id = lab.submit(spec(RECIPE.changed(epochs=1)))
        assert lab.wait(id, 60).state == "done"
        kept = lab.checkpoints(id)
        assert [lab.model_step(id, moment.step) for moment in kept] == [moment.step for moment in kept]
        assert len({lab.model(id, moment.step) for moment in kept}) == len(kept)
        assert lab.model_path(id) is None
        lab.delete(id)
        assert not (lab_home / "runs").exists() or not any((lab_home / "runs").iterdir())
        with pytest.raises(RunError):
            lab._store.files.get(f"{id}/model.safetensors", "")
    finally:
        lab.close()


@pytest.mark.parametrize("url", ["nowhere://x", "s3://bucket/lab"])
def test_artefacts_nowhere_are_one_sentence(monkeypatch, url):
    monkeypatch.setenv("CNNLAB_ARTEFACTS", url)
    with pytest.raises(RunError, match="CNNLAB_ARTEFACTS"):
        artefacts()


def test_a_damaged_last_checkpoint_costs_a_few_steps_only(lab_home):
    lab = Engine()
    id = lab.submit(spec())
    whole = lab.wait(id, 60)
    weights = lab.model(id)
    with lab._store.database.write() as session:
        session.execute(update(RunRow).where(RunRow.id == id).values(snapshot={**whole.as_dict(), "state": "stopped"},
                                                                     state="stopped", version=99))  # fmt: skip
    last = sorted((lab_home / "runs" / id).glob("step-*"))[-1]
    last.write_bytes(last.read_bytes()[:-1])
    lab.resume(id)
    assert lab.wait(id, 60).state == "done"
    from cnnlab.model import Model

    first, second = Model.from_bytes(weights), Model.from_bytes(lab.model(id))
    assert all((first.state[name] == second.state[name]).all() for name in first.state)
    lab.close()


class Guarded(dict):
    """What a store knows of its runs, touched under the store's lock alone."""

    def __init__(self, store):
        super().__init__()
        self._store = store

    def _checked(name):  # noqa: N805
        def method(self, *args):
            assert self._store._guard.locked(), name
            return getattr(dict, name)(self, *args)

        return method

    __contains__, __getitem__, __setitem__, __iter__ = map(
        _checked, ("__contains__", "__getitem__", "__setitem__", "__iter__")
    )
    get, pop = _checked("get"), _checked("pop")


def test_sessions_that_ask_one_store_at_once_touch_what_it_knows_under_its_lock(database):
    space, model = Workspace(new_id()), resolve(ModelRef("bundled:mnist-sprint"))
    store = Store()
    store._known = Guarded(store)
    id = keep_run(space, model, weights=False)
    assert [run.id for run in store.all()] == [run.id for run in store.all()] == [id]
    assert store.snapshot(id).id == id
    store.delete(id)
    assert not store.all()
    store.close()


def test_what_another_program_has_deleted_is_known_no_longer(database):
    space, model = Workspace(new_id()), resolve(ModelRef("bundled:mnist-sprint"))
    store, other = Store(), Store()
    first, second, third = (keep_run(space, model, weights=False) for _run in range(3))
    assert len(store.all()) == 3 and len(store._known) == 3
    other.delete(first)
    with pytest.raises(RunError):
        store.snapshot(first)
    assert set(store._known) == {second, third}
    other.delete(second)
    assert [run.id for run in store.all()] == [third] and set(store._known) == {third}
    other.close()
    store.close()
