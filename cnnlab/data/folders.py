"""A folder or a zip of pictures, one folder for each class, becomes a data set."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps

from cnnlab.data import archives
from cnnlab.data.dataset import Split
from cnnlab.data.pictures import open_picture
from cnnlab.data.progress import Progress, Report
from cnnlab.data.readers import Found
from cnnlab.errors import DataError, PictureError
from cnnlab.i18n import Message

SIZES = range(8, 257)
"""Sides that pictures may be brought to, in pixels."""
MAX_CLASSES = 1000
TEST_PART = 6
"""One picture of each class in this many is kept for the test set, where the pictures do not say themselves."""
_PICTURE = re.compile(r"\.(png|jpe?g|jfif|webp|gif|bmp|tiff?|p[gpb]m|avif|heic|heif)$", re.IGNORECASE)
_SPLITS = {"train": "train", "training": "train", "val": "train", "valid": "train", "validation": "train",
           "test": "test", "testing": "test"}  # fmt: skip
_NAMED = 5  # unreadable pictures that are named; the rest is counted


@dataclass
class Gathered:
    """Pictures as they are read: ``(split or "", class) -> list of (C, S, S)``."""

    images: dict[tuple[str, str], list[np.ndarray]] = field(default_factory=lambda: defaultdict(list))
    unreadable: list[str] = field(default_factory=list)
    grey: bool = True


def read_picture_set(path: Path, size: int, report: Report) -> Found:
    """Return the pictures under ``path``: a class for each folder, every picture ``size`` x ``size`` pixels.

    The shorter side is scaled to fit and the middle is cut out. Where the top folders are called ``train`` and
    ``test`` they are the splits; else one picture in six of each class, drawn with a fixed seed, is for the test.

    Raises:
        DataError: there are no pictures in class folders, only one class, or a class with fewer than two
            readable pictures.
    """
    if size not in SIZES:
        raise DataError(
            "pictures can be brought to {low} to {high} pixels, not {size}", low=SIZES[0], high=SIZES[-1], size=size
        )
    names = [name for name in archives.names(path) if _PICTURE.search(name)]
    places, loose = _places(names)
    if not places:
        raise DataError(
            "{where} holds no pictures in folders; make one folder for each class and put its pictures there",
            where=path.name,
        )
    classes = sorted({target for _split, target in places.values()}, key=_natural)
    if not 2 <= len(classes) <= MAX_CLASSES:
        raise DataError(
            "{where} holds {count} class folder ({first}); two to {limit:,} are needed, one for each class"
            if len(classes) == 1
            else "{where} holds {count:,} class folders (the first is {first}); two to {limit:,} are needed",
            where=path.name,
            count=len(classes),
            first=classes[0],
            limit=MAX_CLASSES,
        )
    if len(places) * 3 * size * size > archives.MAX_UNPACKED_BYTES:
        raise DataError(
            "{count:,} pictures of {size}x{size} pixels do not fit into memory; take a smaller size or fewer pictures",
            count=len(places),
            size=size,
        )
    gathered = _gather(path, places, size, report)
    splits = dealt(gathered, classes, path.name)
    notes = _notes(gathered, size, loose, any(split for split, _target in places.values()))
    return Found(splits["train"], splits["test"], tuple(classes), "", notes)


def _natural(text: str) -> list[tuple[int, int, str]]:
    """Return a key that sorts ``class 10`` after ``class 9``."""
    return [
        (0, int(part), "") if part.isdecimal() else (1, 0, part.lower()) for part in re.split(r"(\d+)", text) if part
    ]


def _places(names: list[str]) -> tuple[dict[str, tuple[str, str]], int]:
    """Return ``{picture: (split or "", class)}`` and how many pictures lie in no class folder."""
    folders = [name.split("/")[:-1] for name in names]
    common = 0
    while all(len(parts) > common + 1 for parts in folders) and len({parts[common] for parts in folders}) == 1:
        common += 1  # the one folder that a zip is often packed in
    tops = {parts[common].lower() for parts in folders if len(parts) > common}
    split_folders = bool(tops) and tops <= set(_SPLITS) and {_SPLITS[top] for top in tops} == {"train", "test"}
    places: dict[str, tuple[str, str]] = {}
    for name, parts in zip(names, folders):
        inner = parts[common:]
        split = _SPLITS[inner[0].lower()] if split_folders and inner else ""
        inner = inner[1:] if split_folders else inner
        if inner:
            places[name] = (split, inner[0])
    return places, len(names) - len(places)


def _gather(path: Path, places: dict[str, tuple[str, str]], size: int, report: Report) -> Gathered:
    gathered = Gathered()
    for done, (name, data) in enumerate(archives.members(path, places.__contains__)):
        report(Progress(Message("reading pictures"), done, len(places), "pictures"))
        try:
            image = _square(open_picture(data), size)
        except PictureError:
            gathered.unreadable.append(name)
            continue
        gathered.grey = gathered.grey and bool((image == image[:1]).all())
        gathered.images[places[name]].append(image)
    return gathered


def _square(picture: Image.Image, size: int) -> np.ndarray:
    """Return the picture's middle as (3, size, size), its shorter side scaled to ``size``."""
    fitted = ImageOps.fit(picture.convert("RGB"), (size, size), Image.Resampling.LANCZOS)
    return np.asarray(fitted).transpose(2, 0, 1)


