"""Softmax: a score's share of all scores' exponentials."""

from __future__ import annotations

import torch
from torch import Tensor

from cnnlab.i18n import Formula
from cnnlab.insight.arithmetic.parts import At, Group, Parts, grid


def exponentials(scores: Tensor) -> Tensor:
    """Return e^(x - m) of each score in float64, where m is the largest along the first axis; their sum is what softmax divides by.

    Shape:
        scores: (C, ...) of one example: classes, or the channels of maps; returned: the same
    """
    scores = scores.double()
    return (scores - scores.amax(0)).exp()


def softmax(at: At) -> Parts:
    """Take a probability apart: its own e^(x - m) times 1 / S, where S is the sum of e^(x - m) over all classes, m the largest x.

        y[o] = e^(x[o] - m) / sum_i e^(x[i] - m)

    The one term is the own score; its amount is e^(x[o] - m), its factor 1 / S. How S comes about is the sum ``denominator``.
    """
    values, place = at.source.values, at.index[1:]
    index = grid(len(values), *(torch.tensor([position]) for position in place))
    scores = values[tuple(index.T)].double()
    amounts = exponentials(scores)
    over = Group(at.source.name, index, scores, torch.ones_like(scores), None, amounts)
    total, own = float(over.products.sum()), at.index[0]
    group = Group(
        at.source.name,
        index[own : own + 1],
        scores[own : own + 1],
        torch.full((1,), 1 / total, dtype=torch.float64),
        None,
        amounts[own : own + 1],
    )
    largest = float(scores.max())
    says = Formula(
        "{unit} = e^({x:.4g} - {largest:.4g}) / the sum of e^(x - {largest:.4g}) over all {count} scores "
        "= {amount:.4g} / {total:.4g} = {value:.4g}; {largest:.4g} is the largest score",
        unit=at.unit, x=float(scores[own]), largest=largest, count=len(scores), amount=float(amounts[own]), total=total,
        value=float(group.products),
    )  # fmt: skip
    return Parts(says, [group], 0.0, {"largest": largest, "denominator": total}, {"denominator": over})
