"""A run's curves as an event file of TensorBoard; TensorBoard itself need not be installed to write it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from cnnlab.runs.snapshot import Snapshot


def event_file(run: Snapshot, events: Iterable[Mapping[str, Any]]) -> tuple[str, bytes]:
    """Return the name and the bytes of an event file with ``loss``, ``acc`` and ``lr`` below ``train``, ``val``, ``test``.

    The wall time of an event is estimated from its step, since a run notes steps, not times. The name says nothing of
    the machine, as that of the writer would.

    Raises:
        OSError: there is no room to write it.
    """
    from tensorboardX import SummaryWriter

    with TemporaryDirectory() as folder:
        with SummaryWriter(folder) as writer:
            for event in events:
                if event["kind"] not in ("train", "val", "test"):
                    continue
                wall_time = run.created + run.train_s * event["step"] / max(1, run.steps)
                for name in ("loss", "acc", "lr"):
                    if event.get(name) is not None:
                        writer.add_scalar(f"{event['kind']}/{name}", event[name], event["step"], wall_time)
        (written,) = Path(folder).iterdir()
        return f"events.out.tfevents.{int(run.created):010d}.cnnlab", written.read_bytes()
