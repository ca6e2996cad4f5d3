"""A network as a short text for a link, and back.

The text is the version digit 1, then the canonical JSON compressed by zlib with a fixed dictionary (the words that
every network repeats cost next to nothing), then base64 in its URL-safe alphabet without padding. Nothing of the
text is trusted: its length, its alphabet, the unpacked size, zlib's checksum and the description are each checked.
"""

from __future__ import annotations

import base64
import binascii
import re
import zlib

from cnnlab.architecture.network import Architecture
from cnnlab.errors import ArchitectureError

MAX_LINK_CHARS = 6_000
"""Longest text that is made or read; browsers and Streamlit carry longer ones, mail programs break them."""

MAX_JSON_BYTES = 256_000
"""Largest description that a text may unpack to."""

_VERSION = "1"
_TEXT = re.compile(r"[A-Za-z0-9_-]+")

# Part of version 1: change one byte and the links that are out there no longer open.
_WORDS_1 = (
    b'{"kind":"Softmax"}{"kind":"Dropout2d","p":0.25},{"kind":"LeakyReLU","negative_slope":0.01},{"kind":"Sigmoid"},'
    b'{"kind":"AdaptiveAvgPool2d","output_size":1},{"kind":"AvgPool2d","kernel_size":2,"stride":null,"padding":0},'
    b'{"kind":"Tanh"},{"kind":"GELU"},{"kind":"BatchNorm2d","eps":0.00001,"momentum":0.1},{"kind":"Dropout","p":0.5},'
    b'{"kind":"Conv2d","out_channels":64,"kernel_size":5,"stride":2,"padding":0,"dilation":1,"groups":1,"bias":false,'
    b'"in_channels":null},{"kind":"ReLU"},{"kind":"MaxPool2d","kernel_size":2,"stride":null,"padding":0},'
    b'{"kind":"Conv2d","out_channels":32,"kernel_size":3,"stride":1,"padding":1,"dilation":1,"groups":1,"bias":true,'
    b'"in_channels":null},{"kind":"ReLU"},{"kind":"Flatten"},{"kind":"Linear","out_features":10,"bias":true,'
    b'"in_features":null}]}{"format":"cnnlab.architecture","version":1,"name":"","input_shape":[1,28,28],"layers":['
)


def to_text(architecture: Architecture) -> str:
    """Return ``architecture`` as a text of letters, digits, ``-`` and ``_`` for a link.

    Raises:
        ArchitectureError: the network is too long for a link.
    """
    packer = zlib.compressobj(9, zdict=_WORDS_1)
    packed = packer.compress(architecture.key.encode()) + packer.flush()
    text = _VERSION + base64.urlsafe_b64encode(packed).decode().rstrip("=")
    if len(text) > MAX_LINK_CHARS:
        raise ArchitectureError(
            "this network needs a link of {length} characters, and {limit} is the most; save it as a file instead",
            length=len(text),
            limit=MAX_LINK_CHARS,
        )
    return text


def from_text(text: str) -> Architecture:
    """Return the network that ``text`` holds; white space around and inside it (a mail's line breaks) is ignored.

    Raises:
        ArchitectureError: the text is cut, changed, too long, of another version, or no network.
    """
    text = "".join(text[: 2 * MAX_LINK_CHARS].split()).rstrip("=")
    if not text:
        raise ArchitectureError("the link holds no network; copy it again from the page that made it")
    if len(text) > MAX_LINK_CHARS:
        raise ArchitectureError(
            "the link is longer than {limit} characters, more than a network needs", limit=MAX_LINK_CHARS
        )
    if text[0] != _VERSION or not _TEXT.fullmatch(text):
        raise ArchitectureError("the link is not one that this lab made; copy it again from the page that made it")
    return Architecture.from_json(_unpack(_decode(text[1:])))


def _decode(text: str) -> bytes:
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as error:
        raise _damaged() from error


def _unpack(packed: bytes) -> str:
    unpacker = zlib.decompressobj(zdict=_WORDS_1)
    try:
        data = unpacker.decompress(packed, MAX_JSON_BYTES)
        if unpacker.unconsumed_tail:
            raise ArchitectureError(
                "the link unpacks to more than {limit} bytes, far more than a network needs", limit=MAX_JSON_BYTES
            )
        if not unpacker.eof or unpacker.unused_data:
            raise _damaged()
        return data.decode()
    except (zlib.error, UnicodeDecodeError) as error:
        raise _damaged() from error


def _damaged() -> ArchitectureError:
    return ArchitectureError("the link is cut or changed; copy it again, whole, from the page that made it")
