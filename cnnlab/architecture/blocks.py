"""Blocks of layers that nest, and every kind of layer or block together.

A block says how it is unrolled into single layers and joins; shapes, parameters, multiply-adds and receptive fields follow
from those. A shorthand (``InvertedResidual``) says what generic block it stands for, and that is unrolled.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from cnnlab.architecture.composite import (
    MAX_BRANCHES,
    MAX_NESTING,
    MAX_REPEAT,
    MAX_UNROLLED,
    TORCH_NAMES,
    Block,
    Branches,
    DenseBlock,
    Residual,
    Sequence,
    check_size,
)
from cnnlab.architecture.layers import (
    GELU,
    LAYERS,
    AdaptiveAvgPool2d,
    AvgPool2d,
    BatchNorm2d,
    ChannelShuffle,
    Conv2d,
    Dropout,
    Dropout2d,
    Flatten,
    GroupNorm,
    Hardswish,
    LayerNorm,
    LeakyReLU,
    Linear,
    LocalResponseNorm,
    MaxPool2d,
    ReLU,
    ReLU6,
    Sigmoid,
    SiLU,
    Softmax,
    Tanh,
    ZeroPad2d,
)
from cnnlab.architecture.rare import RBF, SelectChannels
from cnnlab.architecture.shorthands import (
    Activation,
    DepthwiseSeparable,
    InvertedResidual,
    Shorthand,
    SqueezeExcitation,
)
from cnnlab.architecture.spec import LayerSpec

AnyLayer = Annotated[
    Conv2d | MaxPool2d | AvgPool2d | AdaptiveAvgPool2d | BatchNorm2d | LayerNorm | GroupNorm | LocalResponseNorm
    | ReLU | ReLU6 | LeakyReLU | Sigmoid | Tanh | GELU | SiLU | Hardswish
    | Dropout | Dropout2d | Flatten | ZeroPad2d | ChannelShuffle | Linear | Softmax | SelectChannels | RBF
    | Sequence | Residual | Branches | DenseBlock | DepthwiseSeparable | InvertedResidual | SqueezeExcitation,
    Field(discriminator="kind"),
]  # fmt: skip
"""Any kind of layer or block, told apart by ``kind``."""

BLOCKS: dict[str, type[Block]] = {
    kind.__name__: kind
    for kind in (Sequence, Residual, Branches, DenseBlock, DepthwiseSeparable, InvertedResidual, SqueezeExcitation)
}
"""Every kind of block by its name: the registry beside ``LAYERS``."""

for _kind in BLOCKS.values():  # what they hold is known only now
    _kind.model_rebuild(_types_namespace={"AnyLayer": AnyLayer})


def make_layer(kind: str, **fields: Any) -> LayerSpec:
    """Return a layer or block of ``kind`` with ``fields``; pydantic's ``ValidationError`` where one is out of range."""
    return (LAYERS[kind] if kind in LAYERS else BLOCKS[kind])(**fields)


__all__ = [
    "BLOCKS", "MAX_BRANCHES", "MAX_NESTING", "MAX_REPEAT", "MAX_UNROLLED", "TORCH_NAMES", "Activation", "AnyLayer", "Block", "Branches",
    "DenseBlock", "DepthwiseSeparable", "InvertedResidual", "Residual", "Sequence", "Shorthand", "SqueezeExcitation",
    "check_size", "make_layer",
]  # fmt: skip
