"""``Architecture`` -> ``nn.Module`` with named layers, initialised and randomised by generators of its own."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from functools import reduce
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from cnnlab.architecture import Architecture, Budget, LayerSpec, check_budget, joins, rare
from cnnlab.architecture import layers as specs
from cnnlab.architecture.network import DEFAULT_BUDGET
from cnnlab.architecture.shapes import Shape
from cnnlab.architecture.tape import INPUT


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


class Add(nn.Module):
    """Sum of its inputs, which have one shape."""

    def forward(self, *x: Tensor) -> Tensor:
        """Return the sum, taken from left to right."""
        return reduce(torch.add, x)


class Multiply(nn.Module):
    """Product of its inputs; an axis of length 1 is repeated."""

    def forward(self, *x: Tensor) -> Tensor:
        """Return the product, taken from left to right."""
        return reduce(torch.mul, x)


class Concat(nn.Module):
    """Its inputs one behind the other along dimension 1."""

    def forward(self, *x: Tensor) -> Tensor:
        """Return (N, C1 + C2 + ..., ...)."""
        return torch.cat(x, 1)


class Chunk(nn.Module):
    """One of several equal shares of dimension 1."""

    def __init__(self, index: int, chunks: int) -> None:
        super().__init__()
        self.index, self.chunks = index, chunks

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, C / chunks, ...)."""
        return x.chunk(self.chunks, 1)[self.index]

    def extra_repr(self) -> str:
        """Return what ``print(module)`` shows."""
        return f"{self.index} of {self.chunks}"


class PadShortcut(nn.Module):
    """Every ``stride``-th pixel, between ``before`` and ``after`` channels of zeros."""

    def __init__(self, stride: int, before: int, after: int) -> None:
        super().__init__()
        self.stride, self.before, self.after = stride, before, after

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, before + C + after, ceil(H / stride), ceil(W / stride))."""
        return functional.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, self.before, self.after))

    def extra_repr(self) -> str:
        """Return what ``print(module)`` shows."""
        return f"stride={self.stride}, before={self.before}, after={self.after}"


class SelectChannels(nn.Module):
    """Some of its maps, in a chosen order."""

    def __init__(self, channels: tuple[int, ...]) -> None:
        super().__init__()
        self.channels = list(channels)

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, len(channels), H, W)."""
        return x[:, self.channels]

    def extra_repr(self) -> str:
        """Return what ``print(module)`` shows."""
        return f"{self.channels}"


class RBF(nn.Module):
    """Minus the squared distances to fixed codes; ``digits`` is None where they are drawn."""

    weight: Tensor

    def __init__(self, in_features: int, out_features: int, digits: tuple[tuple[int, ...], ...] | None) -> None:
        super().__init__()
        self.digits = digits
        self.register_buffer("weight", torch.empty(out_features, in_features))

    def reset_codes(self, generator: torch.Generator | None) -> None:
        """Set the codes: the digits, or +1 and -1 drawn from ``generator``."""
        if self.digits is not None:
            self.weight.copy_(torch.tensor(self.digits))
        else:
            self.weight.copy_(torch.empty_like(self.weight).bernoulli_(0.5, generator=generator) * 2 - 1)

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, out_features); in float32, since a distance is large and the differences between two are small."""
        return -(x.float().unsqueeze(1) - self.weight).square().sum(2)


class Scope(nn.Module):
    """The layers of one block, under their names; the network that holds it carries them out."""


class Step(NamedTuple):
    """One layer of a network's forward pass: its path, which values it takes, which are needed no more after it."""

    path: tuple[str, ...]
    inputs: tuple[int, ...]
    spent: tuple[int, ...]


