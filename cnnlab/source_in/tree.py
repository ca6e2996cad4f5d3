"""From the graph of a forward pass to the tree of blocks that does the same.

A tree says what is series-parallel: a tensor may part into ways that meet again, and ways may part inside ways. Where
a tensor is used across that (as in a U-Net), the line is refused. Where each way parts is the node that everything on
the way to a join has to pass: its immediate dominator.
"""

from __future__ import annotations

import re
from collections.abc import Sequence as Many
from dataclasses import dataclass, replace

from pydantic import ValidationError

from cnnlab.architecture import LayerSpec
from cnnlab.architecture.blocks import Branches, DenseBlock, Residual, Sequence
from cnnlab.architecture.layers import BatchNorm2d, Conv2d, Flatten, Linear
from cnnlab.i18n import Message
from cnnlab.source_in.findings import Refusal
from cnnlab.source_in.graph import Graph, Node, Scope
from cnnlab.validation import first_finding

_JOINS = {"add", "concat", "multiply"}
_USUAL = re.compile(r"(?:block|residual|branches|dense|branch|layer|separable|inverted|se)\d*")


@dataclass
class Step:
    """One piece of a way: a layer or block with its place in the source, or what only a join can take (``node``)."""

    spec: LayerSpec | None
    scope: Scope
    line: int
    node: Node | None = None


def to_layers(graph: Graph, output: int) -> tuple[LayerSpec, ...]:
    """Return the layers and blocks that lead from the input to the node ``output``.

    Raises:
        Refusal: a tensor is used where a tree of blocks cannot bring it; the line says where.
    """
    builder = _Builder(graph, output)
    steps = builder.way(0, output, graph.nodes[output].line)
    if stray := next((step for step in steps if step.spec is None), None):
        raise _stray(stray)
    layers = _grouped(steps, 1)
    if len(layers) == 1 and isinstance(layers[0], Sequence) and layers[0].repeat == 1:
        return layers[0].layers  # a name around all of it says nothing
    return tuple(layers)


class _Builder:
    def __init__(self, graph: Graph, output: int) -> None:
        self.nodes = _nested_joins(graph.nodes, output)
        self.dominators = _dominators(self.nodes)
        self.claimed: dict[int, int] = {}

    def way(self, start: int, end: int, line: int) -> list[Step]:
        """Return the steps from the node ``start``, without it, to the node ``end``, which line ``line`` takes."""
        steps: list[Step] = []
        while end != start:
            node = self.nodes[end]
            if end in self.claimed or not node.inputs or end < start:
                raise _crossing(line, node.line)
            self.claimed[end] = node.line
            if node.op in _JOINS:
                parting = self.dominators[end]
                if parting < start:
                    raise _crossing(node.line, self.nodes[parting].line)
                steps.append(self._join(parting, end))
                end = parting
            else:
                steps.append(Step(node.spec, node.scope, node.line, node))
                end, line = node.inputs[0], node.line
        return steps[::-1]

    def _join(self, parting: int, end: int) -> Step:
        node = self.nodes[end]
        ways = [self.way(parting, one, node.line) for one in node.inputs]
        scopes = [step.scope for way in ways for step in way]
        common = _common([node.scope, *scopes])
        channels = self.nodes[parting].shape
        try:
            spec = _joined(node, ways, len(common), channels[0] if channels else 0)
        except ValidationError as error:
            raise Refusal(
                node.line, Message("{code}: {finding}", code=node.op, finding=first_finding(error))
            ) from error
        return Step(spec, common, node.line, node)


