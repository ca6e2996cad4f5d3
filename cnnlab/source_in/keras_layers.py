"""Keras' layers as the lab's. Keras keeps channels last and pads "same" by the size that arrives; both are translated here."""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import TYPE_CHECKING

from cnnlab.architecture import LayerSpec, Shape
from cnnlab.i18n import Message
from cnnlab.source_in.arguments import Signature, bind, number, pair, signature, square, whole
from cnnlab.source_in.core import from_unknown
from cnnlab.source_in.findings import Refusal
from cnnlab.source_in.lacking import no_layer
from cnnlab.source_in.torch_layers import default, spec
from cnnlab.source_in.values import Layer, Lib, Unknown, Value

if TYPE_CHECKING:
    from cnnlab.source_in.calls import Calls

Given = dict[str, Value]
Plan = Callable[[Shape | None], list[LayerSpec]]
_QUIET = frozenset(
    """name dtype trainable kernel_initializer bias_initializer beta_initializer gamma_initializer moving_mean_initializer
    moving_variance_initializer batch_size seed kernel_constraint bias_constraint depthwise_initializer
    pointwise_initializer sparse""".split()
)
_RULES = frozenset(
    {"kernel_regularizer", "bias_regularizer", "activity_regularizer", "depthwise_regularizer", "pointwise_regularizer"}
)
_SHAPE = frozenset({"input_shape", "batch_input_shape", "input_dim"})
_CONV = "strides=1 padding='valid' data_format=None dilation_rate=1 groups=1 activation=None use_bias=True"
_POOL = "pool_size=2 strides=None padding='valid' data_format=None"
_SIGNATURES: dict[str, Signature] = {
    "Conv2D": signature(f"filters kernel_size {_CONV}"),
    "DepthwiseConv2D": signature("kernel_size strides=1 padding='valid' depth_multiplier=1 data_format=None dilation_rate=1 activation=None use_bias=True"),
    "SeparableConv2D": signature("filters kernel_size strides=1 padding='valid' data_format=None dilation_rate=1 depth_multiplier=1 activation=None use_bias=True"),
    "MaxPooling2D": signature(_POOL), "AveragePooling2D": signature(_POOL),
    "GlobalAveragePooling2D": signature("data_format=None keepdims=False"), "GlobalMaxPooling2D": signature("data_format=None keepdims=False"),
    "Flatten": signature("data_format=None"), "Dense": signature("units activation=None use_bias=True"),
    "Dropout": signature("rate noise_shape=None"), "SpatialDropout2D": signature("rate data_format=None"),
    "BatchNormalization": signature("axis=-1 momentum=0.99 epsilon=1e-3 center=True scale=True"),
    "Activation": signature("activation"), "ReLU": signature("max_value=None negative_slope=0.0 threshold=0.0"),
    "LeakyReLU": signature("negative_slope=0.3 alpha=None"), "Softmax": signature("axis=-1"),
    "ZeroPadding2D": signature("padding=1 data_format=None"), "Reshape": signature("target_shape"), "Permute": signature("dims"),
    "LayerNormalization": signature("axis=-1 epsilon=1e-3 center=True scale=True rms_scaling=False"),
    "GroupNormalization": signature("groups=32 axis=-1 epsilon=1e-3 center=True scale=True"),
    "Add": {}, "Concatenate": signature("axis=-1"), "Multiply": {},
}  # fmt: skip
_ALIASES = {"Convolution2D": "Conv2D", "MaxPool2D": "MaxPooling2D", "AvgPool2D": "AveragePooling2D",
            "GlobalAvgPool2D": "GlobalAveragePooling2D", "GlobalMaxPool2D": "GlobalMaxPooling2D"}  # fmt: skip
_BEFORE = ("Rescaling", "Normalization", "RandomFlip", "RandomRotation", "RandomZoom", "RandomTranslation", "RandomContrast",
           "RandomCrop", "Resizing")  # fmt: skip
NAMES = (*_SIGNATURES, *_ALIASES, *_BEFORE)
KERAS_LAYERS = (*NAMES, "InputLayer")
"""The names of Keras' layers that are read."""

_ACTIVATIONS = {"relu": "ReLU", "relu6": "ReLU6", "sigmoid": "Sigmoid", "tanh": "Tanh", "softmax": "Softmax", "gelu": "GELU",
                "swish": "SiLU", "silu": "SiLU", "hard_silu": "Hardswish", "hard_swish": "Hardswish", "leaky_relu": "LeakyReLU", "log_softmax": "Softmax"}  # fmt: skip


