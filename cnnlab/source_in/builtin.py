"""Python's own functions, as far as networks are written with them, on the reader's values."""

from __future__ import annotations

import ast
import math
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from cnnlab.i18n import Message
from cnnlab.source_in.core import MAX_LENGTH
from cnnlab.source_in.findings import Refusal
from cnnlab.source_in.libraries import MODULE_BASES
from cnnlab.source_in.text import short
from cnnlab.source_in.values import (
    BATCH,
    Class,
    Env,
    Function,
    Instance,
    Layer,
    Lib,
    Module,
    Partial,
    Tensor,
    Unknown,
    Value,
)

if TYPE_CHECKING:
    from cnnlab.source_in.calls import Calls

Handler = Callable[["Calls", list[Value], dict[str, Value], Any], Value]
FUNCTIONS: dict[str, Handler] = {}
_BRACES = re.compile(r"(?:[^{}]|\{\w*(?::(?:0?[1-9])?d)?\})*")
_METHODS: dict[type, set[str]] = {
    list: set("append extend insert pop index count copy reverse clear remove".split()),
    dict: set("get items keys values update pop setdefault copy".split()),
    str: set("format lower upper strip split startswith endswith join title capitalize isdigit replace".split()),
    tuple: set("index count".split()),
    set: set("add update union".split()),
}


def function(*paths: str) -> Callable[[Handler], Handler]:
    """Register what a call of these names gives."""

    def keep(handler: Handler) -> Handler:
        FUNCTIONS.update(dict.fromkeys(paths, handler))
        return handler

    return keep


def method(
    machine: Calls, receiver: Value, name: str, args: list[Value], kwargs: dict[str, Value], node: ast.expr
) -> Value:
    """Return what a method of a list, dict, text, tuple or set gives."""
    allowed = next((names for kind, names in _METHODS.items() if isinstance(receiver, kind)), set())
    if name not in allowed or (isinstance(receiver, str) and any(isinstance(value, Unknown) for value in args)):
        if isinstance(receiver, (list, dict, set)):
            raise Refusal(node.lineno, Message("not understood: {code}", code=short(ast.unparse(node))))
        return machine.unknown(node)
    if name in ("extend", "update", "union", "join") and args:
        args = [machine.known(args[0], node.lineno)]
        if not isinstance(args[0], (list, tuple, dict, set, str)):
            args = [machine.iterate(args[0], node)]
    for value in args:
        machine.light(value, node.lineno)
    if name == "format" and not (
        _BRACES.fullmatch(receiver) and all(isinstance(v, (int, str)) for v in [*args, *kwargs.values()])
    ):
        return machine.unknown(node)
    if name == "replace" and (len(args) != 2 or len(args[1]) > len(args[0])):
        return machine.unknown(node)  # what grows can grow without end
    found = getattr(receiver, name)(*args, **kwargs)
    machine.bounded(receiver, node.lineno)
    return list(found) if name in ("items", "keys", "values") else found


def _plain(name: str, run: Callable[..., Any]) -> None:
    """Register a function of numbers and lists that Python itself may compute; with an unknown value it is unknown."""

    def handler(machine: Calls, args: list[Value], kwargs: dict[str, Value], node: Any) -> Value:
        values = [*args, *kwargs.values()]
        flat = [one for value in values for one in (value if isinstance(value, (list, tuple)) else [value])]
        if any(
            one is BATCH or not isinstance(one, (int, float, str, type(None), list, tuple, dict, set, range))
            for one in flat
        ):
            return machine.unknown(node)
        return run(*args, **kwargs)

    FUNCTIONS[name] = handler


def _int(value: Any = 0) -> int:
    if isinstance(value, str) and len(value) > 15:
        raise ValueError(value)
    return int(value)


def _product(values: Any) -> int:
    found = math.prod(values)
    return found if abs(found) < 10**30 else 10**30


_COMPUTED: dict[str, Callable[..., Any]] = {
    "int": _int, "float": float, "bool": bool, "abs": abs, "round": round, "min": min, "max": max, "sum": sum,
    "divmod": divmod, "sorted": sorted,
}  # fmt: skip
for _name, _run in _COMPUTED.items():
    _plain(f"builtins.{_name}", _run)
for _name in ("sqrt", "ceil", "floor", "log", "log2", "log10", "exp"):
    _plain(f"math.{_name}", getattr(math, _name))
    _plain(f"numpy.{_name}", getattr(math, _name))
for _path in ("math.prod", "numpy.prod", "torch.prod", "numpy.product"):
    _plain(_path, _product)
