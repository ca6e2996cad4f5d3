"""Python's expressions, as far as networks are written with them. Each is computed on stand-ins; none reaches Python's own eval."""

from __future__ import annotations

import ast
import builtins
import operator
import re
from collections.abc import Callable, Iterator
from typing import Any

from cnnlab.i18n import Message
from cnnlab.source_in.core import Core
from cnnlab.source_in.findings import Refusal
from cnnlab.source_in.libraries import ASSUMED, CONSTANTS, canonical
from cnnlab.source_in.text import short
from cnnlab.source_in.values import BATCH, Env, Function, Instance, Layer, Lib, Module, Tensor, Unknown, Value

_BINARY: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv, ast.Mod: operator.mod, ast.Pow: operator.pow, ast.LShift: operator.lshift,
    ast.RShift: operator.rshift, ast.BitAnd: operator.and_, ast.BitOr: operator.or_, ast.BitXor: operator.xor,
}  # fmt: skip
_COMPARE: dict[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Eq: operator.eq, ast.NotEq: operator.ne, ast.Lt: operator.lt, ast.LtE: operator.le, ast.Gt: operator.gt,
    ast.GtE: operator.ge, ast.Is: lambda a, b: a is b or (a is None and b is None),
    ast.IsNot: lambda a, b: a is not b, ast.In: lambda a, b: a in b, ast.NotIn: lambda a, b: a not in b,
}  # fmt: skip
_UNARY: dict[type[ast.unaryop], Callable[[Any], Any]] = {
    ast.USub: operator.neg, ast.UAdd: operator.pos, ast.Not: operator.not_, ast.Invert: operator.invert
}  # fmt: skip
_IN_PLACE = {ast.Add: "add", ast.Mult: "mul"}
_PERCENT = re.compile(r"(?:[^%]|%(?:0?[1-9])?[di]|%s)*")
_FORMAT = re.compile(r"(?:0?[1-9])?d?")
_BUILTIN_NAMES = frozenset(dir(builtins))
PLAIN = (int, float, bool, str, bytes, tuple, list, dict, set, type(None), slice, range)
_MAKES = (
    ast.List,
    ast.Tuple,
    ast.Dict,
    ast.Set,
    ast.ListComp,
    ast.GeneratorExp,
    ast.DictComp,
    ast.SetComp,
    ast.BinOp,
    ast.Call,
)
FAILS = (TypeError, ValueError, ZeroDivisionError, OverflowError, LookupError, AttributeError, RecursionError)


