"""Where branches meet: sums and products."""

from __future__ import annotations

import math
from dataclasses import replace

import torch

from cnnlab.i18n import Formula
from cnnlab.insight.arithmetic.parts import At, Parts


def add(at: At) -> Parts:
    """Take a sum of branches apart: each branch's number, once."""
    groups = [at.copied(*at.index, of=number) for number in range(len(at.sources))]
    says = Formula("{unit} = the sum of {count} branches at the same place = {value:.4g}",
                   unit=at.unit, count=len(groups), value=sum(float(group.products.sum()) for group in groups))  # fmt: skip
    return Parts(says, groups)


def multiply(at: At) -> Parts:
    """Take a product of branches apart: the first branch's number, times that of the others; an axis of length 1 is repeated."""
    places = [
        tuple(0 if length == 1 else position for position, length in zip(at.index, source.values.shape))
        for source in at.sources
    ]
    others = [at.arriving(*place, of=number) for number, place in enumerate(places)][1:]
    factor = math.prod(others)
    first = at.copied(*places[0], factor=factor)
    if len(others) == 1:
        first = replace(first, weight=(at.sources[1].name, None, torch.tensor([places[1]])))
    says = Formula("{unit} = {x:.4g} · {factor:.4g} = {value:.4g}, the product of {count} branches",
                   unit=at.unit, x=float(first.values), factor=factor, value=float(first.products), count=len(places))  # fmt: skip
    return Parts(says, [first])
