"""Each kind of layer as the Keras layers that compute the same, given the shape that arrives."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cnnlab.architecture import Row, rare
from cnnlab.architecture import joins as joint
from cnnlab.architecture import layers as specs
from cnnlab.architecture.shapes import Shape

Calls = list[str]
"""Expressions that make Keras layers, to be applied one after another; the row's name stands in the one that computes."""


def layer_calls(row: Row) -> Calls:
    """Return what stands for ``row`` in Keras: expressions of layers, of which the one that computes has its name."""
    make = _MAKERS.get(type(row.layer))
    if make is None:
        raise NotImplementedError(f"{row.layer.kind} has no Keras layer yet")
    return make(row.layer, row.input_shape or (), row.output_shape or (), f'name="{keras_name(row.name)}"')


def keras_name(name: str) -> str:
    """Return a row's name as Keras may call a layer with any backend: without dots."""
    return name.replace(".", "-")


def _call(layer: str, *arguments: object) -> str:
    return f"{layer}({', '.join(str(argument) for argument in arguments if argument != '')})"


def _conv(layer: specs.Conv2d, arrives: Shape, leaves: Shape, name: str) -> Calls:
    """Keras slides its windows from the first pixel: "same" is this padding only where nothing is left over."""
    calls: Calls = []
    same = layer.padding > 0 and layer.stride == 1 and 2 * layer.padding == layer.dilation * (layer.kernel_size - 1)
    if layer.padding and not same:
        calls.append(_call("layers.ZeroPadding2D", layer.padding))
    depthwise = layer.groups == arrives[0] > 1
    both = layer.stride > 1 and layer.dilation > 1  # which Keras refuses in one layer
    arguments = [
        layer.kernel_size if depthwise else f"{layer.out_channels}, {layer.kernel_size}",
        f"strides={layer.stride}" if layer.stride > 1 and not both else "",
        'padding="same"' if same else "",
        f"dilation_rate={layer.dilation}" if layer.dilation > 1 else "",
        f"groups={layer.groups}" if layer.groups > 1 and not depthwise else "",
        f"depth_multiplier={layer.out_channels // layer.groups}"
        if depthwise and layer.out_channels > arrives[0]
        else "",
        "" if layer.bias else "use_bias=False",
        name,
    ]
    calls.append(_call("layers.DepthwiseConv2D" if depthwise else "layers.Conv2D", *arguments))
    if both:
        calls.append(_call("layers.MaxPooling2D", 1, f"strides={layer.stride}"))
    return calls


def _overhang(layer: specs.MaxPool2d | specs.AvgPool2d, arrives: Shape, leaves: Shape) -> tuple[int, int]:
    """Return how far the last window reaches over the padded edge, below and to the right, in pixels."""
    kernel, stride, padding, _dilation = layer.window()
    below, right = (
        max(0, (out - 1) * stride + kernel - (size + 2 * padding)) for size, out in zip(arrives[1:], leaves[1:])
    )
    return below, right


def _pooling(layer: specs.MaxPool2d | specs.AvgPool2d) -> list[object]:
    kernel, stride, _padding, _dilation = layer.window()
    return [kernel, f"strides={stride}" if stride != kernel else ""]


def _max_pool(layer: specs.MaxPool2d, arrives: Shape, leaves: Shape, name: str) -> Calls:
    calls: Calls = []
    below, right = _overhang(layer, arrives, leaves)
    if layer.padding or below or right:
        p = layer.padding
        calls.append(_call("PadBelowAll", f"(({p}, {p + below}), ({p}, {p + right}))"))
    return [*calls, _call("layers.MaxPooling2D", *_pooling(layer), name)]


def _avg_pool(layer: specs.AvgPool2d, arrives: Shape, leaves: Shape, name: str) -> Calls:
    pad = [_call("layers.ZeroPadding2D", layer.padding)] if layer.padding else []
    below, right = _overhang(layer, arrives, leaves)
    if below or right:
        kernel, stride, _padding, _dilation = layer.window()
        return [*pad, _call("AveragePoolingOverEdge", kernel, stride, f"({below}, {right})", name)]
    return [*pad, _call("layers.AveragePooling2D", *_pooling(layer), name)]


def _adaptive(layer: specs.AdaptiveAvgPool2d, arrives: Shape, leaves: Shape, name: str) -> Calls:
    size = layer.output_size
    if size == 1:
        return [_call("layers.GlobalAveragePooling2D", "keepdims=True", name)]
    return [_call("AdaptiveAveragePooling", size, name)]


