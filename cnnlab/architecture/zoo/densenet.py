"""Densely connected networks (Huang et al. 2017, arXiv:1608.06993): every layer sees the maps of all before it."""

from __future__ import annotations

from collections.abc import Sequence as Many

from cnnlab.architecture.blocks import DenseBlock, Sequence
from cnnlab.architecture.layers import (
    AdaptiveAvgPool2d,
    AvgPool2d,
    BatchNorm2d,
    Conv2d,
    Flatten,
    LayerSpec,
    Linear,
    MaxPool2d,
    ReLU,
)
from cnnlab.architecture.network import Architecture


def densenet121() -> Architecture:
    """Return DenseNet-121: growth 32, four blocks of 6, 12, 24 and 16 layers (table 1 of the paper)."""
    stem = Conv2d(out_channels=64, kernel_size=7, stride=2, padding=3, bias=False)
    layers: list[LayerSpec] = [stem, BatchNorm2d(), ReLU(), MaxPool2d(kernel_size=3, stride=2, padding=1)]
    layers += _blocks((6, 12, 24, 16), 64, 32)
    layers += [BatchNorm2d(), ReLU(), AdaptiveAvgPool2d(), Flatten(), Linear(out_features=1000)]
    return Architecture(name="densenet121", input_shape=(3, 224, 224), layers=tuple(layers))  # type: ignore[arg-type]


def small_densenet(name: str, input_shape: tuple[int, int, int], layers: int, growth: int) -> Architecture:
    """Return three dense blocks of ``layers`` layers with bottlenecks, each making ``growth`` maps (DenseNet-BC)."""
    first = 2 * growth
    kinds: list[LayerSpec] = [Conv2d(out_channels=first, kernel_size=3, stride=1, padding=1, bias=False)]
    kinds += [BatchNorm2d(), ReLU(), MaxPool2d(kernel_size=2)]
    kinds += _blocks((layers,) * 3, first, growth)
    kinds += [BatchNorm2d(), ReLU(), AdaptiveAvgPool2d(), Flatten(), Linear(out_features=10)]
    return Architecture(name=name, input_shape=input_shape, layers=tuple(kinds))  # type: ignore[arg-type]


def _blocks(counts: Many[int], channels: int, growth: int) -> list[LayerSpec]:
    """Return dense blocks with a transition between each two, which halves the maps and their sides."""
    layers: list[LayerSpec] = []
    for number, count in enumerate(counts, 1):
        body = (*_conv(4 * growth, 1), *_conv(growth, 3))
        layers.append(DenseBlock(name=f"denseblock{number}", layers=body, repeat=count))  # type: ignore[arg-type]
        channels += count * growth
        if number < len(counts):
            channels //= 2
            fewer = (*_conv(channels, 1), AvgPool2d(kernel_size=2))
            layers.append(Sequence(name=f"transition{number}", layers=fewer))  # type: ignore[arg-type]
    return layers


def _conv(width: int, kernel: int) -> tuple[LayerSpec, ...]:
    conv = Conv2d(out_channels=width, kernel_size=kernel, padding=kernel // 2, bias=False)
    return BatchNorm2d(), ReLU(), conv
