"""The weights of another model that a run has begun with, found again: by a hash that the run has kept of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cnnlab.architecture import Architecture
from cnnlab.description import ModelRef
from cnnlab.errors import CnnLabError
from cnnlab.training.transfer import Started

if TYPE_CHECKING:
    from torch import Tensor

    from cnnlab.model import Model

MOST_BYTES = 8_000_000
"""How much of it a notebook can hold as text; more would be slow to open."""


def started_with(told: object) -> Started | None:
    """Return what ``told``, of a file that may come from anyone, says of a run's beginning; None where that is none."""
    try:
        return Started.model_validate(told)
    except ValueError:
        return None


def weights_of_start(start: Started, architecture: Architecture, ref: ModelRef | None) -> dict[str, Tensor]:
    """Return the tensors that a run of ``architecture`` took over at its start, by name; none where they are not here.

    They come from the run's own beginning, or else from the model that it names; its hash says whether they are the
    same to the bit.

    Args:
        start: what the run began with.
        architecture: its network.
        ref: the run, where it is one of this lab.
    """
    beginnings = [f"{ref.source}@0"] if ref is not None and ref.kind == "run" else []
    sources = [*beginnings, *([start.model] if start.model.startswith(("bundled:", "run:")) else [])]
    for source in sources:
        try:
            found = _taken(start, architecture, _model(source, own=source in beginnings))
        except CnnLabError:  # it is gone, or another one by now
            continue
        if found and sum(tensor.nbytes for tensor in found.values()) <= MOST_BYTES:
            return found
    return {}


def _model(source: str, own: bool) -> Model:
    from cnnlab.runs.models import resolve

    return resolve(ModelRef.parse(source), stays=not own)


def _taken(start: Started, architecture: Architecture, model: Model) -> dict[str, Tensor]:
    from cnnlab.training.transfer import hash_of, plan

    fitting = plan(architecture, model.architecture).taken
    if not set(start.taken) <= set(fitting):
        return {}
    tensors = {name: model.state[name] for name in sorted(model.state) if name.rpartition(".")[0] in start.taken}
    return tensors if hash_of(tensors) == start.weights else {}