def _flatten(layer: specs.Flatten, arrives: Shape, leaves: Shape, name: str) -> Calls:
    if len(arrives) == 1 or arrives[0] == 1 or arrives[1:] == (1, 1):  # one order only
        return [_call("layers.Flatten", name)]
    return [_call("layers.Permute", "(3, 1, 2)"), _call("layers.Flatten", name)]


def _shuffle(layer: specs.ChannelShuffle, arrives: Shape, leaves: Shape, name: str) -> Calls:
    channels, height, width = arrives
    groups = layer.groups
    return [
        _call("layers.Reshape", f"({height}, {width}, {groups}, {channels // groups})"),
        _call("layers.Permute", "(1, 2, 4, 3)", name),
        _call("layers.Reshape", f"({height}, {width}, {channels})"),
    ]


def _norm(layer: Any, arrives: Shape, leaves: Shape, name: str) -> Calls:
    axis = "axis=(1, 2, 3)" if len(arrives) == 3 else ""
    return [_call("layers.LayerNormalization", axis, f"epsilon={layer.eps!r}", name)]


def _activation(word: str) -> Callable[[Any, Shape, Shape, str], Calls]:
    return lambda layer, arrives, leaves, name: [_call("layers.Activation", f'"{word}"', name)]


_MAKERS: dict[type[specs.LayerSpec], Callable[[Any, Shape, Shape, str], Calls]] = {
    specs.Conv2d: _conv,
    specs.MaxPool2d: _max_pool,
    specs.AvgPool2d: _avg_pool,
    specs.AdaptiveAvgPool2d: _adaptive,
    specs.BatchNorm2d: lambda layer, arrives, leaves, name: [
        _call("layers.BatchNormalization", f"momentum={1 - layer.momentum:.12g}", f"epsilon={layer.eps!r}", name)
    ],
    specs.LayerNorm: _norm,
    specs.GroupNorm: lambda layer, arrives, leaves, name: [
        _call("layers.GroupNormalization", layer.num_groups, f"epsilon={layer.eps!r}", name)
    ],
    specs.LocalResponseNorm: lambda layer, arrives, leaves, name: [
        _call("LocalResponseNormalization", layer.size, repr(layer.alpha), repr(layer.beta), repr(layer.k), name)
    ],
    specs.ReLU: lambda layer, arrives, leaves, name: [_call("layers.ReLU", name)],
    specs.ReLU6: lambda layer, arrives, leaves, name: [_call("layers.ReLU", "max_value=6", name)],
    specs.LeakyReLU: lambda layer, arrives, leaves, name: [
        _call("layers.LeakyReLU", f"negative_slope={layer.negative_slope!r}", name)
    ],
    specs.Sigmoid: _activation("sigmoid"),
    specs.Tanh: _activation("tanh"),
    specs.GELU: _activation("gelu"),
    specs.SiLU: _activation("silu"),
    specs.Hardswish: _activation("hard_silu"),
    specs.Dropout: lambda layer, arrives, leaves, name: [_call("layers.Dropout", repr(layer.p), name)],
    specs.Dropout2d: lambda layer, arrives, leaves, name: [_call("layers.SpatialDropout2D", repr(layer.p), name)],
    specs.Flatten: _flatten,
    specs.ZeroPad2d: lambda layer, arrives, leaves, name: [
        _call("layers.ZeroPadding2D", f"(({layer.top}, {layer.bottom}), ({layer.left}, {layer.right}))", name)
    ],
    specs.ChannelShuffle: _shuffle,
    specs.Linear: lambda layer, arrives, leaves, name: [
        _call("layers.Dense", layer.out_features, "" if layer.bias else "use_bias=False", name)
    ],
    specs.Softmax: lambda layer, arrives, leaves, name: [_call("layers.Softmax", name)],
    rare.SelectChannels: lambda layer, arrives, leaves, name: [
        _call("SelectChannels", f"({', '.join(map(str, layer.channels))},)", name)
    ],
    rare.RBF: lambda layer, arrives, leaves, name: [
        _call("RBF", layer.out_features, "codes=DIGITS" if layer.codes == "digits" else "", name)
    ],
    joint.Add: lambda layer, arrives, leaves, name: [_call("layers.Add", name)],
    joint.Multiply: lambda layer, arrives, leaves, name: [_call("layers.Multiply", name)],
    joint.Concat: lambda layer, arrives, leaves, name: [_call("layers.Concatenate", name)],
    joint.Chunk: lambda layer, arrives, leaves, name: [
        _call("Chunk", layer.index * leaves[0], (layer.index + 1) * leaves[0], name)
    ],
    joint.PadShortcut: lambda layer, arrives, leaves, name: [
        _call(
            "PadShortcut",
            layer.stride,
            layer.before(arrives[0]),
            leaves[0] - arrives[0] - layer.before(arrives[0]),
            name,
        )
    ],
}
