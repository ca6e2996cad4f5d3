"""``torch.nn``'s layers as the lab's: each with torch's own parameters, in torch's order and with its defaults."""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from cnnlab.architecture import LAYERS, LayerSpec, Shape
from cnnlab.architecture.rare import RARE, digit_codes
from cnnlab.i18n import Message
from cnnlab.source_in.arguments import REQUIRED, Signature, bind, number, pair, signature, square, whole
from cnnlab.source_in.findings import Refusal
from cnnlab.source_in.lacking import no_layer
from cnnlab.source_in.text import short
from cnnlab.source_in.values import Layer, Value
from cnnlab.validation import first_finding

if TYPE_CHECKING:
    from cnnlab.source_in.calls import Calls

Given = dict[str, Value]
_QUIET = frozenset({"device", "dtype", "inplace", "name"})
LEARN = frozenset({"Conv2d", "Linear", "BatchNorm2d", "LayerNorm", "GroupNorm"})

_SIGNATURES: dict[str, Signature] = {
    "Conv2d": signature("in_channels out_channels kernel_size stride=1 padding=0 dilation=1 groups=1 bias=True padding_mode='zeros'"),
    "LazyConv2d": signature("out_channels kernel_size stride=1 padding=0 dilation=1 groups=1 bias=True padding_mode='zeros'"),
    "Linear": signature("in_features out_features bias=True"),
    "LazyLinear": signature("out_features bias=True"),
    "MaxPool2d": signature("kernel_size stride=None padding=0 dilation=1 return_indices=False ceil_mode=False"),
    "AvgPool2d": signature("kernel_size stride=None padding=0 ceil_mode=False count_include_pad=True divisor_override=None"),
    "AdaptiveAvgPool2d": signature("output_size"),
    "AdaptiveMaxPool2d": signature("output_size return_indices=False"),
    "BatchNorm2d": signature("num_features eps=1e-5 momentum=0.1 affine=True track_running_stats=True"),
    "LazyBatchNorm2d": signature("eps=1e-5 momentum=0.1 affine=True track_running_stats=True"),
    "LayerNorm": signature("normalized_shape eps=1e-5 elementwise_affine=True bias=True"),
    "GroupNorm": signature("num_groups num_channels eps=1e-5 affine=True"),
    "LocalResponseNorm": signature("size alpha=1e-4 beta=0.75 k=1.0"),
    "ReLU": signature("inplace=False"), "ReLU6": signature("inplace=False"), "SiLU": signature("inplace=False"),
    "Hardswish": signature("inplace=False"), "Sigmoid": signature(""), "Tanh": signature(""),
    "LeakyReLU": signature("negative_slope=0.01 inplace=False"), "GELU": signature("approximate='none'"),
    "Dropout": signature("p=0.5 inplace=False"), "Dropout2d": signature("p=0.5 inplace=False"),
    "Flatten": signature("start_dim=1 end_dim=-1"), "Softmax": signature("dim=None"), "LogSoftmax": signature("dim=None"),
    "ZeroPad2d": signature("padding"), "ChannelShuffle": signature("groups"), "Identity": {},
}  # fmt: skip
TORCH_LAYERS = tuple(_SIGNATURES)
"""The names of ``torch.nn`` that are read."""


def spec(kind: str, line: int, **fields: Any) -> LayerSpec:
    """Return a layer of the lab.

    Raises:
        Refusal: a field is out of its range, or the lab has no such layer.
    """
    if kind not in LAYERS and kind not in RARE:
        raise no_layer(kind, line)
    try:
        return (RARE[kind] if kind in RARE else LAYERS[kind])(**fields)
    except ValidationError as error:
        raise Refusal(line, Message("{code}: {finding}", code=kind, finding=first_finding(error))) from error


def default(condition: bool, text: str, line: int) -> None:
    """Refuse a setting other than the one that the lab's layers have."""
    if not condition:
        raise Refusal(line, Message("{setting} is not known here", setting=text))


