"""What ``forward`` does to tensors: layers as functions, sums, products, concatenations, shares of channels."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Any

from cnnlab.i18n import Message
from cnnlab.source_in import torch_layers
from cnnlab.source_in.arguments import bind, number, signature
from cnnlab.source_in.findings import Refusal
from cnnlab.source_in.graph import sizes
from cnnlab.source_in.keras_models import MERGES
from cnnlab.source_in.ops import OPS, Handler, op, tensor_of
from cnnlab.source_in.text import short
from cnnlab.source_in.values import TRAINING, Layer, Tensor, Value

if TYPE_CHECKING:
    from cnnlab.source_in.calls import Calls

_QUIET = frozenset({"inplace", "training", "dtype", "_stacklevel", "out"})


# ---------------------------------------------------------------------------------------------- layers as functions
def _as_layer(kind: str, text: str, quiet: frozenset[str] = _QUIET) -> Handler:
    names = signature(text)

    def handler(machine: Calls, args: list[Value], kwargs: dict[str, Value], node: Any) -> Value:
        tensor = tensor_of(args[0], node)
        given = bind(names, args[1:], kwargs, node, quiet)
        if kind == "LogSoftmax":
            machine.note(node.lineno, torch_layers.LOG_SOFTMAX)
        layer = Layer(kind, node.lineno, lambda shape: _specs(kind, given, node.lineno, shape))
        left = tensor.graph.layer(layer, tensor, node.lineno, machine.scope)
        in_place = given.get("inplace") is True or ast.unparse(node.func).endswith("_")
        return tensor.become(left) if in_place else left

    return handler


def _specs(kind: str, given: dict[str, Value], line: int, shape: Any) -> list[Any]:
    if kind == "AdaptiveMaxPool2d":
        return torch_layers.adaptive_max(given, line, shape)
    return torch_layers.specs_of(kind, given, line)


for _names, _kind, _text in (
    ("relu relu_", "ReLU", "inplace=False"), ("relu6", "ReLU6", "inplace=False"), ("sigmoid sigmoid_", "Sigmoid", ""),
    ("tanh tanh_", "Tanh", ""), ("silu swish", "SiLU", "inplace=False"), ("hardswish", "Hardswish", "inplace=False"),
    ("leaky_relu leaky_relu_", "LeakyReLU", "negative_slope=0.01 inplace=False"), ("gelu", "GELU", "approximate='none'"),
    ("softmax", "Softmax", "dim=None"), ("log_softmax", "LogSoftmax", "dim=None"),
    ("max_pool2d", "MaxPool2d", "kernel_size stride=None padding=0 dilation=1 ceil_mode=False return_indices=False"),
    ("avg_pool2d", "AvgPool2d", "kernel_size stride=None padding=0 ceil_mode=False count_include_pad=True divisor_override=None"),
    ("adaptive_avg_pool2d", "AdaptiveAvgPool2d", "output_size"),
    ("adaptive_max_pool2d", "AdaptiveMaxPool2d", "output_size return_indices=False"),
    ("local_response_norm", "LocalResponseNorm", "size alpha=1e-4 beta=0.75 k=1.0"),
    ("channel_shuffle", "ChannelShuffle", "groups"),
):  # fmt: skip
    op(*_names.split())(_as_layer(_kind, _text))


@op("clamp", "clamp_", "clip", "clip_", "clamp_min", "clamp_min_")
def _clamp(machine: Calls, args: list[Value], kwargs: dict[str, Value], node: Any) -> Value:
    """Read ``clamp(min=0)`` as ReLU and ``clamp(0, 6)`` as ReLU6, which they are."""
    tensor = tensor_of(args[0], node)
    given = bind(signature("min=None max=None"), args[1:], kwargs, node, _QUIET)
    kind = {(0, None): "ReLU", (0, 6): "ReLU6"}.get((given["min"], given["max"]))
    if kind is None:
        raise Refusal(node.lineno, Message("numbers are cut off only at 0 (ReLU), or at 0 and 6 (ReLU6): {code}", code=short(ast.unparse(node))))  # fmt: skip
    left = tensor.graph.spec(torch_layers.spec(kind, node.lineno), tensor, node.lineno, machine.scope)
    return tensor.become(left) if ast.unparse(node.func).endswith("_") else left


@op("dropout", "dropout2d", "feature_dropout")
def _dropout(machine: Calls, args: list[Value], kwargs: dict[str, Value], node: Any) -> Value:
    tensor = tensor_of(args[0], node)
    given = bind(signature("p=0.5 training=True inplace=False"), args[1:], kwargs, node)
    if given["training"] is False:
        return tensor
    if given["training"] is True:
        machine.note(
            node.lineno,
            Message("without training=self.training this drops numbers even when it answers; read as Dropout"),
        )
    elif given["training"] is not TRAINING:
        raise Refusal(node.lineno, Message("not understood: {code}", code=short(ast.unparse(node))))
    kind = "Dropout" if "dropout2d" not in ast.unparse(node.func) else "Dropout2d"
    made = torch_layers.spec(kind, node.lineno, p=number(given["p"], "p", node.lineno))
    return tensor.graph.spec(made, tensor, node.lineno, machine.scope)


# ---------------------------------------------------------------------------------------------- joins and shares
def join(name: str, tensors: list[Value], node: Any, machine: Calls) -> Tensor:
    """Return the sum, product or concatenation of tensors; what does not fit is refused with the shapes."""
    if any(not isinstance(machine.known(one, node.lineno), Tensor) for one in tensors):
        raise Refusal(node.lineno, Message("only tensors of the network are added, multiplied or put together: {code}", code=short(ast.unparse(node))))  # fmt: skip
    parts = [tensor_of(one, node) for one in tensors]
    if len(parts) == 1:
        return parts[0]
    shapes = [part.shape for part in parts]
    if None in shapes:
        return parts[0].graph.add(name, tuple(parts), None, node.lineno, machine.scope)
    known = [shape for shape in shapes if shape is not None]
    if name == "concat":
        fits = len({shape[1:] for shape in known}) == 1
        leaves = (sum(shape[0] for shape in known), *known[0][1:])
    else:
        fits = len({len(shape) for shape in known}) == 1
        leaves = tuple(max(lengths) for lengths in zip(*known))
        single = set(known) == {leaves}
        fits = fits and (
            single or name == "multiply" and all(len({n for n in column if n != 1}) <= 1 for column in zip(*known))
        )
    if not fits:
        raise Refusal(node.lineno, Message("{code}: {shapes} do not fit each other", code=short(ast.unparse(node)), shapes=", ".join(map(sizes, known))))  # fmt: skip
    return parts[0].graph.add(name, tuple(parts), leaves, node.lineno, machine.scope)


@op("add", "add_")
def _add(machine: Calls, args: list[Value], kwargs: dict[str, Value], node: Any) -> Value:
    if kwargs:
        raise Refusal(node.lineno, Message("not understood: {code}", code=short(ast.unparse(node))))
    total = join("add", args, node, machine)
    in_place = isinstance(node, ast.AugAssign) or ast.unparse(getattr(node, "func", node)).endswith("add_")
    return args[0].become(total) if in_place else total


@op("mul", "multiply", "mul_")
def _multiply(machine: Calls, args: list[Value], kwargs: dict[str, Value], node: Any) -> Value:
    first, second = args[:2]
    if (
        isinstance(first, Tensor)
        and isinstance(second, Tensor)
        and second.shape
        and first.shape
        and len(first.shape) < len(second.shape)
    ):
        first, second = second, first
    return join("multiply", [first, second], node, machine)


@op("cat", "concat", "concatenate")
def _cat(machine: Calls, args: list[Value], kwargs: dict[str, Value], node: Any) -> Value:
    names = {
        ("dim" if key == "axis" else "tensors" if key in ("values", "inputs") else key): value
        for key, value in kwargs.items()
    }
    parts = args[0] if args else names.get("tensors")
    dim = args[1] if len(args) > 1 else names.get("dim", 0)
    tensors = machine.iterate(parts, node)
    shape = tensors[0].shape if tensors and isinstance(tensors[0], Tensor) else None
    last = tensors and isinstance(tensors[0], Tensor) and tensors[0].graph.keras
    allowed = {-1, len(shape or (0, 0, 0))} if last else {1, -len(shape or (0, 0, 0))}
    if dim not in allowed:
        raise Refusal(
            node.lineno, Message("only channels are put together (dim=1): {code}", code=short(ast.unparse(node)))
        )
    return join("concat", tensors, node, machine)


@op("chunk", "split")
def _chunk(machine: Calls, args: list[Value], kwargs: dict[str, Value], node: Any) -> Value:
    tensor = tensor_of(args[0], node)
    whole_name = "split" if ast.unparse(node.func).endswith("split") else "chunk"
    given = bind(signature("parts dim=0"), args[1:], {("parts" if key in ("chunks", "split_size_or_sections", "split_size") else key): value
                                                      for key, value in kwargs.items()}, node)  # fmt: skip
    if tensor.shape is None or given["dim"] not in (1, -len(tensor.shape)):
        raise Refusal(node.lineno, Message("only channels are split (dim=1): {code}", code=short(ast.unparse(node))))
    channels, parts = tensor.shape[0], given["parts"]
    if whole_name == "split":
        shares = [parts] * (channels // parts) if isinstance(parts, int) and parts > 0 else list(parts)
        parts = len(shares) if len(set(shares)) == 1 and sum(shares) == channels else 0
    if not isinstance(parts, int) or parts < 1 or channels % parts:
        raise Refusal(
            node.lineno, Message("channels are split into equal shares only: {code}", code=short(ast.unparse(node)))
        )
    if parts == 1:
        return (tensor,)
    share = (channels // parts, *tensor.shape[1:])
    return tuple(
        tensor.graph.add("part", (tensor,), share, node.lineno, machine.scope, detail=(part, parts))
        for part in range(parts)
    )


OPS.update(MERGES)
