"""onnxruntime answers as torch does, for any number of images; where a package is missing, a sentence says so."""

import importlib.util
import json
import warnings
from typing import Any

import numpy as np
import onnx
import pytest
import torch

from cnnlab.architecture import Architecture, make_layer
from cnnlab.architecture.blocks import BLOCKS, Branches, DenseBlock, Residual, Sequence
from cnnlab.build import build
from cnnlab.description import ModelRef, bundled_models
from cnnlab.errors import CnnLabError
from cnnlab.export.onnx import fresh_onnx, to_onnx
from cnnlab.runs import resolve

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import onnxruntime


def answers(file: bytes, x: torch.Tensor) -> Any:
    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    return session.run(["output"], {"image": x.numpy()})[0]


@pytest.mark.parametrize("name", bundled_models())
def test_a_model_answers_alike(name: str) -> None:
    model = resolve(ModelRef(f"bundled:{name}"))
    file = to_onnx(model)
    onnx.checker.check_model(onnx.load_from_string(file), full_check=True)
    for count in (1, 3):
        x = torch.randn(count, *model.architecture.input_shape, generator=torch.Generator().manual_seed(count))
        np.testing.assert_allclose(answers(file, x), model.network(x).numpy(), rtol=1e-5, atol=1e-5)
    metadata = onnxruntime.InferenceSession(file).get_modelmeta().custom_metadata_map
    assert json.loads(metadata["cnnlab.classes"]) == list(model.class_names)
    assert json.loads(metadata["cnnlab.preprocessing"])["mean"] == list(model.preprocessing.mean)


def every_layer() -> Architecture:
    """Return a network with each kind of layer and block that can stand in one."""
    conv = make_layer("Conv2d", out_channels=8, padding=1)
    kinds = (
        "ReLU ReLU6 LeakyReLU Sigmoid Tanh GELU SiLU Hardswish LayerNorm LocalResponseNorm ZeroPad2d Dropout2d".split()
    )
    blocks = [
        Residual(layers=(make_layer("Conv2d", out_channels=12, stride=2, padding=1),), shortcut="pad"),
        Residual(layers=(conv,), shortcut="projection"),
        Branches(branches=(Sequence(layers=(make_layer("ReLU"),)), Sequence()), split=True),
        DenseBlock(layers=(conv,), repeat=2),
        *(make_layer(kind, out_channels=12) for kind in ("DepthwiseSeparable", "InvertedResidual")),
        make_layer("SqueezeExcitation"),
        Sequence(layers=(conv, make_layer("BatchNorm2d")), repeat=2),
    ]
    assert {block.kind for block in blocks} == set(BLOCKS)
    tail = [
        make_layer("GroupNorm", num_groups=2), make_layer("ChannelShuffle"), make_layer("MaxPool2d", ceil_mode=True),
        make_layer("AvgPool2d", kernel_size=3, stride=2, padding=1, ceil_mode=True),
        make_layer("AdaptiveAvgPool2d", output_size=2), make_layer("Flatten"), make_layer("Dropout"),
        make_layer("Linear", out_features=5), make_layer("Softmax"),
    ]  # fmt: skip
    return Architecture(
        name="all of them", input_shape=(2, 19, 16), layers=(conv, *map(make_layer, kinds), *blocks, *tail)
    )


def test_every_layer_and_block_answers_alike() -> None:
    architecture = every_layer()
    file = fresh_onnx(architecture)
    x = torch.randn(3, *architecture.input_shape, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        wanted = build(architecture, torch.Generator().manual_seed(0)).eval()(x).numpy()
    np.testing.assert_allclose(answers(file, x), wanted, rtol=1e-5, atol=1e-5)


def test_a_missing_package_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "onnxscript" else found(name))
    with pytest.raises(CnnLabError, match=r"not installed here: onnxscript; `pip install onnx onnxscript`"):
        fresh_onnx(every_layer())
