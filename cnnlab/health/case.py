"""What a rule looks at (``Case``), what it is (``Rule``) and what it says (``Finding``); no torch here."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import ClassVar, Literal

from cnnlab.architecture import Architecture
from cnnlab.architecture.network import Row
from cnnlab.data.augmentation import Augmentation
from cnnlab.health.facts import DataFacts
from cnnlab.health.history import History
from cnnlab.i18n import Message
from cnnlab.training.bounds import blind_loss, least_loss
from cnnlab.training.recipe import Recipe

Severity = Literal["fault", "warning", "note"]
"""How bad: it cannot learn like this; it learns worse than it could; worth knowing."""

SEVERITIES: tuple[Severity, ...] = ("fault", "warning", "note")

MIN_STEPS = 100
"""Before so many steps, no rule judges how a run goes on the whole."""

MIN_LOOKS = 4

Setup = tuple[Recipe, Architecture]
"""What is trained and how: what a rule mends as a whole, and a fault spoils. (A ``cnnlab.training.change.Change`` is
what may be changed in a run that goes on.)"""


@dataclass(frozen=True)
class Evidence:
    """What to draw for a finding: lines of the run over the steps, or a bar for each of some values.

    Attributes:
        series: names of ``cnnlab.health.series``: of the layers, or of the run where there are none.
        layers: whose, by name.
        limit: the value that was crossed, or None.
        values: bars by name (of a layer, a class, a setting) instead of lines.
        marked: the bars that the finding is about.
        title: what the bars show (an id of the catalogues).
        varied: how a picture of the data is to be varied, to be looked at.
    """

    series: tuple[str, ...] = ()
    layers: tuple[str, ...] = ()
    limit: float | None = None
    values: Mapping[str, float] = field(default_factory=dict)
    marked: tuple[str, ...] = ()
    title: str = ""
    varied: Augmentation | None = None


@dataclass(frozen=True)
class Finding:
    """What a rule found in one case.

    Attributes:
        rule: its id.
        severity: how bad it is.
        title: a few words.
        why: what is the matter here, with the case's own numbers, and what it does.
        layers: which ones it is about, by name.
        evidence: what to draw.
        remedy: what ``change`` does, for a button; None where nothing can be changed with a click.
        change: recipe and network after that.
    """

    rule: str
    severity: Severity
    title: Message
    why: Message
    layers: tuple[str, ...] = ()
    evidence: tuple[Evidence, ...] = ()
    remedy: Message | None = None
    change: Setup | None = None


@dataclass(frozen=True)
class Case:
    """A network, how it is trained, on what, and what happened so far; before the first step nothing has."""

    architecture: Architecture
    recipe: Recipe
    facts: DataFacts
    history: History = History()

    @cached_property
    def rows(self) -> tuple[Row, ...]:
        """The layers as ``trace()`` tells them."""
        return self.architecture.trace().rows

    @cached_property
    def head(self) -> tuple[Row, ...]:
        """The layers up to the scores: without a last Softmax, which the loss takes into account."""
        return self.rows[:-1] if self.architecture.ends_in_softmax else self.rows

    @cached_property
    def learned(self) -> tuple[Row, ...]:
        """Convolutions and dense layers, from the input on."""
        return tuple(row for row in self.rows if row.layer.kind in ("Conv2d", "Linear"))

    def is_gate(self, row: Row) -> bool:
        """Return whether the layer only says how much others count: it stands beside the way, and may well be flat."""
        takers = self.architecture.trace().takers(row)
        return any(taker.layer.kind == "Multiply" and taker.inputs[0] != row.index for taker in takers)

    @property
    def chance(self) -> float:
        """The accuracy of always naming the most frequent class."""
        return max(self.facts.counts) / self.facts.images

    @cached_property
    def guess_loss(self) -> float:
        """The loss of a network that gives each class the same share (``bounds.blind_loss``)."""
        return blind_loss(self.recipe, self.facts.classes)

    @cached_property
    def least_loss(self) -> float:
        """The loss that cannot be passed (``bounds.least_loss``)."""
        return least_loss(self.recipe, self.facts.classes)

    def progress(self, begin: float, end: float) -> float:
        """Return how much of the way from guessing to perfect the training loss had gone, over a part of the run.

        0 is as bad as guessing, 1 is perfect, below 0 is worse than guessing; NaN where nothing is known.
        """
        way = self.guess_loss - self.least_loss
        return (self.guess_loss - self.history.part("loss", begin, end)) / way

    @cached_property
    def old_enough(self) -> bool:
        """Whether there was enough training to judge it as a whole."""
        return self.history.steps >= MIN_STEPS and len(self.history.looks) >= MIN_LOOKS

    @cached_property
    def movement(self) -> tuple[tuple[int, float], ...]:
        """Return for each look the update ratio of the middle convolution or dense layer (their median)."""
        names = [row.name for row in self.learned]
        found = []
        for look in self.history.looks:
            ratios = sorted(
                value for name in names if (value := look.layers.get(name, {}).get("update_ratio")) is not None
            )
            if ratios:
                found.append((look.step, (ratios[(len(ratios) - 1) // 2] + ratios[len(ratios) // 2]) / 2))
        return tuple(found)

    @cached_property
    def travelled(self) -> float:
        """How far the middle layer has moved in all, in lengths of its weights: the update ratios added up."""
        total, before = 0.0, 0
        for step, ratio in self.movement:
            total, before = total + ratio * (step - before), step
        return total


class Rule(ABC):
    """One thing that can be the matter. A new rule is a subclass in a module that ``rules.py`` registers.

    Attributes:
        id: the word for it in results, links and tests.
        severity: of its findings.
        title, remedy: a few words for each (ids of the catalogues); ``remedy`` says what ``apply`` does.
        from_run: whether it needs the history of a run; else the description of network and recipe is enough.
        unless: ids of rules that name a deeper cause: where one of them finds something, this one says nothing.
    """

    id: ClassVar[str]
    severity: ClassVar[Severity] = "warning"
    title: ClassVar[str]
    remedy: ClassVar[str] = ""
    from_run: ClassVar[bool] = False
    unless: ClassVar[tuple[str, ...]] = ()

    @abstractmethod
    def find(self, case: Case) -> Finding | None:
        """Return what is the matter, or None."""

    def apply(self, case: Case) -> Setup | None:
        """Return recipe and network with this mended, or None where a click cannot; asked only where ``find`` found."""
        return None

    def finding(self, why: Message, *evidence: Evidence, layers: tuple[str, ...] = ()) -> Finding:
        """Return a finding of this rule."""
        return Finding(self.id, self.severity, Message(self.title), why, layers, evidence)
