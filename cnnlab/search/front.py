"""What no other trial beats, and how far luck alone would have come."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from cnnlab.search.asked import Trial


def front(trials: Iterable[Trial]) -> tuple[Trial, ...]:
    """Return the trials that no other one beats: none is at least as accurate with fewer parameters (Pareto's front).

    Of several with the same accuracy and parameters the first stays. They come in the order of their parameters.
    """
    ended = sorted((trial for trial in trials if trial.counts), key=lambda t: (t.num_params, -(t.acc or 0.0), t.number))
    kept: list[Trial] = []
    for trial in ended:
        if not kept or (trial.acc or 0.0) > (kept[-1].acc or 0.0):
            kept.append(trial)
    return tuple(kept)


def best_so_far(trials: Sequence[Trial]) -> tuple[float | None, ...]:
    """Return, after each of ``trials``, the highest accuracy so far among those that learned to their end; None before."""
    found: list[float | None] = []
    best: float | None = None
    for trial in trials:
        if trial.counts and trial.acc is not None:
            best = trial.acc if best is None else max(best, trial.acc)
        found.append(best)
    return tuple(found)


def standard_error(acc: float, images: int) -> float:
    """Return by how much an accuracy measured on ``images`` images would differ from set to set of them.

        se = sqrt(acc * (1 - acc) / images)

    the standard deviation of a binomial share; two accuracies closer than about twice this are not told apart.
    """
    return float((max(0.0, acc * (1.0 - acc)) / max(1, images)) ** 0.5)
