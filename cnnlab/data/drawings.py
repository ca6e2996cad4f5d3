"""A learner's drawings, some of each class that they have named themselves, become a data set like any other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING

from cnnlab.data import drawn, store
from cnnlab.data.catalog import DataInfo, info
from cnnlab.data.dataset import DataSet, checked, content_hash
from cnnlab.data.folders import TEST_PART, Gathered, dealt
from cnnlab.errors import BudgetError, DataError
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


def make_set(drawings: Iterable[Drawing], classes: Iterable[str], owner: str) -> DataInfo:
    """Store the drawings of ``classes`` as a data set, and return its row in the catalogue.

    One drawing in six of each class, but at least one, is for the test; the others are dealt evenly, so that the last
    tenth of them (the validation set) is fair. The same drawings of a learner always make the same set, under the same name; it
    replaces their older ones of the same classes. Who is offered it: see :mod:`cnnlab.data.drawn`.

    Args:
        drawings: those of a workspace, in any order; the ones of other classes are left out.
        classes: their names, in the order that the set is to have.
        owner: whose it will be.

    Raises:
        DataError: fewer than two classes, more than 20, or a class with fewer than two drawings.
        BudgetError: ``owner`` has as many drawn sets as a learner may have.
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
    splits = dealt(gathered, names, drawn.DRAWN.rstrip("-"))
    content = content_hash(splits["train"], splits["test"])
    named = drawn.name_for(owner, "\n".join([content, *names]))
    older = [name for name in drawn.alike(owner, names) if name != named]
    if store.version(named) is None:
        if len(drawn.sets_of(owner)) - len(older) >= drawn.MAX_SETS:
            raise BudgetError(
                "you have {most} data sets of drawings, which is all that the lab keeps for one learner; delete one at the foot "
                "of the Data page first",
                most=drawn.MAX_SETS,
            )
        notes = (
            Message("{count} drawings, centred as MNIST's digits are", count=len(kept)),
            Message("one drawing in {part} of each class is kept for the test set", part=TEST_PART),
        )
        title = " / ".join(names)[:60]
        store.write(
            checked(DataSet(named, title, tuple(names), splits["train"], splits["test"], content, "imported", notes))
        )
    for name in older:
        drawn.remove(name)
    return info(named)
