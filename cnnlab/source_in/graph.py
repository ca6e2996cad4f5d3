"""What a forward pass does, as a graph: one node for each layer and each place where tensors meet or part."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import prod

from pydantic import ValidationError

from cnnlab.architecture import LayerSpec, Shape
from cnnlab.errors import ShapeError
from cnnlab.i18n import Message
from cnnlab.source_in.findings import Finding, Refusal
from cnnlab.source_in.naming import Scope
from cnnlab.source_in.values import BATCH, Border, Layer, Tensor
from cnnlab.validation import first_finding

MAX_GRAPH = 3_000


@dataclass(frozen=True)
class Node:
    """One step of the forward pass.

    Attributes:
        op: ``input``, ``layer``, ``add``, ``concat``, ``multiply``, ``part`` (of a split), ``every`` (n-th pixel),
            ``channels`` (zeros as more channels), ``unflatten``.
        inputs: the nodes it takes.
        shape: what leaves, for one example; None below a layer that does not fit.
        spec: the layer.
        detail: part and parts of a split; stride; channels before and after; groups.
    """

    op: str
    inputs: tuple[int, ...]
    shape: Shape | None
    line: int
    scope: Scope = ()
    spec: LayerSpec | None = None
    detail: tuple[int, ...] = ()


@dataclass
class Graph:
    """The nodes in the order of the forward pass, and what was found on the way.

    Attributes:
        misfits: ``(arrives, expected)`` of each size that does not fit, in order.
        narrow: whether some window did not fit into its input.
        last: whether Keras' shape of the input was read with the channels last.
    """

    nodes: list[Node]
    keras: bool = False
    problems: list[Finding] = field(default_factory=list)
    notes: dict[int, Finding] = field(default_factory=dict)
    taken: dict[Layer, int] = field(default_factory=dict)
    misfits: list[tuple[int, int]] = field(default_factory=list)
    narrow: bool = False
    broken: bool = False
    flat: dict[int, int] = field(default_factory=dict)
    edged: dict[tuple[int, Border], int] = field(default_factory=dict)
    last: bool = False

    @classmethod
    def start(cls, shape: tuple[int, ...], line: int = 1, keras: bool = False) -> Graph:
        """Return a graph with its input alone."""
        return cls([Node("input", (), shape, line)], keras)

    def input(self, batch: int | None = None) -> Tensor:
        """Return the input as a tensor."""
        return Tensor(self, 0, self.nodes[0].shape, BATCH if batch is None else batch)

    def add(self, op: str, tensors: tuple[Tensor, ...], shape: Shape | None, line: int, scope: Scope,
            spec: LayerSpec | None = None, detail: tuple[int, ...] = ()) -> Tensor:  # fmt: skip
        """Append a node that takes ``tensors`` and return its output."""
        if len(self.nodes) >= MAX_GRAPH:
            raise Refusal(
                line, Message("this network has more than {limit} steps; so many are not read", limit=MAX_GRAPH)
            )
        inputs = tuple(self.settle(tensor, line, scope) for tensor in tensors)
        self.nodes.append(Node(op, inputs, shape, line, scope, spec, detail))
        return Tensor(self, len(self.nodes) - 1, shape, tensors[0].batch)

    def settle(self, tensor: Tensor, line: int, scope: Scope) -> int:
        """Return the node that has the shape in which ``tensor`` is looked at; a flattening is put in where it needs one."""
        real = self.nodes[tensor.node].shape
        if tensor.turned:
            raise Refusal(line, Message("axes are exchanged only before Flatten: {code}", code="Permute((3, 1, 2))"))
        if tensor.graph is not self:
            raise Refusal(line, Message("this takes a tensor that does not come from the network's input"))
        if tensor.border is not None:
            return self._edged(tensor, tensor.border, line, scope)
        if tensor.shape == real or real is None or tensor.shape is None:
            return tensor.node
        if len(tensor.shape) == 1 and tensor.shape[0] == prod(real):
            if tensor.node not in self.flat:
                from cnnlab.architecture.layers import Flatten

                self.nodes.append(Node("layer", (tensor.node,), tensor.shape, line, scope, Flatten()))
                self.flat[tensor.node] = len(self.nodes) - 1
            return self.flat[tensor.node]
        if len(real) == 1 and tensor.shape == (real[0], 1, 1):
            self.nodes.append(Node("unflatten", (tensor.node,), tensor.shape, line, scope))
            return len(self.nodes) - 1
        raise Refusal(line, Message("a tensor of {real} is looked at as {view}; only flattening is known here",
                                    real=sizes(real), view=sizes(tensor.shape)))  # fmt: skip

    def _edged(self, tensor: Tensor, edge: Border, line: int, scope: Scope) -> int:
        """Return the node that has maps with their border of zeros."""
        from cnnlab.architecture.layers import ZeroPad2d

        if edge.below:
            text = Message("minus infinity around the maps is read only before {code}", code="MaxPooling2D")
            raise Refusal(line, text)
        place = (tensor.node, edge)
        if place not in self.edged:
            made = ZeroPad2d(left=edge.left, right=edge.right, top=edge.top, bottom=edge.bottom)
            self.nodes.append(Node("layer", (tensor.node,), tensor.shape, line, scope, made))
            self.edged[place] = len(self.nodes) - 1
        return self.edged[place]

    def spread(self, tensor: Tensor, line: int, scope: Scope) -> Tensor:
        """Return the tensor with its border as a layer of its own."""
        node = self.settle(tensor, line, scope)
        return Tensor(self, node, self.nodes[node].shape, tensor.batch)

    def layer(self, layer: Layer, tensor: Tensor, line: int, scope: Scope, padding: int = 0) -> Tensor:
        """Let a tensor through a layer of the source; ``padding`` is what its first window takes in besides its own.

        Raises:
            Refusal: the layer learns and was already used, or cannot be said in the lab's layers.
        """
        if layer.weights and layer in self.taken:
            raise Refusal(
                line,
                Message(
                    "{name} is used here and in line {first} with the same weights; a tree of layers has weights of its own "
                    "for each: make two layers",
                    name=layer.label or layer.kind,
                    first=self.taken[layer],
                ),
            )
        self.taken[layer] = line
        node = self.settle(tensor, line, scope)
        tensor = Tensor(self, node, self.nodes[node].shape, tensor.batch)
        self._check_size(layer, tensor.shape)
        try:
            specs = layer.plan(tensor.shape)
        except ValidationError as error:
            raise Refusal(
                layer.line, Message("{code}: {finding}", code=layer.kind, finding=first_finding(error))
            ) from error
        if padding:
            specs = [specs[0].model_copy(update={"padding": padding}), *specs[1:]]
        for spec in specs:
            tensor = self.spec(spec, tensor, line, scope, layer)
        return tensor

    def spec(self, spec: LayerSpec, tensor: Tensor, line: int, scope: Scope, layer: Layer | None = None) -> Tensor:
        """Let a tensor through one layer of the lab; what does not fit becomes a problem at the line where it is made."""
        node = self.settle(tensor, line, scope)
        arrives = self.nodes[node].shape
        tensor = Tensor(self, node, arrives, tensor.batch)
        leaves: Shape | None = None
        if arrives is not None:
            try:
                leaves = spec.output_shape(arrives)
                spec = without_expectations(spec)
            except ShapeError as error:
                leaves = self._misfit(spec, arrives, error, layer.line if layer else line, layer)
        elif hasattr(spec, "out_features"):
            leaves = (spec.out_features,)
        return self.add("layer", (tensor,), leaves, line, scope, spec)

    def _misfit(
        self, spec: LayerSpec, arrives: Shape, error: ShapeError, line: int, layer: Layer | None
    ) -> Shape | None:
        name = layer.label if layer else ""
        where = f"{name} ({spec.kind})" if name else spec.kind
        text = type(error)(error.message, **{**error.values, "where": where})
        self.problems.append(Finding(line, text))
        expected = getattr(spec, "in_features", None) or getattr(spec, "in_channels", None)
        relaxed = without_expectations(spec)
        if expected and relaxed != spec and len(arrives) in (1, 3):
            self.misfits.append((arrives[0], expected))
            try:
                return relaxed.output_shape(arrives)
            except ShapeError:
                return None
        self.narrow = True
        return (spec.out_features,) if hasattr(spec, "out_features") else None

    def _check_size(self, layer: Layer, shape: Shape | None) -> None:
        if layer.size is None or shape is None:
            return
        field_name, expected = layer.size
        given = shape if isinstance(expected, tuple) else shape[0]
        if given != expected:
            self.broken = True
            self.problems.append(
                Finding(
                    layer.line,
                    Message(
                        "{where}: {given} channels arrive where {field}={expected} are expected; use {field}={given}",
                        where=f"{layer.label} ({layer.kind})" if layer.label else layer.kind,
                        given=given,
                        expected=expected,
                        field=field_name,
                    ),
                )
            )

    def note(self, line: int, text: Message) -> None:
        """Keep what means something slightly different here, once for each line."""
        self.notes.setdefault(line, Finding(line, text))


def without_expectations(spec: LayerSpec) -> LayerSpec:
    """Return the layer as one that takes whatever arrives."""
    names = [name for name in ("in_features", "in_channels") if getattr(spec, name, None) is not None]
    return spec.model_copy(update=dict.fromkeys(names)) if names else spec


def sizes(shape: tuple[object, ...]) -> str:
    """Return a shape as people write it: ``16x5x5``."""
    return "x".join(map(str, shape))
