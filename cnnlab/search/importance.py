"""Which of the choices mattered, and which figures luck alone would have given."""

from __future__ import annotations

import threading
import warnings
from collections import OrderedDict
from dataclasses import dataclass

import numpy as np
import optuna
from optuna.exceptions import ExperimentalWarning

from cnnlab.search.asked import Search, Trial
from cnnlab.search.lane import distributions

NEEDED = 10
"""How many trials have to have learned to their end before anything is said."""
_SHUFFLES = 40
_QUARTER, _LEAST_TOP = 0.25, 5
_guard = threading.Lock()
_made: OrderedDict[tuple[str, tuple[int, ...]], Importance] = OrderedDict()


@dataclass(frozen=True)
class Importance:
    """How much each choice had to do with being among the best.

    Attributes:
        shares: by target, the largest first; they add up to 1.
        noise: by target, what it exceeds in one of twenty cases where the accuracies are dealt out at random, in the same
            unit; above 1 where all that was found is less than that.
        trials: how many trials this rests on: those of both lanes that learned to their end.
        top: how many of them count as the best.
    """

    shares: dict[str, float]
    noise: dict[str, float]
    trials: int
    top: int

    def told(self, target: str) -> bool:
        """Return whether the share of ``target`` is more than luck gives."""
        return self.shares[target] > self.noise[target]


def importance(search: Search) -> Importance | None:
    """Return how important each choice was for being among the best quarter (five at least); None for too few trials.

    PED-ANOVA: the Pearson divergence between how a choice is spread among the best trials and among all of them, as a
    share of the sum over all choices. It looks at each choice by itself. Trials that were given up early are left out:
    what they would have reached is not known.

    Source: Watanabe, Bansal & Hutter 2023, "PED-ANOVA", arXiv:2304.10255, as Optuna carries it out. The noise is ours:
    the same divergences with the accuracies shuffled among the trials, of which the 95th percentile is taken.
    """
    counted = [trial for trial in search.trials if trial.state == "done" and trial.acc is not None and trial.values]
    if len(counted) < NEEDED:
        return None
    key = (search.id, tuple(trial.number for trial in counted))
    with _guard:
        if key not in _made:
            _made[key] = _measured(search, counted)
            while len(_made) > 64:
                _made.popitem(last=False)
        return _made[key]


def _measured(search: Search, counted: list[Trial]) -> Importance:
    quantile = max(_QUARTER, _LEAST_TOP / len(counted))
    accs = np.array([trial.acc for trial in counted], dtype=float)
    found = _divergences(search, counted, accs, quantile)
    total = sum(found.values()) or 1.0
    dice = np.random.RandomState(0)
    dealt = [_divergences(search, counted, dice.permutation(accs), quantile) for _round in range(_SHUFFLES)]
    noise = {name: float(np.quantile([one[name] for one in dealt], 0.95)) / total for name in found}
    shares = {name: value / total for name, value in sorted(found.items(), key=lambda item: -item[1])}
    return Importance(shares, noise, len(counted), int(np.ceil(quantile * len(counted))))


def _divergences(search: Search, counted: list[Trial], accs: np.ndarray, quantile: float) -> dict[str, float]:
    drawn = distributions(search.spec.space)
    study = optuna.create_study(direction="maximize")
    for trial, acc in zip(counted, accs):
        study.add_trial(optuna.trial.create_trial(params=dict(trial.values), distributions=drawn, value=float(acc)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        evaluator = optuna.importance.PedAnovaImportanceEvaluator(target_quantile=quantile)
        found = evaluator.evaluate(study)
    return {name: float(found[name]) for name in drawn}
