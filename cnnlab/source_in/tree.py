"""From the graph of a forward pass to the tree of blocks that does the same.

A tree says what is series-parallel: a tensor may part into ways that meet again, and ways may part inside ways. Where
a tensor is used across that (as in a U-Net), the line is refused. Where each way parts is the node that everything on
the way to a join has to pass: its immediate dominator.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from pydantic import ValidationError

from cnnlab.architecture import LayerSpec, Shape
from cnnlab.architecture.blocks import Branches, DenseBlock, Residual, Sequence
from cnnlab.architecture.layers import BatchNorm2d, Conv2d, Flatten, Linear
from cnnlab.i18n import Message
from cnnlab.source_in import naming
from cnnlab.source_in.findings import Refusal
from cnnlab.source_in.graph import Graph, Node
from cnnlab.source_in.naming import Scope
from cnnlab.validation import first_finding

_SHORTCUT = re.compile(r"shortcut|short_cut|downsample|skip|proj|identity|residual|match|adjust|res", re.IGNORECASE)
_OURS = re.compile(r"(?:block|separable|inverted|residual|branches|dense|se)\d*")
_JOINS = {"add", "concat", "multiply"}


@dataclass
class Step:
    """One piece of a way: a layer or block with its place in the source, or what only a join can take (``node``)."""

    spec: LayerSpec | None
    scope: Scope
    line: int
    node: Node | None = None
    arrives: Shape | None = None


def to_layers(graph: Graph, output: int) -> tuple[LayerSpec, ...]:
    """Return the layers and blocks that lead from the input to the node ``output``.

    Raises:
        Refusal: a tensor is used where a tree of blocks cannot bring it; the line says where.
    """
    builder = _Builder(graph, output)
    steps = builder.way(0, output, graph.nodes[output].line)
    if stray := next((step for step in steps if step.spec is None), None):
        raise _stray(stray)
    layers = naming.grouped([(step.spec, step.scope, step.arrives) for step in steps if step.spec is not None], 1)
    whole = steps[0].scope[0] if steps and steps[0].scope else None
    if len(layers) == 1 and isinstance(layers[0], Sequence) and layers[0].repeat == 1 and whole and not whole.container:
        if not _OURS.fullmatch(layers[0].name):
            return layers[0].layers  # a name around all of it says nothing
    return tuple(layers)


class _Builder:
    def __init__(self, graph: Graph, output: int) -> None:
        self.nodes = _nested_joins(_with_own_code(graph.nodes) if graph.keras else graph.nodes, output)
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
                steps.append(Step(node.spec, node.scope, node.line, node, self.nodes[node.inputs[0]].shape))
                end, line = node.inputs[0], node.line
        return steps[::-1]

    def _join(self, parting: int, end: int) -> Step:
        node = self.nodes[end]
        ways = [self.way(parting, one, node.line) for one in node.inputs]
        scopes = [step.scope for way in ways for step in way]
        common = _common([node.scope, *scopes])
        try:
            spec = _joined(node, ways, len(common), self.nodes[parting].shape)
        except ValidationError as error:
            raise Refusal(
                node.line, Message("{code}: {finding}", code=node.op, finding=first_finding(error))
            ) from error
        return Step(spec, common, node.line, node, self.nodes[parting].shape)


def _joined(node: Node, ways: list[list[Step]], depth: int, arrives: Shape | None) -> LayerSpec:
    """Return the block that stands for several ways and where they meet."""
    if node.op == "add" and len(ways) == 2 and (found := _residual(node, ways, depth, arrives)):
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
    if (
        node.op == "concat"
        and not split
        and len(ways) == 2
        and not ways[0]
        and ways[1]
        and not _one_call(ways[1], node, depth)
    ):
        return DenseBlock(layers=tuple(_grouped(ways[1], depth)))  # type: ignore[arg-type]
    branches = [_branch(_grouped(way, depth)) for way in ways]
    branches = [naming.without_name(one, f"branch{number}") for number, one in enumerate(branches, 1)]
    return Branches(branches=tuple(branches), join=node.op, split=split)  # type: ignore[arg-type]


def _one_call(way: list[Step], node: Node, depth: int) -> bool:
    """Return whether a way is one call in the very code that joins it: ``cat([x, self.body(x)])``.

    Where that code is itself a numbered layer of a Sequential, it is a layer of a dense block.
    """
    if len(node.scope) > 2 and node.scope[-2].container and re.fullmatch(r"layer\d+", node.scope[-1].name):
        return False
    inner = {step.scope[depth] if len(step.scope) > depth else None for step in way}
    return len(node.scope) == depth and len(inner) == 1 and None not in inner


def _grouped(steps: list[Step], depth: int) -> list[LayerSpec]:
    return naming.grouped([(step.spec, step.scope, step.arrives) for step in steps if step.spec is not None], depth)


def _branch(layers: list[LayerSpec]) -> Sequence:
    if len(layers) == 1 and isinstance(layers[0], Sequence):
        return layers[0]
    return Sequence(layers=tuple(layers))  # type: ignore[arg-type]


def _residual(node: Node, ways: list[list[Step]], depth: int, arrives: Shape | None) -> Residual | None:
    """Return the residual block that a sum of two ways is, if one of them is a shortcut."""
    for body, shortcut in (ways, ways[::-1]):
        kind = _shortcut(shortcut, depth)
        if not kind or any(step.spec is None for step in body):
            continue
        if not body and not (kind == "projection" and shortcut[0].scope[depth:][:1] and _is_named_so(shortcut, depth)):
            continue
        if (
            kind == "projection"
            and not _is_named_so(shortcut, depth)
            and all(_one_call(way, node, depth) for way in ways)
        ):
            continue
        block = Residual(layers=tuple(_grouped(body, depth)), shortcut=kind)  # type: ignore[arg-type]
        if kind != "projection" or arrives is None or node.shape is None:
            return block
        if block.shortcut_layers(arrives, node.shape) == tuple(step.spec for step in shortcut):
            return block
    return None


def _is_named_so(way: list[Step], depth: int) -> bool:
    """Return whether a way is one call of what its source calls a shortcut."""
    names = {step.scope[depth].name if len(step.scope) > depth else "" for step in way}
    return len(names) == 1 and _SHORTCUT.search(names.pop()) is not None


def _shortcut(way: list[Step], depth: int) -> str:
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


# ---------------------------------------------------------------------------------------------- the graph
def _with_own_code(nodes: list[Node]) -> list[Node]:
    """Return ``nodes`` of Keras source with the blocks in which something is joined as blocks with code of their own."""
    joining = {node.scope[-1].number for node in nodes if node.op in _JOINS and node.scope}
    return [
        replace(node, scope=tuple(replace(c, container=c.container and c.number not in joining) for c in node.scope))
        for node in nodes
    ]


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
    return _one_expression(kept)


def _one_expression(nodes: dict[int, Node]) -> dict[int, Node]:
    """Return sums and products of several in one line as one join each."""
    users: dict[int, int] = {}
    for node in nodes.values():
        for one in node.inputs:
            users[one] = users.get(one, 0) + 1
    for number, node in list(nodes.items()):
        if node.op in ("add", "multiply") and (first := nodes[node.inputs[0]]).op == node.op:
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
