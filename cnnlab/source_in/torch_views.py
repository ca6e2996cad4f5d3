"""How tensors are looked at: flattened, reshaped, padded, cut; and what they say of their own size."""

from __future__ import annotations

import ast
from math import prod
from typing import TYPE_CHECKING, Any

from cnnlab.i18n import Message
from cnnlab.source_in import torch_layers
from cnnlab.source_in.arguments import bind, signature, whole
from cnnlab.source_in.findings import Finding, Refusal
from cnnlab.source_in.graph import Graph, sizes
from cnnlab.source_in.ops import FUNCTIONS, OPS, function_of, op, tensor_of
from cnnlab.source_in.text import short
from cnnlab.source_in.values import BATCH, Bound, Tensor, Value

if TYPE_CHECKING:
    from cnnlab.source_in.calls import Calls

_SAME = """contiguous clone detach to cuda cpu float double half type requires_grad_ data identity requires_grad
    squeeze_ expand_as""".split()


@op("flatten")
def _flatten(machine: Calls, args: list[Value], kwargs: dict[str, Value], node: Any) -> Value:
    tensor = tensor_of(args[0], node)
    given = bind(signature("start_dim=0 end_dim=-1"), args[1:], kwargs, node)
    dims = len(tensor.shape or (0, 0, 0))
    if given["start_dim"] not in (1, -dims) or given["end_dim"] not in (-1, dims):
        if given["start_dim"] in (2, -2) and tensor.shape and len(tensor.shape) == 3 and prod(tensor.shape[1:]) == 1:
            return _seen(tensor, (tensor.shape[0],), node)
        raise Refusal(node.lineno, Message("flatten from dimension 1 on keeps one row for each picture: {code}", code=short(ast.unparse(node))))  # fmt: skip
    return _flat(tensor, node)


