"""Keras' inputs and models, and the names under which its layers are made."""

from __future__ import annotations

import ast
from collections.abc import Callable
from math import isqrt, prod
from typing import TYPE_CHECKING, Any

from cnnlab.i18n import Message
from cnnlab.source_in.findings import Refusal
from cnnlab.source_in.graph import Graph
from cnnlab.source_in.keras_layers import NAMES, Given, make
from cnnlab.source_in.naming import Scope
from cnnlab.source_in.text import short
from cnnlab.source_in.torch_layers import spec
from cnnlab.source_in.values import Layer, Module, Tensor, Unknown, Value

if TYPE_CHECKING:
    from cnnlab.source_in.calls import Calls
    from cnnlab.source_in.modules import Modules


def maps_shape(shape: Value, first: bool = False) -> tuple[int, int, int] | None:
    """Return Keras' shape of one picture as ``(C, H, W)``, or None where the source does not say it."""
    if not isinstance(shape, (tuple, list)) or any(
        not isinstance(size, int) or isinstance(size, bool) for size in shape
    ):
        return None
    if len(shape) == 2:
        return 1, shape[0], shape[1]
    if len(shape) != 3:
        return None
    channels, height, width = shape if first else (shape[2], shape[0], shape[1])
    return channels, height, width


def make_input(machine: Calls, args: list[Value], kwargs: Given, node: ast.expr) -> Value:
    """Return the tensor that a functional model begins with."""
    given = args[0] if args else kwargs.get("shape", kwargs.get("input_shape"))
    if given is None and isinstance(kwargs.get("batch_shape"), tuple):
        given = kwargs["batch_shape"][1:]
    vector = given[0] if isinstance(given, (tuple, list)) and len(given) == 1 and isinstance(given[0], int) else 0
    shape = machine.forced or maps_shape(given, machine.channels_first) or picture_of(vector)
    if shape is not None and vector:
        return Tensor(Graph.start(shape, node.lineno, keras=True), 0, (vector,))
    if shape is None:
        return machine.unknown(
            node, cause=Refusal(node.lineno, Message("the code does not say how large its pictures are"))
        )
    graph = Graph.start(shape, node.lineno, keras=True)
    graph.last = not machine.forced and not machine.channels_first
    return graph.input()