class Network(nn.Module):
    """A built network; its layers stand under the dotted names of ``architecture.names``.

    A network without blocks has them as its children. ``forward`` carries out the rows of the trace one by one, each on
    the outputs of the rows that feed it.

    Shape:
        forward(x): (N, C, H, W) float -> (N, classes), probabilities where the last layer is Softmax.
        logits(x): (N, C, H, W) float -> (N, classes), what arrives at a last Softmax, else the output.
    """

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        self.architecture = architecture
        rows = architecture.trace().rows
        last_use = {source: row.index for row in rows for source in row.inputs}
        self._steps: list[Step] = []
        for row in rows:
            *scopes, name = path = tuple(row.name.split("."))
            parent: nn.Module = self
            for scope in scopes:
                if scope not in parent._modules:
                    parent.add_module(scope, Scope())
                parent = parent.get_submodule(scope)
            parent.add_module(name, MODULES[type(row.layer)](row.layer, row.input_shape or ()))
            spent = tuple(source for source in dict.fromkeys(row.inputs) if last_use[source] == row.index)
            self._steps.append(Step(path, row.inputs, spent))
        self._one_behind_the_other = all(row.inputs == (row.index - 1,) for row in rows)

    def leaves(self) -> list[tuple[str, nn.Module]]:
        """Return every single layer's name and module, in the order of execution; joins of blocks are among them."""
        return [(".".join(step.path), self._at(step)) for step in self._steps]

    def __len__(self) -> int:
        """Return how many single layers there are."""
        return len(self._steps)

    def __iter__(self) -> Iterator[nn.Module]:
        """Go through the layers' modules in the order of execution."""
        return map(self._at, self._steps)

    def __getitem__(self, index: int) -> nn.Module:
        """Return the module of the layer at ``index``, in the order of execution."""
        return self._at(self._steps[index])

    def replace_leaf(self, name: str, module: nn.Module) -> None:
        """Put ``module`` in the place of the layer ``name``."""
        scope, _, last = name.rpartition(".")
        self.get_submodule(scope).add_module(last, module)

    def drop_softmax(self) -> None:
        """Take a last Softmax away, so that ``forward`` gives the logits; nothing where there is none."""
        if self.architecture.ends_in_softmax:
            *scopes, name = self._steps.pop().path
            del self.get_submodule(".".join(scopes))._modules[name]

    def forward(self, x: Tensor) -> Tensor:
        """Return the output of the last layer."""
        return self.run(x)

    def logits(self, x: Tensor) -> Tensor:
        """Return the scores before a last Softmax; the output where the network does not end in one."""
        return self.run(x, len(self.architecture.trace().rows) - self.architecture.ends_in_softmax)

    def run(
        self,
        x: Tensor,
        stop: int | None = None,
        seen: Callable[[str, Tensor], None] | None = None,
        edge: Callable[[Tensor], Tensor] | None = None,
    ) -> Tensor:
        """Return what leaves the last of the first ``stop`` layers (None: of all); ``x`` where there is none.

        Args:
            x: the network's input.
            stop: how many layers are carried out.
            seen: called with each layer's name and output.
            edge: what becomes of a value on its way to each layer that takes it.
        """
        if self._one_behind_the_other and seen is None and edge is None:
            for step in self._steps[:stop]:
                x = self._at(step)(x)
            return x
        values, output = {INPUT: x}, x
        for index, step in enumerate(self._steps[:stop]):
            arriving = [values[source] for source in step.inputs]
            for source in step.spent:
                del values[source]
            output = self._at(step)(*(map(edge, arriving) if edge else arriving))
            values[index] = output
            if seen:
                seen(".".join(step.path), output)
        return output

    def use_generator(self, generator: torch.Generator | None) -> None:
        """Let all dropout layers draw from ``generator`` (None: torch's shared one)."""
        for module in self.modules():
            if isinstance(module, GeneratorDropout):
                module.generator = generator

    def _at(self, step: Step) -> nn.Module:
        module: nn.Module = self
        for name in step.path:
            module = module._modules[name]  # type: ignore[assignment]
        return module


def build(
    architecture: Architecture, generator: torch.Generator | None = None, budget: Budget = DEFAULT_BUDGET
) -> Network:
    """Return the network, freshly initialised from ``generator``, in training mode, on the CPU, in float32.

    Initialisation is torch's own for Conv2d and Linear (Kaiming uniform with a = sqrt(5), which is
    U(-1/sqrt(fan_in), 1/sqrt(fan_in)) for weight and bias), bit-equal to ``reset_parameters`` under the same seed.

    Raises:
        ShapeError, ArchitectureError: the network cannot run.
        BudgetError: it is larger than ``budget``; nothing has been allocated.
    """
    check_budget(architecture, budget=budget)
    with torch.device("meta"):
        network = Network(architecture)
    network = network.to_empty(device="cpu")
    initialise(network, generator)
    return network


