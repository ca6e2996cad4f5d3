"""What torchvision calls the layers of the full-size networks: by these names published weights find their place."""

from __future__ import annotations

import re
from collections.abc import Callable

from cnnlab.architecture.layers import Flatten
from cnnlab.architecture.network import Architecture
from cnnlab.architecture.tape import Row

Rule = tuple[str, str]


def their_names(architecture: Architecture) -> dict[str, str]:
    """Return, for each row with parameters, the path of the module that torchvision's network of this name has for it.

    Raises:
        KeyError: torchvision's name for such a network is not known; :data:`NAMED` has those that are.
    """
    rows = architecture.trace().rows
    named = NAMED[architecture.name]
    return {row.name: named(row, rows) for row in rows if row.num_params}


def _by_position(row: Row, rows: tuple[Row, ...]) -> str:
    """Two ``nn.Sequential``, counted from 0: ``features`` up to Flatten, ``classifier`` behind it (AlexNet, VGG)."""
    flatten = next(one.index for one in rows if isinstance(one.layer, Flatten))
    return f"features.{row.index}" if row.index < flatten else f"classifier.{row.index - flatten - 1}"


def _squeezenet(row: Row, rows: tuple[Row, ...]) -> str:
    features, top = max(one.top for one in rows if one.name.startswith("fire")) + 1, row.top
    if top >= features:
        return f"classifier.{top - features}"
    inside = {"conv1": ".squeeze", "expand.expand1x1.conv1": ".expand1x1", "expand.expand3x3.conv1": ".expand3x3"}
    _block, _dot, rest = row.name.partition(".")
    return f"features.{top}{inside[rest] if rest else ''}"


def _by_rules(*rules: Rule) -> Callable[[Row, tuple[Row, ...]], str]:
    """Return a namer that applies the first rule whose pattern is the whole name; ``{1-1}`` is a group less one."""

    def named(row: Row, _rows: tuple[Row, ...]) -> str:
        for pattern, wanted in rules:
            if found := re.fullmatch(pattern, row.name):
                lowered = re.sub(r"\{(\d)-1\}", lambda mark: str(int(found[int(mark[1])]) - 1), wanted)
                return found.expand(lowered)
        return row.name

    return named


def _mobilenet(row: Row, rows: tuple[Row, ...]) -> str:
    kinds = {"conv": 0, "bn": 1}
    found = re.fullmatch(r"(?:block(\d+)\.)?(conv|bn)(\d)", row.name)
    if found is None:
        return "classifier.1"
    block, kind, number = found[1], kinds[found[2]], int(found[3])
    if block is None:
        return f"features.{0 if number == 1 else max(one.top for one in rows if '.' in one.name) - 1}.{kind}"
    convolutions = sum(one.name.startswith(f"block{block}.conv") for one in rows)
    if number < convolutions:
        return f"features.{block}.conv.{number - 1}.{kind}"
    return f"features.{block}.conv.{convolutions - 1 + kind}"


def _shufflenet(row: Row, _rows: tuple[Row, ...]) -> str:
    if found := re.fullmatch(r"(stage\d)\.unit(\d+)\.(branch\d)\.\w+", row.name):
        return f"{found[1]}.{int(found[2]) - 1}.{found[3]}.{row.place[-1]}"
    return {"conv1": "conv1.0", "bn1": "conv1.1", "conv2": "conv5.0", "bn2": "conv5.1", "fc1": "fc"}[row.name]


_resnet = _by_rules(
    (r"fc1", "fc"),
    (r"(layer\d)\.block(\d+)\.shortcut\.conv", r"\1.{2-1}.downsample.0"),
    (r"(layer\d)\.block(\d+)\.shortcut\.bn", r"\1.{2-1}.downsample.1"),
    (r"(layer\d)\.block(\d+)\.(\w+)", r"\1.{2-1}.\3"),
)
_googlenet = _by_rules(
    (r"fc1", "fc"),
    (r"(conv|bn)(\d)", r"conv\2.\1"),
    (r"(\w+\.branch1)\.(conv|bn)1", r"\1.\2"),
    (r"(\w+\.branch4)\.(conv|bn)1", r"\1.1.\2"),
    (r"(\w+\.branch\d)\.(conv|bn)(\d)", r"\1.{3-1}.\2"),
)
_densenet = _by_rules(
    (r"fc1", "classifier"),
    (r"conv1", "features.conv0"),
    (r"bn1", "features.norm0"),
    (r"bn2", "features.norm5"),
    (r"(transition\d)\.bn1", r"features.\1.norm"),
    (r"(transition\d)\.conv1", r"features.\1.conv"),
    (r"(denseblock\d)\.layer(\d+)\.bn(\d)", r"features.\1.denselayer\2.norm\3"),
    (r"(denseblock\d)\.layer(\d+)\.conv(\d)", r"features.\1.denselayer\2.conv\3"),
)

NAMED: dict[str, Callable[[Row, tuple[Row, ...]], str]] = {
    "alexnet": _by_position,
    "vgg11": _by_position,
    "vgg16": _by_position,
    "googlenet": _googlenet,
    "resnet18": _resnet,
    "resnet50": _resnet,
    "densenet121": _densenet,
    "mobilenet_v2": _mobilenet,
    "shufflenet_v2_x1_0": _shufflenet,
    "squeezenet1_1": _squeezenet,
}
"""How each network's layers are named there."""
