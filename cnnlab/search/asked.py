"""What a search is asked for, and what it has found so far: frozen values that can be kept and read again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from functools import cached_property
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from cnnlab.architecture import Architecture
from cnnlab.i18n import N_, Message
from cnnlab.search.space import Choice, SearchError, Space, Value
from cnnlab.training.recipe import Recipe
from cnnlab.validation import first_finding

LANES = ("yours", "guided", "random")
"""Who proposes: the network as it stands (once), Optuna's sampler, or the dice."""
OVER = ("done", "pruned", "failed", "stopped", "same")
MAX_TRIALS = 500

_STATES: dict[str, str] = {
    "training": N_("learning"),
    "done": N_("done"),
    "pruned": N_("given up early"),
    "failed": N_("failed"),
    "stopped": N_("stopped"),
    "same": N_("same as an earlier one"),
}


class SearchSpec(BaseModel):
    """What is asked for.

    Attributes:
        architecture, recipe: where nothing varies. A recipe that trains on the validation images too is changed not to:
            they are what a search chooses by.
        data: name of a data set that is here; trials are judged on its validation images, never on its test images.
        choices: what may vary.
        trials: how many networks each lane trains.
        baseline: whether as many are drawn by the dice, in the same space, under the same budgets.
        prune: whether a trial that falls behind is given up.
        max_params, max_macs: a draw above one is thrown away before it trains, and another is drawn.
        seconds: after so many no trial begins or goes on; None: no limit.
        keep_runs: whether every trial's run is kept, not only those that no other beats.
        name, owner: what it is called and whose it is.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    architecture: Architecture
    data: str = Field(max_length=80)
    recipe: Recipe = Recipe()
    choices: tuple[Choice, ...]
    trials: int = Field(12, ge=1, le=MAX_TRIALS, description=N_("How many networks each of the two tries."))
    baseline: bool = True
    prune: bool = True
    max_params: int | None = Field(None, ge=1)
    max_macs: int | None = Field(None, ge=1)
    seconds: float | None = Field(None, gt=0, allow_inf_nan=False)
    keep_runs: bool = False
    name: str = Field("", max_length=80)
    owner: str = Field("", max_length=200)

    @field_validator("recipe")
    @classmethod
    def _kept_apart(cls, recipe: Recipe) -> Recipe:
        return recipe.changed(full_train=False) if recipe.full_train else recipe

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> SearchSpec:
        """Return what ``values`` ask for; raises SearchError where they are out of their range."""
        try:
            return cls.model_validate(dict(values))
        except ValidationError as error:
            raise SearchError("search: {finding}", finding=first_finding(error)) from error

    @cached_property
    def space(self) -> Space:
        """What may vary, checked against the network; raises as ``Space`` does."""
        return Space(self.architecture, self.recipe, self.choices)

    @property
    def lanes(self) -> tuple[str, ...]:
        """Who proposes in this search."""
        return LANES if self.baseline else LANES[:2]

    def over_budget(self, architecture: Architecture) -> str | None:
        """Return which budget ``architecture`` exceeds (``params``, ``macs``), or None; nothing is built or trained."""
        trace = architecture.trace()
        if self.max_params is not None and trace.num_params > self.max_params:
            return "params"
        return "macs" if self.max_macs is not None and trace.macs > self.max_macs else None


@dataclass(frozen=True)
class Trial:
    """One network that was tried.

    Attributes:
        number: its name in the search: 1 is yours, then those of the lanes alternate.
        lane: who proposed it.
        values: what was drawn, by target.
        num_params, macs: of the network, by its trace.
        state: ``training``, ``done``, ``pruned``, ``failed``, ``stopped`` (by hand), ``same`` (as trial ``same_as``).
        acc: on the validation images: at the end on all of them; of one given up, what it was given up with.
        seen: (eighths of the run, accuracy on the validation images) as far as it came.
        run: the run in the engine that trains or trained it; None once that is removed.
        train_s: seconds in steps.
        test_acc: on the test images, which have no say in anything: to be shown when the search is over, not before.
        error: why it failed.
    """

    number: int
    lane: Literal["yours", "guided", "random"]
    values: dict[str, Value]
    num_params: int
    macs: int
    state: str = "training"
    acc: float | None = None
    seen: tuple[tuple[int, float], ...] = ()
    run: str | None = None
    train_s: float = 0.0
    test_acc: float | None = None
    same_as: int | None = None
    error: Message | None = None

    @property
    def over(self) -> bool:
        """Whether nothing more becomes of it."""
        return self.state in OVER

    @property
    def counts(self) -> bool:
        """Whether it learned to its end, so that its accuracy can be compared."""
        return self.state in ("done", "same") and self.acc is not None


def trial_word(state: str) -> Message:
    """Return the word for a trial's state, to be translated where it is shown."""
    return Message(_STATES.get(state, state))


