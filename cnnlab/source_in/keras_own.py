"""What the lab's own Keras source is made of: small classes known by their whole text, and borders that a layer below takes in.

Keras writes some layers of the lab as two: zeros around the maps and then a convolution, minus infinity around them and
then a maximum. Here the two become one again, and just where they do the same; none of it is ever run.
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from cnnlab.architecture import LayerSpec, Shape, rare
from cnnlab.architecture.keras_classes import EXTRA_CLASSES
from cnnlab.architecture.layers import AvgPool2d, Conv2d, MaxPool2d
from cnnlab.errors import ShapeError
from cnnlab.i18n import Message
from cnnlab.source_in.arguments import bind, number, pair, signature, whole
from cnnlab.source_in.findings import Refusal
from cnnlab.source_in.naming import Scope
from cnnlab.source_in.torch_layers import default, spec
from cnnlab.source_in.values import Border, Class, Layer, Tensor, Value

if TYPE_CHECKING:
    from cnnlab.source_in.calls import Calls

Given = dict[str, Value]
_QUIET = frozenset({"name", "dtype", "trainable"})


def _text(node: ast.ClassDef) -> str:
    """Return a class as text, without what is said about it."""
    body = [one for one in node.body if not (isinstance(one, ast.Expr) and isinstance(one.value, ast.Constant))]
    return ast.unparse(ast.ClassDef(node.name, node.bases, node.keywords, body, [], **_PARAMETERS))


_PARAMETERS: dict[str, Any] = {"type_params": []} if "type_params" in ast.ClassDef._fields else {}
_TEXTS = {
    name: _text(node)
    for name, source in EXTRA_CLASSES.items()
    for node in ast.parse(source).body
    if isinstance(node, ast.ClassDef)
}


def is_own(cls: Class) -> bool:
    """Return whether a class is, word for word, one that the lab writes into Keras source."""
    return cls.name in _TEXTS and _text(cls.node) == _TEXTS[cls.name]


def make(machine: Calls, name: str, args: list[Value], kwargs: Given, node: ast.expr) -> Layer:
    """Return what one of the lab's own classes stands for."""
    text, plan = _OWN[name]
    given, line = bind(signature(text), args, kwargs, node, _QUIET), node.lineno
    made = plan(given, line)
    return Layer(name, line, made, name == "RBF", {**given, "name": kwargs.get("name")})


# ---------------------------------------------------------------------------------------------- one layer each
Plan = Callable[[Shape | None], list[LayerSpec]]


def _fixed(build: Callable[[Given, int], LayerSpec]) -> Callable[[Given, int], Plan]:
    def plan(given: Given, line: int) -> Plan:
        made = build(given, line)
        return lambda _shape: [made]

    return plan


def _select(given: Given, line: int) -> LayerSpec:
    channels = given["channels"]
    default(isinstance(channels, (tuple, list)), "channels", line)
    return spec("SelectChannels", line, channels=tuple(whole(one, "channels", line) for one in channels))


def _rbf(given: Given, line: int) -> LayerSpec:
    codes = given["codes"]
    digits = isinstance(codes, (tuple, list)) and tuple(codes) == rare.DIGITS
    default(codes is None or digits, "codes", line)
    units = whole(given["units"], "units", line)
    return spec("RBF", line, out_features=units, codes="digits" if digits else "random")


def _adaptive(given: Given, line: int) -> LayerSpec:
    return spec("AdaptiveAvgPool2d", line, output_size=whole(given["size"], "size", line))


def _response(given: Given, line: int) -> LayerSpec:
    fields = {name: number(given[name], name, line) for name in ("alpha", "beta", "k")}
    return spec("LocalResponseNorm", line, size=whole(given["size"], "size", line), **fields)


def _over_edge(given: Given, line: int) -> Plan:
    """Return a mean over windows that reach over the edge; how far they do has to be what torch's ``ceil_mode`` makes of it."""
    size, stride = whole(given["size"], "size", line), whole(given["stride"], "stride", line)
    over = pair(given["over"], "over", line)
    made = spec("AvgPool2d", line, kernel_size=size, stride=None if stride == size else stride, ceil_mode=True)

    def plan(shape: Shape | None) -> list[LayerSpec]:
        if shape is not None and _leaves(made, shape) != _sizes(shape, size, stride, over):
            raise _edge(line)
        return [made]

    return plan


def _nothing(given: Given, line: int) -> Plan:
    return lambda _shape: []


