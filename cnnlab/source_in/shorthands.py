"""Blocks that are known by a name: where a block is exactly what a shorthand stands for, it is called by it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import get_args

from pydantic import ValidationError

from cnnlab.architecture import LayerSpec, Shape
from cnnlab.architecture.blocks import (
    Activation,
    Branches,
    DepthwiseSeparable,
    InvertedResidual,
    Residual,
    Sequence,
    Shorthand,
    SqueezeExcitation,
)
from cnnlab.architecture.layers import Conv2d
from cnnlab.errors import ShapeError

_REDUCTIONS = (4, 16, 8, 2, 1, 3, 5, 6, 7, *range(9, 65))


def shorthand(block: LayerSpec, arrives: Shape | None) -> LayerSpec:
    """Return the shorthand that stands for ``block`` where ``arrives`` comes in, or the block as it is."""
    if arrives is None or len(arrives) != 3 or not isinstance(block, (Sequence, Residual, Branches)):
        return block
    try:
        for candidate in _candidates(block, arrives[0]):
            if _same(candidate.parts(arrives), block):
                return candidate
    except (ValidationError, ShapeError):
        return block
    return block


def _same(parts: LayerSpec, block: LayerSpec) -> bool:
    """Return whether two blocks are the same but for their names and the first one's copies."""
    return parts == block.model_copy(update={"name": ""})


def _candidates(block: Sequence | Residual | Branches, channels: int) -> Iterator[Shorthand]:
    name = block.name
    if isinstance(block, Branches):
        ways = block.branches
        if (
            block.join == "multiply"
            and len(ways) == 2
            and len(ways[1].layers) == 5
            and isinstance(ways[1].layers[1], Conv2d)
        ):
            narrow = ways[1].layers[1].out_channels
            fitting = (count for count in _REDUCTIONS if max(1, channels // count) == narrow)
            yield from (SqueezeExcitation(name=name, reduction=count) for count in fitting)
        return
    if isinstance(block, Sequence) and block.repeat > 1:
        return
    windows = [layer for layer in block.layers if isinstance(layer, Conv2d)]
    kinds = {layer.kind for layer in block.layers} & set(get_args(Activation))
    if len(kinds) != 1 or len(windows) not in (2, 3) or len(block.layers) not in (5, 6, 8):
        return
    act = kinds.pop()
    middle, last = windows[-2], windows[-1]
    fields = {
        "out_channels": last.out_channels,
        "kernel_size": middle.kernel_size,
        "stride": middle.stride,
        "activation": act,
    }
    if len(block.layers) == 6 and isinstance(block, Sequence):
        yield DepthwiseSeparable(name=name, **fields)  # type: ignore[arg-type]
    else:
        yield InvertedResidual(name=name, expansion=middle.out_channels // channels, **fields)  # type: ignore[arg-type]


__all__ = ["shorthand"]
