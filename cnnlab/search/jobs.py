"""Searches in the background: a page begins one, sees how far it is, stops it, goes on with it; each lasts as a file.

They belong to their owner (a workspace), not to a page: closing the browser does not end them. When the program ends, the
search and its runs are interrupted, and ``resume`` goes on where they were, with the same proposals.
"""

from __future__ import annotations

import atexit
import hashlib
import json
import logging
import os
import re
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import psutil

from cnnlab.errors import CnnLabError
from cnnlab.home import home, write_whole
from cnnlab.i18n import Message
from cnnlab.runs.snapshot import as_message
from cnnlab.runs.store import new_id
from cnnlab.search.asked import Search, SearchSpec
from cnnlab.search.space import SearchError
from cnnlab.search.work import Work, check

_log = logging.getLogger(__name__)

MOST_KEPT = 30
_END_S = 15.0
_ID = re.compile(r"[0-9A-Za-z_-]{1,40}")


def start(spec: SearchSpec) -> str:
    """Begin a search for its owner, in the background, and return its id.

    Raises:
        SearchError, ShapeError, ArchitectureError, BudgetError, DataError, RecipeError: it cannot be searched, or
            another search of this owner is still at work.
    """
    check(spec)
    search = Search(new_id(), spec, time.time())
    _launch(search)
    return search.id


def resume(owner: str, id: str) -> None:
    """Go on with a search that was stopped or interrupted; raises SearchError where it is not one."""
    search = get(owner, id)
    if not search.can_continue:
        raise SearchError("this search is over; begin a new one")
    check(search.spec)
    _launch(search)


def stop(owner: str, id: str) -> None:
    """Let a search of ``owner`` end soon, its runs at work with it; ``resume`` goes on with it."""
    work = _at_work(owner)
    if work is not None and work.search.id == id:
        work.stop()


def wait(owner: str, id: str, timeout_s: float) -> Search:
    """Return the search once it is over, or as it is when ``timeout_s`` have passed."""
    thread = _threads.get(owner)
    if thread is not None and thread.work.search.id == id:
        thread.join(timeout_s)
    return get(owner, id)


def get(owner: str, id: str) -> Search:
    """Return search ``id`` of ``owner`` as it stands; raises SearchError if there is none."""
    thread = _threads.get(owner)
    if thread is not None and thread.work.search.id == id and thread.folder == _folder(owner):
        return thread.work.search
    path = _folder(owner) / f"{id}.json"
    if not _ID.fullmatch(id) or not path.is_file():
        raise SearchError("there is no such search; it may have been deleted")
    return _read(path)


def mine(owner: str) -> list[Search]:
    """Return the searches of ``owner``, the newest first; what cannot be read is left out."""
    found = []
    for path in _folder(owner).glob("*.json"):
        try:
            found.append(get(owner, path.stem))
        except CnnLabError:
            _log.warning("%s is no record of a search", path)
    return sorted(found, key=lambda search: (search.created, search.id), reverse=True)


def delete(owner: str, id: str) -> None:
    """Delete a search that is over, with the runs that it has kept; raises SearchError while it is at work."""
    from cnnlab.runs import engine

    search = get(owner, id)
    if search.live:
        raise SearchError("this search is still at work; stop it first")
    for trial in search.trials:
        if trial.run is not None:
            try:
                engine().delete(trial.run, owner or None)
            except CnnLabError:
                continue  # it is gone already
    (_folder(owner) / f"{id}.json").unlink(missing_ok=True)
    if (thread := _threads.get(owner)) is not None and thread.work.search.id == id:
        _threads.pop(owner, None)


def foreground(asked: SearchSpec | Search, changed: Callable[[Search], None]) -> Work:
    """Return a search that is kept like any other and carried out by whoever calls its ``run()``.

    Args:
        asked: a new search, or one to go on with.
        changed: called with the search whenever a trial has begun or ended.

    Raises:
        SearchError, ShapeError, ArchitectureError, BudgetError, DataError, RecipeError: as ``start`` and ``resume``.
    """
    search = asked if isinstance(asked, Search) else Search(new_id(), asked, time.time())
    if isinstance(asked, Search) and not asked.can_continue:
        raise SearchError("this search is over; begin a new one")
    check(search.spec)
    keep = _keeper(search.spec.owner)

    def both(search: Search) -> None:
        keep(search)
        changed(search)

    return Work(search, both)


# -- the threads --------------------------------------------------------------------------------------------------


class _Thread(threading.Thread):
    """The thread that carries a search out."""

    def __init__(self, search: Search) -> None:
        super().__init__(name="search", daemon=True)
        self.folder = _folder(search.spec.owner)
        self._keep = _keeper(search.spec.owner)
        self.work = Work(search, self._keep)

    def run(self) -> None:
        try:
            self.work.run()
        except Exception as error:  # the boundary of a thread: whatever it was, the app goes on
            if not isinstance(error, CnnLabError):
                _log.exception("a search failed")
            note = (
                as_message(error)
                if isinstance(error, CnnLabError)
                else Message("an unexpected error: {error}", error=str(error)[:200])
            )
            self.work.search = replace(self.work.search, state="failed", note=note, process=None)
            self._keep(self.work.search)


def _launch(search: Search) -> None:
    owner = search.spec.owner
    with _guard:
        if _at_work(owner) is not None:
            raise SearchError("a search of yours is at work; stop it, or wait until it is done")
        thread = _threads[owner] = _Thread(search)
        _thin(owner)
        thread.start()


def _at_work(owner: str) -> Work | None:
    thread = _threads.get(owner)
    return thread.work if thread is not None and thread.is_alive() else None


# -- the files ----------------------------------------------------------------------------------------------------


def _folder(owner: str) -> Path:
    return home() / "searches" / hashlib.sha256(owner.encode()).hexdigest()[:32]


def _keeper(owner: str) -> Callable[[Search], None]:
    folder = _folder(owner)

    def keep(search: Search) -> None:
        try:
            write_whole(folder / f"{search.id}.json", json.dumps(search.as_dict(), allow_nan=False).encode())
        except OSError:
            _log.warning("search %s could not be written; it goes on in memory", search.id, exc_info=True)

    return keep


def _read(path: Path) -> Search:
    try:
        search = Search.from_dict(json.loads(path.read_bytes()))
    except (OSError, ValueError) as error:
        raise SearchError("this is no record of a search: {reason}", reason=str(error)[:200]) from error
    if search.live and not _is_there(search.process):
        return replace(search, state="interrupted", process=None)
    return search


def _is_there(process: tuple[int, float] | None) -> bool:
    """Return whether the program that works on a search is still there; in this one a thread of ``_threads`` would be."""
    if process is None or int(process[0]) == os.getpid():
        return False
    try:
        return abs(psutil.Process(int(process[0])).create_time() - float(process[1])) < 1.0
    except psutil.Error:
        return False


def _thin(owner: str) -> None:
    for old in mine(owner)[MOST_KEPT:]:
        if not old.live:
            delete(owner, old.id)


_threads: dict[str, _Thread] = {}
_guard = threading.Lock()


@atexit.register
def close() -> None:
    """Let the searches of this program end as interrupted; the engine, which closes after them, ends their runs."""
    threads = [thread for thread in [*_threads.values()] if thread.is_alive()]
    for thread in threads:
        thread.work.stop("interrupted")
    for thread in threads:
        thread.join(_END_S)
