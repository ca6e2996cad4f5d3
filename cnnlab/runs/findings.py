"""What is the matter with a run: its events and its description, put before the rules of ``cnnlab.health``."""

from __future__ import annotations

from cnnlab.health.case import Finding
from cnnlab.health.facts import facts_for
from cnnlab.health.history import History
from cnnlab.health.rules import diagnose
from cnnlab.runs.engine import Engine


def history(runs: Engine, id: str) -> History:
    """Return what has happened in run ``id`` so far, as the rules and the charts of health read it."""
    return History.of(runs.events(id), runs.snapshot(id).error)


def findings(runs: Engine, id: str) -> list[Finding]:
    """Return what is the matter with run ``id``, the worst first, with the recipe that is in force now.

    Raises:
        RunError: there is no such run.
        DataError: the data that it learns from is not here any more.
    """
    now = runs.snapshot(id)
    return diagnose(history(runs, id), now.architecture, now.recipe_now, facts_for(now.data, now.recipe))
