"""What the optimizer of a run remembered at a kept moment, so that its next step can be told with its own numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from cnnlab.description import ModelRef
from cnnlab.errors import RunError
from cnnlab.model import Model
from cnnlab.training.optim import learning_rate
from cnnlab.training.recipe import Recipe


@dataclass(frozen=True)
class Memory:
    """An optimizer at one moment of a run.

    Attributes:
        step: updates done.
        last: whether the run ended there, so that it has no next step.
        lr: the learning rate of the next step by the run's schedule; of the last one where it is over.
        recipe: the one in force then.
        frozen: the layers that stood still then.
        tensors: what it remembers, as ``PARAMETER/KEY``.
    """

    step: int
    last: bool
    lr: float
    recipe: Recipe
    frozen: tuple[str, ...]
    tensors: Mapping[str, Tensor] = field(repr=False)


def memory_of(ref: ModelRef, model: Model) -> Memory | None:
    """Return what the run's optimizer remembered where ``model``, which is that of ``ref``, was taken.

    None where that is not kept: for a model that comes from no run, a moment of which there are only the weights, weights
    that are not those of the last step (early stopping), and after a change of the batch size, which makes the schedule's
    place uncertain.
    """
    from cnnlab.runs import engine
    from cnnlab.training.checkpoint import Checkpoint

    if ref.kind != "run":
        return None
    try:
        step = engine().model_step(ref.value, ref.step)
        if step not in {info.step for info in engine().checkpoints(ref.value)}:
            return None
        found = Checkpoint.from_bytes(engine().checkpoint(ref.value, step))
        total = engine().snapshot(ref.value).steps
    except RunError:  # thinned out or deleted meanwhile
        return None
    weights, changes = found.weights, found.standing.changes
    same = weights.keys() == model.state.keys() and all(
        torch.equal(weights[name], model.state[name]) for name in weights
    )
    if not same or any(one.change.batch_size is not None for one in changes):
        return None
    recipe, at = found.recipe, min(step, total - 1)
    rate = learning_rate(recipe, max(0, at), total, max(1, total // recipe.epochs)) * found.standing.verdict.scale
    return Memory(step, step >= total, rate, recipe, found.standing.frozen, found.under("optimizer"))
