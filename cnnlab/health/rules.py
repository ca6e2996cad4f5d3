"""All rules, and ``diagnose``: which of them have something to say of a case."""

from __future__ import annotations

from dataclasses import replace

from cnnlab.architecture import Architecture
from cnnlab.errors import CnnLabError
from cnnlab.health.case import SEVERITIES, Case, Finding, Rule, Setup
from cnnlab.health.curve_rules import CURVE_RULES
from cnnlab.health.facts import DataFacts
from cnnlab.health.flow_rules import FLOW_RULES
from cnnlab.health.history import History
from cnnlab.health.network_rules import NETWORK_RULES
from cnnlab.health.recipe_rules import RECIPE_RULES
from cnnlab.health.shape_rules import SHAPE_RULES
from cnnlab.i18n import Message
from cnnlab.training.recipe import Recipe

RULES: dict[str, Rule] = {
    rule.id: rule for rule in (*NETWORK_RULES, *SHAPE_RULES, *RECIPE_RULES, *FLOW_RULES, *CURVE_RULES)
}
"""Every rule by its id: those that need no run first."""


def diagnose(history: History, architecture: Architecture, recipe: Recipe, facts: DataFacts) -> list[Finding]:
    """Return what is the matter, the worst first; nothing where all is well, or where the network cannot run.

    With an empty history only the rules that read network and recipe can speak: pages show those before a run.
    """
    if architecture.trace().error is not None or not architecture.layers or not facts.images:
        return []
    case = Case(architecture, recipe, facts, history)
    found: dict[str, Finding] = {}
    for rule in RULES.values():
        if (rule.from_run and not (history.train or history.diverged)) or (finding := rule.find(case)) is None:
            continue
        found[rule.id] = finding
    heard = [f for name, f in found.items() if not set(RULES[name].unless) & set(found)]
    ranked = sorted(heard, key=lambda finding: SEVERITIES.index(finding.severity))  # stable: then the rules' own order
    return [_with_change(finding, case) for finding in ranked]


def _with_change(finding: Finding, case: Case) -> Finding:
    """Return the finding with what a click changes, if that gives a network that runs and is another one."""
    rule = RULES[finding.rule]
    try:
        change: Setup | None = rule.apply(case)
        if change is not None:
            change[1].check()
    except CnnLabError:  # the change leads out of what a recipe or a network may be
        change = None
    if change is None or change == (case.recipe, case.architecture):
        return finding
    return replace(finding, remedy=Message(rule.remedy), change=change)
