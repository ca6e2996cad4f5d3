"""What can be asked of a live run, checked before it is handed on: plain values only."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from cnnlab.errors import RunError
from cnnlab.runs.snapshot import Snapshot

COMMANDS = ("pause", "resume", "stop", "step", "epoch", "slow", "change")
HOLDING = ("pause", "stop")
"""The commands after which a run no longer learns."""
TEACHER = "teacher"
MOST_STEPS_PER_S = 1000.0


def checked(command: Mapping[str, Any], run: Snapshot) -> dict[str, Any]:
    """Return ``command`` for ``run`` as JSON values.

        {"do": "pause"}                  stand still after this step
        {"do": "resume"}                 go on, at full speed
        {"do": "step"}, {"do": "epoch"}  go on, and pause after one step, or after the epoch and its validation
        {"do": "slow", "rate": 2}        go on, with so many steps a second
        {"do": "change", "lr": 0.01}     a live change; its fields are those of ``Change``
        {"do": "stop"}                   end, with the weights as they are
        {"do": "stop", "by": "teacher"}  the same, and the learner is told whose wish it was; also with "pause"

    Raises:
        RunError: it is no command.
        RecipeError, BudgetError: a change that this run cannot make.
    """
    do = command.get("do")
    given = {name: value for name, value in command.items() if name != "do"}
    if do == "change":
        return {"do": "change", **_change(given, run)}
    if do == "slow" and set(given) == {"rate"}:
        return {"do": "slow", "rate": _rate(given["rate"])}
    if do in HOLDING and given == {"by": TEACHER}:
        return {"do": do, "by": TEACHER}
    if do not in COMMANDS or do == "slow" or given:
        raise RunError("no such command; a run can {commands}", commands=", ".join(COMMANDS))
    return {"do": do}


def _rate(value: Any) -> float:
    known = isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
    if not known or not 0 < value <= MOST_STEPS_PER_S:
        raise RunError(
            "`slow`: `rate` is the number of steps a second, above 0 and at most {most:g}; use for example 2",
            most=MOST_STEPS_PER_S,
        )
    return float(value)


def _change(values: Mapping[str, Any], run: Snapshot) -> dict[str, Any]:
    from cnnlab.training.change import Change

    change = Change.of(values)
    change.recipe(run.recipe_now)
    change.check_layers(run.architecture)
    return change.values()
