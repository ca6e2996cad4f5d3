"""One bundled MNIST test image without torch, so that the first page has a picture before anything is loaded."""

from __future__ import annotations

import gzip

import numpy as np

from cnnlab.home import ASSETS

_SIDE = 28
_HEADER_BYTES = 16


def mnist_test_image(index: int = 0) -> np.ndarray | None:
    """Return MNIST's test image ``index``, or None where the bundled file is missing or ends before it.

    Only the beginning of the gzipped file is unpacked.

    Shape:
        returns (28, 28) uint8
    """
    path = ASSETS / "datasets" / "mnist" / "t10k-images-idx3-ubyte.gz"
    size = _SIDE * _SIDE
    try:
        with gzip.open(path) as file:
            file.read(_HEADER_BYTES + index * size)
            data = file.read(size)
    except (OSError, EOFError):
        return None
    return np.frombuffer(data, np.uint8).reshape(_SIDE, _SIDE) if len(data) == size else None
