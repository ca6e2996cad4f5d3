"""A model in one file: what goes in comes out, and what is not a model is refused before it is used."""

from __future__ import annotations

import json
import struct

import pytest
import torch
from torch.nn import functional as F

from cnnlab.architecture import Architecture
from cnnlab.architecture.layers import BatchNorm2d, Conv2d, Flatten, Linear, MaxPool2d, ReLU, Softmax
from cnnlab.build import build
from cnnlab.description import FORMAT, ModelAbout, ModelDescription, ModelRef, Preprocessing, read_description
from cnnlab.errors import ModelError, ShapeError
from cnnlab.model import Model

NETWORK = Architecture(
    name="small",
    input_shape=(1, 32, 32),
    layers=(
        Conv2d(out_channels=4, kernel_size=5),
        BatchNorm2d(),
        ReLU(),
        MaxPool2d(kernel_size=4),
        Flatten(),
        Linear(),
        Softmax(),
    ),
)
PREPROCESSING = Preprocessing(data_shape=(1, 28, 28), input_shape=(1, 32, 32), mean=(0.1307,), std=(0.3081,))
DIGITS = tuple("0123456789")


def description(**changes) -> ModelDescription:
    parts = {"architecture": NETWORK, "preprocessing": PREPROCESSING, "class_names": DIGITS, **changes}
    return ModelDescription(**parts)


@pytest.fixture(scope="module")
def model() -> Model:
    network = build(NETWORK, torch.Generator().manual_seed(0))
    about = ModelAbout(name="small", data="mnist", data_hash="ab", recipe={"epochs": 1}, result={"test_acc": 0.5})
    return Model(description(about=about), network.state_dict())


@pytest.fixture(scope="module")
def images() -> torch.Tensor:
    return torch.randint(0, 256, (9, 1, 28, 28), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))


def test_preprocessing_pads_then_normalises(images):
    x = PREPROCESSING.apply(images)
    by_hand = (F.pad(images.double(), (2, 2, 2, 2)) / 255 - 0.1307) / 0.3081
    assert x.shape == (9, 1, 32, 32) and x.dtype == torch.float32
    assert (x - by_hand).abs().max() < 1e-6
    with pytest.raises(ModelError, match="1x28x28, but 3x28x28 arrives"):
        PREPROCESSING.apply(images.expand(-1, 3, -1, -1))


def test_odd_padding_puts_the_extra_line_right_and_below():
    odd = Preprocessing(data_shape=(1, 2, 2), input_shape=(1, 5, 5), mean=(0.0,), std=(1.0,))
    x = odd.apply(torch.full((1, 1, 2, 2), 255, dtype=torch.uint8))
    assert x[0, 0].nonzero().tolist() == [[1, 1], [1, 2], [2, 1], [2, 2]]


def test_pictures_that_do_not_fit_the_input_are_refused():
    class Colour:
        name, image_shape, mean, std = "cifar10-sample", (3, 32, 32), (0.5,) * 3, (0.2,) * 3

    with pytest.raises(ShapeError, match="input is 1x32x32, but the pictures of cifar10-sample are 3x32x32"):
        Preprocessing.of(NETWORK, Colour)
    small = NETWORK.with_input((3, 28, 28))
    with pytest.raises(ShapeError, match="set the input to 3x32x32"):
        Preprocessing.of(small, Colour)


def test_file_and_bytes_bring_back_the_same_answers(model, images, tmp_path):
    model.save(tmp_path / "small.safetensors")
    for again in (Model.load(tmp_path / "small.safetensors"), Model.from_bytes(model.to_bytes())):
        assert again.description == model.description
        assert torch.equal(again.logits(images), model.logits(images))
    assert read_description(tmp_path / "small.safetensors") == model.description
    assert [path.name for path in tmp_path.iterdir()] == ["small.safetensors"]


def test_logits_are_what_softmax_receives(model, images):
    x = model.preprocessing.apply(images)
    with torch.no_grad():
        assert torch.allclose(model.logits(images).softmax(1), model.network(x), atol=1e-7)
    assert torch.equal(model.probs(images), model.logits(images).softmax(1))
    assert model.logits(images[:0]).shape == (0, 10)


def test_mirrored_view_averages_logits(model, images):
    plain, mirrored = model.logits(images, mirror=False), model.logits(images, mirror=True)
    flipped = model.logits(images.flip(3), mirror=False)
    assert torch.allclose(mirrored, (plain + flipped) / 2, atol=1e-6)
    assert torch.equal(model.logits(images), plain)


