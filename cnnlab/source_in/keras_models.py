"""Keras' inputs and models, and the names under which its layers are made."""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from cnnlab.i18n import Message
from cnnlab.source_in.findings import Refusal
from cnnlab.source_in.graph import Graph
from cnnlab.source_in.keras_layers import NAMES, Given, make
from cnnlab.source_in.text import short
from cnnlab.source_in.values import Module, Tensor, Unknown, Value

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
    shape = machine.forced or maps_shape(given, machine.channels_first)
    if shape is None:
        return machine.unknown(
            node, cause=Refusal(node.lineno, Message("the code does not say how large its pictures are"))
        )
    return Graph.start(shape, node.lineno, keras=True).input()


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
    if isinstance(machine.known(outputs, node.lineno), Tensor):
        return Module("graph", node.lineno, output=outputs)
    return machine.unknown(node)


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
