"""int8: the numbers are bytes, the kernels are int8 kernels, the answers stay, and a file brings all of it back."""

import json

import pytest
import safetensors.torch
import torch
from click.testing import CliRunner
from PIL import Image
from safetensors import safe_open
from torch.profiler import ProfilerActivity, profile

from cnnlab.architecture.layers import BatchNorm2d, Conv2d, Linear, MaxPool2d, ReLU, Softmax
from cnnlab.cli import main
from cnnlab.compress import answering as module
from cnnlab.compress import pt2e
from cnnlab.compress.answering import answering, begin, is_int8, is_ready
from cnnlab.compress.compare import compare, subject_of
from cnnlab.compress.int8 import FORMAT, Int8Model, quantise
from cnnlab.data.loader import load
from cnnlab.description import ModelRef, bundled_path, read_answering, read_description
from cnnlab.errors import DataError, ModelError
from cnnlab.model import Model
from cnnlab.runs import resolve
from tests.compress.makers import HEAD, model_of, needs_int8, pictures, residual

pytestmark = needs_int8
NAMES = ("mnist-sprint", "article-003-keras")


@pytest.fixture(scope="module", params=NAMES)
def pair(request):
    model = Model.load(bundled_path(request.param))
    return model, quantise(model, load("mnist").fit.images[:64])


def test_the_answers_hardly_change(pair):
    model, small = pair
    test = load("mnist").test[:1000]
    exact, rounded = model.logits(test.images), small.logits(test.images)
    assert (exact.argmax(1) == rounded.argmax(1)).float().mean() >= 0.99
    assert 1e-3 < (exact - rounded).abs().mean() < 0.2
    one = torch.cat([small.logits(image[None]) for image in test.images[:5]])
    assert (one - rounded[:5]).abs().max() <= 0.1  # whatever the size of the batch


def test_the_weights_are_bytes_no_further_off_than_half_a_step(pair):
    model, small = pair
    layers = [row.name for row in model.architecture.trace().rows if isinstance(row.layer, (Conv2d, Linear))]
    assert list(small.int8_layers) == layers
    bytes_ = [tensor for tensor in small._tensors.values() if tensor.dim() > 1]
    assert {tensor.dtype for tensor in bytes_} == {torch.int8}
    for name, weight in small.weights.items():
        exact = small.exact[name]
        assert exact.shape == model.state[name].shape
        step = exact.abs().flatten(1).max(1).values / 127.5
        off = (weight - exact).abs().flatten(1).max(1).values
        assert (off <= 0.5001 * step + 1e-7).all()
        assert off.max() > 0
    if model.about.name == "article-003-keras":  # no normalisation is multiplied in
        assert all(torch.equal(small.exact[name], model.state[name]) for name in small.exact)


def test_int8_kernels_really_run(pair):
    model, small = pair
    x = model.preprocessing.apply(load("mnist").test.images[:4])
    small.forward(x)
    with profile(activities=[ProfilerActivity.CPU]) as seen:
        small.forward(x)
    ran = {event.key: event.count for event in seen.key_averages()}
    convolutions = sum(isinstance(layer, Conv2d) for layer in model.architecture.layers)
    assert ran["onednn::qconv_pointwise"] == small.kernels["onednn.qconv_pointwise.default"] == convolutions
    assert ran["onednn::qlinear_pointwise"] == len(small.int8_layers) - convolutions
    assert not {"aten::convolution", "aten::addmm", "aten::linear", "aten::mm"} & ran.keys()


def test_a_file_brings_it_back_to_the_bit(pair, tmp_path):
    model, small = pair
    images = load("mnist").test.images[:50]
    small.save(tmp_path / "small.safetensors")
    again = Int8Model.load(tmp_path / "small.safetensors")
    assert torch.equal(again.logits(images), small.logits(images))
    assert again.to_bytes() == small.to_bytes()
    assert len(small.to_bytes()) < 0.45 * len(model.to_bytes())
    with pytest.raises(ModelError, match="int8 model, which can only answer"):
        Model.load(tmp_path / "small.safetensors")
    with pytest.raises(ModelError, match="no int8 model"):
        Int8Model.load(bundled_path("mnist-sprint"))


def test_a_file_that_contradicts_itself_is_refused(pair, tmp_path):
    _model, small = pair
    path = tmp_path / "bad.safetensors"
    small.save(path)
    with safe_open(path, framework="pt") as file:
        tensors, text = {name: file.get_tensor(name) for name in file.keys()}, file.metadata()[FORMAT]
    for broken in ({**tensors, "more": torch.zeros(1)}, {name: tensors[name] for name in list(tensors)[1:]}):
        safetensors.torch.save_file(broken, path, {FORMAT: text})
        with pytest.raises(ModelError, match="not those of its network"):
            Int8Model.load(path)
    path.write_bytes(b"nothing")
    with pytest.raises(ModelError, match="safetensors"):
        Int8Model.load(path)
    with pytest.raises(ModelError, match="cannot be read"):
        Int8Model.load(tmp_path / "absent")