def reshaped(layer: Layer, tensor: Tensor) -> Tensor:
    """Return the tensor as ``Reshape`` looks at it; which looks there are layers for, the graph knows."""
    sizes: tuple[int, ...] = layer.settings["target"]
    if tensor.shape is None:
        return tensor
    if -1 in sizes:
        known = prod(size for size in sizes if size != -1)
        sizes = tuple(prod(tensor.shape) // known if size == -1 and known else size for size in sizes)
    view = (*sizes[2:], *sizes[:2]) if len(sizes) in (3, 4) else sizes
    if prod(view) != prod(tensor.shape):
        raise Refusal(layer.line, Message("{code} does not fit the {shape} that arrives", code="Reshape",
                                          shape="x".join(map(str, tensor.shape))))  # fmt: skip
    return Tensor(tensor.graph, tensor.node, view, tensor.batch)


def permuted(layer: Layer, tensor: Tensor, line: int, scope: Scope) -> Tensor:
    """Return the maps with their channels first, which is how the lab keeps them: only Flatten tells the difference.

    Channels that ``Reshape((h, w, g, c / g))`` has put in groups are mixed by ``Permute((1, 2, 4, 3))``.
    """
    if tuple(layer.settings["dims"]) == (1, 2, 4, 3) and tensor.shape is not None and len(tensor.shape) == 4:
        groups, each, *sides = tensor.shape
        real = tensor.graph.nodes[tensor.node].shape
        if real == (groups * each, *sides):
            base = Tensor(tensor.graph, tensor.node, real, tensor.batch)
            mixed = tensor.graph.spec(spec("ChannelShuffle", layer.line, groups=groups), base, line, scope)
            return Tensor(tensor.graph, mixed.node, (each, groups, *sides), tensor.batch)
    if tuple(layer.settings["dims"]) != (3, 1, 2) or tensor.shape is None or len(tensor.shape) != 3:
        raise Refusal(layer.line, Message("axes are exchanged only before Flatten: {code}", code="Permute((3, 1, 2))"))
    return Tensor(tensor.graph, tensor.node, tensor.shape, tensor.batch, turned=True)


def picture_of(numbers: int) -> tuple[int, int, int] | None:
    """Return the square picture that so many numbers are, where there is just one with one or three channels."""
    shapes = [(count, isqrt(numbers // count), isqrt(numbers // count)) for count in (1, 3)]
    fitting = [shape for shape in shapes if numbers > 0 and shape[0] * shape[1] * shape[2] == numbers]
    return fitting[0] if len(fitting) == 1 else None


def takes_vector(module: Module) -> int | None:
    """Return how many numbers a Sequential takes where its input is no picture, or None."""
    first = next(iter(module.children.values()), None)
    if isinstance(first, Tensor):
        return first.shape[0] if first.shape is not None and len(first.shape) == 1 else None
    if not isinstance(first, Layer) or module.base != "keras":
        return None
    given = first.settings.get("input_shape", first.settings.get("input_dim"))
    given = given[0] if isinstance(given, (tuple, list)) and len(given) == 1 else given
    return given if isinstance(given, int) else None


def channels_first(module: Module) -> bool:
    """Return whether a Sequential's first layer that cares says that the channels come first."""
    layers = [child for child in module.children.values() if isinstance(child, Layer)]
    return any(layer.settings.get("first") for layer in layers)


def take_input(module: Module, child: Value) -> None:
    """Keep the shape that ``model.add(Input(...))`` brings."""
    if isinstance(child, Tensor):
        module.given = child.graph.nodes[0].shape


def functional(machine: Modules, args: list[Value], kwargs: Given, node: ast.expr) -> Module | Unknown:
    """Return ``Model(inputs=..., outputs=...)``."""
    outputs = args[1] if len(args) > 1 else kwargs.get("outputs", kwargs.get("output"))
    inputs = args[0] if args else kwargs.get("inputs", kwargs.get("input"))
    outputs = outputs[0] if isinstance(outputs, list) and len(outputs) == 1 else outputs
    if isinstance(outputs, (list, tuple)) or isinstance(inputs, (list, tuple)) and len(inputs) != 1:
        raise Refusal(
            node.lineno, Message("a network here has one input and one output: {code}", code=short(ast.unparse(node)))
        )
    try:
        machine.known(outputs, node.lineno)
    except Refusal as refusal:
        refusal.network = True  # a network is made here, and this is what is wrong with it
        raise
    return Module("graph", node.lineno, output=outputs) if isinstance(outputs, Tensor) else machine.unknown(node)


def _maker(kind: str) -> Callable[..., Value]:
    return lambda machine, args, kwargs, node: make(machine, kind, args, kwargs, node)


MAKERS: dict[str, Callable[..., Value]] = {f"keras.{kind}": _maker(kind) for kind in NAMES}


def _set_format(machine: Calls, args: list[Value], kwargs: Given, node: ast.expr) -> Value:
    machine.channels_first = "channels_first" in (*args, *kwargs.values())
    return None


def _format(machine: Calls, args: list[Value], kwargs: Given, node: ast.expr) -> Value:
    return "channels_first" if machine.channels_first else "channels_last"


MAKERS |= {f"keras.{part}set_image_data_format": _set_format for part in ("backend.", "config.", "utils.")}
MAKERS |= {f"keras.{part}image_data_format": _format for part in ("backend.", "config.", "utils.")}
MAKERS |= {"keras.Input": make_input, "keras.InputLayer": make_input}


def _merge(name: str) -> Callable[..., Any]:
    def handler(machine: Calls, args: list[Value], kwargs: Given, node: ast.expr) -> Value:
        from cnnlab.source_in.torch_ops import join

        return join(name, list(args[0]), node, machine)

    return handler


MERGES = {"merge.Add": _merge("add"), "merge.Concatenate": _merge("concat"), "merge.Multiply": _merge("multiply")}
for _name, _kind in (("add", "merge.Add"), ("concatenate", "merge.Concatenate"), ("multiply", "merge.Multiply")):
    MAKERS[f"keras.layers.{_name}"] = MERGES[_kind]
