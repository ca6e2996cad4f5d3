"""How often a page looks again into a model that still learns."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cnnlab.runs.snapshot import LIVE
from pages import _session

if TYPE_CHECKING:
    from cnnlab.description import ModelRef

LIVE_S = 2.0
"""From one look into a model that is still learning to the next, in seconds."""


def state(ref: ModelRef) -> str | None:
    """Return the state of the run whose newest moment ``ref`` is; None where ``ref`` can never change."""
    from cnnlab import runs

    return runs.engine().snapshot(ref.value).state if ref.kind == "run" and ref.step is None else None


def pace(state: str | None) -> float | None:
    """Return after how many seconds a page looks again, longer in a full class; never when nothing changes."""
    return max(LIVE_S, _session.interval()) if state in LIVE else None
