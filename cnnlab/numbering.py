"""The numbers of a learner's runs: given once, in the order of creation, and never given again.

They are kept in the workspace's folder (``runs.json``), so that run 3 stays run 3 when run 1 is deleted.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from cnnlab.home import read_kept, write_soon

if TYPE_CHECKING:
    from cnnlab.workspace import Workspace

MAX_NUMBERS = 2_000
"""Of how many runs the numbers are kept at least; those of runs that are there are always kept, however many."""
_lock = threading.Lock()


class _Numbers(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")

    highest: int = Field(default=0, ge=0)
    runs: dict[str, int] = {}


def run_numbers(workspace: Workspace, ids: Sequence[str]) -> dict[str, int]:
    """Return the number of each run in ``ids`` (the oldest first); a run without one gets the next that was never given.

    Beyond ``MAX_NUMBERS`` the lowest of runs that are not among ``ids`` are forgotten.
    """
    path = workspace.folder / "runs.json"
    with _lock:
        try:
            kept = _Numbers.model_validate_json(read_kept(path))
        except (OSError, ValidationError):
            kept = _Numbers()
        runs, highest = dict(kept.runs), max([kept.highest, *kept.runs.values()])
        for id in ids:
            if id not in runs:
                highest += 1
                runs[id] = highest
        live = set(ids)
        gone = sorted((id for id in runs if id not in live), key=lambda id: runs[id])
        for id in gone[: max(0, len(runs) - MAX_NUMBERS)]:
            del runs[id]
        if runs != kept.runs:
            write_soon(path, _Numbers(highest=highest, runs=runs).model_dump_json().encode())
    return {id: runs[id] for id in ids}