def _joined(node: Node, ways: list[list[Step]], depth: int, channels: int) -> LayerSpec:
    """Return the block that stands for several ways and where they meet."""
    if node.op == "add" and len(ways) == 2 and (found := _residual(ways, depth)):
        return found
    split = all(way and way[0].node is not None and way[0].node.op == "part" for way in ways)
    if split:
        shares = [way[0].node.detail for way in ways if way[0].node is not None]
        if shares != [(part, len(ways)) for part in range(len(ways))]:
            raise _stray(ways[0][0])
        ways = [way[1:] for way in ways]
    if node.op == "multiply":
        ways = [_without_flattening(way) for way in ways]
    for way in ways:
        if stray := next((step for step in way if step.spec is None), None):
            raise _stray(stray)
    branches = [_branch(_grouped(way, depth)) for way in ways]
    if node.op == "concat" and not split and len(branches) == 2 and not branches[0].layers:
        return DenseBlock(layers=branches[1].layers) if branches[1].repeat == 1 else DenseBlock(layers=(branches[1],))
    return Branches(branches=tuple(branches), join=node.op, split=split)  # type: ignore[arg-type]


def _branch(layers: list[LayerSpec]) -> Sequence:
    if len(layers) == 1 and isinstance(layers[0], Sequence):
        return layers[0]
    return Sequence(layers=tuple(layers))  # type: ignore[arg-type]


def _residual(ways: list[list[Step]], depth: int) -> Residual | None:
    """Return the residual block that a sum of two ways is, if one of them is a shortcut."""
    for body, shortcut in (ways, ways[::-1]):
        kind = _shortcut(shortcut)
        if kind and body and all(step.spec is not None for step in body):
            return Residual(layers=tuple(_grouped(body, depth)), shortcut=kind)  # type: ignore[arg-type]
    return None


def _shortcut(way: list[Step]) -> str:
    if not way:
        return "identity"
    ops = [step.node.op if step.node else "" for step in way]
    if ops in (["channels"], ["every", "channels"], ["every"]):
        before, after = way[-1].node.detail if way[-1].node and ops[-1] == "channels" else (0, 0)
        return "pad" if before == (before + after) // 2 else ""
    specs = [step.spec for step in way]
    if len(specs) == 2 and isinstance(specs[0], Conv2d) and specs[1] == BatchNorm2d():
        plain = Conv2d(out_channels=specs[0].out_channels, kernel_size=1, stride=specs[0].stride, bias=False)
        return "projection" if specs[0] == plain else ""
    return ""


def _without_flattening(way: list[Step]) -> list[Step]:
    """Return a squeeze's way with 1x1 convolutions in place of dense layers between flattening and back: the same numbers."""
    ends = way[-1].node if way else None
    if ends is None or ends.op != "unflatten":
        return way
    start = max((number for number, step in enumerate(way) if isinstance(step.spec, Flatten)), default=-1)
    if start < 0:
        return way
    inside = []
    for step in way[start + 1 : -1]:
        if isinstance(step.spec, Linear):
            step = replace(step, spec=Conv2d(out_channels=step.spec.out_features, kernel_size=1, bias=step.spec.bias))
        inside.append(step)
    return [*way[:start], *inside]


# ---------------------------------------------------------------------------------------------- names of the source
def _grouped(steps: Many[Step], depth: int) -> list[LayerSpec]:
    """Return the specs of ``steps``, those of one module's call together as a Sequence with that module's name."""
    layers: list[LayerSpec] = []
    position = 0
    while position < len(steps):
        scope = steps[position].scope[: depth + 1]
        stop = position + 1
        while len(scope) > depth and stop < len(steps) and steps[stop].scope[: depth + 1] == scope:
            stop += 1
        inside = steps[position:stop]
        if len(scope) > depth:
            layers.append(_named(_grouped(inside, depth + 1), scope[-1][1]))
        else:
            layers += [step.spec for step in inside if step.spec is not None]
        position = stop
    return _repeated(layers)


def _named(layers: list[LayerSpec], label: str) -> LayerSpec:
    """Return one layer for those of a module: itself where it is alone, a Sequence otherwise."""
    name = "" if _USUAL.fullmatch(label) else label
    if len(layers) != 1:
        return _with_name(Sequence(layers=tuple(layers)), name)  # type: ignore[arg-type]
    if "name" in type(layers[0]).model_fields and not getattr(layers[0], "name", ""):
        return _with_name(layers[0], name)
    return layers[0]


