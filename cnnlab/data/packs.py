"""The data sets that come with the lab, read from ``assets/datasets`` and rebuilt by ``python -m cnnlab.data.packs``.

A pack is a folder: labels as gzipped IDX, images as gzipped IDX (grey) or as one lossless WebP sheet (colour),
whose tiles stand in rows. ``manifest.json`` beside the packs holds the sha256 of every uncompressed content.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import sys
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from cnnlab.data.dataset import DataSet, Split, content_hash
from cnnlab.data.idx import read_idx, write_idx
from cnnlab.data.known import FOLDER, KNOWN, manifest
from cnnlab.errors import DataError
from cnnlab.home import write_whole

SHEET_COLUMNS = 100
"""Tiles in a row of a picture sheet."""
GZIP_LEVEL = 9
_PREFIX = {"train": "train", "test": "t10k"}  # the names of MNIST's own four files


def load_pack(name: str, folder: Path = FOLDER) -> DataSet:
    """Return the bundled data set ``name``, every file checked against its sha256.

    Raises:
        DataError: a file is missing or is not what it was when it was packed.
    """
    known = KNOWN[name]
    entry = manifest(folder)[name]
    arrays = {file: _read(folder / name / file, sha256) for file, sha256 in entry["files"].items()}
    splits = {}
    for split, prefix in _PREFIX.items():
        sheet = f"{prefix}-images.webp"
        labels = arrays[f"{prefix}-labels-idx1-ubyte.gz"]
        if sheet in arrays:
            images = untile(arrays[sheet], known.image_shape[1], len(labels))
        else:
            images = arrays[f"{prefix}-images-idx3-ubyte.gz"][:, None]
        splits[split] = Split(_tensor(images), _tensor(labels).long())
    return DataSet(name, known.title, known.class_names, splits["train"], splits["test"], entry["hash"])


def _tensor(array: np.ndarray) -> torch.Tensor:
    """Return a tensor of its own memory (what was read from a file is not writable, which torch warns of)."""
    return torch.from_numpy(np.array(array, dtype=np.uint8, order="C"))


def _read(path: Path, sha256: str) -> np.ndarray:
    """Return the array in ``path`` after checking what it holds; a sheet comes as (H, W, 3)."""
    try:
        data = path.read_bytes()
        if path.suffix == ".webp":
            with Image.open(io.BytesIO(data)) as sheet:
                array = np.asarray(sheet.convert("RGB"))
            content: Any = array.tobytes()
        else:
            content = gzip.decompress(data)
            array = read_idx(content, path.name)
    except FileNotFoundError as error:
        raise DataError("{file}: this bundled file is missing; download the lab again", file=path.name) from error
    except (OSError, EOFError, zlib.error, SyntaxError) as error:
        raise DataError("{file}: this bundled file is damaged; download the lab again", file=path.name) from error
    if hashlib.sha256(content).hexdigest() != sha256:
        raise DataError(
            "{file}: this bundled file is not the one that was packed (its checksum differs); download the lab again",
            file=path.name,
        )
    return array


def tile(images: np.ndarray) -> np.ndarray:
    """Return (N, 3, S, S) images as one sheet (rows * S, SHEET_COLUMNS * S, 3); N is a multiple of the columns."""
    count, channels, side, _ = images.shape
    grid = images.reshape(count // SHEET_COLUMNS, SHEET_COLUMNS, channels, side, side)
    return grid.transpose(0, 3, 1, 4, 2).reshape(count // SHEET_COLUMNS * side, SHEET_COLUMNS * side, channels)


def untile(sheet: np.ndarray, side: int, count: int) -> np.ndarray:
    """Return the ``count`` images of a sheet: the inverse of :func:`tile`."""
    rows, columns = sheet.shape[0] // side, sheet.shape[1] // side
    grid = sheet.reshape(rows, side, columns, side, sheet.shape[2])
    return grid.transpose(0, 2, 4, 1, 3).reshape(rows * columns, sheet.shape[2], side, side)[:count]


def balanced(split: Split, classes: int, each: int) -> Split:
    """Return the first ``each`` images of every class, dealt round: first of class 0, first of class 1, ...

    So any tail of the sample, the validation set too, holds the classes evenly.
    """
    chosen = torch.stack([split.of_class(target)[:each] for target in range(classes)], dim=1).reshape(-1)
    return Split(split.images[chosen], split.targets[chosen])


def pack(name: str, train: Split, test: Split, folder: Path = FOLDER) -> dict[str, Any]:
    """Write a pack and return its manifest entry. The same images give the same IDX files, byte for byte."""
    files: dict[str, bytes] = {}
    sums: dict[str, str] = {}
    for prefix, split in zip(_PREFIX.values(), (train, test)):
        images = split.images.numpy()
        labels = write_idx(split.targets.numpy().astype(np.uint8))
        if images.shape[1] == 3:
            sheet = tile(images)
            buffer = io.BytesIO()
            Image.fromarray(sheet).save(buffer, "WEBP", lossless=True, quality=100, method=6)
            files[f"{prefix}-images.webp"] = buffer.getvalue()
            sums[f"{prefix}-images.webp"] = hashlib.sha256(sheet.tobytes()).hexdigest()
        else:
            content = write_idx(images[:, 0])
            files[f"{prefix}-images-idx3-ubyte.gz"] = gzip.compress(content, GZIP_LEVEL, mtime=0)
            sums[f"{prefix}-images-idx3-ubyte.gz"] = hashlib.sha256(content).hexdigest()
        files[f"{prefix}-labels-idx1-ubyte.gz"] = gzip.compress(labels, GZIP_LEVEL, mtime=0)
        sums[f"{prefix}-labels-idx1-ubyte.gz"] = hashlib.sha256(labels).hexdigest()
    for file, data in files.items():
        write_whole(folder / name / file, data)
    return {"hash": content_hash(train, test), "files": sums}


SAMPLE_EACH = (500, 100)
"""Training and test images of each class in a sample."""


def rebuild(originals: dict[str, Path], folder: Path = FOLDER) -> dict[str, Any]:
    """Make the bundled packs anew from the published files, and write and return their manifest.

    Args:
        originals: for ``mnist``, ``fashion_mnist`` and ``cifar10``, a file or folder that the lab can import.
        folder: where the packs go.

    Raises:
        DataError: an original cannot be read, or its images are not the published ones.
    """
    from cnnlab.data import sources

    entries: dict[str, Any] = {}
    for name, path in originals.items():
        found = sources.read_from(path)
        wanted = KNOWN[name].hash
        if content_hash(found.train, found.test) != wanted:
            raise DataError("{where} does not hold the published {title}", where=str(path), title=KNOWN[name].title)
        train, test, packed = found.train, found.test, name
        if not KNOWN[name].bundled:
            classes, packed = len(KNOWN[name].class_names), KNOWN[name].relative
            train, test = (balanced(part, classes, each) for part, each in zip((train, test), SAMPLE_EACH))
        entries[packed] = pack(packed, train, test, folder)
    write_whole(folder / "manifest.json", (json.dumps(entries, indent=2) + "\n").encode())
    return entries


def main() -> None:
    """Rebuild the bundled packs from the command line; ``assets/datasets/README.md`` has the whole command."""
    import argparse

    parser = argparse.ArgumentParser(prog="python -m cnnlab.data.packs", description="Rebuild the bundled data sets.")
    for name in ("mnist", "fashion_mnist", "cifar10"):
        parser.add_argument(f"--{name.replace('_', '-')}", type=Path, required=True, metavar="PATH", dest=name)
    parser.add_argument("--out", type=Path, default=FOLDER, help="where to write (default: assets/datasets)")
    asked = vars(parser.parse_args())
    folder = asked.pop("out")
    sys.stdout.write(json.dumps(rebuild(asked, folder), indent=2) + "\n")


if __name__ == "__main__":
    main()