_OWN: dict[str, tuple[str, Callable[[Given, int], Plan]]] = {
    "SelectChannels": ("channels", _fixed(_select)),
    "RBF": ("units codes=None", _fixed(_rbf)),
    "AdaptiveAveragePooling": ("size", _fixed(_adaptive)),
    "LocalResponseNormalization": ("size alpha beta k", _fixed(_response)),
    "AveragePoolingOverEdge": ("size stride over", _over_edge),
    "PadBelowAll": ("padding", _nothing),
    "Chunk": ("start stop", _nothing),
    "PadShortcut": ("stride before after", _nothing),
}  # fmt: skip
"""By its name: a class's arguments, and what it makes of the shape that arrives."""


# ---------------------------------------------------------------------------------------------- what they make of a tensor
def through(layer: Layer, tensor: Tensor, line: int, scope: Scope) -> Tensor | None:
    """Return what leaves a layer that no spec of the lab stands for alone, or None where one does."""
    handler = _WAYS.get(layer.kind)
    return handler(layer, tensor, line, scope) if handler else None


def _zeros(layer: Layer, tensor: Tensor, line: int, scope: Scope) -> Tensor | None:
    """Return maps with a border of zeros that the layer below may take as its own padding: one number for all sides."""
    given = layer.settings.get("padding")
    sides = tuple(given) if isinstance(given, (tuple, list)) else (given, given)
    if len(set(sides)) != 1 or isinstance(sides[0], bool) or not isinstance(sides[0], int) or sides[0] < 1:
        return None
    return _bordered(tensor, Border(*sides * 2), line, scope)


def _below_all(layer: Layer, tensor: Tensor, line: int, scope: Scope) -> Tensor:
    rows, columns = pair_of_pairs(layer.settings["padding"], layer.line)
    return _bordered(tensor, Border(*rows, *columns, below=True), line, scope)


def pair_of_pairs(value: Value, line: int) -> tuple[tuple[int, int], tuple[int, int]]:
    """Return ``((top, bottom), (left, right))``."""
    default(isinstance(value, (tuple, list)) and len(value) == 2, "padding", line)
    top_bottom, left_right = (pair(sides, "padding", line) for sides in value)
    default(min(*top_bottom, *left_right) >= 0, "padding", line)
    return top_bottom, left_right


def _bordered(tensor: Tensor, border: Border, line: int, scope: Scope) -> Tensor:
    node = tensor.graph.settle(tensor, line, scope)
    real = tensor.graph.nodes[node].shape
    shape = None
    if real is not None:
        default(len(real) == 3, "padding of a vector", line)
        shape = (real[0], real[1] + border.top + border.bottom, real[2] + border.left + border.right)
    return Tensor(tensor.graph, node, shape, tensor.batch, border=border)


