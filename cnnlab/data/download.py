"""Bring one file from an address to a path, with progress and a bound; what it should be is its caller's to check."""

from __future__ import annotations

import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING

from cnnlab.data.progress import Progress, Report
from cnnlab.i18n import Message

if TYPE_CHECKING:
    from hashlib import _Hash

TIMEOUT_S = 20
"""A host that says nothing for so long is not reached."""

_CHUNK = 2**18


def download(address: str, target: Path, digest: _Hash, most_bytes: int, report: Report, name: str = "") -> str:
    """Write what is at ``address`` to ``target`` and return its digest as hexadecimal digits.

    Args:
        address: where it is.
        target: where it is written; half a file stays there where something fails.
        digest: a new hash object (``hashlib.sha256()``); it has seen the file afterwards.
        most_bytes: above this it is not read to its end.
        report: told of each step; what it raises cancels the download.
        name: what the file is called in the report; empty for that of ``target``.

    Raises:
        OSError, http.client.HTTPException: the host was not reached, or broke off.
        ValueError: the file is too large.
    """
    request = urllib.request.Request(address, headers={"User-Agent": "cnnlab"})
    what = Message("downloading {file}", file=name or target.name)
    with urllib.request.urlopen(request, timeout=TIMEOUT_S) as response, target.open("wb") as file:
        length = response.headers.get("Content-Length")
        total = int(length) if length and length.isdecimal() else None
        done = 0
        report(Progress(what, done, total))
        while chunk := response.read(_CHUNK):
            done += len(chunk)
            if done > most_bytes:
                raise ValueError("too large")
            file.write(chunk)
            digest.update(chunk)
            report(Progress(what, done, total))
        if total is not None and done < total:
            raise ConnectionError(f"{done} of {total} bytes")
    return digest.hexdigest()
