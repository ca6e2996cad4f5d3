"""The learned filters of a convolution, and the weights of a dense layer."""

from __future__ import annotations

from dataclasses import dataclass

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
