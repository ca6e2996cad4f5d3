"""The libraries' names: one path for each thing, whichever way it was imported."""

from __future__ import annotations

import math
from typing import Any

MODULE_BASES = {
    "torch.nn.Module": "Module",
    "torch.nn.Sequential": "Sequential",
    "torch.nn.ModuleList": "ModuleList",
    "torch.nn.ModuleDict": "ModuleDict",
    "pytorch_lightning.LightningModule": "Module",
    "lightning.LightningModule": "Module",
    "keras.Model": "Module",
    "keras.Layer": "Module",
    "keras.Sequential": "keras",
}
"""Library classes that a network may be derived from, and what kind of module that makes."""

ASSUMED = {
    "torch": "torch", "nn": "torch.nn", "F": "torch.nn.functional", "optim": "torch.optim", "np": "numpy", "math": "math",
    "tf": "tensorflow", "keras": "keras", "layers": "keras.layers", "models": "keras.models", "OrderedDict": "collections.OrderedDict",
}  # fmt: skip
"""What a name that was never imported is read as: a pasted class often comes without its first lines."""
for _layer in (
    "Sequential Model Input InputLayer Conv2D MaxPooling2D MaxPool2D AveragePooling2D AvgPool2D GlobalAveragePooling2D "
    "GlobalMaxPooling2D Flatten Dense Dropout SpatialDropout2D BatchNormalization Activation ZeroPadding2D LeakyReLU "
    "DepthwiseConv2D SeparableConv2D"
).split():
    ASSUMED[_layer] = f"keras.{_layer}"

CONSTANTS: dict[str, Any] = {"math.pi": math.pi, "math.e": math.e, "numpy.pi": math.pi, "math.inf": math.inf}
_KERAS_PARTS = ("layers", "models", "engine", "Sequential", "Model", "Input")


def canonical(path: str) -> str:
    """Return one path for all the ways to the same thing: ``tf.keras.layers.Conv2D`` is ``keras.Conv2D``."""
    parts = path.split(".")
    if parts[0] == "tensorflow":
        parts = [part for part in parts if part not in ("python", "compat", "v2")]
        if len(parts) > 1 and parts[1] == "keras":
            parts = parts[1:]
    if parts[0] == "tf_keras":
        parts[0] = "keras"
    if parts[0] == "keras" and len(parts) > 2 and parts[1] in _KERAS_PARTS and parts[-1][:1].isupper():
        parts = ["keras", parts[-1]]
    if parts[:3] == ["torch", "nn", "modules"] and len(parts) > 3:
        parts = ["torch", "nn", parts[-1]]
    if parts[:2] == ["lightning", "pytorch"]:
        parts = ["lightning", *parts[2:]]
    return ".".join(parts)
