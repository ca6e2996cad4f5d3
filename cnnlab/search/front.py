"""What no other trial beats, and how far luck alone would have come."""

from __future__ import annotations

import random
from bisect import bisect_left, bisect_right
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


def pairs_won(guided: Sequence[Trial], dice: Sequence[Trial], shuffles: int = 2000) -> tuple[float, float] | None:
    """Return in what share of all pairs the trial of ``guided`` is the better one, and how often chance gives as much.

    One that was given up or failed is worse than any that learned to its end; of two of these neither is better, and
    such a pair counts half. The second number is that of a permutation test: who proposed what is dealt out anew
    ``shuffles`` times (always in the same way), and the share of those deals is returned that do at least as well.

    Source: the first is the statistic of Mann & Whitney 1947, divided by the number of pairs.

    Returns:
        (share, chance), or None where one of the two has no trial that is over.
    """
    mine, other = (
        [_worth(trial) for trial in trials if trial.state != "stopped" and trial.over] for trials in (guided, dice)
    )
    if not mine or not other:
        return None
    won = _won(mine, other)
    every, dealer = [*mine, *other], random.Random(0)
    as_much = 0
    for _deal in range(shuffles):
        dealer.shuffle(every)
        as_much += _won(every[: len(mine)], every[len(mine) :]) >= won
    return won / (len(mine) * len(other)), (as_much + 1) / (shuffles + 1)


def _worth(trial: Trial) -> float:
    return trial.acc if trial.counts and trial.acc is not None else -1.0


def _won(mine: Sequence[float], other: Sequence[float]) -> float:
    """Return the number of pairs that ``mine`` wins, from the ranks of all, ties in the middle."""
    ordered = sorted(other)
    return float(sum((bisect_left(ordered, one) + bisect_right(ordered, one)) / 2 for one in mine))