def test_it_is_measured_as_the_others_are(pair):
    model, small = pair
    found = compare(subject_of(model), small.subject(), load("mnist").test[:500], seconds=0.05)
    assert found.after.file_bytes == len(small.to_bytes())
    assert found.after.macs == found.before.macs
    assert found.after.right + 5 > found.before.right
    assert min(found.after.latency_s.values()) > 0


def test_a_network_of_blocks_is_taken_apart_too():
    model = model_of(*residual("projection", 16, 2), Conv2d(out_channels=6, kernel_size=1), ReLU(), *HEAD, Softmax())
    small = quantise(model, pictures(count=64))
    assert len(small.int8_layers) == 6
    exact, rounded = model.logits(pictures()), small.logits(pictures())
    assert (exact - rounded).abs().max() < 0.1 * exact.abs().max()


def test_a_normalisation_that_stands_alone_starts_no_search(monkeypatch):
    model, traced, export = (
        model_of(Conv2d(out_channels=4), MaxPool2d(), BatchNorm2d(), ReLU(), *HEAD),
        [],
        torch.export.export,
    )
    monkeypatch.setattr(torch.export, "export", lambda *args, **options: traced.append(1) or export(*args, **options))
    small = quantise(model, pictures(count=64))
    assert len(traced) == 1  # else 96 more, of patterns that only training in int8 leaves behind
    assert "aten.batch_norm.default" in {str(node.target) for node in small._graph.graph.nodes}
    exact, rounded = model.logits(pictures()), small.logits(pictures())
    assert (exact - rounded).abs().max() < 0.1 * exact.abs().max()


def test_what_no_longer_fits_in_is_forgotten_and_made_ready_again(tmp_path, monkeypatch):
    small = quantise(model_of(Conv2d(out_channels=2), *HEAD), pictures(count=2))
    monkeypatch.setattr(module, "MOST_KEPT", 1)
    monkeypatch.setattr(module, "_load", Int8Model.load)  # without its kernels, which nobody asks here
    refs = [ModelRef(f"file:{tmp_path / name}.safetensors") for name in "ab"]
    for ref in refs:
        small.save(ref.value)
    first = [answering(ref) for ref in refs]
    assert is_ready(refs[1]) and answering(refs[1]) is first[1]
    assert not is_ready(refs[0])
    begin(refs[0])
    assert answering(refs[0]) is not first[0]


def test_what_is_missing_is_said(pair, monkeypatch):
    model, _small = pair
    with pytest.raises(DataError, match="two images"):
        quantise(model, load("mnist").fit.images[:1])
    with monkeypatch.context() as patch:
        patch.setattr(pt2e.util, "find_spec", lambda name: None)
        with pytest.raises(ModelError, match="pip install torchao"):
            quantise(model, load("mnist").fit.images[:8])
    monkeypatch.setattr(pt2e.platform, "machine", lambda: "arm64")
    with pytest.raises(ModelError, match="arm64"):
        quantise(model, load("mnist").fit.images[:8])


def test_it_answers_wherever_answers_are_all_that_is_asked_for(pair, tmp_path):
    model, small = pair
    path = tmp_path / "small.safetensors"
    small.save(path)
    ref, whole = ModelRef(f"file:{path}"), ModelRef("bundled:mnist-sprint")
    assert is_int8(ref) and not is_ready(ref) and is_ready(whole) and not is_int8(whole)
    found, images = answering(ref), load("mnist").test.images[:20]
    assert torch.equal(found.probs(images), small.logits(images).softmax(1))
    assert found.class_names == model.class_names and found.preprocessing == model.preprocessing
    assert is_ready(ref) and answering(ref) is found and answering(whole) is resolve(whole)
    assert read_answering(path)[1] and read_answering(path)[0].architecture == model.architecture
    with pytest.raises(ModelError, match="can only answer"):
        read_description(path)
    path.write_bytes(b"nothing")
    assert not is_int8(ref)
    with pytest.raises(ModelError, match="safetensors"):
        answering(ref)


def test_the_command_asks_it(pair, tmp_path):
    _model, small = pair
    small.save(tmp_path / "small.safetensors")
    Image.fromarray(load("mnist").test.images[0, 0].numpy()).save(tmp_path / "seven.png")
    words = ["--model", str(tmp_path / "small.safetensors"), str(tmp_path / "seven.png")]
    told = CliRunner().invoke(main, ["predict", *words, "--json"])
    assert told.exit_code == 0 and json.loads(told.stdout)[0]["label"] == "7"
    refused = CliRunner().invoke(main, ["explain", "--method", "saliency", *words])
    assert refused.exit_code == 2 and "int8 model, which can only answer" in refused.stderr
