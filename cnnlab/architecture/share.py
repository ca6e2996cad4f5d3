"""A network, perhaps with its recipe and data set, as a short text for a link, and back.

The text is the version digit, then the JSON compressed by zlib with a fixed dictionary (the words that every network
repeats cost next to nothing), then base64 in its URL-safe alphabet without padding. Version 1 holds a network alone: its
canonical JSON. Version 2 holds the document that ``Shared.to_json`` writes. Nothing of the text is trusted: its length,
its alphabet, the unpacked size, zlib's checksum and the description are each checked.
"""

from __future__ import annotations

import base64
import binascii
import re
import zlib
from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError

from cnnlab.architecture.network import MAX_JSON_BYTES as MAX_FILE_BYTES
from cnnlab.architecture.network import MAX_JSON_DEPTH, Architecture, _depth
from cnnlab.errors import ArchitectureError
from cnnlab.validation import first_finding

MAX_LINK_CHARS = 6_000
"""Longest text that is made or read; browsers and Streamlit carry longer ones, mail programs break them."""

MAX_JSON_BYTES = 256_000
"""Largest description that a text may unpack to."""

_VERSION, _WITH_RECIPE = "1", "2"
_TEXT = re.compile(r"[A-Za-z0-9_-]+")
_IS_SHARED = re.compile(rb'"format"\s*:\s*"cnnlab\.shared"')

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


# Part of version 2, as _WORDS_1 is of version 1.
_WORDS_2 = (
    b'{"kind":"SqueezeExcitation","name":"","reduction":4},{"kind":"InvertedResidual","name":"","out_channels":24,'
    b'"expansion":6,"kernel_size":3,"stride":1,"activation":"ReLU6"},{"kind":"DepthwiseSeparable","name":"",'
    b'"out_channels":16,"kernel_size":3,"stride":1,"activation":"ReLU"},{"kind":"DenseBlock","name":"","layers":[],'
    b'"repeat":4},{"kind":"Branches","name":"","branches":[{"kind":"Sequence","name":"stage","layers":[],"repeat":2}],'
    b'"join":"concat","split":false},{"kind":"Residual","name":"","layers":[],"shortcut":"projection"},'
    b'{"precision":"float32","memory_format":"channels_last","threads":1,"full_train":true,"mirror":true,"whiten":true,'
    b'"limit_train":1000,"mixup":0.2,"loss":"mse","early_stopping":3,"plateau_patience":2,"plateau_factor":0.1,'
    b'"warmup_epochs":1.0,"warmup":0.23,"step_factor":0.1,"step_epochs":2,"schedule":"reduce_on_plateau","clip_norm":1.0,'
    b'"l1":0.0001,"optimizer":"rmsprop","optimizer":"adamw","schedule":"triangular","schedule":"cosine","momentum":0.9,'
    b'"nesterov":true,"optimizer":"sgd","augmentation":{"crop_padding":2,"rotate":10.0,"scale":0.1,"flip":true,"shift":2},'
    b'"weight_decay":0.0005,"label_smoothing":0.05,"seed":1,"schedule":"one_cycle","lr":0.01,"batch_size":128,"epochs":5},'
    b'"data":"cifar10","data":"cifar10-sample","data":"fashion_mnist-sample","data":"mnist","recipe":'
) + _WORDS_1


class Shared(BaseModel):
    """What is passed on: a network, and with it what somebody needs to train it the same way.

    Attributes:
        architecture: the network.
        recipe: fields of a recipe, those at their defaults left out; None where none is passed on. It may come from
            anyone and is checked where recipes are known.
        data: the name of the data set; empty where none is passed on.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal["cnnlab.shared"] = "cnnlab.shared"
    version: Literal[1] = 1
    data: str = Field("", max_length=80)
    recipe: dict[str, JsonValue] | None = Field(None, max_length=100)
    architecture: Architecture

    @classmethod
    def of(cls, architecture: Architecture, recipe: Mapping[str, Any] | None = None, data: str = "") -> Shared:
        """Return these three as one."""
        return cls(architecture=architecture, recipe=None if recipe is None else dict(recipe), data=data)

    def to_json(self) -> str:
        """Return a JSON document, which ``from_json`` reads; without recipe and data it is the network's own."""
        if self.recipe is None and not self.data:
            return self.architecture.to_json()
        return self.model_dump_json(indent=2)

    @classmethod
    def from_json(cls, text: str | bytes) -> Shared:
        """Return what a JSON document passes on: one of ``to_json``, or a network's own.

        Raises:
            ArchitectureError: too large, too deep, not JSON, or neither of the two; the sentence says where.
        """
        head = text[:200].encode("utf-8", "replace") if isinstance(text, str) else text[:200]
        if not _IS_SHARED.search(head):
            return cls(architecture=Architecture.from_json(text))
        if len(text) > MAX_FILE_BYTES:
            raise ArchitectureError(
                "this document has {size} bytes; a network's JSON may have {limit} at most",
                size=len(text),
                limit=MAX_FILE_BYTES,
            )
        if _depth(text) > MAX_JSON_DEPTH + 1:
            raise ArchitectureError(
                "this document nests deeper than {limit} brackets; a network's JSON does not", limit=MAX_JSON_DEPTH + 1
            )
        try:
            return cls.model_validate_json(text, strict=True)
        except ValidationError as error:
            raise ArchitectureError("not a network: {finding}", finding=first_finding(error)) from error


def to_text(architecture: Architecture, recipe: Mapping[str, Any] | None = None, data: str = "") -> str:
    """Return a network, perhaps with a recipe's fields and a data set's name, as a text for a link.

    It is made of letters, digits, ``-`` and ``_``.

    Raises:
        ArchitectureError: it is too long for a link.
    """
    if recipe is None and not data:
        version, words, document = _VERSION, _WORDS_1, architecture.key
    else:
        shared = Shared.of(architecture, recipe, data)
        version, words, document = _WITH_RECIPE, _WORDS_2, shared.model_dump_json()
    packer = zlib.compressobj(9, zdict=words)
    packed = packer.compress(document.encode()) + packer.flush()
    text = version + base64.urlsafe_b64encode(packed).decode().rstrip("=")
    if len(text) > MAX_LINK_CHARS:
        raise ArchitectureError(
            "this network needs a link of {length} characters, and {limit} is the most; save it as a file instead",
            length=len(text),
            limit=MAX_LINK_CHARS,
        )
    return text


def read(text: str) -> Shared:
    """Return what ``text`` passes on; white space around and inside it (a mail's line breaks) is ignored.

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
    if text[0] not in (_VERSION, _WITH_RECIPE) or not _TEXT.fullmatch(text):
        raise ArchitectureError("the link is not one that this lab made; copy it again from the page that made it")
    if text[0] == _VERSION:
        return Shared(architecture=Architecture.from_json(_unpack(_decode(text[1:]), _WORDS_1)))
    return Shared.from_json(_unpack(_decode(text[1:]), _WORDS_2))


def _decode(text: str) -> bytes:
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as error:
        raise _damaged() from error


def _unpack(packed: bytes, words: bytes) -> str:
    unpacker = zlib.decompressobj(zdict=words)
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
