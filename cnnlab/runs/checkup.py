"""``checkup``: what the rules say of a run as it stands, worked out once for all who look at it."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cnnlab.architecture import Architecture
from cnnlab.data import catalog
from cnnlab.errors import CnnLabError, DataError
from cnnlab.health.case import Finding
from cnnlab.health.facts import DataFacts, facts_for
from cnnlab.health.history import History
from cnnlab.health.rules import diagnose
from cnnlab.runs.engine import engine
from cnnlab.runs.face import EngineFace
from cnnlab.runs.snapshot import Snapshot
from cnnlab.training.recipe import Recipe

_PAUSE_S = 1.0
_SHARE = 0.03
_MOST = 64


@dataclass(frozen=True)
class Checkup:
    """A run's history and what is the matter with it.

    Attributes:
        run: the run when it was looked at; ``recipe`` is the one in force then.
        history: what happened so far.
        findings: the worst first.
        facts: of what it learns from; None where the data is gone.
        image: one of the pictures, (C, h, w) uint8.
    """

    run: Snapshot
    recipe: Recipe
    architecture: Architecture
    history: History
    findings: tuple[Finding, ...]
    facts: DataFacts | None = None
    image: NDArray[np.uint8] | None = None


def checkup(id: str) -> Checkup:
    """Return what the rules say of run ``id`` now; of a live run, what they said a second or so ago.

    Where its data is gone there are no findings, only the history.

    Raises:
        RunError: there is no such run.
    """
    with _guard:
        patient = _patients.setdefault(id, _Patient(id))
        _patients.move_to_end(id)
        while len(_patients) > _MOST:
            _patients.popitem(last=False)
    return patient.look()


def last_checkup(id: str) -> Checkup | None:
    """Return what ``checkup`` last said of run ``id``, worked out by nobody now; None if it was not asked, or not lately."""
    with _guard:
        patient = _patients.get(id)
    return None if patient is None else patient.last


def examined(runs: EngineFace, run: Snapshot) -> Checkup:
    """Return what the rules say of ``run``, one of ``runs``, with the recipe that is in force; see ``checkup``."""
    from cnnlab.data.loader import load

    history = History.of(runs.events(run.id), run.error)
    architecture, recipe = run.architecture, run.recipe_now
    try:
        facts, image = facts_for(run.data, recipe), load(run.data).test.images[0].numpy().copy()
    except CnnLabError:
        return Checkup(run, recipe, architecture, history, ())
    findings = diagnose(history, architecture, recipe, facts)
    return Checkup(run, recipe, architecture, history, tuple(findings), facts, image)


def before(architecture: Architecture, data: str, recipe: Recipe) -> list[Finding]:
    """Return what is the matter before a single step, as far as the description of network and data tells it.

    Nothing is loaded for it; a data set that is unknown has no findings.
    """
    facts = expected(data, recipe)
    return [] if facts is None else diagnose(History(), architecture, recipe, facts)


def expected(data: str, recipe: Recipe) -> DataFacts | None:
    """Return the facts of a data set by what the catalogue says: as many images of each class. None if it is unknown."""
    try:
        info = catalog.info(data)
    except DataError:
        return None
    count = len(info.classes)
    images = info.splits.get("train", 0)
    images = images if recipe.full_train else images * 9 // 10
    images = min(images, recipe.limit_train or images)
    if count and recipe.limit_per_class:
        images = min(images, count * recipe.limit_per_class)
    if not count or not images:
        return None
    return DataFacts(data, info.classes, tuple(images // count + (k < images % count) for k in range(count)))


class _Patient:
    """One run, looked at by any number of pages."""

    def __init__(self, id: str, clock: Callable[[], float] = time.monotonic) -> None:
        self.id = id
        self._clock = clock
        self._lock = threading.Lock()
        self.last: Checkup | None = None
        self._again_at = float("-inf")

    def look(self) -> Checkup:
        with self._lock:
            run, old, began = engine().snapshot(self.id), self.last, self._clock()
            if old is not None:
                fresh = (run.state, run.events, run.resumed) == (old.run.state, old.run.events, old.run.resumed)
                if fresh or (run.state == old.run.state == "running" and began < self._again_at):
                    return old
            self.last = found = examined(engine(), run)
            took = self._clock() - began
            self._again_at = began + took + max(_PAUSE_S, took / _SHARE)
            return found


_patients: OrderedDict[str, _Patient] = OrderedDict()
_guard = threading.Lock()
