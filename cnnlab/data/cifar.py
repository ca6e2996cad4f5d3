"""Read the official CIFAR archives without unpickling anything.

Their files are Python pickles, a format whose own reader runs whatever it is told to. This one knows the few
instructions that build dictionaries, lists, numbers, text and arrays of bytes, and refuses every other.
"""

from __future__ import annotations

import io
import pickletools
import re
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from cnnlab.errors import DataError

_CIFAR_FILE = re.compile(r"(?:^|/)(data_batch_\d|test_batch|batches\.meta|train|test|meta)$")


def is_cifar_file(name: str) -> bool:
    """Return whether an archive's member is one of the files of CIFAR-10 or CIFAR-100 for Python."""
    return bool(_CIFAR_FILE.search(name))


@dataclass
class _Global:
    """A name that a pickle asks for; only the ones that arrays need are known."""

    name: str


@dataclass
class _Array:
    """An array on its way: what it will hold arrives with the instruction BUILD."""

    value: np.ndarray | None = None


@dataclass
class _ByteType:
    """The type of an array's values; only unsigned bytes are known."""


_MARK = object()
_RECONSTRUCT = {"numpy.core.multiarray _reconstruct", "numpy._core.multiarray _reconstruct"}
_FROM_BUFFER = {"numpy.core.numeric _frombuffer", "numpy._core.numeric _frombuffer"}
_KNOWN = _RECONSTRUCT | _FROM_BUFFER | {"numpy ndarray", "numpy dtype", "_codecs encode"}


def read_batch(data: bytes, where: str) -> dict[str, Any]:
    """Return the dictionary in a CIFAR file: text keys, arrays of unsigned bytes as ``numpy.ndarray``.

    Raises:
        DataError: it is damaged, or asks for anything but plain values and arrays of bytes.
    """
    reader = _Reader(where)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of odd escapes in damaged text
            for opcode, argument, _position in pickletools.genops(io.BytesIO(data)):
                reader.step(opcode.name, argument)
        result = reader.result()
    except (ValueError, IndexError, KeyError, TypeError, AttributeError, UnicodeError, OverflowError) as error:
        raise DataError("{where}: this file of the archive is damaged", where=where) from error
    if not isinstance(result, dict):
        raise DataError("{where}: this is not a file of CIFAR", where=where)
    return {_text(key): _plain(value) for key, value in result.items()}


def _text(value: Any) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)


def _bytes(value: Any) -> bytes:
    return value.encode("latin-1") if isinstance(value, str) else bytes(value)


def _shaped(values: bytes, shape: tuple[int, ...], by_column: bool) -> np.ndarray:
    flat = np.frombuffer(values, np.uint8)
    return flat.reshape(shape[::-1]).T if by_column else flat.reshape(shape)


def _plain(value: Any) -> Any:
    return value.value if isinstance(value, _Array) else value


