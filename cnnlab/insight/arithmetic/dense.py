"""Dense layers: every output sees every input."""

from __future__ import annotations

import torch
from torch import Tensor

from cnnlab.i18n import Formula
from cnnlab.insight.arithmetic.parts import At, Group, Parts


def linear(at: At) -> Parts:
    """Take a dense unit apart: y[o] = b[o] + sum_i w[o,i] * x[i]."""
    (unit,) = at.index
    values, weight, bias = at.source.values.double(), at.tensor("weight")[unit].double(), at.number("bias", unit)
    group = Group(at.source.name, _positions(values), values, weight, (at.name, "weight", _pairs(unit, values)))
    says = Formula("{unit} = {bias:.4g} (bias) + the sum of {count} products of input and weight = {value:.4g}",
                   unit=at.unit, bias=bias, count=len(values), value=bias + float(group.products.sum()))  # fmt: skip
    return Parts(says, [group], bias)


def rbf(at: At) -> Parts:
    """Take a distance apart: y[o] = -sum_i (x[i] - w[o,i])^2; the amount of a term is its squared difference."""
    (unit,) = at.index
    values, code = at.source.values.double(), at.tensor("weight")[unit].double()
    amounts, minus = (values - code).square(), torch.full_like(values, -1.0)
    group = Group(at.source.name, _positions(values), values, minus, None, amounts)
    says = Formula("{unit} = minus the sum of {count} squared differences from the code of class {unit_index} = {value:.4g}",
                   unit=at.unit, unit_index=unit, count=len(values), value=float(group.products.sum()))  # fmt: skip
    return Parts(says, [group])


def _positions(values: Tensor) -> Tensor:
    return torch.arange(len(values)).unsqueeze(1)


def _pairs(unit: int, values: Tensor) -> Tensor:
    return torch.cat([torch.full((len(values), 1), unit), _positions(values)], 1)
