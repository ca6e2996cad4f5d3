"""Run numbers: in the order of creation, kept by their run, never given twice."""

import json
from pathlib import Path

import pytest

from cnnlab import numbering
from cnnlab.home import is_full
from cnnlab.numbering import run_numbers
from cnnlab.workspace import Workspace, new_id


@pytest.fixture
def space(lab_home: Path) -> Workspace:
    return Workspace(new_id())


def test_a_number_stays_with_its_run_when_an_older_one_goes(space: Workspace) -> None:
    assert run_numbers(space, ["a", "b"]) == {"a": 1, "b": 2}
    assert run_numbers(space, ["b"]) == {"b": 2}
    assert run_numbers(space, ["b", "c"]) == {"b": 2, "c": 3}


def test_the_number_of_a_deleted_run_is_not_given_again(space: Workspace) -> None:
    run_numbers(space, ["a", "b"])
    assert run_numbers(space, []) == {}
    assert run_numbers(space, ["c"]) == {"c": 3}


def test_a_reload_keeps_them_and_nothing_is_written_where_nothing_is_new(space: Workspace) -> None:
    run_numbers(space, ["a"])
    path = space.folder / "runs.json"
    before = path.stat().st_mtime_ns, path.stat().st_ino
    assert run_numbers(Workspace(space.id), ["a"]) == {"a": 1}
    assert (path.stat().st_mtime_ns, path.stat().st_ino) == before


@pytest.mark.parametrize("damage", [b"", b"{", b'{"highest": -1}', b'{"runs": {"a": "x"}}', b"\xff\xfe"])
def test_a_damaged_file_costs_the_numbers_only(space: Workspace, damage: bytes) -> None:
    run_numbers(space, ["a"])
    (space.folder / "runs.json").write_bytes(damage)
    assert run_numbers(space, ["a", "b"]) == {"a": 1, "b": 2}


def test_the_file_does_not_grow_without_end(space: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(numbering, "MAX_NUMBERS", 3)
    assert run_numbers(space, list("abcdef"))["f"] == 6
    assert run_numbers(space, list("efg")) == {"e": 5, "f": 6, "g": 7}
    assert set(json.loads((space.folder / "runs.json").read_text())["runs"]) == set("efg")


def test_more_runs_than_are_kept_for_the_gone_keep_their_numbers_and_write_nothing(space: Workspace) -> None:
    ids = [f"{n:016x}" for n in range(numbering.MAX_NUMBERS + 3)]
    first = run_numbers(space, ids)
    path = space.folder / "runs.json"
    before = path.stat().st_mtime_ns, path.stat().st_ino
    assert first == {id: n + 1 for n, id in enumerate(ids)} == run_numbers(space, ids)
    assert (path.stat().st_mtime_ns, path.stat().st_ino) == before
    assert run_numbers(space, [*ids[1:], "new"]) == {**{id: first[id] for id in ids[1:]}, "new": len(ids) + 1}


def test_a_full_disk_costs_no_run_its_number(space: Workspace) -> None:
    space.folder.parent.mkdir(parents=True)
    space.folder.write_text("a file where a folder should be: nothing can be written there")
    for _again in range(2):
        assert run_numbers(space, ["a", "b"]) == {"a": 1, "b": 2}
    space.folder.unlink()
    assert not is_full() and run_numbers(Workspace(space.id), ["b", "c"]) == {"b": 2, "c": 3}
