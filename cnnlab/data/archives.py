"""Look into a folder, a zip or a tar without ever unpacking it to disk: names first, then the bytes of some members.

Nothing an archive says is trusted: paths that climb out and links are refused, what is unpacked is counted while it
is unpacked, and a damaged or cut archive becomes one sentence.
"""

from __future__ import annotations

import gzip
import io
import lzma
import os
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO

from cnnlab.errors import DataError

MAX_UNPACKED_BYTES = 2 * 2**30
"""An archive that unpacks to more is refused."""
MAX_RATIO = 100
"""From ``FREE_BYTES`` on, an archive that unpacks to more than this many times its weight is refused."""
FREE_BYTES = 64 * 2**20
MAX_MEMBERS = 500_000
_DAMAGED = (
    OSError, EOFError, zlib.error, lzma.LZMAError, tarfile.TarError, zipfile.BadZipFile, struct.error,
    NotImplementedError, RuntimeError, ValueError,
)  # fmt: skip
_HIDDEN = ("__MACOSX", "Thumbs.db", "desktop.ini")


class Meter:
    """Counts what comes out of a packed file and refuses more than it may reasonably hold."""

    def __init__(self, where: str, packed_bytes: int) -> None:
        self.where = where
        self.packed_bytes = max(1, packed_bytes)
        self.unpacked_bytes = 0

    def add(self, count: int) -> None:
        """Count ``count`` more bytes.

        Raises:
            DataError: that is too much.
        """
        self.unpacked_bytes += count
        self.check(self.unpacked_bytes)

    def check(self, unpacked_bytes: int) -> None:
        """Raise if ``unpacked_bytes`` is more than this file may unpack to."""
        if unpacked_bytes > MAX_UNPACKED_BYTES:
            raise DataError(
                "{where} unpacks to more than {limit_mb:,} MB; import a smaller archive",
                where=self.where,
                limit_mb=MAX_UNPACKED_BYTES // 2**20,
            )
        if unpacked_bytes > FREE_BYTES and unpacked_bytes > MAX_RATIO * self.packed_bytes:
            raise DataError(
                "{where} weighs {packed_kb:,} kB and unpacks to more than {ratio} times that; this is no data set",
                where=self.where,
                packed_kb=self.packed_bytes // 1000,
                ratio=MAX_RATIO,
            )


class _Metered(io.RawIOBase):
    """A stream whose bytes are counted as they are read."""

    def __init__(self, inner: IO[bytes], meter: Meter) -> None:
        self._inner, self._meter = inner, meter

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        data = self._inner.read(len(buffer))
        self._meter.add(len(data))
        buffer[: len(data)] = data
        return len(data)


@contextmanager
def _said(where: str) -> Iterator[None]:
    """Turn what a damaged archive raises into one sentence."""
    try:
        yield
    except _DAMAGED as error:
        raise DataError(
            "{where} cannot be read: it is damaged, cut short or locked with a password", where=where
        ) from error


def members(path: Path, wanted: Callable[[str], bool]) -> Iterator[tuple[str, bytes]]:
    """Yield ``(name, bytes)`` of the members of ``path`` whose name is ``wanted``, in the archive's own order.

    Args:
        path: a folder, a zip, a tar (also packed by gzip, bzip2 or xz).
        wanted: asked for each member's name, a relative path with ``/``; hidden files are passed over.

    Raises:
        DataError: it is none of these, damaged, holds links or paths that climb out, or unpacks to too much.
    """
    if path.is_dir():
        yield from _folder(path, wanted)
    elif zipfile.is_zipfile(path):
        yield from _zip(path, wanted)
    elif is_tar(path):
        yield from _tar(path, wanted)
    else:
        raise DataError(
            "{where} is neither a folder nor an archive (.zip, .tar.gz, .tgz) that can be read; it may have been cut short",
            where=path.name,
        )


def names(path: Path) -> tuple[str, ...]:
    """Return the names of all members of ``path``; see :func:`members` for what is refused."""
    found: list[str] = []

    def note(name: str) -> bool:
        found.append(name)
        return False

    for _member in members(path, note):
        pass  # nothing is wanted
    return tuple(found)


def is_tar(path: Path) -> bool:
    """Return whether ``path`` is a tar, packed or not."""
    try:
        return tarfile.is_tarfile(path)
    except _DAMAGED:
        return False


