"""The large things that runs leave, beside the database: checkpoints and models, as files that nobody changes.

They lie in ``home()/runs`` or under the fsspec URL that ``CNNLAB_ARTEFACTS`` names (``s3://bucket/lab``, ...), each
written whole or not at all, and checked against its hash when it is read.
"""

from __future__ import annotations

import os
import secrets
import shutil
from hashlib import sha256
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlparse

from cnnlab.errors import RunError
from cnnlab.home import home, write_whole

_PUT_AT_ONCE = {"memory", "s3", "s3a", "gs", "gcs", "abfs", "abfss", "az", "adl", "oss", "oci", "r2"}
"""Stores in which an object appears only once all of it is there."""


class Artefacts(Protocol):
    """A place for named bytes; a name is ``RUN/FILE``."""

    def put(self, name: str, data: bytes) -> str:
        """Keep ``data`` whole or not at all; return its SHA-256. Raises OSError."""

    def get(self, name: str, hash: str) -> bytes:
        """Return the bytes with that SHA-256; raises RunError where they are absent or damaged."""

    def remove(self, name: str) -> None:
        """Remove one artefact, if it is there."""

    def remove_run(self, id: str, keep: frozenset[str] = frozenset()) -> None:
        """Remove all artefacts of a run but those files named ``keep``, and what a broken write left."""

    def path(self, name: str) -> Path | None:
        """Return the file, or None where there is none on this machine."""

    def where(self, name: str) -> str:
        """Return where it is, for a person."""


def artefacts() -> Artefacts:
    """Return the place that ``CNNLAB_ARTEFACTS`` names, else the folder ``home()/runs``.

    Raises:
        RunError: the variable names a place that cannot be reached.
    """
    wanted = os.environ.get("CNNLAB_ARTEFACTS", "").strip()
    if not wanted:
        return Folder(home() / "runs")
    scheme = urlparse(wanted).scheme
    if len(scheme) <= 1 or scheme == "file":  # a path; one letter is a drive
        return Folder(Path(wanted.removeprefix("file://")).expanduser())
    return Elsewhere(wanted)


def fingerprint(data: bytes) -> str:
    """Return the SHA-256 of ``data`` in hexadecimal."""
    return sha256(data).hexdigest()


def _checked(name: str, data: bytes, hash: str) -> bytes:
    if fingerprint(data) != hash:
        raise RunError("{name} is damaged: it is not what was written; choose another step", name=name)
    return data


def _absent(name: str, error: Exception) -> RunError:
    return RunError("{name} cannot be read ({reason})", name=name, reason=str(error)[:200])


class Folder(Artefacts):
    """A folder on this machine."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def put(self, name: str, data: bytes) -> str:
        write_whole(self.root / name, data)
        return fingerprint(data)

    def get(self, name: str, hash: str) -> bytes:
        try:
            return _checked(name, (self.root / name).read_bytes(), hash)
        except OSError as error:
            raise _absent(name, error) from error

    def remove(self, name: str) -> None:
        (self.root / name).unlink(missing_ok=True)

    def remove_run(self, id: str, keep: frozenset[str] = frozenset()) -> None:
        folder = self.root / id
        if not keep:
            shutil.rmtree(folder, ignore_errors=True)
            return
        for path in folder.glob("*") if folder.is_dir() else ():
            if path.name not in keep and path.is_file():
                path.unlink(missing_ok=True)

    def path(self, name: str) -> Path | None:
        path = self.root / name
        return path if path.is_file() else None

    def where(self, name: str) -> str:
        return str(self.root / name)


class Elsewhere(Artefacts):
    """Any place that fsspec reaches."""

    def __init__(self, url: str) -> None:
        import fsspec

        self.url = url.rstrip("/")
        try:
            self._fs, self._root = fsspec.core.url_to_fs(self.url)
        except (ImportError, ValueError, OSError) as error:
            raise RunError(
                "CNNLAB_ARTEFACTS: {url} cannot be used ({reason})", url=self.url, reason=str(error)[:200]
            ) from error
        self._at_once = urlparse(self.url).scheme in _PUT_AT_ONCE

    def put(self, name: str, data: bytes) -> str:
        path = self._path(name)
        self._do(self._fs.makedirs, path.rpartition("/")[0], exist_ok=True)
        if self._at_once:
            self._do(self._fs.pipe_file, path, data)
        else:
            temporary = f"{path}.{secrets.token_hex(4)}.part"
            self._do(self._fs.pipe_file, temporary, data)
            self._do(self._fs.mv, temporary, path)
        return fingerprint(data)

    def get(self, name: str, hash: str) -> bytes:
        try:
            return _checked(name, self._do(self._fs.cat_file, self._path(name)), hash)
        except OSError as error:
            raise _absent(name, error) from error

    def remove(self, name: str) -> None:
        try:
            self._do(self._fs.rm_file, self._path(name))
        except FileNotFoundError:
            pass

    def remove_run(self, id: str, keep: frozenset[str] = frozenset()) -> None:
        try:
            found = self._do(self._fs.ls, self._path(id), detail=False)
        except FileNotFoundError:
            return
        for path in found:
            if path.rpartition("/")[2] not in keep:
                self._do(self._fs.rm_file, path)

    def path(self, name: str) -> Path | None:
        return None

    def where(self, name: str) -> str:
        return f"{self.url}/{name}"

    def _path(self, name: str) -> str:
        return f"{self._root.rstrip('/')}/{name}"

    def _do(self, call: Any, *arguments: Any, **options: Any) -> Any:
        """Call the file system; each has errors of its own, which leave here as OSError."""
        try:
            return call(*arguments, **options)
        except OSError:
            raise
        except Exception as error:  # the boundary of somebody else's client
            raise OSError(f"{self.url}: {error}") from error
