"""A network as PyTorch source to copy: running it gives the same shapes and the same parameter names."""

from __future__ import annotations

import json

from cnnlab.architecture import source_blocks
from cnnlab.architecture.layers import LayerSpec, ZeroPad2d
from cnnlab.architecture.network import Architecture
from cnnlab.architecture.rare import DIGITS, RBF
from cnnlab.architecture.shapes import Shape
from cnnlab.architecture.source_blocks import Value
from cnnlab.architecture.tape import Row

_ARRIVING = {
    "Conv2d": "in_channels",
    "BatchNorm2d": "num_features",
    "Linear": "in_features",
    "LayerNorm": "normalized_shape",
}  # torch wants to know them, and wants them first
_EXTRA = {"Softmax": {"dim": 1}}


def to_pytorch(architecture: Architecture) -> str:
    """Return Python source that makes ``network``, a module with the architecture's own layer names.

    Layers one behind the other are an ``nn.Sequential``; a block in which ways part and meet is a class, one for all blocks
    of the same form. Each line of the network ends with the shape that leaves there; fields that have torch's default are
    left out. The last lines run one batch of zeros through it and count the parameters.

    Raises:
        ArchitectureError: there is no layer yet.
        ShapeError: a layer does not fit its input.
    """
    architecture.check()
    trace = architecture.trace()
    root = source_blocks.scope_of(trace.rows)
    classes = [*_given_classes(trace.rows), *source_blocks.written(root, _call)]
    title = f"# {_comment(architecture.name)}: {trace.num_params:,} parameters, {trace.macs:,} multiply-adds"
    if root.is_chain and root.share is None:
        network = [title, *_sequential(root, architecture.input_shape)]
    else:
        classes.append(source_blocks.network_class(root, _call))
        network = [title, "network = Network()"]
    body = "\n\n\n".join([*classes, "\n".join(network)])
    size = ", ".join(map(str, (1, *architecture.input_shape)))
    return "\n".join(
        [
            *(["from collections import OrderedDict", ""] if "OrderedDict(" in body else []),
            "import torch",
            "from torch import nn",
            *(["from torch.nn import functional as F"] if "F.pad(" in body else []),
            *(["", ""] if classes else [""]),
            body,
            "",
            "network.eval()",
            "with torch.no_grad():",
            f"    output = network(torch.zeros({size}))",
            'print(tuple(output.shape), sum(p.numel() for p in network.parameters()), "parameters")',
            "",
        ]
    )


def _sequential(root: source_blocks.Scope, arrives: Shape) -> list[str]:
    lines = [(source_blocks.text(code), shape) for code, shape in source_blocks.entries(root, _call)]
    widest = max(len(line) for line, _shape in lines)
    return [
        "network = nn.Sequential(OrderedDict([",
        f"    {'# input':<{widest - 4}}  # {_shape(arrives)}",
        *(f"{line:<{widest}}  # {_shape(shape)}" if shape else line for line, shape in lines),
        "]))",
    ]


def _given_classes(rows: tuple[Row, ...]) -> list[str]:
    """Return the classes for kinds that torch does not have."""
    codes = {row.layer.codes for row in rows if isinstance(row.layer, RBF)}
    given = [_RBF] if codes else []
    if "digits" in codes:
        drawn = "\n".join(f'    "{digit}",' for digit in DIGITS)
        given.append(
            f"DIGITS = [[1 if mark == '#' else -1 for mark in digit.replace(' ', '')] for digit in (\n{drawn}\n)]"
        )
    return given


_RBF = """class RBF(nn.Module):
    def __init__(self, in_features, out_features, codes=None):
        super().__init__()
        if codes is None:
            codes = torch.randint(0, 2, (out_features, in_features)) * 2 - 1
        self.register_buffer("weight", torch.as_tensor(codes).float())

    def forward(self, x):
        return -(x.unsqueeze(1) - self.weight).square().sum(2)"""


def _call(row: Row) -> source_blocks.Code:
    """Return the call that makes the layer of ``row``: what arrives first, then what differs from torch's default."""
    layer, arrives = row.layer, row.input_shape or ()
    if isinstance(layer, RBF):
        codes: source_blocks.Code = [", codes=DIGITS"] if layer.codes == "digits" else []
        sizes: source_blocks.Code = [
            Value("in_features", arrives[0]),
            ", out_features=",
            Value("out_features", layer.out_features),
        ]
        return ["RBF(in_features=", *sizes, *codes, ")"]
    code: source_blocks.Code = [f"nn.{layer.kind}("]
    for number, (name, value) in enumerate(_arguments(layer, arrives).items()):
        code += [", " if number else "", f"{name}=", Value(name, value)]
    return [*code, ")"]


def _arguments(layer: LayerSpec, arrives: Shape) -> dict[str, object]:
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
    return arguments


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