def test_weights_do_not_alias_the_network_they_came_from(images):
    network = build(NETWORK, torch.Generator().manual_seed(0))
    model = Model(description(), network.state_dict())
    before = model.logits(images)
    with torch.no_grad():
        for tensor in network.state_dict().values():
            tensor.zero_()
    model.copy_network().fc1.weight.zero_()
    assert torch.equal(Model(model.description, model.state).logits(images), before)
    assert not any(parameter.requires_grad for parameter in model.network.parameters())


def rewritten(data: bytes, change) -> bytes:
    """Return a safetensors file whose header ``change`` has altered; the tensors' bytes stay."""
    length = struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8 : 8 + length])
    change(header)
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data[8 + length :]


def lie_about_shape(header):
    header["conv1.weight"]["shape"] = [4, 1, 25, 1]


def lie_in_description(header):
    text = header["__metadata__"][FORMAT]
    header["__metadata__"][FORMAT] = text.replace('"out_channels":4', '"out_channels":8')


def promise_more_classes(header):
    text = json.loads(header["__metadata__"][FORMAT])
    text["class_names"].append("ten")
    header["__metadata__"][FORMAT] = json.dumps(text)


def claim_a_huge_network(header):
    text = json.loads(header["__metadata__"][FORMAT])
    text["architecture"]["layers"][5]["out_features"] = 10_000_000
    text["class_names"] = ["a"] * 10_000
    header["__metadata__"][FORMAT] = json.dumps(text)


BROKEN = {
    "empty": lambda data: b"",
    "not safetensors": lambda data: b"PK\x03\x04" + bytes(1000),
    "cut in the header": lambda data: data[:100],
    "cut in the weights": lambda data: data[:-100],
    "header longer than the file": lambda data: struct.pack("<Q", 2**40) + data[8:],
    "no metadata": lambda data: rewritten(data, lambda header: header.pop("__metadata__")),
    "other metadata": lambda data: rewritten(data, lambda header: header.update(__metadata__={"format": "pt"})),
    "metadata is not a network": lambda data: rewritten(data, lambda h: h.update(__metadata__={FORMAT: "[[[["})),
    "200,000 brackets": lambda data: rewritten(data, lambda h: h.update(__metadata__={FORMAT: "[" * 200_000})),
    "another shape": lambda data: rewritten(data, lie_about_shape),
    "description lies about shapes": lambda data: rewritten(data, lie_in_description),
    "a class too many": lambda data: rewritten(data, promise_more_classes),
    "a network of 10 million outputs": lambda data: rewritten(data, claim_a_huge_network),
    "a tensor missing": lambda data: rewritten(data, lambda header: header.pop("fc1.bias")),
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_no_model_is_refused_in_one_sentence(model, tmp_path, name):
    data = BROKEN[name](model.to_bytes())
    path = tmp_path / "broken.safetensors"
    path.write_bytes(data)
    for read in (lambda: Model.load(path), lambda: Model.from_bytes(data)):
        with pytest.raises(ModelError) as raised:
            read()
        text = str(raised.value)
        assert "\n" not in text and 10 < len(text) < 400


def test_absent_file_and_folder_are_model_errors(tmp_path):
    for path in (tmp_path / "absent.safetensors", tmp_path):
        with pytest.raises(ModelError, match="cannot be read|not a"):
            Model.load(path)
        with pytest.raises(ModelError, match="cannot be read|not a"):
            read_description(path)


def test_shapes_that_differ_are_both_named():
    state = build(NETWORK, torch.Generator().manual_seed(0)).state_dict()
    state["conv1.weight"] = torch.zeros(4, 1, 3, 3)
    with pytest.raises(
        ModelError, match=r"conv1.weight: the network needs \[4, 1, 5, 5\], the file has \[4, 1, 3, 3\]"
    ):
        Model(description(), state)


@pytest.mark.parametrize("text", ["bundled:mnist-sprint", "run:ab12", "run:ab12@300", "file:/tmp/a@b.safetensors"])
def test_references_round_trip(text):
    assert str(ModelRef.parse(text)) == text
    assert ModelRef.parse("run:ab12@300") == ModelRef("run:ab12", 300)


@pytest.mark.parametrize("text", ["", "mnist", "http://x", "run"])
def test_what_is_no_reference_is_refused(text):
    with pytest.raises(ModelError, match="not a model"):
        ModelRef.parse(text)
