"""Who begins next, what fits into memory, and how long the others wait: rules, without threads or a database."""

from __future__ import annotations

import heapq
import math
import os
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from statistics import median
from typing import Any

import psutil

from cnnlab.architecture import Architecture
from cnnlab.errors import BudgetError, RunError
from cnnlab.runs.snapshot import Snapshot
from cnnlab.training.recipe import Recipe

MEMORY_VARIABLE = "CNNLAB_MEMORY_MB"
_SHARE = 0.7
_LEAST = 256_000_000
_RUN_BYTES = 20_000_000
_WEIGHT_COPIES = 14
"""Seen at a dense network of 11 million parameters with Adam: 13 times its weights. They are the weights, their
gradient, two moments, the copies laid out for pages with their files, and a checkpoint on its way to the disk."""
_ACTIVATION_COPIES = 3
"""Seen at a network with batch normalisation, 256 images at once: 2.2 times; the evaluation takes some, too."""


@dataclass(frozen=True)
class Applicant:
    """A live run, as far as its turn is concerned.

    Attributes:
        waiting: its number in the queue while it wants a slot, else None.
        slot: the turn at which it was given the slot that it holds, else None; without both it is paused.
        need: about how much memory it takes, in bytes.
        begun: whether it holds that memory already, though it has no slot.
    """

    id: str
    owner: str
    waiting: int | None
    slot: int | None
    need: int
    begun: bool = False


@dataclass(frozen=True)
class Place:
    """Where a run stands in the queue.

    Attributes:
        position: how many runs begin before it.
        wait_s: seconds until it begins, about; None where nobody can tell.
        for_memory: whether a slot is free and it is memory that it waits for.
    """

    id: str
    owner: str
    position: int
    wait_s: float | None
    for_memory: bool = False

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return asdict(self)


# -- memory -------------------------------------------------------------------------------------------------------


def batch_of(recipe: Recipe, images: int | None) -> int:
    """Return how many images of ``images`` (None: nobody has counted them) a step of ``recipe`` looks at."""
    return min(recipe.batch_size, images or recipe.batch_size, recipe.limit_train or recipe.batch_size)


@lru_cache(maxsize=512)
def need_bytes(architecture: Architecture, recipe: Recipe, images: int | None = None) -> int:
    """Return about how much memory a run takes beside its data, which all runs share.

    20 MB + 14 * weights + 3 * activations of the part of a batch that is looked at together + one batch of images

    each number 4 bytes. Where a batch is shared out among threads each share has a gradient of its own, as many numbers
    as there are weights. Measured on Linux; an estimate that is meant to be too high rather than too low.

    Args:
        architecture, recipe: what is to be trained, and how.
        images: how many there are to learn from; no batch is larger. None where nobody has counted them.
    """
    from cnnlab.training.checks import part_size, shares

    trace = architecture.trace()
    batch = batch_of(recipe, images)
    pixels = math.prod(architecture.input_shape)
    activations = part_size(architecture, batch) * trace.activation_elements
    gradients = shares(architecture, batch, recipe.threads) - 1
    numbers = (_WEIGHT_COPIES + gradients) * trace.num_params + _ACTIVATION_COPIES * activations + batch * pixels
    return _RUN_BYTES + 4 * numbers


def capacity_bytes() -> int:
    """Return how much memory all runs of this machine together may take.

    ``CNNLAB_MEMORY_MB`` if it is set, else 0.7 of what is free now (inside a container: of what it may still take).

    Raises:
        RunError: the variable holds no number.
    """
    wanted = os.environ.get(MEMORY_VARIABLE, "").strip()
    if not wanted:
        return max(_LEAST, int(_SHARE * min(psutil.virtual_memory().available, _left_in_container())))
    if not wanted.isdecimal() or not int(wanted):
        raise RunError("{name} is a number of megabytes above 0, not {given}", name=MEMORY_VARIABLE, given=wanted[:40])
    return int(wanted) * 1_000_000


def _left_in_container() -> float:
    try:
        most, used = (Path(f"/sys/fs/cgroup/memory.{name}").read_text().strip() for name in ("max", "current"))
        return float(most) - float(used)
    except (OSError, ValueError):  # no container, or one without a limit
        return math.inf


def check_fits(architecture: Architecture, recipe: Recipe, capacity: int, images: int | None = None) -> int:
    """Return what the run needs (``need_bytes``), in bytes, unless it could never begin here.

    Raises:
        BudgetError: it needs more than all runs together may take.
    """
    need = need_bytes(architecture, recipe, images)
    if need > capacity:
        raise BudgetError(
            "this run needs about {need:,} MB of memory, {weights:,} MB of them for its weights and {batch:,} MB for "
            "a batch; the lab may use {most:,} MB here. Make the widest layers narrower, or the batch size smaller",
            need=round(need / 1e6),
            weights=round(4e-6 * _WEIGHT_COPIES * architecture.trace().num_params),
            batch=round((need - _RUN_BYTES) / 1e6 - 4e-6 * _WEIGHT_COPIES * architecture.trace().num_params),
            most=round(capacity / 1e6),
        )
    return need


def check_grows(need: int, before: int, others: int, capacity: int) -> None:
    """Raise BudgetError where a run that needs ``need`` bytes instead of ``before`` has no room beside the others.

    Args:
        need, before: of the run, with its change and without.
        others: what the runs that are at work or paused take.
        capacity: how much all of them may take.
    """
    if need > before and others + need > capacity:
        raise BudgetError(
            "with this change the run needs about {need:,} MB of memory instead of {before:,} MB; the other runs take "
            "{others:,} MB of the {most:,} MB that there are here. Use a smaller batch size, or wait until one of them "
            "is over",
            need=round(need / 1e6),
            before=round(before / 1e6),
            others=round(others / 1e6),
            most=round(capacity / 1e6),
        )


