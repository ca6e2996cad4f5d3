"""GoogLeNet (Szegedy et al. 2014, arXiv:1409.4842): windows of several sizes side by side."""

from __future__ import annotations

from cnnlab.architecture.blocks import Branches, Sequence
from cnnlab.architecture.layers import (
    AdaptiveAvgPool2d,
    BatchNorm2d,
    Conv2d,
    Dropout,
    Flatten,
    LayerSpec,
    Linear,
    MaxPool2d,
    ReLU,
)
from cnnlab.architecture.network import Architecture

Plan = tuple[int, int, int, int, int, int]
"""1x1; before 3x3, 3x3; before 5x5, 5x5; after pooling: how many filters, as the columns of the paper's table 1."""

STAGES: dict[int, dict[str, Plan]] = {
    3: {"a": (64, 96, 128, 16, 32, 32), "b": (128, 128, 192, 32, 96, 64)},
    4: {
        "a": (192, 96, 208, 16, 48, 64),
        "b": (160, 112, 224, 24, 64, 64),
        "c": (128, 128, 256, 24, 64, 64),
        "d": (112, 144, 288, 32, 64, 64),
        "e": (256, 160, 320, 32, 128, 128),
    },
    5: {"a": (256, 160, 320, 32, 128, 128), "b": (384, 192, 384, 48, 128, 128)},
}


def googlenet() -> Architecture:
    """Return GoogLeNet as torchvision has it, without the two classifiers on the way.

    Batch normalisation follows each convolution, and 3x3 windows stand where the paper has 5x5 (torchvision says so itself).
    """
    layers = [*_conv(64, 7, 2), _pool(3), *_conv(64, 1), *_conv(192, 3), _pool(3)]
    for stage, plans in STAGES.items():
        layers += [inception(plan, 3, f"inception{stage}{letter}") for letter, plan in plans.items()]
        if stage < 5:
            layers.append(_pool(3 if stage == 3 else 2))
    layers += [AdaptiveAvgPool2d(), Flatten(), Dropout(p=0.2), Linear(out_features=1000)]
    return Architecture(name="googlenet", input_shape=(3, 224, 224), layers=tuple(layers))  # type: ignore[arg-type]


def small_googlenet(name: str, input_shape: tuple[int, int, int]) -> Architecture:
    """Return a stem and three inceptions, with the paper's 5x5 windows."""
    layers = [*_conv(16, 3), MaxPool2d(kernel_size=2)]
    layers += [inception((8, 8, 16, 4, 8, 8), 5, "inception3a"), MaxPool2d(kernel_size=2)]
    layers += [inception((16, 12, 24, 4, 12, 12), 5, "inception4a")]
    layers += [inception((24, 16, 32, 6, 16, 16), 5, "inception4b")]
    layers += [AdaptiveAvgPool2d(), Flatten(), Linear(out_features=10)]
    return Architecture(name=name, input_shape=input_shape, layers=tuple(layers))  # type: ignore[arg-type]


def inception(plan: Plan, large: int, name: str) -> Branches:
    """Return one inception module: 1x1, 3x3 and a ``large`` window, and pooling, behind one another.

    Before each larger window a 1x1 convolution makes the maps fewer (figure 2b of the paper).
    """
    one, before3, three, before5, five, pooled = plan
    ways = (
        _conv(one, 1),
        (*_conv(before3, 1), *_conv(three, 3)),
        (*_conv(before5, 1), *_conv(five, large)),
        (MaxPool2d(kernel_size=3, stride=1, padding=1, ceil_mode=True), *_conv(pooled, 1)),
    )
    return Branches(name=name, branches=tuple(Sequence(layers=way) for way in ways))  # type: ignore[arg-type]


def _conv(width: int, kernel: int, stride: int = 1) -> tuple[LayerSpec, ...]:
    conv = Conv2d(out_channels=width, kernel_size=kernel, stride=stride, padding=kernel // 2, bias=False)
    return conv, BatchNorm2d(eps=1e-3), ReLU()


def _pool(kernel: int) -> LayerSpec:
    return MaxPool2d(kernel_size=kernel, stride=2, ceil_mode=True)
