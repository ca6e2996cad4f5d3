"""Small models of random weights, and pictures for them."""

import platform

import pytest
import torch

from cnnlab.architecture import Architecture
from cnnlab.architecture.blocks import Residual
from cnnlab.architecture.layers import AdaptiveAvgPool2d, BatchNorm2d, Conv2d, Flatten, Linear, ReLU
from cnnlab.build import build
from cnnlab.description import ModelDescription, Preprocessing
from cnnlab.model import Model

needs_int8 = pytest.mark.skipif(
    platform.machine().lower() not in ("x86_64", "amd64"), reason="int8 kernels need an x86"
)

HEAD = (AdaptiveAvgPool2d(), Flatten(), Linear(out_features=10))


def model_of(*layers, shape=(1, 12, 12), seed=0):
    """Return a model of random weights, with running statistics and scales that are far from their first values."""
    network = Architecture(input_shape=shape, layers=layers)
    generator = torch.Generator().manual_seed(seed)
    state = build(network, generator).state_dict()
    for tensor in state.values():
        if tensor.is_floating_point() and tensor.dim() == 1:
            tensor.copy_(torch.rand(tensor.shape, generator=generator) + 0.25)
    channels = shape[0]
    pixels = Preprocessing(data_shape=shape, input_shape=shape, mean=(0.5,) * channels, std=(0.25,) * channels)
    names = tuple(str(i) for i in range(10))
    return Model(ModelDescription(architecture=network, preprocessing=pixels, class_names=names), state)


def pictures(size=12, count=20):
    """Return noise, always the same."""
    return torch.randint(0, 256, (count, 1, size, size), generator=torch.Generator().manual_seed(1)).to(torch.uint8)


def residual(shortcut="identity", out=8, stride=1):
    """Return the layers of a network whose second half is a block with a shortcut."""
    body = (
        Conv2d(out_channels=12, padding=1, stride=stride),
        BatchNorm2d(),
        ReLU(),
        Conv2d(out_channels=out, padding=1),
    )
    return (Conv2d(out_channels=8), ReLU(), Residual(layers=(*body, BatchNorm2d()), shortcut=shortcut), ReLU())