def initialise(network: nn.Module, generator: torch.Generator | None = None) -> None:
    """Set all parameters and buffers of ``network`` to their first values, in the order of its layers."""
    for module in network.modules():
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            nn.init.kaiming_uniform_(module.weight, a=math.sqrt(5), generator=generator)
            if module.bias is not None:
                bound = 1 / math.sqrt(module.weight[0].numel())
                nn.init.uniform_(module.bias, -bound, bound, generator=generator)
        elif isinstance(module, (nn.BatchNorm2d, nn.LayerNorm, nn.GroupNorm)):
            module.reset_parameters()
        elif isinstance(module, RBF):
            module.reset_codes(generator)


def _rbf(layer: rare.RBF, shape: Shape) -> nn.Module:
    return RBF(shape[0], layer.out_features, rare.digit_codes() if layer.codes == "digits" else None)


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


def _pool(kind: Callable[..., nn.Module]) -> Callable[[Any, Shape], nn.Module]:
    return lambda layer, shape: kind(layer.kernel_size, layer.stride, layer.padding, ceil_mode=layer.ceil_mode)


def _pad_shortcut(layer: joins.PadShortcut, shape: Shape) -> nn.Module:
    before = layer.before(shape[0])
    return PadShortcut(layer.stride, before, layer.out_channels - shape[0] - before)


MODULES: dict[type[LayerSpec], Callable[[Any, Shape], nn.Module]] = {
    specs.Conv2d: _conv,
    specs.MaxPool2d: _pool(nn.MaxPool2d),
    specs.AvgPool2d: _pool(nn.AvgPool2d),
    specs.AdaptiveAvgPool2d: lambda layer, shape: nn.AdaptiveAvgPool2d(layer.output_size),
    specs.BatchNorm2d: lambda layer, shape: nn.BatchNorm2d(shape[0], layer.eps, layer.momentum),
    specs.LayerNorm: lambda layer, shape: nn.LayerNorm(shape, layer.eps),
    specs.GroupNorm: lambda layer, shape: nn.GroupNorm(layer.num_groups, shape[0], layer.eps),
    specs.LocalResponseNorm: lambda layer, shape: nn.LocalResponseNorm(layer.size, layer.alpha, layer.beta, layer.k),
    specs.ReLU: lambda layer, shape: nn.ReLU(),
    specs.ReLU6: lambda layer, shape: nn.ReLU6(),
    specs.LeakyReLU: lambda layer, shape: nn.LeakyReLU(layer.negative_slope),
    specs.Sigmoid: lambda layer, shape: nn.Sigmoid(),
    specs.Tanh: lambda layer, shape: nn.Tanh(),
    specs.GELU: lambda layer, shape: nn.GELU(),
    specs.SiLU: lambda layer, shape: nn.SiLU(),
    specs.Hardswish: lambda layer, shape: nn.Hardswish(),
    specs.Dropout: lambda layer, shape: GeneratorDropout(layer.p),
    specs.Dropout2d: lambda layer, shape: GeneratorDropout(layer.p, whole_maps=True),
    specs.Flatten: lambda layer, shape: nn.Flatten(),
    specs.ZeroPad2d: lambda layer, shape: nn.ZeroPad2d((layer.left, layer.right, layer.top, layer.bottom)),
    specs.ChannelShuffle: lambda layer, shape: nn.ChannelShuffle(layer.groups),
    specs.Linear: lambda layer, shape: nn.Linear(shape[0], layer.out_features, layer.bias),
    specs.Softmax: lambda layer, shape: nn.Softmax(dim=1),
    rare.SelectChannels: lambda layer, shape: SelectChannels(layer.channels),
    rare.RBF: _rbf,
    joins.Add: lambda layer, shape: Add(),
    joins.Multiply: lambda layer, shape: Multiply(),
    joins.Concat: lambda layer, shape: Concat(),
    joins.Chunk: lambda layer, shape: Chunk(layer.index, layer.chunks),
    joins.PadShortcut: _pad_shortcut,
}
"""How each kind of row becomes a module, given the shape that arrives; all of ``LAYERS`` and ``JOINS`` have an entry."""
