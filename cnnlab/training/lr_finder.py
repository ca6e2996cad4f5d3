"""The learning-rate finder: a short run whose learning rate grows at every step, thrown away once it has been looked at."""

from __future__ import annotations

import math
from collections.abc import Generator
from dataclasses import dataclass
from statistics import median

from cnnlab.architecture import Architecture
from cnnlab.data.dataset import DataSet
from cnnlab.training.checkpoint import Checkpoint
from cnnlab.training.loop import Training
from cnnlab.training.recipe import Recipe

STEPS = 100
LOWEST, HIGHEST = 1e-6, 1.0

_HALF_WINDOW = 3
_SLOPE_STEPS = 4
_WORTH = 0.03
_RISEN = 1.25
_LOST = 4.0


@dataclass(frozen=True)
class Trial:
    """One step of the search.

    Attributes:
        step: from 1.
        lr: the learning rate that the step used.
        loss: mean over the step's batch, before the step changed the weights.
    """

    step: int
    lr: float
    loss: float


@dataclass(frozen=True)
class Finding:
    """What the search has found.

    Attributes:
        trials: every step.
        smoothed: the losses, each the mean of the seven around it.
        suggested: the learning rate at which the loss fell most steeply; None where it hardly fell at all.
        edge: the one from which on the loss rises again: training falls apart beyond it; None where it never did.
    """

    trials: tuple[Trial, ...]
    smoothed: tuple[float, ...]
    suggested: float | None
    edge: float | None


def find_lr(
    architecture: Architecture,
    dataset: DataSet,
    recipe: Recipe,
    checkpoint: Checkpoint | None = None,
    steps: int = STEPS,
) -> Generator[Trial, None, Finding]:
    """Yield one trial after another, and return the finding; the loop decides when the next step is done.

        lr_t = 1e-6 * 10^(6 t / (steps - 1)),  t = 0 ... steps - 1

    The steps are those of ``recipe`` with this learning rate instead of its own: same batches, same optimizer. They
    are made on a copy that is thrown away. The search ends before its time once the loss is four times the smallest.

    Args:
        architecture: the network.
        dataset: what it learns from.
        recipe: how; its ``lr`` and its schedule have no say here.
        checkpoint: search from there on, with the weights of a run; None begins with fresh ones.
        steps: how many at most.

    Source: Smith 2015, arXiv:1506.01186, section 3.3, raises the learning rate in a straight line; here it grows by
    the same factor at each step, so that six powers of ten get equal room. There the curve is read by eye.

    Raises:
        What ``Training`` and ``Training.restore`` raise.
    """
    training = (
        Training(architecture, dataset, recipe)
        if checkpoint is None
        else Training.restore(architecture, dataset, checkpoint, recipe)
    )
    trials: list[Trial] = []
    for step in range(steps):
        lr = LOWEST * (HIGHEST / LOWEST) ** (step / max(1, steps - 1))
        loss, _acc = training.learn_next(lr)
        if not math.isfinite(loss):
            break
        trials.append(Trial(step + 1, lr, loss))
        yield trials[-1]
        recent = median(trial.loss for trial in trials[-5:])
        if len(trials) > 10 and recent > _LOST * min(trial.loss for trial in trials):
            break
    return read_curve(tuple(trials))


def read_curve(trials: tuple[Trial, ...]) -> Finding:
    """Return what the trials say, by the smoothed loss s over log10 lr.

    suggested   where the slope of s, over four steps to either side, is smallest, up to the minimum of s; None
                where s falls by less than 3 % of its first value
    edge        the first learning rate beyond the minimum where s is above 1.25 times its minimum, or the last
                one, where the loss then was no number or had left the curve behind
    """
    smoothed = _smoothed([trial.loss for trial in trials])
    if len(trials) <= 2 * _SLOPE_STEPS:
        return Finding(trials, smoothed, None, None)
    lowest = min(range(len(smoothed)), key=smoothed.__getitem__)
    risen = (i for i in range(lowest, len(smoothed)) if smoothed[i] > _RISEN * smoothed[lowest])
    at = next(risen, len(smoothed) - 1 if trials[-1].lr < HIGHEST * 0.999 else None)
    edge = None if at is None else trials[at].lr
    if smoothed[lowest] > (1 - _WORTH) * smoothed[0]:
        return Finding(trials, smoothed, None, edge)
    inside = range(_SLOPE_STEPS, max(_SLOPE_STEPS + 1, min(lowest + 1, len(smoothed) - _SLOPE_STEPS)))
    steepest = min(inside, key=lambda i: smoothed[i + _SLOPE_STEPS] - smoothed[i - _SLOPE_STEPS])
    return Finding(trials, smoothed, trials[steepest].lr, edge)


def _smoothed(losses: list[float]) -> tuple[float, ...]:
    """Return for each loss the mean of those up to three steps before and after it."""
    means = []
    for i in range(len(losses)):
        around = losses[max(0, i - _HALF_WINDOW) : i + _HALF_WINDOW + 1]
        means.append(sum(around) / len(around))
    return tuple(means)
