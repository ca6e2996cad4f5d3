"""What a layer is made with: arguments bound to names, whole numbers, square windows."""

from __future__ import annotations

import ast
from typing import Any

from cnnlab.i18n import Message
from cnnlab.source_in.core import from_unknown
from cnnlab.source_in.findings import Refusal
from cnnlab.source_in.text import short
from cnnlab.source_in.values import BATCH, Tensor, Unknown, Value


class _Required:
    pass


REQUIRED = _Required()
Signature = dict[str, Any]


def signature(text: str, **defaults: Any) -> Signature:
    """Return parameters in order from ``"in_channels out_channels stride=1"``; ``defaults`` are those that are no numbers."""
    found: Signature = {}
    for word in text.split():
        name, _equals, default = word.partition("=")
        found[name] = ast.literal_eval(default) if default else defaults.get(name, REQUIRED)
    return found


def bind(
    signature: Signature,
    args: list[Value],
    kwargs: dict[str, Value],
    node: ast.expr,
    quiet: frozenset[str] = frozenset(),
) -> dict[str, Value]:
    """Return each parameter's value.

    Raises:
        Refusal: too many, one that is missing, one that is unknown or not known here.
    """
    names = list(signature)
    if len(args) > len(names):
        raise Refusal(node.lineno, Message("more arguments than it takes: {code}", code=short(ast.unparse(node))))
    given = dict(zip(names, args))
    for name, value in kwargs.items():
        if name in quiet and name not in signature:
            continue
        if name not in signature:
            raise Refusal(node.lineno, Message("the argument {name} is not known here: {code}", name=name, code=short(ast.unparse(node))))  # fmt: skip
        given[name] = value
    for name, default in signature.items():
        if name not in given and default is REQUIRED:
            raise Refusal(node.lineno, Message("the argument {name} is missing: {code}", name=name, code=short(ast.unparse(node))))  # fmt: skip
        value = given.setdefault(name, default)
        if isinstance(value, Unknown):
            raise from_unknown(value, node.lineno)
        if value is BATCH or isinstance(value, Tensor):
            raise Refusal(node.lineno, Message("the argument {name} is not known here: {code}", name=name, code=short(ast.unparse(node))))  # fmt: skip
    return given


def whole(value: Value, name: str, line: int) -> int:
    """Return a whole number."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise Refusal(line, Message("{name}={value} should be a whole number", name=name, value=short(repr(value)) if isinstance(value, (float, str)) else "?"))  # fmt: skip
    return value


def square(value: Value, name: str, line: int) -> int:
    """Return the side of a window given as one number or two equal ones."""
    if isinstance(value, (tuple, list)):
        sides = [whole(side, name, line) for side in value]
        if not sides or len(set(sides)) != 1 or len(sides) > 2:
            raise Refusal(
                line, Message("{name}={value}: only square windows are known here", name=name, value=tuple(sides))
            )
        return sides[0]
    return whole(value, name, line)


def pair(value: Value, name: str, line: int) -> tuple[int, int]:
    """Return height and width given as one number or two."""
    if isinstance(value, (tuple, list)) and len(value) == 2:
        return whole(value[0], name, line), whole(value[1], name, line)
    side = square(value, name, line)
    return side, side


def number(value: Value, name: str, line: int) -> float:
    """Return a number."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise Refusal(line, Message("{name} should be a number", name=name))
    return float(value)
