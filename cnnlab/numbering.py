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
_lock = threading.Lock()


class _Numbers(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")

    highest: int = Field(default=0, ge=0)
    runs: dict[str, int] = Field(default={}, max_length=MAX_NUMBERS)


def run_numbers(workspace: Workspace, ids: Sequence[str]) -> dict[str, int]:
    """Return the number of each run in ``ids`` (the oldest first); a run without one gets the next that was never given.

    Beyond ``MAX_NUMBERS`` the lowest are forgotten.
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
        if runs != kept.runs:
            newest = dict(sorted(runs.items(), key=lambda item: item[1])[-MAX_NUMBERS:])
            write_soon(path, _Numbers(highest=highest, runs=newest).model_dump_json().encode())
    return {id: runs[id] for id in ids}
