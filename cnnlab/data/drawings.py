"""A learner's drawings, some of each class that they have named themselves, become a data set like any other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from hashlib import sha256
from typing import TYPE_CHECKING

from cnnlab.data import store
from cnnlab.data.catalog import DataInfo, info
from cnnlab.data.dataset import DataSet, checked, content_hash
from cnnlab.data.folders import TEST_PART, Gathered, dealt
from cnnlab.data.prepare import DRAWN
from cnnlab.errors import DataError
from cnnlab.i18n import Message

if TYPE_CHECKING:
    from cnnlab.workspace import Drawing

MAX_CLASSES = 20
LEAST = 2
"""Drawings of a class: one to learn from, and one to test on."""
GOOD = 12
"""From so many of each class on it is worth while."""


def counted(drawings: Iterable[Drawing]) -> dict[str, int]:
    """Return how many of ``drawings`` there are of each class of the learner's own, in alphabetical order."""
    counts = Counter(drawing.class_name for drawing in drawings if drawing.class_name)
    return dict(sorted(counts.items()))


def make_set(drawings: Iterable[Drawing], classes: Iterable[str]) -> DataInfo:
    """Store the drawings of ``classes`` as a data set, and return its row in the catalogue.

    One drawing in six of each class, but at least one, is for the test; the others are dealt evenly, so that the last
    tenth of them (the validation set) is fair. The same drawings always make the same set, under the same name.

    Args:
        drawings: those of a workspace, in any order; the ones of other classes are left out.
        classes: their names, in the order that the set is to have.

    Raises:
        DataError: fewer than two classes, more than 20, or a class with fewer than two drawings.
    """
    names = list(dict.fromkeys(name for name in classes if name))
    kept = sorted((one for one in drawings if one.class_name in names), key=lambda one: one.id)
    counts = Counter(one.class_name for one in kept)
    if not 2 <= len(names) <= MAX_CLASSES:
        raise DataError(
            "a data set of drawings needs two to {most} classes, and you have named {count}; separate them by commas",
            most=MAX_CLASSES,
            count=len(names),
        )
    for name in names:
        if counts[name] < LEAST:
            raise DataError(
                "{name} has too few drawings ({count}); draw at least {least}: one to learn from and one to test on",
                name=name,
                count=counts[name],
                least=LEAST,
            )
    gathered = Gathered()
    for one in kept:
        gathered.images["", one.class_name].append(one.pixels[None])
    splits = dealt(gathered, names, DRAWN.rstrip("-"))
    content = content_hash(splits["train"], splits["test"])
    named = DRAWN + sha256("\n".join([content, *names]).encode()).hexdigest()[:10]
    if store.version(named) is None:
        notes = (
            Message("{count} drawings, centred as MNIST's digits are", count=len(kept)),
            Message("one drawing in {part} of each class is kept for the test set", part=TEST_PART),
        )
        title = " / ".join(names)[:60]
        store.write(
            checked(DataSet(named, title, tuple(names), splits["train"], splits["test"], content, "imported", notes))
        )
    return info(named)