_plain("numpy.cumsum", lambda values: [sum(values[: number + 1]) for number in range(len(values))])


@function("builtins.range")
def _range(machine: Calls, args: list[Value], kwargs: dict[str, Value], node: Any) -> Value:
    values = [machine.known(value, node.lineno) for value in args]
    return range(*values)


@function("builtins.len")
def _len(machine: Calls, args: list[Value], kwargs: dict[str, Value], node: Any) -> Value:
    value = args[0]
    if isinstance(value, Module):
        return len(machine.known(value, node.lineno).children)
    if isinstance(value, Tensor):
        return value.batch
    return len(value) if isinstance(value, (str, list, tuple, dict, set, range)) else machine.unknown(node)


@function(
    "builtins.list",
    "builtins.tuple",
    "builtins.set",
    "builtins.iter",
    "builtins.reversed",
    "numpy.array",
    "numpy.asarray",
)
def _list(machine: Calls, args: list[Value], kwargs: dict[str, Value], node: Any) -> Value:
    values = machine.iterate(args[0], node) if args else []
    path = ast.unparse(node.func)
    if path == "reversed":
        return values[::-1]
    return tuple(values) if path == "tuple" else set(values) if path == "set" else values


@function("builtins.dict", "collections.OrderedDict")
def _dict(machine: Calls, args: list[Value], kwargs: dict[str, Value], node: Any) -> Value:
    found: dict[Value, Value] = {}
    if args and isinstance(args[0], dict):
        found.update(args[0])
    elif args:
        found.update(dict(machine.iterate(args[0], node)))
    return {**found, **kwargs}


@function("builtins.zip")
def _zip(machine: Calls, args: list[Value], kwargs: dict[str, Value], node: Any) -> Value:
    return list(zip(*[machine.iterate(value, node) for value in args]))


@function("builtins.enumerate")
def _enumerate(machine: Calls, args: list[Value], kwargs: dict[str, Value], node: Any) -> Value:
    start = args[1] if len(args) > 1 else kwargs.get("start", 0)
    return list(enumerate(machine.iterate(args[0], node), start))


@function("builtins.map", "builtins.filter")
def _map(machine: Calls, args: list[Value], kwargs: dict[str, Value], node: Any) -> Value:
    values = list(zip(*[machine.iterate(value, node) for value in args[1:]]))
    results = [machine.call(args[0], list(value), {}, node) for value in values]
    if ast.unparse(node.func) == "filter":
        return [value[0] for value, result in zip(values, results) if machine.truth(result, node)]
    return results


@function("builtins.any", "builtins.all")
def _any(machine: Calls, args: list[Value], kwargs: dict[str, Value], node: Any) -> Value:
    values = [machine.truth(value, node) for value in machine.iterate(args[0], node)]
    return any(values) if ast.unparse(node.func) == "any" else all(values)


@function("builtins.str", "builtins.repr")
def _str(machine: Calls, args: list[Value], kwargs: dict[str, Value], node: Any) -> Value:
    return str(args[0]) if args and isinstance(args[0], (int, float, str)) else machine.unknown(node)


@function("builtins.next")
def _next(machine: Calls, args: list[Value], kwargs: dict[str, Value], node: Any) -> Value:
    return args[0][0] if isinstance(args[0], list) and args[0] else machine.unknown(node)


@function("builtins.type")
def _type(machine: Calls, args: list[Value], kwargs: dict[str, Value], node: Any) -> Value:
    value = args[0]
    if isinstance(value, (Module, Instance)) and value.cls:
        return value.cls
    if isinstance(value, Layer):
        return Lib(f"torch.nn.{value.kind}")
    return (
        Lib(f"builtins.{type(value).__name__}")
        if isinstance(value, (int, float, str, list, tuple, dict))
        else machine.unknown(node)
    )


@function("builtins.isinstance", "builtins.issubclass")
def _isinstance(machine: Calls, args: list[Value], kwargs: dict[str, Value], node: Any) -> Value:
    value, kinds = args
    if isinstance(value, Unknown):
        return machine.unknown(node)
    return any(_is(value, kind) for kind in (kinds if isinstance(kinds, (tuple, list)) else [kinds]))


