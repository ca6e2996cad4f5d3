"""Whose a data set of drawings is.

It belongs to the learner who has drawn it: its name says so, ``drawn-<mark of the owner>-<hash of the contents>``, and the
mark is a hash of what is itself a hash (``Workspace.owner``), so that a name gives nobody's workspace away. On the pages
a learner is offered their own drawn sets and all sets that were not drawn; the list of all data sets shows the teacher
everything. Names work for whoever knows them: the engine and the command line ask for no owner. A drawn set without a
mark is everybody's.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from hashlib import sha256

from cnnlab.data import store
from cnnlab.errors import DataError

DRAWN = "drawn-"
"""How the name of a data set begins that a learner has drawn."""
MAX_SETS = 10
"""So many drawn sets a learner may have."""
_OWNED = re.compile(rf"({DRAWN}[0-9a-f]{{12}}-)[0-9a-f]{{10}}")


def name_for(owner: str, content: str) -> str:
    """Return the name of the set of ``owner`` whose contents and classes ``content`` describes."""
    return _beginning(owner) + sha256(content.encode()).hexdigest()[:10]


def is_owned(name: str) -> bool:
    """Return whether ``name`` is that of a set which belongs to one learner."""
    return _OWNED.fullmatch(name) is not None


def is_of(name: str, owner: str) -> bool:
    """Return whether ``name`` is that of a drawn set of ``owner``."""
    found = _OWNED.fullmatch(name)
    return found is not None and found[1] == _beginning(owner)


def is_for(name: str, owner: str) -> bool:
    """Return whether the set ``name`` is offered to ``owner``: one of theirs, or nobody's own."""
    return not is_owned(name) or is_of(name, owner)


def sets_of(owner: str) -> tuple[str, ...]:
    """Return the names of the drawn sets of ``owner``, sorted."""
    return tuple(name for name in store.names() if is_of(name, owner))


def alike(owner: str, classes: Iterable[str]) -> tuple[str, ...]:
    """Return the names of the sets of ``owner`` that have these classes, in whatever order."""
    wanted = set(classes)
    return tuple(name for name in sets_of(owner) if set(_classes(name)) == wanted)


def delete_all(owner: str) -> None:
    """Remove every drawn set of ``owner`` from the disk."""
    for name in sets_of(owner):
        remove(name)


def remove(name: str) -> None:
    """Remove the set ``name``; nothing happens when there is none."""
    try:
        store.delete(name)
    except DataError:
        return  # somebody else was faster


def _beginning(owner: str) -> str:
    return f"{DRAWN}{sha256(f'drawn by {owner}'.encode()).hexdigest()[:12]}-"


def _classes(name: str) -> tuple[str, ...]:
    try:
        return store.describe(name).class_names
    except DataError:
        return ()