@dataclass(frozen=True)
class Search:
    """A search as it stands.

    Attributes:
        id: its key.
        state: ``running``, ``done``, ``stopped`` (by its owner), ``interrupted`` (its program ended) or ``failed``.
        trials: those begun so far.
        refused: why draws were thrown away before they trained (``params``, ``macs``, ``memory``, ``shape``), by lane.
        spent_s: seconds that it has been at work.
        note: what else there is to say of it.
        process: the program that is at work on it, as (number, start time).
    """

    id: str
    spec: SearchSpec
    created: float
    state: str = "running"
    trials: tuple[Trial, ...] = ()
    refused: dict[str, dict[str, int]] = field(default_factory=dict)
    spent_s: float = 0.0
    note: Message | None = None
    process: tuple[int, float] | None = None

    @property
    def live(self) -> bool:
        """Whether it goes on by itself."""
        return self.state == "running"

    @property
    def can_continue(self) -> bool:
        """Whether it was broken off before its end."""
        return self.state in ("stopped", "interrupted")

    @property
    def over(self) -> bool:
        """Whether nothing more becomes of it: only then may the test images be looked at."""
        return not self.live and not self.can_continue

    def of(self, lane: str) -> tuple[Trial, ...]:
        """Return the trials that ``lane`` proposed, in order."""
        return tuple(trial for trial in self.trials if trial.lane == lane)

    def trial(self, number: int) -> Trial:
        """Return trial ``number``; raises SearchError if there is none."""
        found = next((trial for trial in self.trials if trial.number == number), None)
        if found is None:
            raise SearchError("there is no trial {number} in this search", number=number)
        return found

    def best(self, lane: str | None = None) -> Trial | None:
        """Return the trial with the highest validation accuracy, of ``lane`` or of all; the smaller network of equals."""
        ended = [trial for trial in self.trials if trial.counts and lane in (None, trial.lane)]
        return max(ended, key=lambda trial: (trial.acc or 0.0, -trial.num_params, -trial.number), default=None)

    def network(self, trial: Trial) -> tuple[Architecture, Recipe]:
        """Return the network of ``trial`` under a name of its own, and the recipe it was trained with."""
        architecture, recipe = self.spec.space.draw(trial.values)
        base = self.spec.architecture.name[:70]
        return architecture.renamed(f"{base} #{trial.number}" if base else f"#{trial.number}"), recipe

    @property
    def thrown_away(self) -> Counter[str]:
        """How many draws were thrown away before they trained, by reason."""
        return sum((Counter(counts) for counts in self.refused.values()), Counter[str]())

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON values, which ``from_dict`` reads."""
        values = {one.name: getattr(self, one.name) for one in fields(self)}
        trials = [{**asdict(replace(trial, error=None)), "error": _written(trial.error)} for trial in self.trials]
        return {**values, "spec": self.spec.model_dump(mode="json"), "trials": trials, "note": _written(self.note)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Search:
        """Return the search that ``as_dict`` wrote; raises SearchError where it is none."""
        try:
            given = {one.name: values[one.name] for one in fields(cls) if one.name in values}
            given["spec"] = SearchSpec.of(given["spec"])
            given["note"] = _read(given.get("note"))
            given["process"] = tuple(given["process"]) if given.get("process") else None
            given["trials"] = tuple(_trial(trial) for trial in given["trials"])
            return cls(**given)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise SearchError("this is no record of a search: {reason}", reason=str(error)[:200]) from error


def _trial(values: Mapping[str, Any]) -> Trial:
    known = {one.name for one in fields(Trial)}
    given = {name: value for name, value in values.items() if name in known}
    seen = tuple((int(at), float(acc)) for at, acc in given.get("seen", ()))
    return Trial(**{**given, "seen": seen, "error": _read(given.get("error"))})


def _written(message: Message | None) -> dict[str, Any] | None:
    if message is None:
        return None
    plain = {k: v if isinstance(v, (int, float, str, bool)) else str(v) for k, v in message.values.items()}
    return {"template": message.template, "values": plain}


def _read(message: Mapping[str, Any] | None) -> Message | None:
    return Message(str(message["template"]), **message["values"]) if message else None
