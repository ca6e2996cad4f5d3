"""Marbles that roll from one place: the same slope read from all images, from some, from one; three rules."""

from __future__ import annotations

import math
from collections.abc import Generator
from dataclasses import dataclass, replace

import torch

from cnnlab.i18n import N_
from cnnlab.insight.landscape.ground import Ground, ground_for
from cnnlab.insight.landscape.planes import Plane
from cnnlab.insight.landscape.rules import Move, Pair, Rule, adam, descend, momentum
from cnnlab.model import Model
from cnnlab.runs.jobs import Step

STEPS = 40
MINI = 16
FAR = 1.0
"""A marble is given up once it lies further outside the map than this many times the map's own length."""


@dataclass(frozen=True)
class Way:
    """How a marble rolls.

    Attributes:
        name: a marked id.
        images: how many each step looks at; 0: all of them.
        rule: what it makes of a gradient.
        rate: whose learning rate it has, ``sgd`` or ``adam``.
    """

    name: str
    images: int
    rule: Rule
    rate: str = "sgd"


WAYS: dict[str, Way] = {
    "batch": Way(N_("batch descent"), 0, descend),
    "mini": Way(N_("mini-batch descent"), MINI, descend),
    "single": Way(N_("single-sample descent"), 1, descend),
    "momentum": Way(N_("momentum"), 0, momentum),
    "adam": Way(N_("Adam"), 0, adam, "adam"),
}
"""The marbles, in the order in which they are drawn."""


@dataclass(frozen=True)
class Throw:
    """From where, and how.

    Attributes:
        place: where all marbles are set down.
        lr: of descent and momentum.
        adam_lr: of Adam.
        steps: how many.
        seed: of the order of the images.
    """

    place: Pair
    lr: float
    adam_lr: float
    steps: int = STEPS
    seed: int = 0


@dataclass(frozen=True)
class Rolled:
    """What a marble has done so far.

    Attributes:
        way: a key of ``WAYS``.
        start: where it was set down.
        lr: its learning rate.
        images: how many say the slope of a step.
        moves: its steps.
        seen: the loss of the images of each step, before it.
        losses: the loss of all images before each step and after the last.
        along: of each step's gradient, which part of its length lies in the plane.
        gone: whether it has left the map for good, or the loss is no number any more.
    """

    way: str
    start: Pair
    lr: float
    images: int
    moves: tuple[Move, ...] = ()
    seen: tuple[float, ...] = ()
    losses: tuple[float, ...] = ()
    along: tuple[float, ...] = ()
    gone: bool = False

    @property
    def places(self) -> tuple[Pair, ...]:
        """Return where it has lain, the start first."""
        return (self.start, *(move.new for move in self.moves))


def order(ground: Ground, way: str, throw: Throw) -> list[torch.Tensor | None]:
    """Return the images of each step: None for all; else each comes once before any comes again, in a new order.

    Shape:
        each returned: (images of a step,) int64
    """
    count = WAYS[way].images
    if count == 0:
        return [None] * throw.steps
    generator = torch.Generator().manual_seed(throw.seed)
    per_epoch = max(1, len(ground) // count)
    drawn: list[torch.Tensor | None] = []
    while len(drawn) < throw.steps:
        shuffled = torch.randperm(len(ground), generator=generator)
        drawn += list(shuffled[: per_epoch * count].split(count))
    return drawn[: throw.steps]


def roll(model: Model, plane: Plane, throw: Throw) -> Generator[Step, None, tuple[Rolled, ...]]:
    """Yield after each step of each marble what all have done; return it in the end. They take turns.

    A marble has two numbers only, its place in the plane; the slope that it feels is the network's gradient times each
    of the two directions (``Plane.slope``). All other ways that the gradient points to are closed to it.

    Raises:
        DataError, ModelError: as ``Ground``.
    """
    ground = ground_for(model)
    first = ground.loss(plane.weights(throw.place))
    rates = {"sgd": throw.lr, "adam": throw.adam_lr}
    rolled = {
        name: Rolled(name, throw.place, rates[way.rate], way.images or len(ground), losses=(first,))
        for name, way in WAYS.items()
    }
    images = {way: order(ground, way, throw) for way in WAYS}
    done = 0
    for number in range(throw.steps):
        for way in WAYS:
            if not rolled[way].gone:
                rolled[way] = _step(ground, plane, rolled[way], images[way][number])
            done += 1
            yield Step(done, tuple(rolled.values()))
    return tuple(rolled.values())


def _step(ground: Ground, plane: Plane, one: Rolled, images: torch.Tensor | None) -> Rolled:
    place = one.places[-1]
    seen, gradient = ground.slope(plane.weights(place), images)
    slope, along = plane.slope(gradient)
    if not all(map(math.isfinite, (seen, *slope))):
        return replace(one, gone=True)
    move = WAYS[one.way].rule(place, slope, one.lr, one.moves[-1] if one.moves else None)
    after = ground.loss(plane.weights(move.new))
    return replace(
        one,
        moves=(*one.moves, move),
        seen=(*one.seen, seen),
        losses=(*one.losses, after),
        along=(*one.along, along),
        gone=not (math.isfinite(after) and _near(move.new, plane)),
    )


def _near(place: Pair, plane: Plane) -> bool:
    """Return whether ``place`` lies on the map, or no further outside than ``FAR`` allows."""
    sides = ((low - FAR * (high - low), high + FAR * (high - low)) for low, high in plane.reach)
    return all(low <= at <= high for at, (low, high) in zip(place, sides))