def gunzip(data: bytes, where: str) -> bytes:
    """Return what the gzip ``data`` holds.

    Raises:
        DataError: it is damaged, or unpacks to too much.
    """
    with _said(where), gzip.open(io.BytesIO(data)) as packed:
        return io.BufferedReader(_Metered(packed, Meter(where, len(data))), 2**20).read()  # type: ignore[arg-type]


def _safe_name(name: str, where: str) -> str:
    """Return a member's name, or raise if it leads out of the archive."""
    parts = PurePosixPath(name.replace("\\", "/")).parts
    if ".." in parts or name.startswith(("/", "\\")) or (parts and parts[0].endswith(":")) or "\0" in name:
        raise DataError(
            "{where} holds a path that climbs out of it ({name}); nothing was imported", where=where, name=name[:80]
        )
    return "/".join(part for part in parts if part != ".")


def _linked(where: str, name: str) -> DataError:
    return DataError("{where} holds a link ({name}); put the file itself there", where=where, name=name[:80])


def _hidden(name: str) -> bool:
    return any(part.startswith(".") or part in _HIDDEN for part in name.split("/"))


def _count(seen: int, where: str) -> None:
    if seen > MAX_MEMBERS:
        raise DataError("{where} holds more than {limit:,} files; import a smaller set", where=where, limit=MAX_MEMBERS)


def _folder(path: Path, wanted: Callable[[str], bool]) -> Iterator[tuple[str, bytes]]:
    seen = 0
    for root, folders, files in os.walk(path):
        folders.sort()
        here = Path(root)
        for name in sorted([*files, *folders]):
            seen += 1
            _count(seen, path.name)
            relative = (here / name).relative_to(path).as_posix()
            if _hidden(relative):
                continue
            if (here / name).is_symlink():
                raise _linked(path.name, relative)
            if name in files and (here / name).is_file() and wanted(relative):
                with _said(relative):
                    data = (here / name).read_bytes()
                yield relative, data


def _zip(path: Path, wanted: Callable[[str], bool]) -> Iterator[tuple[str, bytes]]:
    meter = Meter(path.name, path.stat().st_size)
    with _said(path.name):
        archive = zipfile.ZipFile(path)
    with archive:
        entries = archive.infolist()
        _count(len(entries), path.name)
        meter.check(sum(entry.file_size for entry in entries))  # what it says; what it does is counted below
        for entry in entries:
            name = _safe_name(entry.filename, path.name)
            if stat.S_ISLNK(entry.external_attr >> 16):
                raise _linked(path.name, name)
            if entry.is_dir() or _hidden(name) or not wanted(name):
                continue
            with _said(path.name), archive.open(entry) as file:
                data = io.BufferedReader(_Metered(file, meter), 2**20).read()  # type: ignore[arg-type]
            yield name, data


def _tar(path: Path, wanted: Callable[[str], bool]) -> Iterator[tuple[str, bytes]]:
    """Walk a tar once from its beginning; members passed over are unpacked too, so all of it is counted."""
    meter = Meter(path.name, path.stat().st_size)
    seen = 0
    with _said(path.name), _unpacked(path) as stream:
        counted = io.BufferedReader(_Metered(stream, meter), 2**20)  # type: ignore[arg-type]
        with tarfile.open(fileobj=counted, mode="r|") as archive:
            for entry in archive:
                seen += 1
                _count(seen, path.name)
                archive.members = []  # type: ignore[attr-defined]  # a stream never goes back: let the headers go
                name = _safe_name(entry.name, path.name)
                if entry.issym() or entry.islnk():
                    raise _linked(path.name, name)
                if not entry.isfile() or _hidden(name) or not wanted(name):
                    continue
                file = archive.extractfile(entry)
                if file is not None:
                    data = file.read()
                    if len(data) != entry.size:
                        raise EOFError
                    yield name, data


@contextmanager
def _unpacked(path: Path) -> Iterator[IO[bytes]]:
    """Open ``path`` as the plain bytes of a tar, whatever it is packed with."""
    import bz2

    openers = {b"\x1f\x8b": gzip.open, b"BZ": bz2.open, b"\xfd7": lzma.open}
    with path.open("rb") as file:
        opener = openers.get(file.read(2))
    with opener(path, "rb") if opener else path.open("rb") as stream:  # type: ignore[operator]
        yield stream