def activation(value: Value, line: int) -> list[LayerSpec]:
    """Return what an activation's name, function or layer stands for."""
    if isinstance(value, Unknown):
        raise from_unknown(value, line)
    if value is None or value == "linear":
        return []
    name = value if isinstance(value, str) else value.path.split(".")[-1] if isinstance(value, Lib) else ""
    if isinstance(value, Layer):
        return value.plan(None)
    if name.lower() not in _ACTIVATIONS:
        raise no_layer(name or "activation", line)
    slope = {"negative_slope": 0.2} if name == "leaky_relu" else {}
    return [spec(_ACTIVATIONS[name.lower()], line, **slope)]


def _same(length: int, kernel: int, stride: int, dilation: int) -> tuple[int, int]:
    """Return the zeros before and after that ``padding="same"`` adds along one axis.

        out = ceil(n / s);  total = max((out - 1) s + d (k - 1) + 1 - n, 0);  before = total // 2

    Source: keras.io, padding "same"; TensorFlow's nn.convolution.
    """
    total = max((-(-length // stride) - 1) * stride + dilation * (kernel - 1) + 1 - length, 0)
    return total // 2, total - total // 2


def _border(
    given: Given, line: int, kernel: int, stride: int, dilation: int, shape: Shape | None
) -> tuple[int, int, int, int]:
    """Return the zeros left, right, above and below."""
    padding = str(given["padding"]).lower()
    if padding == "valid":
        return 0, 0, 0, 0
    default(padding == "same", f"padding={given['padding']!r}", line)
    if stride == 1:
        before, after = _same(1, kernel, 1, dilation)
        return before, after, before, after
    if shape is None or len(shape) != 3:
        raise Refusal(
            line, Message("padding='same' with strides needs to know what size arrives, and a layer above does not fit")
        )
    return (*_same(shape[2], kernel, stride, dilation), *_same(shape[1], kernel, stride, dilation))


def _padded(given: Given, line: int, shape: Shape | None, kernel: int, stride: int, dilation: int,
            make: Callable[[int], list[LayerSpec]]) -> list[LayerSpec]:  # fmt: skip
    """Return a window's specs: its own padding where all four sides are alike, else ZeroPad2d before it."""
    left, right, top, bottom = _border(given, line, kernel, stride, dilation, shape)
    if left == right == top == bottom:
        return make(left)
    return [spec("ZeroPad2d", line, left=left, right=right, top=top, bottom=bottom), *make(0)]


def _conv(given: Given, line: int) -> Plan:
    kernel, stride = square(given["kernel_size"], "kernel_size", line), square(given["strides"], "strides", line)
    dilation, after = square(given["dilation_rate"], "dilation_rate", line), activation(given["activation"], line)
    fields = {"out_channels": whole(given["filters"], "filters", line), "kernel_size": kernel, "stride": stride,
              "dilation": dilation, "groups": whole(given["groups"], "groups", line), "bias": bool(given["use_bias"])}  # fmt: skip

    def make(padding: int) -> list[LayerSpec]:
        return [spec("Conv2d", line, padding=padding, **fields), *after]

    return lambda shape: _padded(given, line, shape, kernel, stride, dilation, make)


def _depthwise(given: Given, line: int) -> Plan:
    separable = "filters" in given
    kernel, stride = square(given["kernel_size"], "kernel_size", line), square(given["strides"], "strides", line)
    dilation, after = square(given["dilation_rate"], "dilation_rate", line), activation(given["activation"], line)
    times, bias = whole(given["depth_multiplier"], "depth_multiplier", line), bool(given["use_bias"])

    def plan(shape: Shape | None) -> list[LayerSpec]:
        if shape is None or len(shape) != 3:
            raise Refusal(line, Message("a convolution for each channel needs to know how many arrive"))
        fields = {
            "out_channels": shape[0] * times,
            "kernel_size": kernel,
            "stride": stride,
            "dilation": dilation,
            "groups": shape[0],
        }
        last = (
            [spec("Conv2d", line, out_channels=whole(given["filters"], "filters", line), kernel_size=1, bias=bias)]
            if separable
            else []
        )

        def make(padding: int) -> list[LayerSpec]:
            return [spec("Conv2d", line, padding=padding, bias=bias and not separable, **fields), *last, *after]

        return _padded(given, line, shape, kernel, stride, dilation, make)

    return plan


def _pool(kind: str) -> Callable[[Given, int], Plan]:
    def build(given: Given, line: int) -> Plan:
        kernel = square(given["pool_size"], "pool_size", line)
        stride = kernel if given["strides"] is None else square(given["strides"], "strides", line)

        def plan(shape: Shape | None) -> list[LayerSpec]:
            left, right, top, bottom = _border(given, line, kernel, stride, 1, shape)
            fields = {"kernel_size": kernel, "stride": None if stride == kernel else stride}
            if left == right == top == bottom and (not left or kind == "MaxPool2d") and 2 * left <= kernel:
                return [spec(kind, line, padding=left, **fields)]
            if left == top == 0:  # what stands out at the right is left out of the window: torch's ceil_mode
                return [spec(kind, line, ceil_mode=True, **fields)]
            raise Refusal(
                line, Message("this pooling with padding='same' pads unevenly here, which no pooling of the lab does")
            )

        return plan

    return build


def _global_max(given: Given, line: int) -> Plan:
    def plan(shape: Shape | None) -> list[LayerSpec]:
        if shape is None or len(shape) != 3 or shape[1] != shape[2]:
            raise Refusal(line, Message("AdaptiveMaxPool2d is read only where its size divides square maps"))
        return [spec("MaxPool2d", line, kernel_size=shape[1]), *([] if given["keepdims"] else [spec("Flatten", line)])]

    return plan


def _fixed(make: Callable[[Given, int], list[LayerSpec]]) -> Callable[[Given, int], Plan]:
    def build(given: Given, line: int) -> Plan:
        specs = make(given, line)
        return lambda _shape: specs

    return build


def _dense(given: Given, line: int) -> Plan:
    units, bias, after = (
        whole(given["units"], "units", line),
        bool(given["use_bias"]),
        activation(given["activation"], line),
    )

    def plan(shape: Shape | None) -> list[LayerSpec]:
        if shape is not None and len(shape) == 3:  # Keras' Dense goes over the channels of each pixel
            return [spec("Conv2d", line, out_channels=units, kernel_size=1, bias=bias), *after]
        return [spec("Linear", line, out_features=units, bias=bias), *after]

    return plan


def _norm(given: Given, line: int) -> list[LayerSpec]:
    default(
        given["axis"] in (-1, 3) and bool(given["center"]) and bool(given["scale"]),
        "axis, center or scale of BatchNormalization",
        line,
    )
    momentum = round(1 - number(given["momentum"], "momentum", line), 12)  # torch counts the other way round
    return [spec("BatchNorm2d", line, eps=number(given["epsilon"], "epsilon", line), momentum=momentum)]


def _scaled(given: Given, name: str, line: int) -> None:
    plain = bool(given["center"]) and bool(given["scale"]) and not given.get("rms_scaling")
    default(plain, f"center, scale or rms_scaling of {name}", line)


def _layer_norm(given: Given, line: int) -> Plan:
    """Return LayerNorm over everything of an example; Keras' own default goes over the channels of each pixel alone."""
    _scaled(given, "LayerNormalization", line)
    axes = given["axis"] if isinstance(given["axis"], (tuple, list)) else (given["axis"],)
    made = spec("LayerNorm", line, eps=number(given["epsilon"], "epsilon", line))

    def plan(shape: Shape | None) -> list[LayerSpec]:
        dims = len(shape or (0, 0, 0)) + 1
        over = {whole(axis, "axis", line) % dims for axis in axes}
        if shape is not None and over != set(range(1, dims)):
            raise Refusal(line, Message("LayerNormalization is read only over all numbers of an example: {code} for maps", code="axis=(1, 2, 3)"))  # fmt: skip
        return [made]

    return plan


def _group_norm(given: Given, line: int) -> Plan:
    _scaled(given, "GroupNormalization", line)
    default(given["axis"] in (-1, 3), "axis", line)
    groups, eps = whole(given["groups"], "groups", line), number(given["epsilon"], "epsilon", line)

    def plan(shape: Shape | None) -> list[LayerSpec]:
        count = shape[0] if groups == -1 and shape is not None else groups
        return [spec("GroupNorm", line, num_groups=count, eps=eps)]

    return plan


def _relu(given: Given, line: int) -> list[LayerSpec]:
    default(given["max_value"] in (None, 6, 6.0) and not given["threshold"], "max_value or threshold", line)
    slope = number(given["negative_slope"], "negative_slope", line)
    return [
        spec(
            "ReLU6" if given["max_value"] else "LeakyReLU" if slope else "ReLU",
            line,
            **({"negative_slope": slope} if slope else {}),
        )
    ]


def _leaky(given: Given, line: int) -> list[LayerSpec]:
    slope = given["negative_slope"] if given["alpha"] is None else given["alpha"]
    return [spec("LeakyReLU", line, negative_slope=number(slope, "negative_slope", line))]


def _zeros(given: Given, line: int) -> list[LayerSpec]:
    rows, columns = given["padding"] if isinstance(given["padding"], (tuple, list)) else (given["padding"],) * 2
    top, bottom = pair(rows, "padding", line)
    left, right = pair(columns, "padding", line)
    return [spec("ZeroPad2d", line, left=left, right=right, top=top, bottom=bottom)]


def _average(given: Given, line: int) -> list[LayerSpec]:
    return [spec("AdaptiveAvgPool2d", line), *([] if given["keepdims"] else [spec("Flatten", line)])]


def _softmax(given: Given, line: int) -> list[LayerSpec]:
    default(given["axis"] in (-1, 1), "axis", line)
    return [spec("Softmax", line)]


_PLANS: dict[str, Callable[[Given, int], Plan]] = {
    "Conv2D": _conv, "DepthwiseConv2D": _depthwise, "SeparableConv2D": _depthwise,
    "MaxPooling2D": _pool("MaxPool2d"), "AveragePooling2D": _pool("AvgPool2d"), "GlobalMaxPooling2D": _global_max,
    "GlobalAveragePooling2D": _fixed(_average), "Dense": _dense, "BatchNormalization": _fixed(_norm),
    "Flatten": _fixed(lambda given, line: [spec("Flatten", line)]), "Softmax": _fixed(_softmax),
    "Dropout": _fixed(lambda given, line: [spec("Dropout", line, p=number(given["rate"], "rate", line))]),
    "SpatialDropout2D": _fixed(lambda given, line: [spec("Dropout2d", line, p=number(given["rate"], "rate", line))]),
    "Activation": _fixed(lambda given, line: activation(given["activation"], line)),
    "LayerNormalization": _layer_norm, "GroupNormalization": _group_norm,
    "ReLU": _fixed(_relu), "LeakyReLU": _fixed(_leaky), "ZeroPadding2D": _fixed(_zeros),
}  # fmt: skip
_LEARN = frozenset(
    {
        "Conv2D",
        "DepthwiseConv2D",
        "SeparableConv2D",
        "Dense",
        "BatchNormalization",
        "LayerNormalization",
        "GroupNormalization",
    }
)


def make(machine: Calls, name: str, args: list[Value], kwargs: Given, node: ast.expr) -> Value:
    """Return one of Keras' layers as the source makes it."""
    kind, line = _ALIASES.get(name, name), node.lineno
    settings = {key: value for key, value in kwargs.items() if key in _SHAPE or key == "name"}
    if kind in _BEFORE:
        machine.left_out(node)
        return Layer(kind, line, lambda _shape: [], settings=settings)
    if any(kwargs.get(rule) is not None for rule in _RULES):
        machine.note(line, Message("a regularizer is left out: weight decay belongs to the recipe"))
    given = bind(_SIGNATURES[kind], args, kwargs, node, _QUIET | _RULES | _SHAPE) if _SIGNATURES[kind] else {}
    if given.get("data_format") == "channels_first" or machine.channels_first:
        settings["first"] = True
    if "padding" in given:
        settings["padding"] = given["padding"]
    if kind == "Reshape":
        return _reshape(given, settings, line)
    if kind == "Permute":
        dims = tuple(
            whole(place, "dims", line) for place in (given["dims"] if isinstance(given["dims"], (tuple, list)) else ())
        )
        return Layer(
            kind, line, lambda _shape: [], settings={**settings, "dims": () if machine.channels_first else dims}
        )
    if kind in ("Add", "Concatenate", "Multiply"):
        default(given.get("axis", -1) in (-1, 3), "axis", line)
        return Layer(kind, line, lambda _shape: [], settings=settings)
    return Layer(kind, line, _PLANS[kind](given, line), kind in _LEARN, settings)


def _reshape(given: Given, settings: Given, line: int) -> Layer:
    """Return a Reshape; as the first layer it says how the pictures' pixels lie, and the lab's pictures are maps already."""
    target = given["target_shape"]
    sizes = tuple(
        whole(size, "target_shape", line) for size in (target if isinstance(target, (tuple, list)) else (target,))
    )
    shape = {"input_shape": sizes} if len(sizes) == 3 else {}
    return Layer("Reshape", line, lambda _shape: [], settings={**settings, **shape, "target": sizes})


FLATTEN = Message("Keras lays maps out with the channels last, the lab with the channels first: the same network, but weights "
                  "trained in Keras would need another order")  # fmt: skip