def dealt(gathered: Gathered, classes: list[str], where: str) -> dict[str, Split]:
    """Return both splits. Classes are mixed evenly from end to end, so that any tail (the validation set) is fair."""
    given = any(split for split, _target in gathered.images)
    generator = torch.Generator().manual_seed(0)
    rows: dict[str, list[tuple[float, int, np.ndarray]]] = {"train": [], "test": []}
    for target, name in enumerate(classes):
        if given:
            parts = {split: gathered.images.get((split, name), []) for split in ("train", "test")}
        else:
            images = gathered.images.get(("", name), [])
            order = torch.randperm(len(images), generator=generator).tolist()
            kept = max(1, len(images) // TEST_PART)
            parts = {"test": [images[i] for i in order[:kept]], "train": [images[i] for i in order[kept:]]}
        if not parts["train"] or not parts["test"]:
            raise DataError(
                "{where}: the class {name} has {count} readable pictures; at least one to learn from and one to test on are needed",
                where=where,
                name=name,
                count=len(parts["train"]) + len(parts["test"]),
            )
        for split, images in parts.items():
            rows[split] += [((place + 0.5) / len(images), target, image) for place, image in enumerate(images)]
    splits = {}
    for split, dealt in rows.items():
        dealt.sort(key=lambda row: row[:2])
        stacked = np.stack([image[:1] if gathered.grey else image for _place, _target, image in dealt])
        targets = torch.tensor([target for _place, target, _image in dealt])
        splits[split] = Split(torch.from_numpy(np.ascontiguousarray(stacked)), targets)
    return splits


def _notes(gathered: Gathered, size: int, loose: int, given: bool) -> tuple[Message, ...]:
    notes = [
        Message(
            "each picture was scaled until its shorter side had {size} pixels, and its middle {size}x{size} was cut out",
            size=size,
        )
    ]
    if gathered.grey:
        notes.append(Message("all pictures are grey, so one channel is kept"))
    if not given:
        notes.append(Message("one picture in {part} of each class is kept for the test set", part=TEST_PART))
    if gathered.unreadable:
        shown = ", ".join(gathered.unreadable[:_NAMED]) + (", ..." if len(gathered.unreadable) > _NAMED else "")
        notes.append(
            Message("{count} unreadable pictures were left out: {names}", count=len(gathered.unreadable), names=shown)
        )
    if loose:
        notes.append(Message("{count} pictures in no class folder were left out", count=loose))
    return tuple(notes)
