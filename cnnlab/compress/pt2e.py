"""The one place that speaks to torchao: export, calibration, int8 graph, int8 kernels; and what a graph tells of itself."""

from __future__ import annotations

import logging
import platform
import threading
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import wraps
from importlib import metadata, util
from typing import Any, ParamSpec, TypeVar

import torch
from torch import Tensor, fx, nn

from cnnlab.build import Network
from cnnlab.errors import ModelError

SENTINEL = 61
"""The batch size at which a graph is lowered; where it is written down afterwards, any number is put in its place."""

_PART = 64
_QUANTISE, _DEQUANTISE = "quantized_decomposed.quantize_per_tensor", "quantized_decomposed.dequantize_per_tensor"
_PER_CHANNEL = "quantized_decomposed.dequantize_per_channel"
_NORMALISES = torch.ops.aten.batch_norm.default
_MAKERS = ("aten.conv2d", "aten.linear", "aten.convolution")
_P = ParamSpec("_P")
_R = TypeVar("_R")
_toolkit = threading.Lock()


def check_here() -> None:
    """Raise ModelError where there is no torchao, or a processor without the kernels."""
    if util.find_spec("torchao") is None:
        raise ModelError("int8 needs the package torchao: python -m pip install torchao")
    if platform.machine().lower() not in ("x86_64", "amd64") or not torch.backends.mkldnn.is_available():
        raise ModelError("int8 is computed on x86 processors only; this one is {machine}", machine=platform.machine())


def toolkit() -> str:
    """Return which versions quantise here."""
    return f"torchao {metadata.version('torchao')}, torch {metadata.version('torch')}"


class _Logits(nn.Module):
    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor) -> Tensor:
        """Return the network's logits."""
        return self.network.logits(x)


def _alone(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """Let one thread at a time into the toolkit, which is not made for two."""

    @wraps(function)
    def waits(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        with _toolkit:
            return function(*args, **kwargs)

    return waits


@_alone
def calibrated(network: Network, inputs: Tensor) -> tuple[fx.GraphModule, dict[str, Tensor]]:
    """Return ``network`` as a graph in which numbers become bytes, and its weights before that, by their place in it.

    Args:
        network: in evaluation mode.
        inputs: what it sees, so that the ranges of its activations are known.

    Shape:
        inputs: (N, C, H, W) float32, N >= 2.

    Raises:
        ModelError: torchao is not there or cannot take this network apart.
    """
    check_here()
    with _quiet(), torch.no_grad():
        from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e
        from torchao.quantization.pt2e.quantizer import x86_inductor_quantizer as x86

        shapes = ({0: torch.export.Dim("batch", min=1, max=1_000_000)},)
        exported = torch.export.export(_Logits(network), (inputs[:2],), dynamic_shapes=shapes).module()
        quantizer = x86.X86InductorQuantizer()
        quantizer.set_global(x86.get_default_x86_inductor_quantization_config())
        prepared = prepare_pt2e(exported, quantizer)
        for part in inputs.split(_PART):
            prepared(part)
        exact = {node.name: _behind(prepared, node.args[1]) for node in _makers(prepared)}
        _rename(prepared, _NORMALISES, _normalise)
        converted = convert_pt2e(prepared)
        _rename(converted, _normalise, _NORMALISES)
        return converted, exact


def _normalise(*arguments: Any) -> Tensor:
    """Normalise, under a name that the toolkit does not know.

    Those that stand right behind a convolution are in its weights by now. Where it meets another, ``convert_pt2e``
    looks for what training in int8 would have made of it: 96 traced patterns, half a minute, and none can be there.
    """
    result: Tensor = _NORMALISES(*arguments)
    return result


def _rename(graph: fx.GraphModule, old: Any, new: Any) -> None:
    for node in graph.graph.nodes:
        if node.target == old:
            node.target = new
    graph.recompile()


@_alone
def lower(graph: fx.GraphModule, input_shape: Sequence[int]) -> fx.GraphModule:
    """Return ``graph`` with oneDNN's int8 kernels in it, for batches of any size."""
    with _quiet(), torch.no_grad():
        from torchao.quantization.pt2e.lowering import lower_pt2e_quantized_to_x86

        lowered = lower_pt2e_quantized_to_x86(graph, (torch.zeros(SENTINEL, *input_shape),))
        for node in lowered.graph.nodes:
            if str(node.target) in ("aten.view.default", "aten.reshape.default"):
                node.target = torch.ops.aten.reshape.default  # what arrives may lie in memory channels last
                node.args = (node.args[0], [-1 if size == SENTINEL else size for size in node.args[1]])
        return fx.GraphModule(lowered, lowered.graph)


def kernels(lowered: fx.GraphModule) -> dict[str, int]:
    """Return how often each int8 kernel stands in ``lowered``."""
    return dict(Counter(str(node.target) for node in lowered.graph.nodes if str(node.target).startswith("onednn.q")))


def tensors(graph: fx.GraphModule) -> dict[str, Tensor]:
    """Return the tensors that ``graph`` computes with, by their names in it."""
    return {str(node.target): _behind(graph, node) for node in graph.graph.nodes if node.op == "get_attr"}


def activations(graph: fx.GraphModule) -> tuple[tuple[float, int], ...]:
    """Return scale and zero point of each place where numbers become bytes, in the order of execution."""
    return tuple((float(node.args[1]), int(node.args[2])) for node in graph.graph.nodes if _is(node, _QUANTISE))


def with_activations(graph: fx.GraphModule, scales: Sequence[tuple[float, int]]) -> None:
    """Give ``graph`` other scales; each is used where numbers become bytes and where they become numbers again."""
    given = iter(scales)
    for node in graph.graph.nodes:
        if _is(node, _QUANTISE):
            pair = next(given)
            for one in (node, *(user for user in node.users if _is(user, _DEQUANTISE))):
                one.args = (one.args[0], *pair, *one.args[3:])
    graph.recompile()


def weights(graph: fx.GraphModule) -> list[tuple[str, Tensor, bool]]:
    """Return for each convolution and dense layer, in order, its node, its weights, and whether they are bytes."""
    return [(node.name, _behind(graph, node.args[1]), _is(node.args[1], _PER_CHANNEL)) for node in _makers(graph)]


def _makers(graph: fx.GraphModule) -> Iterator[fx.Node]:
    return (node for node in graph.graph.nodes if str(node.target).startswith(_MAKERS))


def _is(node: Any, target: str) -> bool:
    return isinstance(node, fx.Node) and str(node.target).startswith(target)


def _behind(graph: fx.GraphModule, node: Any) -> Tensor:
    """Return the tensor that ``node`` stands for: itself, through an observer, or from bytes and their scales."""
    if node.op == "get_attr":
        found: Any = graph
        for name in str(node.target).split("."):
            found = getattr(found, name)
        return found.detach()
    if _is(node, _PER_CHANNEL):
        values, scales, zeros = (_behind(graph, one).float() for one in node.args[:3])
        sides = (-1, *[1] * (values.dim() - 1))
        return (values - zeros.view(sides)) * scales.view(sides)
    return _behind(graph, node.args[0])


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep back what torch and torchao say to their own makers."""
    loud = logging.getLogger("torch.utils._pytree")
    level = loud.level
    loud.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        loud.setLevel(level)
