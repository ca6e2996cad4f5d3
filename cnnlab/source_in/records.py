"""Objects that only hold settings: data classes, named tuples and namespaces, as networks are configured with them."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Any

from cnnlab.i18n import Message
from cnnlab.source_in.builtin import function
from cnnlab.source_in.findings import Refusal
from cnnlab.source_in.text import short
from cnnlab.source_in.values import Class, Factory, Function, Instance, Value

if TYPE_CHECKING:
    from cnnlab.source_in.calls import Calls

NAMED_TUPLE = "typing.NamedTuple"


def declared(node: ast.ClassDef) -> tuple[str, ...]:
    """Return the names of the fields that stand in a class's body; what belongs to the class itself is none."""
    return tuple(
        part.target.id for part in node.body
        if isinstance(part, ast.AnnAssign) and isinstance(part.target, ast.Name) and "ClassVar" not in ast.unparse(part.annotation)
    )  # fmt: skip


def fill(machine: Calls, made: Instance, args: list[Value], kwargs: dict[str, Value], node: ast.expr) -> None:
    """Give a new object its fields, as the ``__init__`` that Python writes for it does.

    Raises:
        Refusal: a field without a default is given no value.
    """
    cls, names = made.cls, made.cls.all_fields()
    if len(args) > len(names) or set(kwargs) - set(names[len(args) :]):
        raise TypeError("other arguments than its fields")
    made.names.update(zip(names, args))
    made.names.update(kwargs)
    for name in names:
        if name in made.names:
            continue
        if (default := cls.find(name)) is None and not cls.knows(name):
            raise Refusal(node.lineno, Message("the argument {name} is missing: {code}", name=name, code=short(ast.unparse(node))))  # fmt: skip
        made.names[name] = machine.call(default.target, [], {}, node) if isinstance(default, Factory) else default
    if isinstance(after := cls.find("__post_init__"), Function):
        machine.call_function(after, [made], {}, node)


def _class(name: str, node: Any, fields: tuple[str, ...], names: dict[str, Value], ordered: bool = False) -> Class:
    written = ast.copy_location(ast.ClassDef(name, [], [], [], []), node)
    return Class(name, written, [], names, fields, ordered)


@function("dataclasses.field")
def _field(machine: Calls, args: list[Value], kwargs: dict[str, Value], node: Any) -> Value:
    if kwargs.get("init", True) is not True or not {"default", "default_factory"} & set(kwargs):
        return machine.unknown(node)
    return kwargs["default"] if "default" in kwargs else Factory(kwargs["default_factory"])


@function("collections.namedtuple")
def _namedtuple(machine: Calls, args: list[Value], kwargs: dict[str, Value], node: Any) -> Value:
    name, words = args
    fields = tuple(words.replace(",", " ").split() if isinstance(words, str) else words)
    if not all(isinstance(word, str) for word in fields) or set(kwargs) - {"defaults"}:
        return machine.unknown(node)
    defaults = list(kwargs.get("defaults") or ())
    return _class(str(name), node, fields, dict(zip(fields[len(fields) - len(defaults) :], defaults)), ordered=True)


@function("types.SimpleNamespace", "argparse.Namespace")
def _namespace(machine: Calls, args: list[Value], kwargs: dict[str, Value], node: Any) -> Value:
    if args:
        return machine.unknown(node)
    return Instance(_class("SimpleNamespace", node, tuple(kwargs), {}), dict(kwargs))


@function("dataclasses.asdict")
def _asdict(machine: Calls, args: list[Value], kwargs: dict[str, Value], node: Any) -> Value:
    if len(args) != 1 or not isinstance(args[0], Instance) or args[0].spoiled is not None or kwargs:
        return machine.unknown(node)
    return _deep(args[0])


def _deep(value: Value) -> Value:
    if isinstance(value, Instance):
        return {name: _deep(value.names[name]) for name in value.cls.all_fields()}
    return type(value)(_deep(one) for one in value) if isinstance(value, (list, tuple)) else value


@function("dataclasses.replace")
def _replace(machine: Calls, args: list[Value], kwargs: dict[str, Value], node: Any) -> Value:
    before = args[0]
    if not isinstance(before, Instance) or not before.cls.all_fields():
        return machine.unknown(node)
    kept = {name: before.names[name] for name in before.cls.all_fields()}
    return machine.call(before.cls, [], {**kept, **kwargs}, node)


__all__ = ["NAMED_TUPLE", "declared", "fill"]
