"""The rules by which a marble moves, number by number: plain descent, momentum and Adam, as torch has them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

Pair = tuple[float, float]

MOMENTUM = 0.9
BETAS = (0.9, 0.999)
EPS = 1e-8


@dataclass(frozen=True)
class Move:
    """One step of a rule.

    Attributes:
        number: which step, from 1.
        place: where the marble lies before it.
        gradient: the slope there, one number for each direction.
        state: what the rule remembers once it has seen the gradient, by torch's names.
        change: what is added to the place.
    """

    number: int
    place: Pair
    gradient: Pair
    change: Pair
    state: dict[str, Pair] = field(default_factory=dict)

    @property
    def new(self) -> Pair:
        """Return where the marble lies after it."""
        return self.place[0] + self.change[0], self.place[1] + self.change[1]


def descend(place: Pair, gradient: Pair, lr: float, last: Move | None = None) -> Move:
    """Return the step of plain gradient descent: place - lr * gradient; the same as torch.optim.SGD."""
    return Move(_next(last), place, gradient, _pair(lambda g: -lr * g, gradient))


def momentum(place: Pair, gradient: Pair, lr: float, last: Move | None = None) -> Move:
    """Return the step with momentum: place - lr * b.

        b = MOMENTUM * b + gradient, and in the first step b = gradient

    Source: torch.optim.SGD with momentum, no dampening; after Polyak 1964.
    """
    buffer = gradient
    if last is not None:
        buffer = _pair(lambda b, g: MOMENTUM * b + g, last.state["momentum_buffer"], gradient)
    return Move(_next(last), place, gradient, _pair(lambda b: -lr * b, buffer), {"momentum_buffer": buffer})


def adam(place: Pair, gradient: Pair, lr: float, last: Move | None = None) -> Move:
    """Return the step of Adam at step t: place - lr * m' / (sqrt(v') + EPS).

        m = b1 * m + (1 - b1) * gradient        m' = m / (1 - b1^t)
        v = b2 * v + (1 - b2) * gradient^2      v' = v / (1 - b2^t)

    Both begin at 0, each number of the place by itself.

    Source: Kingma & Ba 2015, arXiv:1412.6980, algorithm 1; torch.optim.Adam.
    """
    number, (b1, b2) = _next(last), BETAS
    before = last.state if last is not None else {"exp_avg": (0.0, 0.0), "exp_avg_sq": (0.0, 0.0)}
    mean = _pair(lambda m, g: b1 * m + (1 - b1) * g, before["exp_avg"], gradient)
    square = _pair(lambda v, g: b2 * v + (1 - b2) * g * g, before["exp_avg_sq"], gradient)
    change = _pair(lambda m, v: -lr * (m / (1 - b1**number)) / (math.sqrt(v / (1 - b2**number)) + EPS), mean, square)
    return Move(number, place, gradient, change, {"exp_avg": mean, "exp_avg_sq": square})


def _next(last: Move | None) -> int:
    return 1 if last is None else last.number + 1


def _pair(made: Callable[..., float], *given: Sequence[float]) -> Pair:
    first, second = (made(*numbers) for numbers in zip(*given))
    return first, second


Rule = Callable[[Pair, Pair, float, Move | None], Move]