class _Reader:
    """A machine with a stack and a memo that knows only how to build plain values."""

    def __init__(self, where: str) -> None:
        self.where = where
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}

    def result(self) -> Any:
        """Return the one value that is left at the end."""
        (value,) = self.stack
        return value

    def step(self, name: str, argument: Any) -> None:
        """Carry out one instruction."""
        if name in _PUSH_ARGUMENT:
            self.stack.append(argument)
        elif name in _CONSTANTS:
            self.stack.append(_CONSTANTS[name]())
        elif name in _ACTIONS:
            _ACTIONS[name](self, argument)
        elif name not in ("PROTO", "FRAME", "STOP"):
            raise self.refused(name)

    def refused(self, what: str) -> DataError:
        """Return the error for an instruction or a name that has no place in a data set."""
        return DataError(
            "{where}: this file asks to run {what}, which no CIFAR archive does; it was not read",
            where=self.where,
            what=what[:60],
        )

    def marked(self) -> list[Any]:
        """Take everything above the last mark off the stack."""
        for position in range(len(self.stack) - 1, -1, -1):
            if self.stack[position] is _MARK:
                items = self.stack[position + 1 :]
                del self.stack[position:]
                return items
        raise ValueError("no mark")

    def take(self, count: int) -> list[Any]:
        """Take ``count`` values off the stack."""
        if len(self.stack) < count:
            raise IndexError("stack")
        items = self.stack[len(self.stack) - count :]
        del self.stack[len(self.stack) - count :]
        return items

    def mark(self, _argument: Any) -> None:
        self.stack.append(_MARK)

    def put(self, argument: Any) -> None:
        self.memo[len(self.memo) if argument is None else int(argument)] = self.stack[-1]

    def get(self, argument: Any) -> None:
        self.stack.append(self.memo[int(argument)])

    def pop(self, _argument: Any) -> None:
        self.stack.pop()

    def append(self, _argument: Any) -> None:
        (value,) = self.take(1)
        self.extend_list([value])

    def appends(self, _argument: Any) -> None:
        self.extend_list(self.marked())

    def extend_list(self, values: list[Any]) -> None:
        if not isinstance(self.stack[-1], list):
            raise TypeError("list")
        self.stack[-1].extend(values)

    def set_item(self, _argument: Any) -> None:
        self.fill_dictionary(self.take(2))

    def set_items(self, _argument: Any) -> None:
        self.fill_dictionary(self.marked())

    def fill_dictionary(self, values: list[Any]) -> None:
        target = self.stack[-1]
        if not isinstance(target, dict) or len(values) % 2:
            raise TypeError("dictionary")
        for key, value in zip(values[::2], values[1::2]):
            if not isinstance(key, (str, bytes, int)):
                raise TypeError("key")
            target[key] = value

    def new_list(self, _argument: Any) -> None:
        self.stack.append(self.marked())

    def new_tuple(self, _argument: Any) -> None:
        self.stack.append(tuple(self.marked()))

    def new_dictionary(self, _argument: Any) -> None:
        values = self.marked()
        self.stack.append({})
        self.fill_dictionary(values)

    def name(self, argument: Any) -> None:
        if argument is None:  # STACK_GLOBAL: module and name are on the stack
            argument = " ".join(map(_text, self.take(2)))
        if argument not in _KNOWN:
            raise self.refused(argument.replace(" ", "."))
        self.stack.append(_Global(argument))

    def call(self, _argument: Any) -> None:
        function, arguments = self.take(2)
        if not isinstance(function, _Global) or not isinstance(arguments, tuple):
            raise self.refused(type(function).__name__)
        self.stack.append(self.made(function.name, arguments))

    def made(self, function: str, arguments: tuple[Any, ...]) -> Any:
        """Return what one of the known functions makes; none of them is called."""
        if function == "_codecs encode":
            return arguments[0].encode("latin-1")
        if function == "numpy dtype":
            if _text(arguments[0]) not in ("u1", "|u1", "uint8", "B"):
                raise TypeError("type")
            return _ByteType()
        if function in _RECONSTRUCT:
            return _Array()
        if function in _FROM_BUFFER:
            buffer, kind, shape, order = arguments
            if not isinstance(kind, _ByteType):
                raise TypeError("array")
            return _Array(_shaped(bytes(buffer), shape, by_column=order == "F"))
        raise self.refused(function)

    def build(self, _argument: Any) -> None:
        target, state = self.take(2)
        if isinstance(target, _Array):
            _version, shape, kind, by_column, values = state
            if not isinstance(kind, _ByteType):
                raise TypeError("array")
            target.value = _shaped(_bytes(values), shape, bool(by_column))
        elif not isinstance(target, _ByteType):
            raise self.refused("BUILD")
        self.stack.append(target)


def _last(count: int) -> Callable[[_Reader, Any], None]:
    def action(reader: _Reader, _argument: Any) -> None:
        reader.stack.append(tuple(reader.take(count)))

    return action


_PUSH_ARGUMENT = frozenset(
    """
    INT BININT BININT1 BININT2 LONG LONG1 LONG4 FLOAT BINFLOAT STRING BINSTRING SHORT_BINSTRING UNICODE BINUNICODE
    SHORT_BINUNICODE BINUNICODE8 BINBYTES SHORT_BINBYTES BINBYTES8 BYTEARRAY8
    """.split()
)
_CONSTANTS: dict[str, Callable[[], Any]] = {
    "NONE": lambda: None,
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
    "EMPTY_LIST": list,
    "EMPTY_DICT": dict,
    "EMPTY_TUPLE": tuple,
}
_ACTIONS: dict[str, Callable[[_Reader, Any], None]] = {
    "MARK": _Reader.mark,
    "PUT": _Reader.put,
    "BINPUT": _Reader.put,
    "LONG_BINPUT": _Reader.put,
    "MEMOIZE": _Reader.put,
    "GET": _Reader.get,
    "BINGET": _Reader.get,
    "LONG_BINGET": _Reader.get,
    "POP": _Reader.pop,
    "APPEND": _Reader.append,
    "APPENDS": _Reader.appends,
    "SETITEM": _Reader.set_item,
    "SETITEMS": _Reader.set_items,
    "LIST": _Reader.new_list,
    "TUPLE": _Reader.new_tuple,
    "TUPLE1": _last(1),
    "TUPLE2": _last(2),
    "TUPLE3": _last(3),
    "DICT": _Reader.new_dictionary,
    "GLOBAL": _Reader.name,
    "STACK_GLOBAL": _Reader.name,
    "REDUCE": _Reader.call,
    "BUILD": _Reader.build,
}