def window(given: Given, line: int, padding: tuple[str, Value] = ("padding", 0)) -> list[LayerSpec]:
    """Return a convolution's specs from torch's arguments; one that pads unevenly brings its border along."""
    fields = {name: square(given[name], name, line) for name in ("kernel_size", "stride", "dilation")}
    fields |= {
        "out_channels": whole(given["out_channels"], "out_channels", line),
        "groups": whole(given["groups"], "groups", line),
    }
    if "in_channels" in given:
        fields["in_channels"] = whole(given["in_channels"], "in_channels", line)
    border: list[LayerSpec] = []
    asked = given["padding"]
    if asked == "same":
        default(fields["stride"] == 1, "padding='same' with stride > 1", line)
        total = fields["dilation"] * (fields["kernel_size"] - 1)
        before, after = total // 2, total - total // 2
        fields["padding"] = before if before == after else 0
        if before != after:
            border = [spec("ZeroPad2d", line, left=before, right=after, top=before, bottom=after)]
    else:
        height, width = (0, 0) if asked == "valid" else pair(asked, "padding", line)
        fields["padding"] = height if height == width else 0
        if height != width:
            border = [spec("ZeroPad2d", line, left=width, right=width, top=height, bottom=height)]
    return [*border, spec("Conv2d", line, bias=bool(given["bias"]), **fields)]


def _conv(given: Given, line: int) -> list[LayerSpec]:
    default(given["padding_mode"] == "zeros", f"padding_mode={given['padding_mode']!r}", line)
    return window(given, line)


def _linear(given: Given, line: int) -> list[LayerSpec]:
    fields = {name: whole(given[name], name, line) for name in ("in_features", "out_features") if name in given}
    return [spec("Linear", line, bias=bool(given["bias"]), **fields)]


def _pool(kind: str) -> Callable[[Given, int], list[LayerSpec]]:
    def make(given: Given, line: int) -> list[LayerSpec]:
        kernel = square(given["kernel_size"], "kernel_size", line)
        stride = kernel if given["stride"] in (None, [], ()) else square(given["stride"], "stride", line)
        default(given.get("dilation", 1) in (1, (1, 1)), "dilation of a pooling", line)
        default(not given.get("return_indices"), "return_indices=True", line)
        default(given.get("divisor_override") is None, "divisor_override", line)
        padding = square(given["padding"], "padding", line)
        default(bool(given.get("count_include_pad", True)) or not padding, "count_include_pad=False", line)
        return [spec(kind, line, kernel_size=kernel, stride=None if stride == kernel else stride,
                     padding=padding, ceil_mode=bool(given["ceil_mode"]))]  # fmt: skip

    return make


def _adaptive(given: Given, line: int) -> list[LayerSpec]:
    return [spec("AdaptiveAvgPool2d", line, output_size=square(given["output_size"], "output_size", line))]


