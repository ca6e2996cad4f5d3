"""``Architecture`` -> ``nn.Module`` with named children, initialised and randomised by generators of its own."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from cnnlab.architecture import Architecture, LayerSpec, check_budget
from cnnlab.architecture import layers as specs
from cnnlab.architecture.shapes import Shape


class GeneratorDropout(nn.Module):
    """Dropout that draws from a generator of its own, so that a seed means something beside other sessions.

        y = x * m / (1 - p),  m ~ Bernoulli(1 - p) for each number, or for each map where ``whole_maps``

    Bit-equal to ``torch.nn.Dropout`` and ``Dropout2d`` under the same seed. Evaluation passes x through.

    Shape:
        x: (N, ...); the same comes back.
    """

    def __init__(self, p: float, whole_maps: bool = False) -> None:
        super().__init__()
        self.p = p
        self.whole_maps = whole_maps
        self.generator: torch.Generator | None = None

    def forward(self, x: Tensor) -> Tensor:
        """Return x with a share ``p`` of it set to zero and the rest scaled up; x itself in evaluation."""
        if not self.training or self.p == 0:
            return x
        shape = (*x.shape[:2], *[1] * (x.dim() - 2)) if self.whole_maps else x.shape
        mask = torch.empty(shape, dtype=x.dtype, device=x.device)
        mask.bernoulli_(1 - self.p, generator=self.generator).div_(1 - self.p)
        return x * mask

    def extra_repr(self) -> str:
        """Return what ``print(module)`` shows."""
        return f"p={self.p}"


class Network(nn.Sequential):
    """A built network; its children carry the names of ``architecture.names``.

    Shape:
        forward(x): (N, C, H, W) float -> (N, classes), probabilities where the last layer is Softmax.
        logits(x): (N, C, H, W) float -> (N, classes), what arrives at a last Softmax, else the output.
    """

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        self.architecture = architecture
        shape: Shape = architecture.input_shape
        for name, layer in zip(architecture.names, architecture.layers):
            self.add_module(name, MODULES[type(layer)](layer, shape))
            shape = layer.output_shape(shape)

    def logits(self, x: Tensor) -> Tensor:
        """Return the scores before a last Softmax; the output where the network does not end in one."""
        children = list(self)
        for module in children[:-1] if self.architecture.ends_in_softmax else children:
            x = module(x)
        return x

    def use_generator(self, generator: torch.Generator | None) -> None:
        """Let all dropout layers draw from ``generator`` (None: torch's shared one)."""
        for module in self:
            if isinstance(module, GeneratorDropout):
                module.generator = generator


def build(architecture: Architecture, generator: torch.Generator | None = None) -> Network:
    """Return the network, freshly initialised from ``generator``, in training mode, on the CPU, in float32.

    Initialisation is torch's own for Conv2d and Linear (Kaiming uniform with a = sqrt(5), which is
    U(-1/sqrt(fan_in), 1/sqrt(fan_in)) for weight and bias), bit-equal to ``reset_parameters`` under the same seed.

    Raises:
        ShapeError, ArchitectureError: the network cannot run.
        BudgetError: it is larger than the lab builds; nothing has been allocated.
    """
    check_budget(architecture)
    with torch.device("meta"):
        network = Network(architecture)
    network = network.to_empty(device="cpu")
    initialise(network, generator)
    return network


def initialise(network: nn.Module, generator: torch.Generator | None = None) -> None:
    """Set all parameters and buffers of ``network`` to their first values, in the order of its children."""
    for module in network.modules():
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            nn.init.kaiming_uniform_(module.weight, a=math.sqrt(5), generator=generator)
            if module.bias is not None:
                bound = 1 / math.sqrt(module.weight[0].numel())
                nn.init.uniform_(module.bias, -bound, bound, generator=generator)
        elif isinstance(module, nn.BatchNorm2d):
            module.reset_parameters()


def _conv(layer: specs.Conv2d, shape: Shape) -> nn.Module:
    return nn.Conv2d(
        shape[0],
        layer.out_channels,
        layer.kernel_size,
        layer.stride,
        layer.padding,
        layer.dilation,
        layer.groups,
        layer.bias,
    )


MODULES: dict[type[LayerSpec], Callable[[Any, Shape], nn.Module]] = {
    specs.Conv2d: _conv,
    specs.MaxPool2d: lambda layer, shape: nn.MaxPool2d(layer.kernel_size, layer.stride, layer.padding),
    specs.AvgPool2d: lambda layer, shape: nn.AvgPool2d(layer.kernel_size, layer.stride, layer.padding),
    specs.AdaptiveAvgPool2d: lambda layer, shape: nn.AdaptiveAvgPool2d(layer.output_size),
    specs.BatchNorm2d: lambda layer, shape: nn.BatchNorm2d(shape[0], layer.eps, layer.momentum),
    specs.ReLU: lambda layer, shape: nn.ReLU(),
    specs.LeakyReLU: lambda layer, shape: nn.LeakyReLU(layer.negative_slope),
    specs.Sigmoid: lambda layer, shape: nn.Sigmoid(),
    specs.Tanh: lambda layer, shape: nn.Tanh(),
    specs.GELU: lambda layer, shape: nn.GELU(),
    specs.Dropout: lambda layer, shape: GeneratorDropout(layer.p),
    specs.Dropout2d: lambda layer, shape: GeneratorDropout(layer.p, whole_maps=True),
    specs.Flatten: lambda layer, shape: nn.Flatten(),
    specs.Linear: lambda layer, shape: nn.Linear(shape[0], layer.out_features, layer.bias),
    specs.Softmax: lambda layer, shape: nn.Softmax(dim=1),
}
"""How each kind of layer becomes a module, given the shape that arrives; every kind of ``LAYERS`` has an entry."""
