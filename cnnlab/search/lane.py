"""Who proposes what is tried next: Optuna's tree-structured Parzen estimator, or the dice, each with a study of its own.

A lane is a function of its space, its seed and what it was told: asked again with the same answers it proposes the same.
So a search needs no storage of Optuna's; what was told stands in the search's own record and is told again.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import TrialState

from cnnlab.architecture import Architecture
from cnnlab.errors import BudgetError, CnnLabError
from cnnlab.search.asked import SearchSpec, Trial
from cnnlab.search.space import Space, Value
from cnnlab.training.recipe import Recipe

optuna.logging.disable_default_handler()
logging.getLogger("optuna").setLevel(logging.WARNING)

_HALF, _QUARTER = 4, 2
"""In eighths of a run."""
_MOST_REFUSED = 500
_TOLD_FOR_EACH = 4
_KEPT_PERCENT = 75.0
_RANDOM_SEED = 1_000_003
"""What the dice add to the seed: the first draws of both lanes would be the same ones."""


def distributions(space: Space) -> dict[str, BaseDistribution]:
    """Return what Optuna draws from, by target."""
    return {choice.target: _distribution(space, choice) for choice in space.choices}


def _distribution(space: Space, choice: Any) -> BaseDistribution:
    if choice.options:
        return CategoricalDistribution(choice.options)
    if space.is_whole(choice):
        return IntDistribution(int(choice.low), int(choice.high), log=choice.log, step=int(choice.step or 1))
    return FloatDistribution(float(choice.low), float(choice.high), log=choice.log, step=choice.step)


class Lane:
    """One who proposes.

    Args:
        name: ``guided``, ``random`` or ``yours``, which proposes the network as it stands, once.
        spec: what is searched.
        check: raises an error of the lab where a network with a recipe could not be trained here.
        told: its trials so far; those that are over are told again, in order.

    A trial falls behind where, after a half or three quarters of its run, its best so far is below what three quarters of
    the lane's finished trials had at the same point; the first few of a lane are never given up.
    """

    def __init__(
        self, name: str, spec: SearchSpec, check: Callable[[Architecture, Recipe], object], told: Sequence[Trial] = ()
    ) -> None:
        self.name = name
        self.refused: Counter[str] = Counter()
        self.exhausted = False
        self._check = check
        self._spec, self._space = spec, spec.space
        self._distributions = distributions(self._space)
        self._startup = startup = max(3, min(10, spec.trials // 3))
        seed = spec.recipe.seed
        sampler: optuna.samplers.BaseSampler = optuna.samplers.TPESampler(seed=seed, n_startup_trials=startup)
        if name == "random":
            sampler = optuna.samplers.RandomSampler(seed=(seed + _RANDOM_SEED) % 2**32)
        pruner = optuna.pruners.PercentilePruner(
            _KEPT_PERCENT, n_startup_trials=min(5, startup), n_warmup_steps=_HALF, interval_steps=_QUARTER
        )
        self._count = self._told = 0
        self._study = optuna.create_study(direction="maximize", sampler=sampler, pruner=pruner)
        self._at: optuna.trial.Trial | None = None
        self._seen: set[int] = set()
        for trial in told:
            self.propose()
            if trial.over:
                for rung, acc in trial.seen:
                    self.falls_behind(rung, acc)
                self.end(trial)

    @property
    def over(self) -> bool:
        """Whether it has proposed all that it may."""
        return self.exhausted or self._count >= (1 if self.name == "yours" else self._spec.trials)

    @property
    def proposing(self) -> bool:
        """Whether it waits to hear what came of its last proposal."""
        return self._at is not None

    def propose(self) -> dict[str, Value] | None:
        """Return what to try next: a draw that fits the budgets and itself; None where draw upon draw does not."""
        if self.name == "yours":
            self._at, self._seen = self._study.ask(), set()
            return {}
        for _draw in range(_MOST_REFUSED):
            trial = self._study.ask(self._distributions)
            reason = self._refuses(dict(trial.params))
            if reason is None:
                self._at, self._seen = trial, set()
                return dict(trial.params)
            self.refused[reason] += 1
            self._study.tell(trial, state=self._thrown())
        self.exhausted = True
        return None

    def _refuses(self, values: dict[str, Value]) -> str | None:
        """Return why a draw is not tried (``params``, ``macs``, ``memory``, ``shape``), or None; nothing is built."""
        try:
            architecture, recipe = self._space.draw(values)
            architecture.check()
            if (over := self._spec.over_budget(architecture)) is not None:
                return over
            self._check(architecture, recipe)
        except BudgetError:
            return "memory"
        except CnnLabError:
            return "shape"
        return None

    def _thrown(self) -> TrialState:
        """Return as what a draw that was thrown away is told.

        A guide that learned nothing from it would propose the like again and again: it is told as one given up. But not
        while it still draws by luck, and no more than a few for each that was trained, since a tenth of all that it was
        told count as its good ones.
        """
        if self._count < self._startup or self._told >= _TOLD_FOR_EACH * self._count:
            return TrialState.FAIL
        self._told += 1
        return TrialState.PRUNED

    def falls_behind(self, rung: int, acc: float) -> bool:
        """Take in the accuracy after ``rung`` eighths of the run; return whether the trial should be given up."""
        if self._at is None or rung in self._seen:
            return False
        self._seen.add(rung)
        self._at.report(acc, rung)
        return bool(self._spec.prune and self.name != "yours" and self._at.should_prune())

    def end(self, trial: Trial) -> None:
        """Tell what came of the proposal."""
        if self._at is None:
            return
        if trial.counts:
            self._study.tell(self._at, trial.acc)
        elif trial.state in ("pruned", "failed"):
            self._study.tell(self._at, state=TrialState.PRUNED)  # one that failed is no better than one given up
        else:
            self._study.tell(self._at, state=TrialState.FAIL)
        self._at, self._count = None, self._count + 1
