"""A one-time link: once, for ten minutes, and nothing on the disk that opens anything."""

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO

import pytest

from cnnlab import handover
from cnnlab.addresses import Address, for_others
from cnnlab.workspace import Workspace, new_id


@pytest.fixture
def space(lab_home: Path) -> Workspace:
    return Workspace(new_id())


def test_a_link_opens_the_workspace_once(space: Workspace) -> None:
    link = handover.offer(space)
    for _look in range(2):
        found = handover.find(link.token)
        assert found is not None and found.id == space.id
    taken = handover.take(link.token)
    assert taken is not None and taken.id == space.id
    assert handover.take(link.token) is None
    assert handover.find(link.token) is None


def test_of_many_devices_one_is_let_in(space: Workspace) -> None:
    link = handover.offer(space)
    with ThreadPoolExecutor(8) as pool:
        taken = list(pool.map(lambda _n: handover.take(link.token), range(32)))
    assert sum(found is not None for found in taken) == 1


def test_a_link_is_over_after_ten_minutes(space: Workspace) -> None:
    link = handover.offer(space, lambda: 1000.0)
    assert link.until == 1600.0
    assert handover.find(link.token, lambda: 1599.0) is not None
    assert handover.find(link.token, lambda: 1600.0) is None
    assert handover.find(link.token, lambda: 10.0) is None  # a clock that was put back makes nothing valid for longer
    assert handover.take(link.token, lambda: 1600.0) is None
    assert handover.take(link.token, lambda: 1001.0) is None  # the late visit has used it up


def test_a_newer_link_ends_the_older_one_and_leaves_those_of_others(space: Workspace) -> None:
    other = Workspace(new_id())
    first, theirs, second = handover.offer(space), handover.offer(other), handover.offer(space)
    assert handover.find(first.token) is None
    assert handover.find(second.token) is not None
    found = handover.find(theirs.token)
    assert found is not None and found.id == other.id


def test_the_disk_gives_neither_link_nor_id_away(space: Workspace, lab_home: Path) -> None:
    link = handover.offer(space)
    files = [path for path in lab_home.rglob("*") if path.is_file()]
    assert len(files) == 1
    written = files[0].name + files[0].read_text()
    for secret in (link.token, space.id, space.id.encode().hex()):
        assert secret not in written
    handover.take(link.token)
    assert not [path for path in lab_home.rglob("*") if path.is_file()]


@pytest.mark.parametrize("token", [None, "", "a" * 22, "../" * 7 + "x", "é" * 22, 7, "a" * 10_000, ["a"]])
def test_what_is_no_token_opens_nothing(token: object, space: Workspace) -> None:
    handover.offer(space)
    assert handover.find(token) is None
    assert handover.take(token) is None


@pytest.mark.parametrize("change", [b"", b"{", b"[]", b'{"owner": 1}', b"\xff\xfe", b"x" * 5000])
def test_a_damaged_file_opens_nothing(change: bytes, space: Workspace, lab_home: Path) -> None:
    link = handover.offer(space)
    (path,) = (lab_home / "links").glob("*")
    path.write_bytes(change)
    assert handover.find(link.token) is None
    assert handover.take(link.token) is None


def test_a_file_under_another_name_opens_nothing(space: Workspace, lab_home: Path) -> None:
    """Whoever can write files still cannot turn one link into another: the id would not fit its owner."""
    link, other = handover.offer(space), handover.offer(Workspace(new_id()))
    mine, theirs = handover._path(link.token), handover._path(other.token)
    theirs.write_bytes(mine.read_bytes())
    assert handover.take(other.token) is None


def test_the_address_for_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cnnlab.addresses.lan_address", lambda: "192.168.1.5")
    assert for_others("http://localhost:8501/") == Address("http://192.168.1.5:8501/")
    assert for_others("http://[::1]:8501/lab/") == Address("http://192.168.1.5:8501/lab/")
    assert for_others("https://lab.school/x/?a=b#c") == Address("https://lab.school/x/")
    assert for_others("http://10.0.0.9:8501") == Address("http://10.0.0.9:8501/")
    assert for_others("http://127.0.0.1:8501/", "127.0.0.1") == Address("http://127.0.0.1:8501/", only_here=True)
    monkeypatch.setattr("cnnlab.addresses.lan_address", lambda: None)
    assert for_others("http://localhost:8501/") == Address("http://localhost:8501/", only_here=True)


def test_an_offer_leaves_alone_what_another_one_is_writing(space: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    """The new link of one workspace lies there, still empty, when another workspace makes its own."""
    other = Workspace(new_id())
    begin = Path.open
    offers: list[handover.Link] = []

    def meanwhile(path: Path, mode: str) -> IO[bytes]:
        monkeypatch.setattr(Path, "open", begin)
        file: IO[bytes] = begin(path, mode)
        offers.append(handover.offer(other))
        return file

    monkeypatch.setattr(Path, "open", meanwhile)
    link = handover.offer(space)
    assert handover.take(link.token) is not None and handover.take(offers[0].token) is not None


def test_what_a_broken_write_left_is_swept_away_after_a_while(space: Workspace) -> None:
    handover.offer(space)
    left, fresh = (handover._folder() / name for name in (".old.json.ab.part", ".new.json.cd.part"))
    for path in (left, fresh):
        path.write_bytes(b"half")
    os.utime(left, (1000.0, 1000.0))
    handover.offer(space)
    assert not left.exists() and fresh.exists()
