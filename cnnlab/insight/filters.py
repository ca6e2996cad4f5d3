"""The learned filters of a convolution, and the weights of a dense layer."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from cnnlab.errors import ModelError
from cnnlab.model import Model


@dataclass(frozen=True)
class Filters:
    """What a layer has learned.

    Attributes:
        layer: its name.
        weight: (C_out, C_in / groups, kH, kW) for a convolution, (F_out, F_in) for a dense layer.
        bias: (C_out,), or None.
        groups: into how many parts the input channels are split.
    """

    layer: str
    weight: Tensor
    bias: Tensor | None
    groups: int = 1

    @property
    def is_conv(self) -> bool:
        """Whether these are the filters of a convolution."""
        return self.weight.dim() == 4

    def channels_of(self, unit: int) -> range:
        """Return the input channels that filter ``unit`` looks at."""
        width = self.weight.shape[1]
        group = unit // (self.weight.shape[0] // self.groups)
        return range(group * width, (group + 1) * width)


ORDERS = ("number", "norm", "similarity")
"""How filters can be sorted."""


def order(found: Filters, by: str = "number") -> tuple[int, ...]:
    """Return the filters of a layer, or the units of a dense one, in an order.

        norm:        ||w_k||, the largest first
        similarity:  from the largest on, always the one that is most like the last: the largest cosine,
                     w_j . w_k / (||w_j|| ||w_k||), of those that are left

    Args:
        found: the layer.
        by: one of ``ORDERS``; equal ones stay in the order of their numbers.
    """
    flat = found.weight.flatten(1).double()
    norms = flat.norm(dim=1)
    by_norm = norms.argsort(descending=True, stable=True).tolist()
    if by == "number":
        return tuple(range(len(flat)))
    if by == "norm":
        return tuple(by_norm)
    unit = flat / norms.clamp_min(1e-12)[:, None]
    left, last = torch.ones(len(flat), dtype=torch.bool), by_norm[0]
    chain = [last]
    for _step in range(len(flat) - 1):
        left[last] = False
        likeness = (unit @ unit[last]).masked_fill(~left, -2.0)
        last = int(likeness.argmax())
        chain.append(last)
    return tuple(chain)


def filters(model: Model, layer: str) -> Filters:
    """Return copies of the weights of ``layer``.

    Raises:
        ModelError: there is no such layer, or it has no weights; the sentence names those that have.
    """
    rows = {row.name: row for row in model.architecture.trace().rows if row.layer.kind in ("Conv2d", "Linear")}
    if layer not in rows:
        raise ModelError(
            "{layer}: this layer has no filters; there are {known}",
            layer=layer[:60],
            known=", ".join(rows) or "-",
        )
    bias = model.state.get(f"{layer}.bias")
    weight = model.state[f"{layer}.weight"].clone()
    return Filters(layer, weight, None if bias is None else bias.clone(), getattr(rows[layer].layer, "groups", 1))
