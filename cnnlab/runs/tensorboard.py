"""A run's curves as an event file of TensorBoard, byte by byte: TensorBoard itself need not be installed."""

from __future__ import annotations

import math
import struct
from collections.abc import Iterable, Mapping
from typing import Any

from cnnlab.runs.snapshot import Snapshot

_SCALARS = ("loss", "acc", "lr")
_LARGEST = (2 - 2**-23) * 2.0**127
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5  # how a field of a protocol buffer is written


def event_file(run: Snapshot, events: Iterable[Mapping[str, Any]]) -> tuple[str, bytes]:
    """Return the name and the bytes of an event file with ``loss``, ``acc`` and ``lr`` below ``train``, ``val``, ``test``.

    The wall time of an event is estimated from its step, since a run notes steps, not times.

    Source: the records of github.com/tensorflow/tensorboard, tensorboard/compat/proto/event.proto and summary.proto
    (``Event``: 1 wall_time, 2 step, 3 file_version, 5 summary; ``Summary``: 1 value; ``Value``: 1 tag, 2 simple_value).
    """
    written = [_record(_fixed64(1, run.created) + _bytes(3, b"brain.Event:2"))]
    for event in events:
        if event["kind"] not in ("train", "val", "test"):
            continue
        values = b"".join(
            _bytes(1, _bytes(1, f"{event['kind']}/{name}".encode()) + _fixed32(2, event[name]))
            for name in _SCALARS
            if event.get(name) is not None
        )
        wall_time = run.created + run.train_s * event["step"] / max(1, run.steps)
        written.append(_record(_fixed64(1, wall_time) + _varint(2, event["step"]) + _bytes(5, values)))
    return f"events.out.tfevents.{int(run.created):010d}.cnnlab", b"".join(written)


# -------------------------------------------------------------------- fields of a protocol buffer
def _varint(field: int, value: int) -> bytes:
    return _count(field << 3 | _VARINT) + _count(value)


def _fixed64(field: int, value: float) -> bytes:
    return _count(field << 3 | _FIXED64) + struct.pack("<d", value)


def _fixed32(field: int, value: float) -> bytes:
    if abs(value) > _LARGEST:  # no float32: what comes from elsewhere may be any number
        value = math.copysign(math.inf, value)
    return _count(field << 3 | _FIXED32) + struct.pack("<f", value)


def _bytes(field: int, value: bytes) -> bytes:
    return _count(field << 3 | _BYTES) + _count(len(value)) + value


def _count(value: int) -> bytes:
    """Return a whole number >= 0, seven bits to the byte, the lowest first; the top bit says that more follow."""
    found = bytearray()
    while value > 0x7F:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    found.append(value)
    return bytes(found)


# -------------------------------------------------------------------- records of a file
def _record(data: bytes) -> bytes:
    """Return ``data`` with its length before it and the checksums that TensorFlow's records have.

    Source: tensorflow/core/lib/io/record_writer.h: length (uint64), its checksum, data, its checksum.
    """
    length = struct.pack("<Q", len(data))
    return length + _masked(length) + data + _masked(data)


def _masked(data: bytes) -> bytes:
    sum = _crc32c(data)
    return struct.pack("<I", ((sum >> 15 | sum << 17) + 0xA282EAD8) & 0xFFFFFFFF)


def _crc32c(data: bytes) -> int:
    """Return the Castagnoli checksum of ``data`` (RFC 3720, appendix B.4): of b"123456789" it is 0xE3069283."""
    sum = 0xFFFFFFFF
    for byte in data:
        sum = _TABLE[(sum ^ byte) & 0xFF] ^ sum >> 8
    return sum ^ 0xFFFFFFFF


def _table() -> tuple[int, ...]:
    found = []
    for value in range(256):
        for _bit in range(8):
            value = value >> 1 ^ (0x82F63B78 if value & 1 else 0)
        found.append(value)
    return tuple(found)


_TABLE = _table()
