"""A data set by name, loaded once for the whole process and shared read-only by all who ask."""

from __future__ import annotations

import threading

from cnnlab.data import drawn, packs, store
from cnnlab.data.dataset import DataSet, content_hash
from cnnlab.data.known import KNOWN
from cnnlab.errors import DataError

_cache: dict[tuple[str, object], DataSet] = {}
_locks: dict[str, threading.Lock] = {}
_guard = threading.Lock()


def load(name: str) -> DataSet:
    """Return the data set ``name`` in memory, its content checked against its hash.

    The first call reads it; every later call, from any thread, returns the same object. A set that was
    imported anew or deleted meanwhile, by whichever process, is noticed: its memory is given back at the next call,
    whatever that asks for.

    Raises:
        DataError: it is not here (the sentence says what is, and how to get it), or its file is damaged.
    """
    _forget_gone()
    with _guard:
        lock = _locks.setdefault(name, threading.Lock())
    with lock:
        version = _version(name)
        found = _cache.get((name, version))
        if found is None:
            found = _read(name)
            _cache[(name, version)] = found
        return found


def _forget_gone() -> None:
    """Let go of every set that has been deleted, or is another one by now."""
    for name, version in list(_cache):
        try:
            gone = _version(name) != version
        except DataError:
            gone = True
        if gone:
            _cache.pop((name, version), None)


def _version(name: str) -> object:
    """Return what changes when the data set does; raise if it is not here."""
    if name in KNOWN and KNOWN[name].bundled:
        return "bundled"
    version = store.version(name)
    if version is None:
        raise absent(name)
    return version


def _read(name: str) -> DataSet:
    if name in KNOWN and KNOWN[name].bundled:
        dataset = packs.load_pack(name)
    else:
        dataset = store.read(name)
    if content_hash(dataset.train, dataset.test) != dataset.hash:
        raise DataError(
            "{name}: the images on the disk are not the ones that were stored (their checksum differs); "
            "delete this data set and import it again",
            name=name,
        )
    return dataset


def absent(name: str) -> DataError:
    """Return the error for a data set that is not here: what is, and how to get the one that was asked for."""
    known = KNOWN.get(name)
    if name.startswith(drawn.DRAWN):
        return DataError(
            "this data set of drawings is gone: it was deleted, or made anew with other drawings of the same classes ({name})",
            name=name,
        )
    here = ", ".join(name for name in present() if not drawn.is_owned(name))
    if known is None:
        return DataError("there is no data set called {name}; these are here: {here}", name=name, here=here)
    if known.relative and is_present(known.relative):
        return DataError(
            "{name} is not on this machine; {relative} is, with the same classes. "
            "To get {name}: python -m cnnlab data fetch {name}, or data import PATH",
            name=name,
            relative=known.relative,
        )
    return DataError(
        "{name} is not on this machine; these are here: {here}. "
        "To get {name}: python -m cnnlab data fetch {name}, or data import PATH",
        name=name,
        here=here,
    )


def is_present(name: str) -> bool:
    """Return whether ``name`` can be loaded."""
    return (name in KNOWN and KNOWN[name].bundled) or store.version(name) is not None


def present() -> tuple[str, ...]:
    """Return the names that can be loaded, bundled ones first."""
    bundled = tuple(name for name, known in KNOWN.items() if known.bundled)
    return bundled + tuple(name for name in store.names() if name not in bundled)


def alike(name: str) -> tuple[str, ...]:
    """Return ``name`` and, behind it, the smaller or larger set with the same classes, whether they are here or not."""
    relative = KNOWN[name].relative if name in KNOWN else ""
    return (name, relative) if relative else (name,)


def at_hand(name: str) -> str:
    """Return ``name``; where that is not here, the smaller or larger set with the same classes if that is."""
    return next((one for one in alike(name)[1:] if not is_present(name) and is_present(one)), name)
