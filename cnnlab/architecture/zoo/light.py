"""Networks for phones: SqueezeNet, MobileNetV2, ShuffleNetV2."""

from __future__ import annotations

from collections.abc import Sequence as Many

from cnnlab.architecture.blocks import Branches, InvertedResidual, Sequence
from cnnlab.architecture.layers import (
    AdaptiveAvgPool2d,
    BatchNorm2d,
    ChannelShuffle,
    Conv2d,
    Dropout,
    Flatten,
    LayerSpec,
    Linear,
    MaxPool2d,
    ReLU,
    ReLU6,
)
from cnnlab.architecture.network import Architecture

Plan2 = Many[tuple[int, int]]
Plan4 = Many[tuple[int, int, int, int]]

MOBILENET = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))
"""Expansion t, maps c, blocks n, first stride s: table 2 of the MobileNetV2 paper."""


# ------------------------------------------------------------------------------------------ SqueezeNet
def squeezenet() -> Architecture:
    """Return SqueezeNet 1.1 (Iandola et al. 2016, arXiv:1602.07360, and the authors' own later, lighter version)."""
    layers: list[LayerSpec] = [Conv2d(out_channels=64, kernel_size=3, stride=2), ReLU(), _pool()]
    layers += [fire(2, 16, 64), fire(3, 16, 64), _pool(), fire(4, 32, 128), fire(5, 32, 128), _pool()]
    layers += [fire(6, 48, 192), fire(7, 48, 192), fire(8, 64, 256), fire(9, 64, 256)]
    layers += [Dropout(), Conv2d(out_channels=1000, kernel_size=1), ReLU(), AdaptiveAvgPool2d(), Flatten()]
    return Architecture(name="squeezenet1_1", input_shape=(3, 224, 224), layers=tuple(layers))  # type: ignore[arg-type]


def small_squeezenet(name: str, input_shape: tuple[int, int, int]) -> Architecture:
    """Return four fire modules and the mean of ten maps as the answer."""
    layers: list[LayerSpec] = [Conv2d(out_channels=32, kernel_size=3, padding=1), ReLU(), _pool()]
    layers += [fire(2, 16, 32), fire(3, 16, 32), _pool(), fire(4, 24, 48), fire(5, 24, 48)]
    layers += [Conv2d(out_channels=10, kernel_size=1), AdaptiveAvgPool2d(), Flatten()]
    return Architecture(name=name, input_shape=input_shape, layers=tuple(layers))  # type: ignore[arg-type]


def fire(number: int, squeeze: int, expand: int) -> Sequence:
    """Return the fire module ``fire{number}``: ``squeeze`` 1x1 filters, then ``expand`` 1x1 and as many 3x3 side by side."""
    ways = (
        Sequence(name="expand1x1", layers=(Conv2d(out_channels=expand, kernel_size=1), ReLU())),
        Sequence(name="expand3x3", layers=(Conv2d(out_channels=expand, kernel_size=3, padding=1), ReLU())),
    )
    narrow = Conv2d(out_channels=squeeze, kernel_size=1)
    return Sequence(name=f"fire{number}", layers=(narrow, ReLU(), Branches(name="expand", branches=ways)))


def _pool() -> LayerSpec:
    return MaxPool2d(kernel_size=3, stride=2, ceil_mode=True)


# ------------------------------------------------------------------------------------------ MobileNetV2
def mobilenet_v2() -> Architecture:
    """Return MobileNetV2 of width 1 (Sandler et al. 2018, arXiv:1801.04381)."""
    layers = [*_conv(32, 3, 2, ReLU6()), *_inverted(MOBILENET), *_conv(1280, 1, 1, ReLU6())]
    layers += [AdaptiveAvgPool2d(), Flatten(), Dropout(p=0.2), Linear(out_features=1000)]
    return Architecture(name="mobilenet_v2", input_shape=(3, 224, 224), layers=tuple(layers))  # type: ignore[arg-type]


