"""The loss at the points of a grid over a plane, coarse first, then finer; and the path of a run on it."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from cnnlab.insight.landscape.ground import Ground, ground_for
from cnnlab.insight.landscape.planes import Plane, path_plane, random_plane, weights_plane
from cnnlab.insight.landscape.rules import Pair
from cnnlab.insight.memo import Memo
from cnnlab.model import Model
from cnnlab.runs.jobs import Step
from cnnlab.runs.keeping import CheckpointInfo

LEVELS = (7, 13, 25)
"""Points along each side; the points of one level are among those of the next."""
MOST_MOMENTS = 30


@dataclass(frozen=True)
class Ask:
    """Which plane.

    Attributes:
        kind: ``weights``, ``random`` or ``path``.
        weights: the two addresses of a plane of weights.
        seed: of two random directions.
        reach: how far it is shown, 1 for as far as usual.
        run: whose path is laid on it; empty: none.
        steps: the moments of that path.
    """

    kind: str = "random"
    weights: tuple[str, str] = ("", "")
    seed: int = 0
    reach: float = 1.0
    run: str = ""
    steps: tuple[int, ...] = ()


@dataclass(frozen=True)
class Moment:
    """A kept moment of the run, beside the plane.

    Attributes:
        step: of the run.
        place: the nearest place in the plane.
        off: how far it lies from the plane, away: how far from the centre; both in the space of all weights.
        loss: its own, with all its weights and its own running statistics.
        below: that of the place in the plane.
    """

    step: int
    place: Pair
    off: float
    away: float
    loss: float
    below: float


@dataclass(frozen=True)
class Landscape:
    """What is known so far.

    Attributes:
        ask, plane: where.
        u, v: the places of the columns and of the rows. Shape: (n,) float64
        losses: at u[column], v[row]. Shape: (n, n) float64
        centre: the loss of the model itself.
        images: on how many.
        loss_kind: ``cross_entropy`` or ``mse``; smoothing: of the labels.
        path: the moments of the run, in order.
    """

    ask: Ask
    plane: Plane
    u: NDArray[np.float64]
    v: NDArray[np.float64]
    losses: NDArray[np.float64]
    centre: float
    images: int
    loss_kind: str = "cross_entropy"
    smoothing: float = 0.0
    path: tuple[Moment, ...] = ()

    @property
    def rate(self) -> float:
        """Return a learning rate with which a step leads over 1/30 of the map where it is as steep as mostly."""
        rows, columns = np.gradient(self.losses, self.v, self.u)
        steep = np.hypot(rows, columns)
        typical = float(np.median(steep[np.isfinite(steep)])) if np.isfinite(steep).any() else 1.0
        return self.span / 30 / max(typical, 1e-12)

    @property
    def start(self) -> Pair:
        """Return a place from which it goes down: where the run began, else towards the upper right.

        There it is the highest point of the slope that rises from the centre without a dip, two thirds of the way at most:
        beyond, a marble would roll away.
        """
        if self.plane.kind == "path" and self.path:
            return self.path[0].place
        (u0, v0), (u1, v1) = self.plane.origin, (float(self.u[-1]), float(self.v[-1]))
        last, place = self.centre, (u0 + (u1 - u0) / 12, v0 + (v1 - v0) / 12)
        for twelfth in range(1, 9):
            at = u0 + (u1 - u0) * twelfth / 12, v0 + (v1 - v0) * twelfth / 12
            height = float(self.losses[np.abs(self.v - at[1]).argmin(), np.abs(self.u - at[0]).argmin()])
            if not height >= last:  # a dip, or no number
                break
            last, place = height, at
        return place

    @property
    def span(self) -> float:
        """Return the length of the shorter side of the map."""
        return float(min(self.u[-1] - self.u[0], self.v[-1] - self.v[0]))


def chosen_steps(kept: Sequence[CheckpointInfo]) -> tuple[int, ...]:
    """Return the steps of at most ``MOST_MOMENTS`` of the kept moments, spread evenly, the first and last among them."""
    steps = [info.step for info in kept]
    if len(steps) <= MOST_MOMENTS:
        return tuple(steps)
    places = np.linspace(0, len(steps) - 1, MOST_MOMENTS).round().astype(int)
    return tuple(steps[place] for place in places)


def points_of(ask: Ask) -> int:
    """Return how many steps ``survey`` has."""
    return LEVELS[-1] ** 2 + len(ask.steps)


def survey(model: Model, ask: Ask) -> Generator[Step, None, Landscape]:
    """Yield how many points are measured, with what is known since the last whole level; return all of it.

    Raises:
        DataError, ModelError: as ``Ground``.
        ArchitectureError, ModelError: there are no such weights.
        RunError: the run has no such moments, or too few for the plane of its path.
    """
    ground = ground_for(model)
    yield Step(0)
    moments = [_moment(ask.run, step) for step in ask.steps]
    vectors = [ground.vector(one) for one in moments]
    plane = plane_of(ground, ask, vectors)
    path = []
    for number, (step, one) in enumerate(zip(ask.steps, moments)):
        path.append(_beside(ground, plane, step, one, vectors[number]))
        yield Step(number + 1)
    done, known, found = len(path), {}, None
    centre = ground.loss(plane.weights(plane.origin))
    for n in LEVELS:
        sides = [np.linspace(low, high, n) for low, high in plane.reach]
        for place in range(n * n):
            row, column = divmod(place, n)
            key = (row * (LEVELS[-1] - 1) // (n - 1), column * (LEVELS[-1] - 1) // (n - 1))
            if key not in known:
                known[key] = ground.loss(plane.weights((float(sides[0][column]), float(sides[1][row]))))
                done += 1
                yield Step(done, found)
        stride = (LEVELS[-1] - 1) // (n - 1)
        losses = np.array([[known[row * stride, column * stride] for column in range(n)] for row in range(n)])
        kind, smoothing = ground.recipe.loss, ground.recipe.label_smoothing
        found = Landscape(ask, plane, sides[0], sides[1], losses, centre, len(ground), kind, smoothing, tuple(path))
    if found is None:
        raise AssertionError("there is at least one level")
    return _found.put(model, ask, found)


def found_for(model: Model, ask: Ask) -> Landscape | None:
    """Return the landscape if somebody has asked for it lately, else None."""
    return _found.get(model, ask)


def plane_of(ground: Ground, ask: Ask, moments: Sequence[Tensor] = ()) -> Plane:
    """Return the plane that is asked for; raises as ``weights_plane`` and ``path_plane``.

    Shape:
        each of moments: (P,), the weights of a moment of the run as one vector
    """
    if ask.kind == "weights":
        return weights_plane(ground, *ask.weights, reach=ask.reach)
    if ask.kind == "path":
        return path_plane(ground, moments, ask.reach)
    return random_plane(ground, ask.seed, ask.reach)


def _moment(run: str, step: int) -> Model:
    from cnnlab.description import ModelRef
    from cnnlab.runs.models import resolve

    return resolve(ModelRef(f"run:{run}", step), stays=False)


def _beside(ground: Ground, plane: Plane, step: int, model: Model, vector: Tensor) -> Moment:
    place, off = plane.project(vector)
    away = float((vector - ground.centre).double().norm())
    return Moment(step, place, off, away, ground.loss_of(model), ground.loss(plane.weights(place)))


_found: Memo[Landscape] = Memo(24)

__all__ = ["Ask", "Landscape", "Moment", "chosen_steps", "found_for", "plane_of", "points_of", "survey"]