def _is(value: Value, kind: Value) -> bool:
    if isinstance(kind, Class):
        cls = value if isinstance(value, Class) else getattr(value, "cls", None)
        return isinstance(cls, Class) and (
            cls is kind or any(_is(base, kind) for base in cls.bases if isinstance(base, Class))
        )
    if not isinstance(kind, Lib):
        return False
    name = kind.path.split(".")[-1]
    if kind.path.startswith("builtins."):
        return type(value).__name__ == name or (name == "int" and isinstance(value, bool))
    if isinstance(value, Layer):
        return name in ("Module", "Layer") or value.kind == name
    if isinstance(value, Module):
        return name in ("Module", "Layer", "Model") or MODULE_BASES.get(kind.path) == value.base
    return isinstance(value, Tensor) and name == "Tensor"


@function("builtins.hasattr")
def _hasattr(machine: Calls, args: list[Value], kwargs: dict[str, Value], node: Any) -> Value:
    owner, name = args
    if isinstance(owner, (Module, Instance)):
        found = name in owner.names or name in getattr(owner, "children", {}) or (owner.cls and owner.cls.find(name))
        return bool(found)
    return machine.unknown(node)


@function("builtins.getattr")
def _getattr(machine: Calls, args: list[Value], kwargs: dict[str, Value], node: Any) -> Value:
    owner, name, *default = args
    if not isinstance(machine.known(name, node.lineno), str) or name.startswith("__"):
        raise Refusal(node.lineno, Message("not understood: {code}", code=short(ast.unparse(node))))
    if default and isinstance(owner, (Module, Instance)) and not _hasattr(machine, [owner, name], {}, node):
        return default[0]
    return machine.attribute(owner, name, node)


@function("builtins.setattr")
def _setattr(machine: Calls, args: list[Value], kwargs: dict[str, Value], node: Any) -> Value:
    owner, name, value = args
    target = ast.copy_location(ast.Attribute(node, str(machine.known(name, node.lineno)), ast.Store()), node)
    machine.set_attribute(owner, target.attr, value, target)


@function("builtins.callable")
def _callable(machine: Calls, args: list[Value], kwargs: dict[str, Value], node: Any) -> Value:
    return isinstance(args[0], (Lib, Function, Class, Layer, Module, Partial))


@function("torch.jit.is_scripting", "torch.jit.is_tracing")
def _never(machine: Calls, args: list[Value], kwargs: dict[str, Value], node: Any) -> Value:
    return False


@function("typing.cast")
def _cast(machine: Calls, args: list[Value], kwargs: dict[str, Value], node: Any) -> Value:
    return args[1]


@function("functools.partial")
def _partial(machine: Calls, args: list[Value], kwargs: dict[str, Value], node: Any) -> Value:
    return Partial(args[0], args[1:], kwargs)


@function("functools.reduce")
def _reduce(machine: Calls, args: list[Value], kwargs: dict[str, Value], node: Any) -> Value:
    values = [*args[2:3], *machine.iterate(args[1], node)]
    if not values:
        raise TypeError("nothing to begin with")
    result = values[0]
    for value in values[1:]:
        result = machine.call(args[0], [result, value], {}, node)
    return result


@function("copy.deepcopy", "copy.copy")
def _copy(machine: Calls, args: list[Value], kwargs: dict[str, Value], node: Any) -> Value:
    deep = ast.unparse(node.func).endswith("deepcopy")
    return (
        _copied(args[0], {}) if deep else args[0].copy() if isinstance(args[0], (list, dict)) else machine.unknown(node)
    )


def _copied(value: Value, seen: dict[int, Value]) -> Value:
    """Return a copy with weights of its own, as ``deepcopy`` makes one."""
    if id(value) in seen:
        return seen[id(value)]
    if isinstance(value, Layer):
        seen[id(value)] = Layer(
            value.kind, value.line, value.plan, value.weights, dict(value.settings), value.size, value.label
        )
    elif isinstance(value, Module):
        copy = seen[id(value)] = Module(value.base, value.line, value.cls, label=value.label, spoiled=value.spoiled)
        copy.names = {name: _copied(one, seen) for name, one in value.names.items()}
        copy.children = {name: _copied(one, seen) for name, one in value.children.items()}
    elif isinstance(value, (list, tuple)):
        return type(value)(_copied(one, seen) for one in value)
    elif isinstance(value, dict):
        return {key: _copied(one, seen) for key, one in value.items()}
    return seen.get(id(value), value)


@function("itertools.chain", "builtins.sum_lists")
def _chain(machine: Calls, args: list[Value], kwargs: dict[str, Value], node: Any) -> Value:
    return [one for value in args for one in machine.iterate(value, node)]


__all__ = ["FUNCTIONS", "MAX_LENGTH", "Env", "method"]
