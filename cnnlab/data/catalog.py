"""Which data sets there are: bundled, downloaded, imported, and known ones that are not here yet."""

from __future__ import annotations

from dataclasses import dataclass, field

from cnnlab.data import drawn, store
from cnnlab.data.known import FETCHABLE, KNOWN, Known, manifest
from cnnlab.errors import DataError
from cnnlab.i18n import N_, Message

ORIGINS = {
    "bundled": N_("comes with the lab"),
    "downloaded": N_("downloaded"),
    "imported": N_("imported"),
    "absent": N_("not here"),
}
"""What the origins of a data set are called; the values are ids to translate."""


@dataclass(frozen=True)
class DataInfo:
    """What can be said of a data set without reading its images.

    Args:
        name: how commands call it.
        title: how people call it.
        classes: names of the classes, in the order of the targets.
        image_shape: (C, H, W).
        splits: ``{"train": images, "test": images}``; for an absent set, of the published one.
        origin: a key of ``ORIGINS``.
        hash: content hash; None for an absent or damaged set.
        licence: under which terms it may be passed on, as its authors state them.
        source: who made it and where it is described.
        about: one sentence, an id to translate; may be empty.
        notes: what was done to the pictures when they were imported.
        error: why its file cannot be read, or None.
    """

    name: str
    title: str
    classes: tuple[str, ...]
    image_shape: tuple[int, int, int]
    splits: dict[str, int]
    origin: str
    hash: str | None
    licence: str = ""
    source: str = ""
    about: str = ""
    notes: tuple[Message, ...] = field(default=())
    error: DataError | None = None

    @property
    def present(self) -> bool:
        """Return whether it can be loaded."""
        return self.origin != "absent" and self.error is None

    @property
    def fetchable(self) -> bool:
        """Return whether it can be fetched from the internet."""
        return self.name in FETCHABLE

    @property
    def deletable(self) -> bool:
        """Return whether it is a file of this machine rather than a part of the lab."""
        return self.origin in ("downloaded", "imported")


def catalog() -> tuple[DataInfo, ...]:
    """Return every data set: bundled ones, then the other known ones (here or absent), then the class's own."""
    files = {entry.name: entry for entry in store.stored()}
    rows = [
        _known(known) if known.bundled or name not in files else _stored(files.pop(name))
        for name, known in KNOWN.items()
    ]
    return tuple(rows + [_stored(entry) for entry in files.values()])


def info(name: str) -> DataInfo:
    """Return the row of ``name``.

    Raises:
        DataError: there is no data set of that name, here or known.
    """
    for row in catalog():
        if row.name == name:
            return row
    raise DataError(
        "there is no data set called {name}; these are known: {known}",
        name=name,
        known=", ".join(row.name for row in catalog() if not drawn.is_owned(row.name)),
    )


def _known(known: Known) -> DataInfo:
    train, test = known.splits
    return DataInfo(
        known.name,
        known.title,
        known.class_names,
        known.image_shape,
        {"train": train, "test": test},
        "bundled" if known.bundled else "absent",
        manifest()[known.name]["hash"] if known.bundled else None,
        known.licence,
        known.source,
        known.about,
    )


def _stored(entry: store.Stored) -> DataInfo:
    known = KNOWN.get(entry.name)
    described = entry.description
    if described is None:
        return DataInfo(entry.name, entry.name, (), (1, 1, 1), {}, "imported", None, error=entry.error)
    return DataInfo(
        entry.name,
        described.title,
        described.class_names,
        described.image_shape,
        {"train": described.train, "test": described.test},
        described.origin,
        described.hash,
        known.licence if known else "",
        known.source if known else "",
        known.about if known else "",
        tuple(Message(note.template, **note.values) for note in described.notes),
    )
