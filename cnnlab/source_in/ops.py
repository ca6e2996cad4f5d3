"""What may be done to a tensor, by name: one registry for functions of ``torch`` and ``F`` and for methods of tensors."""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from cnnlab.i18n import Message
from cnnlab.source_in.findings import Refusal
from cnnlab.source_in.text import short
from cnnlab.source_in.values import Tensor, Unknown, Value

if TYPE_CHECKING:
    from cnnlab.source_in.calls import Calls

Handler = Callable[["Calls", list[Value], dict[str, Value], Any], Value]
OPS: dict[str, Handler] = {}
FUNCTIONS: dict[str, Handler] = {}


def op(*names: str) -> Callable[[Handler], Handler]:
    """Register an operation: as a tensor's method, and as a function of torch and of F."""

    def keep(handler: Handler) -> Handler:
        for name in names:
            OPS[name] = handler
            for path in (
                f"torch.{name}",
                f"torch.nn.functional.{name}",
                f"tensorflow.nn.{name}",
                f"keras.activations.{name}",
                f"keras.ops.{name}",
            ):
                FUNCTIONS[path] = function_of(name)
        return handler

    return keep


def function_of(name: str) -> Handler:
    """Return the operation ``name`` as a function of a library, which takes its tensor as the first argument."""

    def handler(machine: Calls, args: list[Value], kwargs: dict[str, Value], node: Any) -> Value:
        if "input" in kwargs:
            args = [kwargs.pop("input"), *args]
        first = args[0] if args else None
        if isinstance(first, Unknown) and not machine.strict:
            return machine.unknown(node, cause=first.cause)  # what was wrong first is what is to be said
        held = first if isinstance(first, (list, tuple)) else [first]
        if any(isinstance(machine.known(one, node.lineno), Tensor) for one in held):
            return machine.tensor_op(name, args, kwargs, node)
        return machine.unknown(node)

    return handler


def tensor_of(value: Value, node: Any) -> Tensor:
    """Return ``value`` as the tensor that it has to be."""
    if not isinstance(value, Tensor) or value.turned:
        raise Refusal(node.lineno, Message("not understood: {code}", code=short(ast.unparse(node))))
    if value.border is not None:
        return value.graph.spread(value, node.lineno, ())
    return value