@op("view", "reshape")
def _view(machine: Calls, args: list[Value], kwargs: dict[str, Value], node: Any) -> Value:
    tensor, dims = tensor_of(args[0], node), list(args[1:])
    if len(dims) == 1 and isinstance(dims[0], (tuple, list)):
        dims = list(dims[0])
    if any(not isinstance(size, int) and size is not BATCH for size in dims) or not dims:
        raise Refusal(node.lineno, Message("not understood: {code}", code=short(ast.unparse(node))))
    first, rest = dims[0], dims[1:]
    if first is not BATCH and first not in (-1, tensor.batch) or any(size is BATCH for size in rest):
        raise Refusal(node.lineno, Message("the first dimension has to stay the pictures of the batch: {code}", code=short(ast.unparse(node))))  # fmt: skip
    if tensor.shape is None:
        return _flat(tensor, node) if len(rest) == 1 else Tensor(tensor.graph, tensor.node, None, tensor.batch)
    total = prod(tensor.shape)
    if -1 in rest:
        known = prod(size for size in rest if size != -1)
        if known <= 0 or total % known:
            raise _cut(tensor, node)
        rest = [total // known if size == -1 else size for size in rest]
    if prod(rest) != total:
        if tensor.node == 0 and len(rest) == 3:
            refusal = _cut(tensor, node)
            refusal.wants = (rest[0], rest[1], rest[2])
            raise refusal
        return _wrong_view(tensor, tuple(rest), node)
    return _seen(tensor, tuple(rest), node)


def _wrong_view(tensor: Tensor, shape: tuple[int, ...], node: Any) -> Tensor:
    """Report ``view(-1, n)`` with an n that does not fit, and go on as Flatten: the dense layer below says what would fit."""
    if len(shape) != 1:
        raise _cut(tensor, node)
    text = Message("{code}: {given} numbers arrive for each picture, not {expected}; so it cuts pictures to pieces. Read as Flatten",
                   code=short(ast.unparse(node)), given=prod(tensor.shape or ()), expected=shape[0])  # fmt: skip
    tensor.graph.problems.append(Finding(node.lineno, text))
    tensor.graph.misfits.append((prod(tensor.shape or ()), shape[0]))
    return _flat(tensor, node)


def _cut(tensor: Tensor, node: Any) -> Refusal:
    return Refusal(
        node.lineno,
        Message(
            "{code} does not fit the {shape} that arrives",
            code=short(ast.unparse(node)),
            shape=sizes(tensor.shape or ()),
        ),
    )


def _seen(tensor: Tensor, shape: tuple[int, ...], node: Any) -> Tensor:
    return Tensor(tensor.graph, tensor.node, shape, tensor.batch)


def _flat(tensor: Tensor, node: Any) -> Tensor:
    if tensor.shape is None:
        made = torch_layers.spec("Flatten", node.lineno)
        return tensor.graph.add("layer", (tensor,), None, node.lineno, (), made)
    return _seen(tensor, (prod(tensor.shape),), node)


@op("squeeze", "unsqueeze")
def _squeeze(machine: Calls, args: list[Value], kwargs: dict[str, Value], node: Any) -> Value:
    tensor = tensor_of(args[0], node)
    if tensor.shape is None:
        return tensor
    dims = [*args[1:], *kwargs.values()]
    dims = list(dims[0]) if dims and isinstance(dims[0], (tuple, list)) else dims
    full = [0, *tensor.shape]
    if ast.unparse(node.func).endswith("unsqueeze"):
        place = whole(dims[0], "dim", node.lineno)
        full.insert(place if place >= 0 else len(full) + 1 + place, 1)
    elif dims:
        places = {place % len(full) for place in dims}
        full = [size for place, size in enumerate(full) if place not in places or size != 1]
    else:
        full = [size for place, size in enumerate(full) if place == 0 or size != 1]
    if not full or full[0] != 0:
        raise Refusal(node.lineno, Message("the first dimension has to stay the pictures of the batch: {code}", code=short(ast.unparse(node))))  # fmt: skip
    return _seen(tensor, tuple(full[1:]), node)


@op("mean", "reduce_mean")
def _mean(machine: Calls, args: list[Value], kwargs: dict[str, Value], node: Any) -> Value:
    tensor = tensor_of(args[0], node)
    given = bind(
        signature("dim=None keepdim=False"),
        args[1:],
        {("dim" if k == "axis" else k): v for k, v in kwargs.items()},
        node,
    )
    dims = given["dim"] if isinstance(given["dim"], (tuple, list)) else (given["dim"],)
    if {place % 4 for place in dims if isinstance(place, int)} != {2, 3} or (tensor.shape and len(tensor.shape) != 3):
        raise Refusal(
            node.lineno, Message("a mean is read only over height and width: {code}", code=short(ast.unparse(node)))
        )
    mean = tensor.graph.spec(torch_layers.spec("AdaptiveAvgPool2d", node.lineno), tensor, node.lineno, machine.scope)
    return mean if given["keepdim"] else _flat(mean, node)


@op("transpose", "permute", "swapaxes")
def _transpose(machine: Calls, args: list[Value], kwargs: dict[str, Value], node: Any) -> Value:
    """Read ``view(b, g, c/g, h, w).transpose(1, 2)`` as the first half of a channel shuffle."""
    tensor, order = tensor_of(args[0], node), [*args[1:], *kwargs.values()]
    order = list(order[0]) if order and isinstance(order[0], (tuple, list)) else order
    shape = tensor.shape
    if shape is not None and len(shape) == 4 and (sorted(order) == [1, 2] or order == [0, 2, 1, 3, 4]):
        real = tensor.graph.nodes[tensor.node].shape
        if real is not None and len(real) == 3 and shape[2:] == real[1:]:
            made = torch_layers.spec("ChannelShuffle", node.lineno, groups=shape[0])
            base = Tensor(tensor.graph, tensor.node, real, tensor.batch)
            mixed = tensor.graph.spec(made, base, node.lineno, machine.scope)
            return _seen(mixed, (shape[1], shape[0], *shape[2:]), node)
    raise Refusal(
        node.lineno, Message("axes are exchanged only to shuffle channels: {code}", code=short(ast.unparse(node)))
    )


@op("pad")
def _pad(machine: Calls, args: list[Value], kwargs: dict[str, Value], node: Any) -> Value:
    tensor = tensor_of(args[0], node)
    names = {"pad_width": "pad", "constant_values": "value"}
    given = bind(
        signature("pad mode='constant' value=0"), args[1:], {names.get(k, k): v for k, v in kwargs.items()}, node
    )
    sides = _as_torch_pads(given["pad"], machine.channels_first) if tensor.graph.keras else given["pad"]
    plain = given["mode"] == "constant" and given["value"] in (0, None) and isinstance(sides, (tuple, list))
    if not plain or any(not isinstance(side, int) or side < 0 for side in sides):
        raise Refusal(node.lineno, Message("not understood: {code}", code=short(ast.unparse(node))))
    if len(sides) == 6 and not any(sides[:4]) and tensor.shape and len(tensor.shape) == 3:
        leaves = (tensor.shape[0] + sides[4] + sides[5], *tensor.shape[1:])
        return tensor.graph.add("channels", (tensor,), leaves, node.lineno, machine.scope, detail=tuple(sides[4:]))
    left, right, top, bottom = (*sides, 0, 0)[:4]
    border = torch_layers.spec("ZeroPad2d", node.lineno, left=left, right=right, top=top, bottom=bottom)
    return tensor.graph.spec(border, tensor, node.lineno, machine.scope)


def _as_torch_pads(pairs: Value, first: bool) -> Value:
    """Return Keras' ``((0, 0), (top, bottom), (left, right), (0, 0))`` in torch's order, from the last axis to the channels."""
    if not isinstance(pairs, (tuple, list)) or len(pairs) != 4:
        return None
    batch, *axes = [tuple(pair) if isinstance(pair, (tuple, list)) else (pair, pair) for pair in pairs]
    channels, height, width = axes if first else (axes[2], axes[0], axes[1])
    sides = (*width, *height, *channels)
    return None if batch != (0, 0) else sides if any(channels) else sides[:4]


@op("getitem")
def _item(machine: Calls, args: list[Value], kwargs: dict[str, Value], node: Any) -> Value:
    """Read ``x[:, :, ::2, ::2]`` and ``x[:, [0, 2]]``; other parts of a tensor are not said in layers."""
    tensor, index = tensor_of(args[0], node), args[1]
    if tensor.graph.keras and not machine.channels_first and isinstance(index, tuple) and len(index) == 4:
        index = (index[0], index[3], index[1], index[2])  # as torch orders its axes
    if isinstance(index, tuple) and len(index) == 2 and index[0] == slice(None) and isinstance(index[1], list):
        picked = torch_layers.spec("SelectChannels", node.lineno, channels=tuple(index[1]))
        return tensor.graph.spec(picked, tensor, node.lineno, machine.scope)
    steps = [part.step or 1 for part in index if isinstance(part, slice) and part.start in (None, 0) and part.stop is None] \
        if isinstance(index, tuple) else []  # fmt: skip
    if len(steps) == 4 and steps[:2] == [1, 1] and steps[2] == steps[3] and tensor.shape and len(tensor.shape) == 3:
        channels, height, width = tensor.shape
        step = whole(steps[2], "step", node.lineno)
        if step > 0:
            leaves = (channels, (height - 1) // step + 1, (width - 1) // step + 1)
            return tensor.graph.add("every", (tensor,), leaves, node.lineno, machine.scope, detail=(step,))
    raise Refusal(node.lineno, Message("a part of a tensor is not read: {code}", code=short(ast.unparse(node))))


# ---------------------------------------------------------------------------------------------- what tensors say of themselves
def full_shape(tensor: Tensor) -> tuple[Value, ...] | None:
    """Return the shape as the source sees it, with the batch, and with Keras' channels last."""
    if tensor.shape is None:
        return None
    shape = tensor.shape
    if tensor.graph.keras and len(shape) == 3:
        shape = (*shape[1:], shape[0])
    return (tensor.batch, *shape)


def attribute(machine: Calls, tensor: Tensor, name: str, node: ast.expr) -> Value:
    """Return ``x.shape`` and the like, or a method."""
    if name == "shape":
        return full_shape(tensor) or machine.unknown(node)
    if name == "ndim":
        return len(tensor.shape) + 1 if tensor.shape is not None else machine.unknown(node)
    if name in ("device", "dtype", "is_cuda"):
        return machine.unknown(node)
    return tensor if name == "data" else Bound(tensor, name)


@op("size", "dim", "numel", "nelement", "ndimension")
def _size(machine: Calls, args: list[Value], kwargs: dict[str, Value], node: Any) -> Value:
    shape = full_shape(tensor_of(args[0], node))
    name = ast.unparse(node.func).split(".")[-1]
    if shape is None:
        return machine.unknown(node)
    if name in ("dim", "ndimension"):
        return len(shape)
    if name in ("numel", "nelement"):
        return prod(shape) if isinstance(shape[0], int) else machine.unknown(node)
    places = [*args[1:], *kwargs.values()]
    return shape[places[0]] if places else shape


for _name in _SAME:
    OPS[_name] = lambda machine, args, kwargs, node: args[0]
    FUNCTIONS.setdefault(f"torch.{_name}", function_of(_name))


def _noise(machine: Calls, args: list[Value], kwargs: dict[str, Value], node: Any) -> Value:
    """Return a tensor made on the spot, for which only its shape counts."""
    dims = [*args] or [kwargs.get("size", kwargs.get("shape"))]
    dims = list(dims[0]) if dims and isinstance(dims[0], (tuple, list)) else dims
    if len(dims) < 2 or any(not isinstance(size, int) or not 0 < size < 100_000 for size in dims[1:]):
        return machine.unknown(node)
    machine.unknowns += 1
    return Graph.start(tuple(dims[1:]), node.lineno).input(dims[0] if isinstance(dims[0], int) else None)


for _path in ("randn", "rand", "zeros", "ones", "empty", "Tensor", "FloatTensor"):
    FUNCTIONS[f"torch.{_path}"] = _noise
