"""A network as PyTorch source to copy: running it gives the same shapes and the same parameter names."""

from __future__ import annotations

import json

from cnnlab.architecture.layers import LayerSpec, ZeroPad2d
from cnnlab.architecture.network import Architecture
from cnnlab.architecture.shapes import Shape

_ARRIVING = {
    "Conv2d": "in_channels",
    "BatchNorm2d": "num_features",
    "Linear": "in_features",
    "LayerNorm": "normalized_shape",
}  # torch wants to know them, and wants them first
_EXTRA = {"Softmax": {"dim": 1}}


def to_pytorch(architecture: Architecture) -> str:
    """Return Python source that makes ``network``, an ``nn.Sequential`` with the architecture's own layer names.

    Each line ends with the shape that leaves the layer; fields that have torch's default are left out. The last lines run
    one batch of zeros through it and count the parameters.

    Raises:
        ArchitectureError: there is no layer yet.
        ShapeError: a layer does not fit its input.
    """
    architecture.check()
    trace = architecture.trace()
    calls = [f'    ("{row.name}", {_call(row.layer, row.input_shape or ())}),' for row in trace.rows]
    widest = max(len(call) for call in calls)
    lines = [f"{call:<{widest}}  # {_shape(row.output_shape or ())}" for call, row in zip(calls, trace.rows)]
    size = ", ".join(map(str, (1, *architecture.input_shape)))
    return "\n".join(
        [
            "from collections import OrderedDict",
            "",
            "import torch",
            "from torch import nn",
            "",
            f"# {_comment(architecture.name)}: {trace.num_params:,} parameters, {trace.macs:,} multiply-adds",
            "network = nn.Sequential(OrderedDict([",
            f"    {'# input':<{widest - 4}}  # {_shape(architecture.input_shape)}",
            *lines,
            "]))",
            "",
            "network.eval()",
            "with torch.no_grad():",
            f"    output = network(torch.zeros({size}))",
            'print(tuple(output.shape), sum(p.numel() for p in network.parameters()), "parameters")',
            "",
        ]
    )


def _call(layer: LayerSpec, arrives: Shape) -> str:
    """Return the torch call that makes ``layer``: what arrives first, then what differs from torch's default."""
    fields = layer.model_dump(exclude={"kind"})
    arguments: dict[str, object] = {}
    if layer.kind in _ARRIVING:
        arguments[_ARRIVING[layer.kind]] = arrives if layer.kind == "LayerNorm" else arrives[0]
    for name, value in fields.items():
        required = type(layer).model_fields[name].default != value or bool(_ALWAYS & {name, f"{name}:{layer.kind}"})
        if name not in arguments and required:
            arguments[name] = value
    arguments |= _EXTRA.get(layer.kind, {})
    if layer.kind == "GroupNorm":
        arguments["num_channels"] = arrives[0]
    if isinstance(layer, ZeroPad2d):
        arguments = {"padding": (layer.left, layer.right, layer.top, layer.bottom)}
    return f"nn.{layer.kind}({', '.join(f'{name}={value!r}' for name, value in arguments.items())})"


_ALWAYS = {
    "out_channels",
    "out_features",
    "kernel_size",
    "output_size",
    "p",
    "num_groups",
    "size",
    "groups:ChannelShuffle",
}


def _shape(shape: Shape) -> str:
    return " x ".join(map(str, shape))


def _comment(name: str) -> str:
    """Return a name that anyone may have typed as text that stays inside one comment."""
    return json.dumps(name, ensure_ascii=False)[1:-1] or "network"
