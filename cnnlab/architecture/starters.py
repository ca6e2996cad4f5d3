"""What a new block begins with: something that runs where it is put, and that shows what the block is for."""

from __future__ import annotations

from cnnlab.architecture.blocks import Branches, DenseBlock, Residual, Sequence, make_layer
from cnnlab.architecture.layers import BatchNorm2d, Conv2d, Linear, ReLU
from cnnlab.architecture.shapes import Shape
from cnnlab.architecture.spec import LayerSpec

_GROWTH = 12
_NARROW = 16


_WINDOWS: dict[str, dict[str, int]] = {
    "Conv2d": {"kernel_size": 3, "padding": 1},
    "MaxPool2d": {"kernel_size": 3, "stride": 1, "padding": 1},
    "AvgPool2d": {"kernel_size": 3, "stride": 1, "padding": 1},
}


def starter(kind: str, arrives: Shape | None, branch: bool = False) -> LayerSpec:
    """Return a new layer or block of ``kind`` for a place where ``arrives`` arrives.

    Layers have their defaults, shorthands keep the number of maps. A generic block is filled: a Residual with two convolutions that keep the shape, a
    DenseBlock with three that add 12 maps each, Branches with a 1x1 and a 3x3 window, a Sequence with convolution,
    normalisation and ReLU; with dense layers where vectors arrive.

    Args:
        kind: a name of ``LAYERS`` or ``BLOCKS``.
        arrives: the shape that arrives, or None where it is unknown.
        branch: it becomes a branch of its own beside others, so it keeps height and width.
    """
    if branch and kind in _WINDOWS:
        return make_layer(kind, **_WINDOWS[kind])
    if kind in ("DepthwiseSeparable", "InvertedResidual") and arrives is not None and len(arrives) == 3:
        return make_layer(kind, out_channels=arrives[0])
    if kind not in ("Sequence", "Residual", "Branches", "DenseBlock"):
        return make_layer(kind)
    if arrives is not None and len(arrives) == 1:
        return _for_vectors(kind, arrives[0])
    channels = arrives[0] if arrives is not None else _NARROW
    match kind:
        case "Residual":
            return Residual(layers=(*_conv(channels), ReLU(), *_conv(channels)))
        case "DenseBlock":
            return DenseBlock(
                layers=(BatchNorm2d(), ReLU(), Conv2d(out_channels=_GROWTH, padding=1, bias=False)), repeat=3
            )
        case "Branches":
            half = max(1, channels // 2)
            ways = (Conv2d(out_channels=half, kernel_size=1), Conv2d(out_channels=half, padding=1))
            return Branches(branches=tuple(Sequence(layers=(way, ReLU())) for way in ways))
    return Sequence(layers=(*_conv(channels), ReLU()))


def _conv(channels: int) -> tuple[Conv2d, BatchNorm2d]:
    return Conv2d(out_channels=channels, padding=1, bias=False), BatchNorm2d()


def _for_vectors(kind: str, size: int) -> LayerSpec:
    way = (Linear(out_features=size), ReLU())
    match kind:
        case "Residual":
            return Residual(layers=way)
        case "DenseBlock":
            return DenseBlock(layers=(Linear(out_features=_GROWTH), ReLU()), repeat=3)
        case "Branches":
            return Branches(branches=(Sequence(layers=way), Sequence()), join="add")
    return Sequence(layers=way)


def wrapped(layers: tuple[LayerSpec, ...], kind: str, name: str = "") -> LayerSpec:
    """Return ``layers`` as a block of ``kind``: in Branches they are the first way, and the second brings the input as it is.

    Raises:
        pydantic.ValidationError: a name that no block may have.
        KeyError: ``kind`` is no generic block.
    """
    make = {
        "Sequence": lambda: Sequence(layers=layers, name=name),  # type: ignore[arg-type]
        "Residual": lambda: Residual(layers=layers, name=name),  # type: ignore[arg-type]
        "Branches": lambda: Branches(branches=(Sequence(layers=layers), Sequence()), name=name),  # type: ignore[arg-type]
        "DenseBlock": lambda: DenseBlock(layers=layers, name=name),  # type: ignore[arg-type]
    }
    return make[kind]()
