"""How large the pictures are that a network takes, where only its layers tell: they are let through until everything fits."""

from __future__ import annotations

import ast
from math import prod

from cnnlab.i18n import Message
from cnnlab.source_in.findings import Refusal, TooMuch
from cnnlab.source_in.graph import Graph
from cnnlab.source_in.keras_models import picture_of, takes_vector
from cnnlab.source_in.statements import Machine
from cnnlab.source_in.values import Module, Tensor, Value

LARGEST = 512
USUAL = (28, 32, 64, 96, 128, 224, 227, 256, 299)
UNUSUAL = 61
"""A number of channels that no layer expects: then each says what it does expect."""


def trace(machine: Machine, module: Module, shape: tuple[int, int, int], line: int) -> tuple[Graph, Tensor]:
    """Return the graph of the network's forward pass for one picture of ``shape``, and its output.

    Raises:
        Refusal: its code is not understood; the line says where.
    """
    if module.base == "graph" and module.output is not None:
        return module.output.graph, module.output
    keras = module.base == "keras" or bool(module.cls and "keras.Model" in module.cls.library_bases())
    graph = Graph.start(shape, line, keras)
    machine.scope = ()
    machine.strict += 1
    node = ast.copy_location(ast.Name("network", ast.Load()), ast.Pass(lineno=line, col_offset=0))
    try:
        given = graph.input()
        if takes_vector(module) is not None:
            given.shape = (prod(shape),)
        output = machine.run_net(module, [given], {}, node)
    finally:
        machine.strict -= 1
    return graph, _one(machine, output, line)


def _one(machine: Machine, output: Value, line: int) -> Tensor:
    machine.known(output, line)
    if isinstance(output, Tensor):
        return output
    if isinstance(output, (tuple, list)):
        raise Refusal(line, Message("forward returns {count} values; a network here has one output", count=len(output)))
    raise Refusal(line, Message("forward returns nothing that came from its input"))


def work_out(machine: Machine, module: Module, line: int) -> tuple[int, int, int] | None:
    """Return the one size that a network's layers ask for, or None where more than one would do.

    Its channels are those that the first layer expects; its height and width the smallest, or the usual one, of the sizes
    with which each dense layer gets as many numbers as it asks for.
    """
    start = machine.steps
    try:
        maps = _channels(machine, module, line)
        if isinstance(maps, tuple):
            _say(machine, line, maps, maps[1], maps[1])
            return maps
        found = _sides(machine, module, maps, line) if maps else None
    except TooMuch:
        found, maps = None, None
    except Refusal as refusal:
        if refusal.wants is None:
            raise
        _say(machine, line, refusal.wants, refusal.wants[1], refusal.wants[1])
        return refusal.wants
    machine.steps = start
    if found is None or not maps:
        return None
    low, high = found
    usual = USUAL if maps == 1 else sorted(USUAL, key=lambda size: size == 28)  # digits are grey
    side = next((size for size in usual if low <= size <= high), low)
    _say(machine, line, (maps, side, side), low, high)
    return maps, side, side


def _say(machine: Machine, line: int, shape: tuple[int, int, int], low: int, high: int) -> None:
    sizes = "x".join(map(str, shape))
    if low == high:
        machine.note(
            line, Message("the code does not say how large its pictures are; its layers fit {shape}", shape=sizes)
        )
    else:
        machine.note(line, Message("the code does not say how large its pictures are; its layers fit from {low} to {high} pixels, "
                                   "read for {shape}", low=low, high=high, shape=sizes))  # fmt: skip


def channels(machine: Machine, module: Module, line: int) -> int | None:
    """Return how many channels the first layer takes, or None where it takes any."""
    found = _channels(machine, module, line)
    return found if isinstance(found, int) else None


def _channels(machine: Machine, module: Module, line: int) -> int | tuple[int, int, int] | None:
    """Return how many channels the first layer takes; for one that takes a vector, the picture that it comes from."""
    graph, _output = trace(machine, module, (UNUSUAL, 256, 256), line)
    first = next(
        (node for node in graph.nodes if node.spec is not None and node.spec.kind in ("Conv2d", "Linear")), None
    )
    if first is None or first.spec is None:
        return None
    expected = getattr(first.spec, "in_channels", None)
    if first.spec.kind == "Conv2d":
        return expected
    numbers = getattr(first.spec, "in_features", None) or 0
    return picture_of(numbers)


def _sides(machine: Machine, module: Module, channels: int, line: int) -> tuple[int, int] | None:
    """Return the smallest and largest side of square pictures that fit, or None where nothing pins them down."""

    def verdict(side: int) -> int:
        """Return -1 where ``side`` is too small, 0 where it fits, 1 where it is too large."""
        machine.steps = 0
        try:
            graph, _output = trace(machine, module, (channels, side, side), line)
        except TooMuch:
            raise
        except Refusal:  # read at another size, so it is the size
            return -1
        if graph.misfits:
            given, expected = graph.misfits[0]
            return -1 if given < expected else 1
        return -1 if graph.narrow else 0

    if verdict(LARGEST) == 0:
        return None
    low = _first(verdict, 0)
    high = _first(verdict, 1) - 1
    return (low, high) if low <= high and verdict(low) == 0 and verdict(high) == 0 else None


def _first(verdict: object, least: int) -> int:
    """Return the smallest side whose verdict is ``least`` or more."""
    low, high = 1, LARGEST + 1
    while low < high:
        middle = (low + high) // 2
        if verdict(middle) >= least:  # type: ignore[operator]
            high = middle
        else:
            low = middle + 1
    return low
