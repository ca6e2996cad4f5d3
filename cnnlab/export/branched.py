"""What a branch went on from: the runs before it, each as far as the step at which the next one left it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from cnnlab.architecture import Architecture
from cnnlab.description import ModelRef
from cnnlab.errors import CnnLabError
from cnnlab.export.borrowed import weights_of_start
from cnnlab.i18n import Message
from cnnlab.training.change import Applied, Change
from cnnlab.training.recipe import Recipe

if TYPE_CHECKING:
    from torch import Tensor

    from cnnlab.runs.snapshot import Snapshot

MOST_PARENTS = 20
"""Branches of branches beyond that many are not followed."""


@dataclass(frozen=True)
class Past:
    """A run that another one branched from, as far as that one needs it.

    Attributes:
        name: what it is called.
        recipe: how it began; ``changes`` are the live ones that were made to it before ``until``.
        until: the step at which the next run goes on from it.
        judged: whether, there, it had already looked at the validation images that follow an epoch; the lab keeps the
            end of an epoch before it looks, so the branch looks.
    """

    name: str
    recipe: Recipe
    until: int
    changes: tuple[Applied, ...] = ()
    judged: bool = False


@dataclass(frozen=True)
class Ancestry:
    """All that came before a branch, or why it is not known.

    Attributes:
        past: the runs before it, the first one first; empty where ``reason`` says why.
        borrowed: the weights of another model that the first one began with.
        reason: why they cannot be repeated, as a sentence.
    """

    past: tuple[Past, ...] = ()
    borrowed: Mapping[str, Tensor] | None = None
    reason: Message | None = None


def ancestry(parent: object, step: object, architecture: Architecture, data_hash: str) -> Ancestry:
    """Return what came before a branch that left the run ``parent`` at ``step``.

    Both may stand in a file from anyone: only runs of this lab with the same network and images are followed.
    """
    past: list[Past] = []
    while True:
        found = _run(parent)
        if not isinstance(step, int) or isinstance(step, bool) or found is None:
            return Ancestry(reason=Message("that run is no longer here"))
        if found.architecture != architecture or found.data_hash != data_hash:
            return Ancestry(reason=Message("that run has another network or other images"))
        changes = _changes(found, step)
        if changes is None or len(past) == MOST_PARENTS:
            return Ancestry(reason=Message("it was changed in a way that a notebook cannot repeat"))
        past.insert(0, Past(found.name, found.recipe, step, changes, _judged(found, step)))
        if found.parent is None:
            return _first(found, past, architecture)
        parent, step = found.parent, found.parent_step


def _first(run: Snapshot, past: list[Past], architecture: Architecture) -> Ancestry:
    """Return the ancestry that begins with ``run``: with new weights, or with another model's."""
    start = run.start
    if start is None:
        return Ancestry(tuple(past))
    borrowed = weights_of_start(start, architecture, ModelRef(f"run:{run.id}"))
    if not borrowed:
        return Ancestry(reason=Message("its first weights, of another model, are not here or too many for a notebook"))
    first = past[0]
    if (
        start.frozen
        and not any(one.step == 0 and one.change.frozen is not None for one in first.changes)
        and first.until
    ):
        still = Applied(step=0, change=Change(frozen=start.frozen))
        past[0] = replace(first, changes=(still, *first.changes))
    return Ancestry(tuple(past), borrowed)


def _run(id: object) -> Snapshot | None:
    from cnnlab.runs.engine import engine

    try:
        return engine().snapshot(id) if isinstance(id, str) else None
    except CnnLabError:
        return None


def _changes(run: Snapshot, until: int) -> tuple[Applied, ...] | None:
    """Return the live changes of ``run`` before ``until``, or None where a notebook cannot repeat one of them."""
    from cnnlab.export.subject import REPEATED

    try:
        made = [Applied.model_validate(dict(one)) for one in run.changes if one["step"] < until]
    except (ValueError, TypeError, KeyError, CnnLabError):
        return None
    return tuple(made) if all(one.change.values().keys() <= REPEATED for one in made) else None


def _judged(run: Snapshot, step: int) -> bool:
    """Return whether the kept moment, at an epoch's end, comes after the look at the validation images."""
    from cnnlab.runs.engine import engine
    from cnnlab.training.checkpoint import Checkpoint

    try:
        standing = Checkpoint.from_bytes(engine().checkpoint(run.id, step)).standing
    except CnnLabError:  # thinned out since: runs keep the end of an epoch before they look
        return False
    return standing.step > 0 and standing.position == standing.planned and standing.due != "all"


def standing_at(changes: tuple[Applied, ...], step: int) -> Change | None:
    """Return what a branch that began at ``step`` took over of layers that stand still and of dropout, or None for nothing."""
    first = changes[0] if changes else None
    if first is None or first.step != step or not first.change.values().keys() <= {"frozen", "dropout"}:
        return None
    return first.change


__all__ = ["Ancestry", "Past", "ancestry", "standing_at"]
