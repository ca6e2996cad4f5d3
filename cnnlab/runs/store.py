"""What lasts of a run: ``runs/ID/run.json``, ``events.jsonl`` and, at its end, ``model.safetensors``."""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import IO, Any

from pydantic import ValidationError

from cnnlab.errors import RecipeError, RunError
from cnnlab.home import write_whole
from cnnlab.i18n import Message
from cnnlab.runs.snapshot import LIVE, Snapshot
from cnnlab.training.recipe import Recipe

_ID = re.compile(r"[0-9a-f]{16}")
VERSION = 1


def new_id() -> str:
    """Return an id that nobody can guess."""
    return secrets.token_hex(8)


class Store:
    """The runs under one folder. Several processes may share it; each marks its own live runs with a held lock."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.root.mkdir(parents=True, exist_ok=True)
        self._lock = ProcessLock(root / ".live")

    def close(self) -> None:
        """Give up this process's mark: what it leaves live counts as interrupted from now on."""
        self._lock.release()

    def folder(self, id: str) -> Path:
        """Return the folder of run ``id``; raises RunError if ``id`` is no id at all."""
        if not _ID.fullmatch(id):
            raise RunError("there is no run {id}", id=id[:40])
        return self.root / id

    def model_path(self, id: str) -> Path:
        """Return where the weights of run ``id`` are kept once it is over."""
        return self.folder(id) / "model.safetensors"

    def ids(self) -> list[str]:
        """Return the ids of all runs on the disk."""
        return [entry.name for entry in os.scandir(self.root) if _ID.fullmatch(entry.name) and entry.is_dir()]

    def save(self, snapshot: Snapshot) -> None:
        """Write the run's state, whole or not at all."""
        write_whole(self.folder(snapshot.id) / "run.json", json.dumps(_document(snapshot, self._lock.token)).encode())

    def append(self, id: str, events: Iterable[dict[str, Any]]) -> None:
        """Add ``events`` to the run's log, a line each."""
        folder = self.folder(id)
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / "events.jsonl").open("a", encoding="utf-8") as file:
            file.writelines(json.dumps(event) + "\n" for event in events)

    def events(self, id: str) -> list[dict[str, Any]]:
        """Return the run's log; a last line that was cut off in a crash is left out."""
        found = []
        try:
            with (self.folder(id) / "events.jsonl").open(encoding="utf-8") as file:
                for line in file:
                    found.append(json.loads(line))
        except FileNotFoundError:
            pass
        except ValueError:
            return found
        return found

    def read(self, id: str) -> Snapshot:
        """Return the run as the disk knows it; one whose process is gone is failed, and says so.

        Raises:
            RunError: there is no such run, or its record is damaged.
        """
        path = self.folder(id) / "run.json"
        try:
            document = json.loads(path.read_bytes())
            snapshot = _snapshot(document, self.model_path(id).is_file())
        except FileNotFoundError as error:
            raise RunError("there is no run {id}", id=id[:40]) from error
        except (OSError, ValueError, KeyError, TypeError, AttributeError, ValidationError, RecipeError) as error:
            raise RunError("the record of run {id} is damaged; delete the run", id=id) from error
        if snapshot.state in LIVE and not self._lock.held(document.get("process", "")):
            return self._interrupted(snapshot)
        return snapshot

    def delete(self, id: str) -> None:
        """Remove all that is kept of the run."""
        shutil.rmtree(self.folder(id), ignore_errors=True)

    def _interrupted(self, snapshot: Snapshot) -> Snapshot:
        events = self.events(snapshot.id)
        steps = [event["step"] for event in events if isinstance(event.get("step"), int)]
        step = max([snapshot.step, *steps])
        error = Message(
            "the lab was closed or broke off at step {step}, before this run was over; start it again", step=step
        )
        values = {**vars(snapshot), "state": "failed", "error": error, "step": step, "time_left_s": None}
        return Snapshot(**{**values, "events": len(events), "images_per_s": 0.0})


class ProcessLock:
    """A lock file for as long as this process lives; any process can ask whether another's is still held."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.folder.mkdir(parents=True, exist_ok=True)
        self.token = secrets.token_hex(8)
        self._file: IO[bytes] | None = (folder / self.token).open("wb")
        _try_lock(self._file)
        for entry in os.scandir(folder):
            if entry.name != self.token and not self.held(entry.name):
                Path(entry.path).unlink(missing_ok=True)

    def release(self) -> None:
        """Give the lock up and remove its file."""
        if self._file is not None:
            self._file.close()
            self._file = None
            (self.folder / self.token).unlink(missing_ok=True)

    def held(self, token: str) -> bool:
        """Return whether the process that was given ``token`` is still there."""
        if token == self.token:
            return self._file is not None
        if not _ID.fullmatch(token):
            return False
        try:
            with (self.folder / token).open("rb+") as file:
                return not _try_lock(file)
        except OSError:
            return False


def _try_lock(file: IO[bytes]) -> bool:
    """Return whether the file's lock could be taken; it is given back when the file is closed."""
    try:
        if os.name == "nt":
            import msvcrt

            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined,unused-ignore]
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _document(snapshot: Snapshot, token: str) -> dict[str, Any]:
    values = {**vars(snapshot), "recipe": snapshot.recipe.model_dump(mode="json")}
    if snapshot.error is not None:
        values["error"] = {"template": snapshot.error.template, "values": dict(snapshot.error.values)}
    return {"version": VERSION, "process": token, **values}


def _snapshot(document: dict[str, Any], has_model: bool) -> Snapshot:
    values = {name: value for name, value in document.items() if name not in ("version", "process")}
    if (error := values["error"]) is not None:
        template, filled = error["template"], error["values"]
        values["error"] = Message(template, **filled)
    values["recipe"] = Recipe.of(values["recipe"])
    values["has_model"] = has_model
    return Snapshot(**values)
