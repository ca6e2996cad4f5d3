"""AlexNet and VGG: convolutions one behind the other, then dense layers."""

from __future__ import annotations

from collections.abc import Sequence as Many

from cnnlab.architecture.layers import (
    AdaptiveAvgPool2d,
    Conv2d,
    Dropout,
    Flatten,
    LayerSpec,
    Linear,
    MaxPool2d,
    ReLU,
)
from cnnlab.architecture.network import Architecture

VGG = {
    "vgg11": ((64,), (128,), (256, 256), (512, 512), (512, 512)),
    "vgg16": ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512)),
}
"""Feature maps of each convolution, stage by stage: columns A and D of the paper's table 1."""


def alexnet() -> Architecture:
    """Return AlexNet as torchvision has it, after Krizhevsky 2014 (arXiv:1404.5997): one column, no response norm."""
    layers: list[LayerSpec] = [
        *(Conv2d(out_channels=64, kernel_size=11, stride=4, padding=2), ReLU(), MaxPool2d(kernel_size=3, stride=2)),
        *(Conv2d(out_channels=192, kernel_size=5, padding=2), ReLU(), MaxPool2d(kernel_size=3, stride=2)),
    ]
    for width in (384, 256, 256):
        layers += [Conv2d(out_channels=width, kernel_size=3, padding=1), ReLU()]
    layers += [MaxPool2d(kernel_size=3, stride=2), AdaptiveAvgPool2d(output_size=6), Flatten()]
    for _number in range(2):
        layers += [Dropout(), Linear(out_features=4096), ReLU()]
    return Architecture(name="alexnet", input_shape=(3, 224, 224), layers=(*layers, Linear(out_features=1000)))


def vgg(name: str) -> Architecture:
    """Return ``vgg11`` or ``vgg16`` (Simonyan & Zisserman 2014, arXiv:1409.1556, configurations A and D)."""
    layers = [*_stages(VGG[name]), AdaptiveAvgPool2d(output_size=7), Flatten()]
    for _number in range(2):
        layers += [Linear(out_features=4096), ReLU(), Dropout()]
    return Architecture(name=name, input_shape=(3, 224, 224), layers=(*layers, Linear(out_features=1000)))


def small_alexnet(name: str, input_shape: tuple[int, int, int]) -> Architecture:
    """Return AlexNet's plan for small pictures: five convolutions, pooling windows that overlap, dropout."""
    layers: list[LayerSpec] = []
    for width in (24, 64):
        layers += [Conv2d(out_channels=width, kernel_size=5, padding=2), ReLU(), MaxPool2d(kernel_size=3, stride=2)]
    for width in (96, 64, 64):
        layers += [Conv2d(out_channels=width, kernel_size=3, padding=1), ReLU()]
    layers += [MaxPool2d(kernel_size=3, stride=2), Flatten()]
    for _number in range(2):
        layers += [Dropout(p=0.25), Linear(out_features=256), ReLU()]
    return Architecture(name=name, input_shape=input_shape, layers=(*layers, Linear(out_features=10)))


def small_vgg(name: str, input_shape: tuple[int, int, int]) -> Architecture:
    """Return VGG's plan for small pictures: three stages of two 3x3 convolutions, each ended by pooling."""
    layers = [*_stages(((16, 16), (32, 32), (64, 64))), Flatten()]
    layers += [Linear(out_features=128), ReLU(), Dropout(p=0.25), Linear(out_features=10)]
    return Architecture(name=name, input_shape=input_shape, layers=tuple(layers))  # type: ignore[arg-type]


def _stages(stages: Many[Many[int]]) -> list[LayerSpec]:
    layers: list[LayerSpec] = []
    for stage in stages:
        for width in stage:
            layers += [Conv2d(out_channels=width, kernel_size=3, padding=1), ReLU()]
        layers.append(MaxPool2d(kernel_size=2))
    return layers