def _with_name(block: LayerSpec, name: str) -> LayerSpec:
    """Return the block under a name, or as it is where blocks cannot be called so."""
    if not name:
        return block
    try:
        return type(block)(**{**{field: getattr(block, field) for field in type(block).model_fields}, "name": name})
    except ValidationError:
        return block


def _repeated(layers: list[LayerSpec]) -> list[LayerSpec]:
    """Return ``layers`` with equal nameless blocks in a row as one that repeats."""
    found: list[LayerSpec] = []
    for layer in layers:
        last = found[-1] if found else None
        if isinstance(layer, (Sequence, DenseBlock)) and isinstance(last, type(layer)) and not layer.name:
            if last.layers == layer.layers and last.name == layer.name:
                found[-1] = type(layer)(layers=layer.layers, repeat=last.repeat + layer.repeat)  # type: ignore[call-arg]
                continue
        found.append(layer)
    return found


# ---------------------------------------------------------------------------------------------- the graph
def _nested_joins(nodes: list[Node], output: int) -> dict[int, Node]:
    """Return the nodes that the output needs, with joins written so that they nest.

    ``cat([x0, x1, x2])`` after ``cat([x0, x1])`` becomes ``cat([cat([x0, x1]), x2])``, as DenseNet means it; ``a + b + c`` in one
    line becomes one sum.
    """
    needed: set[int] = set()
    queue = [output]
    while queue:
        number = queue.pop()
        if number not in needed:
            needed.add(number)
            queue += nodes[number].inputs
    kept: dict[int, Node] = {}
    joined: dict[tuple[int, ...], int] = {}
    for number in sorted(needed):
        node = nodes[number]
        if node.op == "concat":
            whole = node.inputs
            for length in range(len(whole) - 1, 1, -1):
                if earlier := joined.get(whole[:length]):
                    node = replace(node, inputs=(earlier, *whole[length:]))
                    break
            joined.setdefault(whole, number)
        kept[number] = node
    return _one_sum(kept)


def _one_sum(nodes: dict[int, Node]) -> dict[int, Node]:
    users: dict[int, int] = {}
    for node in nodes.values():
        for one in node.inputs:
            users[one] = users.get(one, 0) + 1
    for number, node in list(nodes.items()):
        if node.op == "add" and (first := nodes[node.inputs[0]]).op == "add":
            if users[node.inputs[0]] == 1 and first.line == node.line and first.scope == node.scope:
                nodes[number] = replace(node, inputs=(*first.inputs, *node.inputs[1:]))
                del nodes[node.inputs[0]]
    return nodes


def _dominators(nodes: dict[int, Node]) -> dict[int, int]:
    """Return for each node the last one that every way to it passes.

    Source: Cooper, Harvey & Kennedy 2001, A Simple, Fast Dominance Algorithm; one pass, for there are no cycles.
    """
    found: dict[int, int] = {0: 0}
    for number, node in nodes.items():
        if not node.inputs:
            continue
        meet = node.inputs[0]
        for other in node.inputs[1:]:
            while meet != other:
                if meet > other:
                    meet = found[meet]
                else:
                    other = found[other]
        found[number] = meet
    return found


def _common(scopes: list[Scope]) -> Scope:
    shared = scopes[0]
    for scope in scopes[1:]:
        length = next(
            (n for n, (one, other) in enumerate(zip(shared, scope)) if one != other), min(len(shared), len(scope))
        )
        shared = shared[:length]
    return shared


def _crossing(line: int, made: int) -> Refusal:
    return Refusal(
        line,
        Message(
            "what line {made} makes is used across the ways that meet here (as in a U-Net); a tree of blocks cannot say that",
            made=made,
        ),
    )


def _stray(step: Step) -> Refusal:
    return Refusal(
        step.line, Message("what this makes of the tensor is read only inside the blocks that are known by it")
    )