class Expressions(Core):
    """What an expression is worth; the parts that need calls and statements are in the classes above."""

    def eval(self, node: ast.expr, env: Env) -> Value:
        """Return the value of an expression.

        Raises:
            Refusal: it is not understood, or would not work in Python either.
        """
        self.tick(node.lineno)
        handler = getattr(self, f"_{type(node).__name__.lower()}", None)
        if handler is None:
            return self.unknown(node)
        try:
            value = self.bounded(handler(node, env), node.lineno)
            return self.light(value, node.lineno) if isinstance(node, _MAKES) else value
        except FAILS as error:
            raise Refusal(node.lineno, Message("this does not work in Python either: {code}", code=short(ast.unparse(node)))) from error  # fmt: skip

    def call(self, function: Value, args: list[Value], kwargs: dict[str, Value], node: ast.expr) -> Value:
        """Return what a call gives."""
        raise NotImplementedError

    def attribute(self, value: Value, name: str, node: ast.expr) -> Value:
        """Return ``value.name``."""
        raise NotImplementedError

    def tensor_op(self, name: str, args: list[Value], kwargs: dict[str, Value], node: Any) -> Value:
        """Return what an operation on tensors gives."""
        raise NotImplementedError

    # ------------------------------------------------------------------------------------------------ names and parts
    def _constant(self, node: ast.Constant, env: Env) -> Value:
        return node.value

    def _name(self, node: ast.Name, env: Env) -> Value:
        if holder := env.holder(node.id):
            return holder.names[node.id]
        if node.id in ASSUMED:
            self.note(node.lineno, Message("`{name}` is not imported here; it is read as {path}", name=node.id, path=ASSUMED[node.id]))  # fmt: skip
            env.module.names[node.id] = Lib(ASSUMED[node.id])
            return env.module.names[node.id]
        if node.id in _BUILTIN_NAMES:
            return Lib(f"builtins.{node.id}")
        cause = Refusal(node.lineno, Message("{name} is defined nowhere in this source", name=node.id))
        return self.unknown(node, cause=cause)

    def _attribute(self, node: ast.Attribute, env: Env) -> Value:
        return self.attribute(self.known_or_not(self.eval(node.value, env)), node.attr, node)

    def library(self, path: str) -> Value:
        """Return something of a library: a number such as ``math.pi``, or a stand-in."""
        path = canonical(path)
        if path in self.patched:
            return self.patched[path]
        return CONSTANTS.get(path, Lib(path))

    def _subscript(self, node: ast.Subscript, env: Env) -> Value:
        value, index = self.known_or_not(self.eval(node.value, env)), self.eval(node.slice, env)
        if isinstance(value, Tensor):
            return self.tensor_op("getitem", [value, index], {}, node)
        if isinstance(value, (Unknown, Lib)) or isinstance(index, Unknown):
            if isinstance(value, Lib) and value.path.startswith(("typing.", "builtins.")):
                return value
            return self.unknown(node)
        if isinstance(value, Module):
            return self.item(self.known(value, node.lineno), index, node)
        if isinstance(value, Instance) and value.cls.ordered:
            value = tuple(self.iterate(value, node))
        if not isinstance(value, (str, tuple, list, dict, range)):
            return self.unknown(node)
        found = value[index]
        return list(found) if isinstance(found, range) else found

    def known_or_not(self, value: Value) -> Value:
        """Return ``value``; a place for those who must look at it first."""
        return value

    def item(self, module: Module, index: Value, node: ast.expr) -> Value:
        """Return a container's child, or the container of a slice of its children."""
        if isinstance(index, slice):
            children = list(module.children.items())[index]
            return Module(
                module.base, module.line, children={str(n): child for n, (_key, child) in enumerate(children)}
            )
        if isinstance(index, str):
            return module.children[index]
        return list(module.children.values())[index]

    def _slice(self, node: ast.Slice, env: Env) -> Value:
        parts = [self.eval(part, env) if part else None for part in (node.lower, node.upper, node.step)]
        return slice(*parts)

    # ------------------------------------------------------------------------------------------------ displays
    def _elements(self, nodes: list[ast.expr], env: Env) -> list[Value]:
        found: list[Value] = []
        for node in nodes:
            if isinstance(node, ast.Starred):
                found += self.iterate(self.eval(node.value, env), node)
            else:
                found.append(self.eval(node, env))
        return found

    def _list(self, node: ast.List, env: Env) -> Value:
        return self._elements(node.elts, env)

    def _tuple(self, node: ast.Tuple, env: Env) -> Value:
        return tuple(self._elements(node.elts, env))

    def _set(self, node: ast.Set, env: Env) -> Value:
        return set(self._elements(node.elts, env))

    def _dict(self, node: ast.Dict, env: Env) -> Value:
        found: dict[Value, Value] = {}
        for key, value in zip(node.keys, node.values):
            if key is None:
                found.update(self.known(self.eval(value, env), node.lineno))
            else:
                found[self.eval(key, env)] = self.eval(value, env)
        return found

    def _joinedstr(self, node: ast.JoinedStr, env: Env) -> Value:
        parts = [self.eval(part, env) for part in node.values]
        if any(not isinstance(part, str) for part in parts):
            return self.unknown(node)
        return "".join(parts)

    def _formattedvalue(self, node: ast.FormattedValue, env: Env) -> Value:
        value = self.eval(node.value, env)
        wanted = self.eval(node.format_spec, env) if node.format_spec is not None else ""
        plain = isinstance(value, (int, float, str)) and node.conversion in (-1, ord("s"))
        if not plain or not wanted:
            return str(value) if plain and wanted == "" else self.unknown(node)
        if type(value) is not int or not isinstance(wanted, str) or not _FORMAT.fullmatch(wanted):
            return self.unknown(node)
        return format(value, wanted)

    def _comprehension(self, node: Any, env: Env) -> Iterator[Env]:
        def level(generators: list[ast.comprehension], inner: Env) -> Iterator[Env]:
            if not generators:
                yield inner
                return
            first, *others = generators
            for value in self.iterate(self.eval(first.iter, inner), first.iter):
                self.tick(node.lineno)
                self.assign(first.target, value, inner)
                if all(self.truth(self.eval(test, inner), test) for test in first.ifs):
                    yield from level(others, inner)

        return level(node.generators, Env(env))

    def _listcomp(self, node: ast.ListComp, env: Env) -> Value:
        return [self.eval(node.elt, inner) for inner in self._comprehension(node, env)]

    def _generatorexp(self, node: ast.GeneratorExp, env: Env) -> Value:
        return [self.eval(node.elt, inner) for inner in self._comprehension(node, env)]

    def _setcomp(self, node: ast.SetComp, env: Env) -> Value:
        return {self.eval(node.elt, inner) for inner in self._comprehension(node, env)}

    def _dictcomp(self, node: ast.DictComp, env: Env) -> Value:
        return {self.eval(node.key, inner): self.eval(node.value, inner) for inner in self._comprehension(node, env)}

    def assign(self, target: ast.expr, value: Value, env: Env) -> None:
        """Bind ``value`` to a target: a name, a tuple of them, an attribute, an item."""
        raise NotImplementedError

    def iterate(self, value: Value, node: ast.expr) -> list[Value]:
        """Return what a loop over ``value`` goes through.

        Raises:
            Refusal: nobody knows what that is.
        """
        self.known(value, node.lineno)
        if isinstance(value, Module):
            return list(value.children) if value.base == "ModuleDict" else list(value.children.values())
        if isinstance(value, (str, tuple, list, dict, set, range)):
            return list(value)
        if isinstance(value, Instance) and value.cls.ordered:
            return [value.names[name] for name in value.cls.all_fields()]
        raise Refusal(node.lineno, Message("not understood: {code}", code=short(ast.unparse(node))))

    # ------------------------------------------------------------------------------------------------ operators
    def _binop(self, node: ast.BinOp, env: Env) -> Value:
        return self.binary(node.op, self.eval(node.left, env), self.eval(node.right, env), node)

    def binary(self, op: ast.operator, left: Value, right: Value, node: Any) -> Value:
        """Return ``left op right``, of tensors, numbers, texts and lists."""
        if isinstance(left, Tensor) or isinstance(right, Tensor):
            if type(op) in _IN_PLACE:
                return self.tensor_op(_IN_PLACE[type(op)], [left, right], {}, node)
            return self.unknown(node)
        if not isinstance(left, PLAIN) or not isinstance(right, PLAIN):
            return self.unknown(node)
        self._check_growth(op, left, right, node.lineno)
        return _BINARY[type(op)](left, right)

    def _check_growth(self, op: ast.operator, left: Value, right: Value, line: int) -> None:
        """Refuse a small expression that makes something huge, before it does."""
        numbers = [value for value in (left, right) if isinstance(value, int)]
        lists = [value for value in (left, right) if isinstance(value, (str, bytes, list, tuple))]
        if isinstance(op, (ast.Pow, ast.LShift)) and isinstance(right, (int, float)) and abs(right) > 64:
            self.bounded(10**16, line)
        if isinstance(op, ast.Mult) and lists and numbers:
            self.bounded(range(0), line)
            if len(lists[0]) * max(numbers[0], 0) > 5_000:
                self.bounded("x" * 5_001, line)
        if isinstance(op, ast.Mod) and isinstance(left, (str, bytes)):
            values = right if isinstance(right, tuple) else (right,)
            if (
                not isinstance(left, str)
                or not _PERCENT.fullmatch(left)
                or not all(isinstance(v, (int, str)) for v in values)
            ):
                raise TypeError("only %d and %s of numbers and words are read")

    def _unaryop(self, node: ast.UnaryOp, env: Env) -> Value:
        value = self.eval(node.operand, env)
        if isinstance(node.op, ast.Not):
            return not self.truth(value, node.operand) if not isinstance(value, Unknown) else self.unknown(node)
        if isinstance(value, Unknown) or not isinstance(value, PLAIN):
            return self.unknown(node)
        return _UNARY[type(node.op)](value)

    def _boolop(self, node: ast.BoolOp, env: Env) -> Value:
        value: Value = None
        for part in node.values:
            value = self.eval(part, env)
            if isinstance(value, Unknown):
                return value
            if self.truth(value, part) != isinstance(node.op, ast.And):
                return value
        return value

    def _compare(self, node: ast.Compare, env: Env) -> Value:
        left = self.eval(node.left, env)
        for op, right_node in zip(node.ops, node.comparators):
            right = self.eval(right_node, env)
            result = self._one_comparison(op, left, right, node)
            if isinstance(result, Unknown) or not result:
                return result
            left = right
        return True

    def _one_comparison(self, op: ast.cmpop, left: Value, right: Value, node: ast.expr) -> Value:
        if isinstance(op, (ast.Is, ast.IsNot)) and (left is None or right is None):
            return _COMPARE[type(op)](left, right)
        if any(isinstance(value, Unknown) or value is BATCH for value in (left, right)):
            return self.unknown(node)
        if isinstance(left, Lib) or isinstance(right, Lib):
            if isinstance(op, (ast.In, ast.NotIn)) and isinstance(right, (list, tuple, set, dict)):
                return _COMPARE[type(op)](left, right)
            return (left == right) == isinstance(op, (ast.Eq, ast.Is))
        return _COMPARE[type(op)](left, right)

    def _ifexp(self, node: ast.IfExp, env: Env) -> Value:
        return self.eval(node.body if self.truth(self.eval(node.test, env), node.test) else node.orelse, env)

    def truth(self, value: Value, node: ast.expr) -> bool:
        """Return whether ``value`` counts as true.

        Raises:
            Refusal: nobody knows it, so it is not known either which way the code goes.
        """
        self.known(value, node.lineno)
        if isinstance(value, Tensor) or value is BATCH:
            raise Refusal(node.lineno, Message("which way this goes depends on the pictures: {code}", code=short(ast.unparse(node))))  # fmt: skip
        if isinstance(value, Module):
            return bool(value.children) or value.base == "Module"
        return bool(value)

    # ------------------------------------------------------------------------------------------------ calls
    def _call(self, node: ast.Call, env: Env) -> Value:
        if isinstance(node.func, ast.Name) and node.func.id == "super" and env.holder("super") is None:
            return self.super_of(node, env)
        function = self.eval(node.func, env)
        args = self._elements(node.args, env)
        kwargs: dict[str, Value] = {}
        for keyword in node.keywords:
            value = self.eval(keyword.value, env)
            if keyword.arg is not None:
                kwargs[keyword.arg] = value
            elif isinstance(self.known(value, node.lineno), dict):
                kwargs.update(value)
        return self.call(function, args, kwargs, node)

    def super_of(self, node: ast.Call, env: Env) -> Value:
        """Return ``super()``."""
        raise NotImplementedError

    def _lambda(self, node: ast.Lambda, env: Env) -> Value:
        return self.function(node, env)

    def function(self, node: ast.FunctionDef | ast.Lambda, env: Env) -> Function:
        """Return a function of the source with its defaults."""
        defaults = [self.eval(value, env) for value in node.args.defaults]
        kw_defaults = [self.eval(value, env) if value else None for value in node.args.kw_defaults]
        return Function(node, env, defaults, kw_defaults)

    def _namedexpr(self, node: ast.NamedExpr, env: Env) -> Value:
        value = self.eval(node.value, env)
        self.assign(node.target, value, env)
        return value


def is_net(value: Value) -> bool:
    """Return whether ``value`` may be called with a tensor."""
    return isinstance(value, (Module, Layer))
