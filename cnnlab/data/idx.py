"""Read and write IDX, the format of MNIST: a magic number, the sizes, then plain bytes."""

from __future__ import annotations

import struct

import numpy as np

from cnnlab.errors import DataError

_UNSIGNED_BYTE = 0x08


def is_idx(data: bytes) -> bool:
    """Return whether ``data`` begins like an IDX file of unsigned bytes."""
    return len(data) >= 4 and data[:3] == bytes([0, 0, _UNSIGNED_BYTE]) and 1 <= data[3] <= 4


def read_idx(data: bytes, where: str) -> np.ndarray:
    """Return the array that an IDX file of unsigned bytes holds, read-only, without copying.

    Layout: two zero bytes, the type (8: unsigned byte), the number of axes, each size as a big-endian 32-bit
    integer, then the values, last axis fastest.

    Source: LeCun, Cortes & Burges, "The MNIST database of handwritten digits", section "file formats".

    Args:
        data: the whole file, uncompressed.
        where: the file's name, for the error.

    Raises:
        DataError: it is no such file, or holds fewer or more values than it announces.
    """
    if not is_idx(data):
        raise DataError("{where}: this is not an IDX file of unsigned bytes", where=where)
    axes = data[3]
    start = 4 + 4 * axes
    if len(data) < start:
        raise DataError("{where}: the file ends within its header; it was cut short", where=where)
    shape = struct.unpack(f">{axes}I", data[4:start])
    announced = 1
    for size in shape:
        announced *= size
    if announced != len(data) - start:
        raise DataError(
            "{where}: the header announces {announced:,} values and the file holds {held:,}; it was cut short or damaged",
            where=where,
            announced=announced,
            held=len(data) - start,
        )
    return np.frombuffer(data, dtype=np.uint8, offset=start).reshape(shape)


def write_idx(array: np.ndarray) -> bytes:
    """Return ``array`` (uint8, one to four axes) as an IDX file."""
    head = bytes([0, 0, _UNSIGNED_BYTE, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    return head + np.ascontiguousarray(array, dtype=np.uint8).tobytes()
