"""From a number down to a pixel: at each hop the sum that it is, and the term by which one goes on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from cnnlab.architecture import Address
from cnnlab.errors import ModelError
from cnnlab.insight.arithmetic.passes import IMAGE, Pass
from cnnlab.insight.arithmetic.registry import explain
from cnnlab.insight.arithmetic.terms import Explanation, Term


@dataclass(frozen=True)
class Hop:
    """One number on the way down.

    Attributes:
        told: the number as a sum; what is not shown of it is its rest.
        follows: the term whose input the next hop explains; None where the way ends.
    """

    told: Explanation
    follows: Term | None

    def to_json(self) -> dict[str, Any]:
        """Return the hop in JSON's words."""
        return {**self.told.to_json(), "follows": str(self.follows.input) if self.follows else None}


def trail(
    passed: Pass, unit: Address | str, top: int | None = 5, through: Sequence[Address | str] = ()
) -> tuple[Hop, ...]:
    """Return the way from ``unit`` down to a pixel (or to a number that nothing arrives at, such as one of a padding).

    At each hop it goes on with the largest |product|, or with the one that leads to an address of ``through``, which
    names the inputs to take, in order, as far as it goes.

    Raises:
        ModelError, ArchitectureError: as ``explain`` does; an address of ``through`` that the number before does not take in.
    """
    hops: list[Hop] = []
    wanted = [Address.parse(one) if isinstance(one, str) else one for one in through]
    told = explain(passed, unit, top if top is None else max(1, top))
    while True:
        follows = _chosen(passed, told, wanted[len(hops)] if len(hops) < len(wanted) else None)
        hops.append(Hop(told, follows))
        if follows is None or follows.input.layer == IMAGE:
            return tuple(hops)
        told = explain(passed, follows.input, top if top is None else max(1, top))


def _chosen(passed: Pass, told: Explanation, wanted: Address | None) -> Term | None:
    if wanted is None:
        return told.terms[0] if told.terms else None
    found = next((term for term in explain(passed, told.unit).terms if term.input == wanted), None)
    if found is None:
        raise ModelError("{unit} does not take in {wanted}", unit=str(told.unit), wanted=str(wanted))
    return found
