"""What one number is made of: terms that add up to it, largest first, and what was left out as one rest."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from cnnlab.architecture import Address
from cnnlab.i18n import Message


def finite(value: Any) -> Any:
    """Return ``value`` with None for every number that JSON cannot say: a network whose training failed has such numbers."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {name: finite(one) for name, one in value.items()}
    return [finite(one) for one in value] if isinstance(value, (list, tuple)) else value


@dataclass(frozen=True)
class Term:
    """One addend of a number.

        product = (input_value, or amount where there is one) * factor

    Attributes:
        input: where the number stands that comes in.
        weight: where the factor stands, if it stands somewhere as it is (a weight; the other branch of a product).
        input_value: the number that comes in.
        factor: what it is multiplied by.
        product: what it adds.
        amount: what the input becomes before the factor multiplies it (e^x in a softmax); None: it stays as it is.
        image: which image of a batch it is of, where several take part.
    """

    input: Address
    weight: Address | None
    input_value: float
    factor: float
    product: float
    amount: float | None = None
    image: int | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the term in JSON's words."""
        value: dict[str, Any] = {
            "input": str(self.input),
            "weight": str(self.weight) if self.weight else None,
            "input_value": self.input_value,
            "factor": self.factor,
            "product": self.product,
        }
        more = {"amount": self.amount, "image": self.image}
        return {**value, **{name: one for name, one in more.items() if one is not None}}


@dataclass(frozen=True)
class Sum:
    """A sum that an explanation needs besides its own: a mean, a variance, a softmax's denominator.

    Attributes:
        name: ``mean``, ``variance``, ``denominator`` or ``squares``.
        terms: the largest, in order of size.
        rest: all others together; ``rest_count`` of them.
        total: all of it, in float64.
    """

    name: str
    terms: tuple[Term, ...]
    rest: float
    rest_count: int
    total: float

    def to_json(self) -> dict[str, Any]:
        """Return the sum in JSON's words."""
        return {
            "name": self.name,
            "terms": [term.to_json() for term in self.terms],
            "rest": self.rest,
            "rest_count": self.rest_count,
            "sum": self.total,
        }


@dataclass(frozen=True)
class Explanation:
    """One number of a network as the sum that it is.

        value = bias + sum of the terms' products + rest,  up to float32's rounding: |value - total| stays within
        1e-5 * max(1, sum of all |products|)

    Attributes:
        unit: where the number stands.
        kind: the kind of layer (``Conv2d``); ``Preprocessing`` for a number of the network's input.
        value: the tensor's own number.
        bias: what is there before any input counts (a convolution's bias; what a norm or an activation adds).
        terms: the largest |product| first.
        rest: all other products together; ``rest_count`` of them.
        total: bias + all products + rest, in float64.
        size: the sum of all |products|, which the allowed gap is measured by.
        numbers: what the formula speaks of, by name (``mean``, ``var``, ``gamma``, ...).
        says: the formula with the numbers, as a sentence.
        sums: what else was summed up to get there.
    """

    unit: Address
    kind: str
    value: float
    bias: float
    terms: tuple[Term, ...]
    rest: float
    rest_count: int
    total: float
    size: float
    says: Message
    numbers: Mapping[str, float] = field(default_factory=dict)
    sums: tuple[Sum, ...] = ()

    @property
    def gap(self) -> float:
        """How far the float64 sum lies from the tensor's own float32 number."""
        return abs(self.value - self.total)

    @property
    def allowed(self) -> float:
        """The gap that rounding may leave."""
        return 1e-5 * max(1.0, self.size)

    def to_json(self) -> dict[str, Any]:
        """Return all of it in JSON's words."""
        return {
            "unit": str(self.unit),
            "kind": self.kind,
            "value": self.value,
            "bias": self.bias,
            "terms": [term.to_json() for term in self.terms],
            "rest": self.rest,
            "rest_count": self.rest_count,
            "sum": self.total,
            "says": str(self.says),
            "numbers": dict(self.numbers),
            "sums": [one.to_json() for one in self.sums],
        }
