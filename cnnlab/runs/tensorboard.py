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
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise RunError("TensorBoard's writer is not installed; `pip install tensorboard`") from error

    before = {path.name for path in folder.iterdir()}
    with SummaryWriter(str(folder)) as writer:  # type: ignore[no-untyped-call]
        for event in events:
            if event["kind"] not in ("train", "val", "test"):
                continue
            wall_time = run.created + run.train_s * event["step"] / max(1, run.steps)
            for name in ("loss", "acc", "lr"):
                if event.get(name) is not None:
                    tag = f"{event['kind']}/{name}"
                    writer.add_scalar(tag, event[name], event["step"], wall_time)  # type: ignore[no-untyped-call]
    return sorted(path.name for path in folder.iterdir() if path.name not in before)