def adaptive_max(given: Given, line: int, shape: Shape | None) -> list[LayerSpec]:
    """Return the max-pooling that gives the same as ``AdaptiveMaxPool2d`` for maps of this size."""
    size = square(given["output_size"], "output_size", line)
    if shape is None or len(shape) != 3 or shape[1] != shape[2] or shape[1] % size:
        raise Refusal(line, Message("AdaptiveMaxPool2d is read only where its size divides square maps"))
    return [spec("MaxPool2d", line, kernel_size=shape[1] // size)]


def _norm(given: Given, line: int) -> list[LayerSpec]:
    default(
        bool(given["affine"]) and bool(given["track_running_stats"]), "affine=False or track_running_stats=False", line
    )
    default(given["momentum"] is not None, "momentum=None", line)
    return [
        spec(
            "BatchNorm2d",
            line,
            eps=number(given["eps"], "eps", line),
            momentum=number(given["momentum"], "momentum", line),
        )
    ]


def _layer_norm(given: Given, line: int) -> list[LayerSpec]:
    default(bool(given["elementwise_affine"]) and bool(given["bias"]), "elementwise_affine=False or bias=False", line)
    return [spec("LayerNorm", line, eps=number(given["eps"], "eps", line))]


def _group_norm(given: Given, line: int) -> list[LayerSpec]:
    default(bool(given["affine"]), "affine=False", line)
    groups = whole(given["num_groups"], "num_groups", line)
    return [spec("GroupNorm", line, num_groups=groups, eps=number(given["eps"], "eps", line))]


def _response(given: Given, line: int) -> list[LayerSpec]:
    fields = {name: number(given[name], name, line) for name in ("alpha", "beta", "k")}
    return [spec("LocalResponseNorm", line, size=whole(given["size"], "size", line), **fields)]


def _flatten(given: Given, line: int) -> list[LayerSpec]:
    default(given["start_dim"] == 1 and given["end_dim"] in (-1, 3), "Flatten of some dimensions only", line)
    return [spec("Flatten", line)]


def softmax(given: Given, line: int) -> list[LayerSpec]:
    """Return Softmax over the classes."""
    default(given["dim"] in (None, 1, -1), f"dim={given['dim']}", line)
    return [spec("Softmax", line)]


def _border(given: Given, line: int) -> list[LayerSpec]:
    sides = given["padding"]
    sides = (sides,) * 4 if isinstance(sides, int) else sides
    default(isinstance(sides, (tuple, list)) and len(sides) == 4, "padding", line)
    left, right, top, bottom = (whole(side, "padding", line) for side in sides)
    return [spec("ZeroPad2d", line, left=left, right=right, top=top, bottom=bottom)]


def _rate(kind: str) -> Callable[[Given, int], list[LayerSpec]]:
    return lambda given, line: [spec(kind, line, p=number(given["p"], "p", line))]


def _gelu(given: Given, line: int) -> list[LayerSpec]:
    default(given["approximate"] == "none", "approximate='tanh'", line)
    return [spec("GELU", line)]


_SPECS: dict[str, Callable[[Given, int], list[LayerSpec]]] = {
    "Conv2d": _conv, "LazyConv2d": _conv, "Linear": _linear, "LazyLinear": _linear,
    "MaxPool2d": _pool("MaxPool2d"), "AvgPool2d": _pool("AvgPool2d"), "AdaptiveAvgPool2d": _adaptive,
    "BatchNorm2d": _norm, "LazyBatchNorm2d": _norm, "LayerNorm": _layer_norm, "GroupNorm": _group_norm,
    "LocalResponseNorm": _response, "Flatten": _flatten, "Softmax": softmax, "LogSoftmax": softmax, "ZeroPad2d": _border,
    "Dropout": _rate("Dropout"), "Dropout2d": _rate("Dropout2d"), "GELU": _gelu,
    "LeakyReLU": lambda given, line: [spec("LeakyReLU", line, negative_slope=number(given["negative_slope"], "negative_slope", line))],
    "ChannelShuffle": lambda given, line: [spec("ChannelShuffle", line, groups=whole(given["groups"], "groups", line))],
    "Identity": lambda given, line: [],
}  # fmt: skip


def specs_of(kind: str, given: Given, line: int) -> list[LayerSpec]:
    """Return the lab's layers for one of torch's with these arguments."""
    make = _SPECS.get(kind)
    return make(given, line) if make else [spec(kind, line)]


def _expected(kind: str, given: Given) -> tuple[str, Value] | None:
    """Return what a layer says must arrive, where the lab's own takes anything."""
    if kind == "LayerNorm":
        shape = given["normalized_shape"]
        return "normalized_shape", (shape,) if isinstance(shape, int) else tuple(shape)
    for name in ("num_features", "num_channels"):
        if name in given:
            return name, given[name]
    return None


def make(machine: Calls, kind: str, args: list[Value], kwargs: Given, node: ast.expr) -> Layer:
    """Return one of torch's layers as the source makes it."""
    line = node.lineno
    if kind == "Identity":
        return Layer(kind, line, lambda _shape: [])
    given = bind(_SIGNATURES[kind], args, kwargs, node, _QUIET)
    if kind == "LogSoftmax":
        machine.note(line, LOG_SOFTMAX)
    plain = kind.removeprefix("Lazy")
    if kind == "AdaptiveMaxPool2d":
        return Layer(kind, line, lambda shape: adaptive_max(given, line, shape), settings=given)
    specs = specs_of(kind, given, line)
    return Layer(plain, line, lambda _shape: specs, plain in LEARN, given, _expected(kind, given))


LOG_SOFTMAX = Message(
    "log_softmax is read as Softmax: the same order of classes; the lab's loss takes the logarithm itself"
)


def _maker(kind: str) -> Callable[..., Layer]:
    return lambda machine, args, kwargs, node: make(machine, kind, args, kwargs, node)


def rbf(given: Given, line: int) -> Layer:
    """Return the lab's RBF, for the class of that name as the lab writes it."""
    codes = given.get("codes")
    digits = isinstance(codes, list) and [tuple(code) for code in codes] == [*digit_codes()]
    default(codes is None or digits, "codes", line)
    made = spec("RBF", line, out_features=given["out_features"], codes="digits" if digits else "random")
    return Layer("RBF", line, lambda _shape: [made], True, settings=given)


MAKERS: dict[str, Callable[..., Value]] = {f"torch.nn.{kind}": _maker(kind) for kind in _SIGNATURES}


def _not_square(machine: Calls, args: list[Value], kwargs: Given, node: ast.expr) -> Value:
    raise Refusal(node.lineno, Message("not understood: {code}", code=short(ast.unparse(node))))


__all__ = ["MAKERS", "REQUIRED", "TORCH_LAYERS", "make", "spec", "specs_of"]
