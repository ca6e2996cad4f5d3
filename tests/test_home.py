"""Files are written whole or not at all, and all state stands under one folder."""

from __future__ import annotations

import pytest

from cnnlab.home import ASSETS, home, write_whole


def test_home_is_where_the_environment_says(tmp_path, monkeypatch):
    monkeypatch.setenv("CNNLAB_HOME", str(tmp_path / "a" / "b"))
    assert home() == tmp_path / "a" / "b"
    assert home().is_dir()


def test_home_without_the_variable_is_the_users_data_folder(tmp_path, monkeypatch):
    monkeypatch.delenv("CNNLAB_HOME")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path))
    assert home().name == "cnnlab"
    assert tmp_path in home().parents


def test_a_failed_write_leaves_what_was_there(tmp_path, monkeypatch):
    path = tmp_path / "deep" / "file"
    write_whole(path, b"first")
    assert path.read_bytes() == b"first"

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write_whole(path, b"second")
    assert path.read_bytes() == b"first"
    assert [entry.name for entry in path.parent.iterdir()] == ["file"]


def test_assets_are_those_of_the_project():
    assert (ASSETS / "locale").is_dir()
