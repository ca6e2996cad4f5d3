"""Layers of the libraries that the lab does not have, and what is said of them: which of its own come close."""

from __future__ import annotations

from cnnlab.i18n import Message
from cnnlab.source_in.findings import Finding, Refusal

_NEAR = {
    "ELU CELU SELU Mish Softplus LogSigmoid Exponential": "SiLU, GELU, LeakyReLU",
    "PReLU RReLU": "LeakyReLU",
    "Hardsigmoid": "Sigmoid",
    "Hardtanh Softsign": "Tanh, ReLU6",
    "InstanceNorm2d SyncBatchNorm RMSNorm": "BatchNorm2d, GroupNorm, LayerNorm",
    "AlphaDropout GaussianNoise GaussianDropout FeatureAlphaDropout Dropout1d": "Dropout, Dropout2d",
    "ReflectionPad2d ReplicationPad2d ConstantPad2d CircularPad2d": "ZeroPad2d",
    "LPPool2d FractionalMaxPool2d": "MaxPool2d, AvgPool2d",
    "Conv1d Conv3d Conv1D Conv3D": "Conv2d",
}
"""For layers that nothing here replaces exactly: those that do the same work, by torch's names."""
_OTHERS = {"flax": "Flax", "haiku": "Haiku", "equinox": "Equinox", "paddle": "PaddlePaddle", "mindspore": "MindSpore", "mxnet": "MXNet",
           "chainer": "Chainer", "oneflow": "OneFlow", "jittor": "Jittor", "mlx": "MLX", "megengine": "MegEngine"}  # fmt: skip
_BY_NAME = {name.lower(): near for names, near in _NEAR.items() for name in names.split()}
_WITH_WEIGHTS = {"conv2d": "nn.Conv2d", "linear": "nn.Linear", "batch_norm": "nn.BatchNorm2d",
                 "layer_norm": "nn.LayerNorm", "group_norm": "nn.GroupNorm"}  # fmt: skip


def no_layer(kind: str, line: int) -> Refusal:
    """Return the refusal of a layer that the lab lacks, with those that come close where there are any."""
    near = _BY_NAME.get(kind.removeprefix("F.").replace("_", "").lower())
    text = Message("{kind} is not among the lab's layers", kind=kind)
    if near is not None:
        text = Message("{kind} is not among the lab's layers; close to it: {near}", kind=kind, near=near)
    return _of_network(line, text)


def no_function(name: str, line: int) -> Refusal:
    """Return the refusal of a function of ``torch.nn.functional``; one that is given its weights says where they belong."""
    layer = _WITH_WEIGHTS.get(name)
    if layer is None:
        return no_layer(f"F.{name}", line)
    text = Message("F.{name} works with weights from elsewhere; make them a layer in __init__ ({layer}) and call that", name=name, layer=layer)  # fmt: skip
    return _of_network(line, text)


def from_library(name: str, code: str, line: int) -> Refusal:
    """Return the refusal of a network that a library brings ready-made; a preset of the same name is pointed to."""
    from cnnlab.architecture.presets import PRESETS  # making them all takes longer than reading most sources

    text = Message("{code} takes a network from a library; its layers do not stand in this source", code=code)
    if name.lower() in PRESETS:
        text = Message("{code} takes a network from a library; the lab has it too, as the preset {name}", code=code, name=name.lower())  # fmt: skip
    return _of_network(line, text)


def other_library(path: str, line: int) -> Finding | None:
    """Return what is said of a class derived from another library's module, or None where it is none that is known."""
    library = _OTHERS.get(path.split(".")[0])
    if library is None:
        return None
    return Finding(line, Message("a network for {library}; only PyTorch and Keras are read", library=library))


def _of_network(line: int, text: Message) -> Refusal:
    refusal = Refusal(line, text)
    refusal.network = True
    return refusal


__all__ = ["from_library", "no_function", "no_layer", "other_library"]