# -- turns --------------------------------------------------------------------------------------------------------


class Room:
    """The slots and the memory of this machine, and who has them.

    Next is whose owner has the fewest slots, then has gone longest without one, then the oldest: a learner who submits
    ten runs makes nobody wait for more than the one that is at work. A run that does not fit waits until it does; while
    runs at work stand in its way nobody goes ahead of it, so that its time comes; while only paused ones do, others may.

    Args:
        runs: all live runs of this machine.
        turns: which turn each owner was given last.
        count: the slots.
        capacity: the memory, in bytes.
    """

    def __init__(self, runs: Sequence[Applicant], turns: Mapping[str, int], count: int, capacity: int) -> None:
        self.runs = [*runs]
        self.waiting = [run for run in runs if run.slot is None and run.waiting is not None]
        self.active = [run for run in runs if run.slot is not None]
        self._standing = sum(run.need for run in runs if run.slot is None and (run.waiting is None or run.begun))
        self._turns = dict(turns)
        self._count, self._capacity = count, capacity
        self._turn = max([*self._turns.values(), *(run.slot or 0 for run in self.active)], default=0)

    @property
    def slot_is_free(self) -> bool:
        """Whether fewer runs are at work than there are slots."""
        return len(self.active) < self._count

    def taken(self, id: str) -> int:
        """Return how many bytes the runs take that are at work or paused, without run ``id``."""
        holding = (run for run in self.runs if run.slot is not None or run.waiting is None or run.begun)
        return sum(run.need for run in holding if run.id != id)

    def in_turn(self) -> list[Applicant]:
        """Return who waits, whose turn is next first."""
        slots = Counter(run.owner for run in self.active)
        return sorted(self.waiting, key=lambda run: (slots[run.owner], self._turns.get(run.owner, 0), run.waiting or 0))

    def next(self) -> Applicant | None:
        """Return who begins now, or None where no slot is free or nobody fits."""
        if not self.slot_is_free:
            return None
        used = self._standing + sum(run.need for run in self.active)
        for run in self.in_turn():
            more = 0 if run.begun else min(run.need, self._capacity)
            if used + more <= self._capacity or (run.begun and not self.active):
                return run
            if self._standing + more <= self._capacity:
                return None  # it begins as soon as runs at work have ended
        return None

    def begin(self, run: Applicant, turn: int | None = None) -> None:
        """Give ``run`` a slot, at ``turn`` (None: the next)."""
        self._turn = max(self._turn + 1, turn or 0)
        self.waiting.remove(run)
        self.active.append(run)
        self._turns[run.owner] = self._turn
        if run.begun:
            self._standing -= run.need

    def end(self, run: Applicant) -> None:
        """Take the slot of ``run`` back, with its memory."""
        self.active.remove(run)

    def places(self, left_s: Callable[[str], float | None]) -> list[Place]:
        """Return where each waiting run stands, who begins first first: what follows if all goes on as it is.

        Args:
            left_s: seconds that a run (by its id) is going to work once it has a slot; None where nobody can tell.
        """
        for_memory = {run.id for run in self.waiting} if self.slot_is_free else set()
        found: list[Place] = []
        clock = 0.0
        ends: list[tuple[float, str]] = []
        by_id = {run.id: run for run in [*self.active, *self.waiting]}

        def work(run: Applicant) -> None:
            left = left_s(run.id)
            heapq.heappush(ends, (clock + (math.inf if left is None else left), run.id))

        for run in self.active:
            work(run)
        while self.waiting:
            first = self.next()
            if first is not None:
                self.begin(first)
                found.append(Place(first.id, first.owner, len(found), _finite(clock), first.id in for_memory))
                work(first)
            elif ends:
                clock, id = heapq.heappop(ends)
                self.end(by_id[id])
            else:  # only paused runs stand in the way of these
                rest = self.in_turn()
                return found + [Place(run.id, run.owner, len(found) + n, None, True) for n, run in enumerate(rest)]
        return found


def _finite(seconds: float) -> float | None:
    return seconds if math.isfinite(seconds) else None


# -- how long -----------------------------------------------------------------------------------------------------


def seconds_left(run: Snapshot, macs_per_s: float | None) -> float | None:
    """Return how long ``run`` is going to work once it has a slot, about; None where nobody can tell.

    What it says itself once it has begun; in slow motion its steps at their pace; before it has begun its multiply-adds
    at ``macs_per_s``.
    """
    steps = max(0, run.steps - run.step)
    if run.rate is not None:
        return steps / run.rate
    if run.time_left_s is not None:
        return run.time_left_s
    if not macs_per_s:
        return None
    return steps * batch_of(run.recipe_now, run.images) * _macs(run.architecture_key) / macs_per_s


def usual_speed(runs: Sequence[Snapshot]) -> float | None:
    """Return the multiply-adds per second (forward) that ``runs`` came to, the median; None where none has begun."""
    speeds = [run.images_per_s * _macs(run.architecture_key) for run in runs if run.images_per_s > 0]
    return median(speeds) if speeds else None


@lru_cache(maxsize=512)
def _macs(architecture_key: str) -> int:
    return Architecture.from_json(architecture_key).trace().macs
