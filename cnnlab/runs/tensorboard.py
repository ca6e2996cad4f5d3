"""A run's curves as event files of TensorBoard, written by TensorBoard's own writer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from cnnlab.errors import RunError
from cnnlab.runs.snapshot import Snapshot


def write_events(folder: Path, run: Snapshot, events: Iterable[Mapping[str, Any]]) -> list[str]:
    """Write ``loss``, ``acc`` and ``lr`` below ``train``, ``val`` and ``test``; return the names of the files.

    The wall time of an event is estimated from its step, since a run notes steps, not times.

    Raises:
        RunError: TensorBoard is not installed.
        OSError: the folder cannot be written.
    """
    try:
        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.compat.proto.summary_pb2 import Summary
        from tensorboard.summary.writer.event_file_writer import EventFileWriter
    except ImportError as error:
        raise RunError("TensorBoard's writer is not installed; `pip install tensorboard`") from error

    before = {path.name for path in folder.iterdir()}
    writer = EventFileWriter(str(folder))
    try:
        for event in events:
            numbers = [(tag, event.get(tag)) for tag in ("loss", "acc", "lr")]
            values = [
                Summary.Value(tag=f"{event['kind']}/{tag}", simple_value=number)
                for tag, number in numbers
                if number is not None
            ]
            if event["kind"] in ("train", "val", "test") and values:
                wall_time = run.created + run.train_s * event["step"] / max(1, run.steps)
                writer.add_event(Event(wall_time=wall_time, step=event["step"], summary=Summary(value=values)))
    finally:
        writer.close()
    return sorted(path.name for path in folder.iterdir() if path.name not in before)
