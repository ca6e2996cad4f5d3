"""Get published weights from where torchvision says they are, checked against the hash in the file's name."""

from __future__ import annotations

import hashlib
import http.client
import re
import secrets
from pathlib import Path

from cnnlab.data.causes import cause
from cnnlab.data.download import download
from cnnlab.data.progress import Report, silent
from cnnlab.errors import ModelError
from cnnlab.home import home
from cnnlab.i18n import Message
from cnnlab.weights.files import MAX_WEIGHTS_BYTES


def fetch(name: str, address: str, progress: Report = silent) -> Path:
    """Return the file of the weights of ``name``, downloaded from ``address`` unless it is here already.

    Args:
        name: the network, for the sentence of an error.
        address: the file's address; its name holds the first digits of its SHA-256 (``resnet18-f37072fd.pth``).
        progress: told of each step; what it raises cancels the fetch.

    Raises:
        ModelError: the host was not reached, or what came is not the published file. Nothing has changed then.
    """
    target = kept(address)
    if target.is_file():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f".{target.name}.{secrets.token_hex(4)}.part")
    try:
        found = download(address, part, hashlib.sha256(), MAX_WEIGHTS_BYTES, progress, target.name)
        if not found.startswith(_digits(target.name)):
            raise _failed(name, address, Message("the file that came is not the published one"))
        part.replace(target)
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise _failed(name, address, cause(error)) from error
    finally:
        part.unlink(missing_ok=True)
    return target


def kept(address: str) -> Path:
    """Return where the file at ``address`` is kept once it has been fetched."""
    return home() / "weights" / address.rsplit("/", 1)[-1]


def _digits(file: str) -> str:
    found = re.search(r"-([0-9a-f]{8,64})\.", file)
    return found[1] if found else "no hash"


def _failed(name: str, address: str, reason: Message) -> ModelError:
    return ModelError(
        "{net}: its weights could not be fetched from {address}: {reason}. The way out: download that file on any machine "
        "with internet, and import it: python -m cnnlab net weights {net} --from FILE",
        net=name,
        address=address,
        reason=reason,
    )