def small_mobilenet(name: str, input_shape: tuple[int, int, int], plan: Plan4, last: int, stride: int) -> Architecture:
    """Return inverted residuals after ``plan`` (expansion, maps, blocks, first stride) between two convolutions."""
    layers = [*_conv(16, 3, stride, ReLU6()), *_inverted(plan), *_conv(last, 1, 1, ReLU6())]
    layers += [AdaptiveAvgPool2d(), Flatten(), Linear(out_features=10)]
    return Architecture(name=name, input_shape=input_shape, layers=tuple(layers))  # type: ignore[arg-type]


def _inverted(plan: Plan4) -> list[LayerSpec]:
    return [
        InvertedResidual(name="block", out_channels=width, expansion=expansion, stride=stride if number == 0 else 1)
        for expansion, width, count, stride in plan
        for number in range(count)
    ]


# ------------------------------------------------------------------------------------------ ShuffleNetV2
def shufflenet_v2() -> Architecture:
    """Return ShuffleNetV2 x1.0 (Ma et al. 2018, arXiv:1807.11164, table 5)."""
    layers = [*_conv(24, 3, 2, ReLU()), MaxPool2d(kernel_size=3, stride=2, padding=1)]
    layers += _shuffled(24, ((116, 4), (232, 8), (464, 4)))
    layers += [*_conv(1024, 1, 1, ReLU()), AdaptiveAvgPool2d(), Flatten(), Linear(out_features=1000)]
    return Architecture(name="shufflenet_v2_x1_0", input_shape=(3, 224, 224), layers=tuple(layers))  # type: ignore[arg-type]


def small_shufflenet(
    name: str, input_shape: tuple[int, int, int], first: int, plan: Plan2, last: int, stride: int
) -> Architecture:
    """Return stages after ``plan`` (maps, units) between two convolutions."""
    layers = [*_conv(first, 3, stride, ReLU()), *_shuffled(first, plan), *_conv(last, 1, 1, ReLU())]
    layers += [AdaptiveAvgPool2d(), Flatten(), Linear(out_features=10)]
    return Architecture(name=name, input_shape=input_shape, layers=tuple(layers))  # type: ignore[arg-type]


def _shuffled(channels: int, plan: Plan2) -> list[LayerSpec]:
    """Return a stage of units for each ``(maps, units)`` of ``plan``, the first called ``stage2`` as in the paper.

    A unit ends with the shuffle of its channels; the first of a stage halves the maps' sides.
    """
    stages: list[LayerSpec] = []
    for number, (width, count) in enumerate(plan, 2):
        half = width // 2
        past = (*_depthwise(channels, 2), *_conv(half, 1, 1, ReLU()))
        halving = _unit(Sequence(layers=past), half, 2)  # type: ignore[arg-type]
        keeping = _unit(Sequence(), half, 1)
        units = [layer for way in (halving, *[keeping] * (count - 1)) for layer in (way, ChannelShuffle(groups=2))]
        stages.append(Sequence(name=f"stage{number}", layers=tuple(units)))
        channels = width
    return stages


def _unit(past: Sequence, half: int, stride: int) -> Branches:
    """Return ``past`` and three convolutions side by side; with stride 1 each gets half of the channels."""
    ends = _conv(half, 1, 1, ReLU())
    body = Sequence(layers=(*ends, *_depthwise(half, stride), *ends))  # type: ignore[arg-type]
    return Branches(name="unit", branches=(past, body), split=stride == 1)


def _depthwise(channels: int, stride: int) -> tuple[LayerSpec, ...]:
    conv = Conv2d(out_channels=channels, kernel_size=3, stride=stride, padding=1, groups=channels, bias=False)
    return conv, BatchNorm2d()


def _conv(width: int, kernel: int, stride: int, activation: LayerSpec) -> list[LayerSpec]:
    conv = Conv2d(out_channels=width, kernel_size=kernel, stride=stride, padding=kernel // 2, bias=False)
    return [conv, BatchNorm2d(), activation]
