"""Residual networks (He et al. 2016, arXiv:1512.03385): for ImageNet, for CIFAR-10, and small enough for a lesson."""

from __future__ import annotations

from collections.abc import Sequence as Many
from typing import Literal

from cnnlab.architecture.blocks import Residual, Sequence
from cnnlab.architecture.layers import (
    AdaptiveAvgPool2d,
    BatchNorm2d,
    Conv2d,
    Flatten,
    LayerSpec,
    Linear,
    MaxPool2d,
    ReLU,
)
from cnnlab.architecture.network import Architecture

Shortcut = Literal["identity", "projection", "pad"]


def resnet(name: str, blocks: tuple[int, int, int, int], bottleneck: bool) -> Architecture:
    """Return a residual network for 1,000 classes of 224x224 pictures, with ``blocks`` blocks in its four stages.

    Table 1 of the paper; the shortcuts are projections where the shape changes (option B). A bottleneck has its stride
    in the 3x3 convolution, as torchvision's has; the paper's has it in the first 1x1.
    """
    layers: list[LayerSpec] = [Conv2d(out_channels=64, kernel_size=7, stride=2, padding=3, bias=False)]
    layers += [BatchNorm2d(), ReLU(), MaxPool2d(kernel_size=3, stride=2, padding=1)]
    for stage, count in enumerate(blocks):
        width, stride = 64 * 2**stage, 1 if stage == 0 else 2
        body = _bottleneck if bottleneck else _basic
        changes = stride > 1 or bottleneck
        layers.append(_stage(f"layer{stage + 1}", [body(width, stride), *[body(width, 1)] * (count - 1)], changes))
    return Architecture(name=name, input_shape=(3, 224, 224), layers=(*layers, *_head(1000)))


def resnet_cifar(
    name: str, blocks: int, width: int = 16, input_shape: tuple[int, int, int] = (3, 32, 32), first_stride: int = 1
) -> Architecture:
    """Return the residual network of section 4.2 with ``6 * blocks + 2`` layers: three stages, shortcuts without weights.

    Args:
        name: what it is called.
        blocks: blocks in each stage (n of the paper).
        width: feature maps of the first stage; twice and four times as many in the next two.
        input_shape: what arrives.
        first_stride: stride of the first convolution; 1 in the paper.
    """
    layers: list[LayerSpec] = [*_conv(width, 3, first_stride), ReLU()]
    for stage in range(3):
        wide, stride = width * 2**stage, 1 if stage == 0 else 2
        bodies = [_basic(wide, stride), *[_basic(wide, 1)] * (blocks - 1)]
        layers.append(_stage(f"stage{stage + 1}", bodies, stage > 0, "pad"))
    return Architecture(name=name, input_shape=input_shape, layers=(*layers, *_head(10)))


def _stage(name: str, bodies: Many[tuple[LayerSpec, ...]], changes: bool, fit: Shortcut = "projection") -> Sequence:
    """Return blocks one behind the other, each with ReLU after its sum; the first one fits the shape where it changes."""
    layers: list[LayerSpec] = []
    for number, body in enumerate(bodies):
        shortcut: Shortcut = fit if changes and number == 0 else "identity"
        layers += [Residual(name="block", layers=body, shortcut=shortcut), ReLU()]  # type: ignore[arg-type]
    return Sequence(name=name, layers=tuple(layers))  # type: ignore[arg-type]


def _basic(width: int, stride: int) -> tuple[LayerSpec, ...]:
    return *_conv(width, 3, stride), ReLU(), *_conv(width, 3, 1)


def _bottleneck(width: int, stride: int) -> tuple[LayerSpec, ...]:
    return *_conv(width, 1, 1), ReLU(), *_conv(width, 3, stride), ReLU(), *_conv(4 * width, 1, 1)


def _conv(width: int, kernel: int, stride: int) -> tuple[LayerSpec, ...]:
    conv = Conv2d(out_channels=width, kernel_size=kernel, stride=stride, padding=kernel // 2, bias=False)
    return conv, BatchNorm2d()


def _head(classes: int) -> tuple[LayerSpec, ...]:
    return AdaptiveAvgPool2d(), Flatten(), Linear(out_features=classes)