def _part(layer: Layer, tensor: Tensor, line: int, scope: Scope) -> Tensor:
    """Return one of several equal shares of the channels."""
    start, stop = (whole(layer.settings[name], name, layer.line) for name in ("start", "stop"))
    if tensor.shape is None:
        return tensor
    channels, size = tensor.shape[0], stop - start
    if not 0 <= start < stop <= channels or start % size or channels % size:
        raise Refusal(
            line, Message("channels are split into equal shares only: {code}", code=f"Chunk({start}, {stop})")
        )
    if size == channels:
        return tensor
    share = (size, *tensor.shape[1:])
    return tensor.graph.add("part", (tensor,), share, line, scope, detail=(start // size, channels // size))


def _shortcut(layer: Layer, tensor: Tensor, line: int, scope: Scope) -> Tensor:
    """Return every ``stride``-th pixel, with channels of zeros before and after."""
    stride, before, after = (whole(layer.settings[name], name, layer.line) for name in ("stride", "before", "after"))
    default(stride > 0 <= min(before, after), "stride, before or after", layer.line)
    if tensor.shape is None:
        return tensor
    default(len(tensor.shape) == 3, "a shortcut of a vector", line)
    channels, height, width = tensor.shape
    if stride > 1:
        leaves = (channels, (height - 1) // stride + 1, (width - 1) // stride + 1)
        tensor = tensor.graph.add("every", (tensor,), leaves, line, scope, detail=(stride,))
        height, width = leaves[1:]
    if before or after:
        leaves = (channels + before + after, height, width)
        tensor = tensor.graph.add("channels", (tensor,), leaves, line, scope, detail=(before, after))
    return tensor


def _maximum(layer: Layer, tensor: Tensor, line: int, scope: Scope) -> Tensor | None:
    """Return the maximum over maps with minus infinity around them; or a dilated convolution that keeps some of its pixels."""
    if tensor.border is not None and tensor.border.below:
        return _padded_maximum(layer, tensor, tensor.border, line, scope)
    return _stride_of_dilated(layer, tensor)


def _padded_maximum(layer: Layer, tensor: Tensor, edge: Border, line: int, scope: Scope) -> Tensor:
    real = tensor.graph.nodes[tensor.node].shape
    plain = layer.plan(tensor.shape)[0]
    over = (edge.bottom - edge.top, edge.right - edge.left)
    if not isinstance(plain, MaxPool2d) or plain.padding or plain.ceil_mode or edge.top != edge.left or min(over) < 0:
        raise _edge(line)
    fields = {"kernel_size": plain.kernel_size, "stride": plain.stride, "padding": edge.top, "ceil_mode": any(over)}
    made = spec("MaxPool2d", layer.line, **fields)
    if real is not None and tensor.shape is not None and _leaves(made, real) != _leaves(plain, tensor.shape):
        raise _edge(line)
    return tensor.graph.spec(made, replace_border(tensor, real), line, scope, layer)


def _stride_of_dilated(layer: Layer, tensor: Tensor) -> Tensor | None:
    """Keras has no convolution with a stride and a dilation: the stride stands below it, as a maximum over one pixel."""
    node = tensor.graph.nodes[tensor.node]
    pool, conv = layer.plan(tensor.shape), node.spec
    if tensor.border or layer.settings.get("name") or tensor.shape != node.shape or not isinstance(conv, Conv2d):
        return None
    (only,) = pool if len(pool) == 1 else (None,)
    if (
        not isinstance(only, MaxPool2d)
        or only.kernel_size != 1
        or only.padding
        or conv.stride > 1
        or conv.dilation == 1
    ):
        return None
    if any(tensor.node in one.inputs for one in tensor.graph.nodes):
        return None
    stride = only.window()[1]
    leaves = only.output_shape(node.shape) if node.shape is not None else None
    tensor.graph.nodes[tensor.node] = replace(node, spec=conv.model_copy(update={"stride": stride}), shape=leaves)
    return Tensor(tensor.graph, tensor.node, leaves, tensor.batch)


def _window(layer: Layer, tensor: Tensor, line: int, scope: Scope) -> Tensor | None:
    """Let a convolution or a mean take the zeros around its maps as its own padding, where that is the same."""
    edge, real = tensor.border, tensor.graph.nodes[tensor.node].shape
    if edge is None or edge.below or len({edge.top, edge.bottom, edge.left, edge.right}) > 1:
        return None
    if str(layer.settings.get("padding", "valid")).lower() != "valid":
        return None
    if layer.kind == "AveragePoolingOverEdge":
        return _padded_over_edge(layer, tensor, edge.top, line, scope)
    first = layer.plan(tensor.shape)[0]
    if isinstance(first, AvgPool2d) and 2 * edge.top > first.kernel_size:  # torch has no such padding
        return None
    if not isinstance(first, (Conv2d, AvgPool2d)) or first.padding:
        return None
    return tensor.graph.layer(layer, replace_border(tensor, real), line, scope, padding=edge.top)


def _padded_over_edge(layer: Layer, tensor: Tensor, padding: int, line: int, scope: Scope) -> Tensor | None:
    given, real = layer.settings, tensor.graph.nodes[tensor.node].shape
    size, stride, over = given["size"], given["stride"], pair(given["over"], "over", layer.line)
    if real is None or tensor.shape is None or 2 * padding > size:
        return None
    made = spec("AvgPool2d", layer.line, kernel_size=size, stride=None if stride == size else stride, padding=padding, ceil_mode=True)  # fmt: skip
    if _leaves(made, real) != _sizes(tensor.shape, size, stride, over):
        return None
    return tensor.graph.spec(made, replace_border(tensor, real), line, scope, layer)


def replace_border(tensor: Tensor, real: Shape | None) -> Tensor:
    """Return the maps without the border that is looked at around them."""
    return Tensor(tensor.graph, tensor.node, real, tensor.batch)


def _leaves(window: LayerSpec, shape: Shape) -> Shape | None:
    """Return the shape that leaves, or None where the window does not fit."""
    try:
        return window.output_shape(shape)
    except ShapeError:
        return None


def _sizes(shape: Shape, size: int, stride: int, over: tuple[int, int]) -> Shape:
    """Return the shape that leaves windows which reach ``over`` the edge, below and to the right."""
    return shape[0], *((length + more - size) // stride + 1 for length, more in zip(shape[1:], over))


def _edge(line: int) -> Refusal:
    return Refusal(line, Message("this pooling reaches over the edge in a way that no pooling of the lab does"))


_WAYS: dict[str, Callable[[Layer, Tensor, int, Scope], Tensor | None]] = {
    "ZeroPadding2D": _zeros, "PadBelowAll": _below_all, "Chunk": _part, "PadShortcut": _shortcut,
    "MaxPooling2D": _maximum, "Conv2D": _window, "DepthwiseConv2D": _window, "SeparableConv2D": _window,
    "AveragePooling2D": _window, "AveragePoolingOverEdge": _window,
}  # fmt: skip
