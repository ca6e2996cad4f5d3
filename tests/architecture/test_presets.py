"""The presets hold what they say: sizes and counts against the articles' own code, each claim of a note run."""

import itertools
import json
import re
from pathlib import Path

import pytest
import torch
from torch import nn

from cnnlab.architecture.network import MAX_JSON_BYTES, Architecture
from cnnlab.architecture.presets import PRESETS, load_network
from cnnlab.architecture.repair import suggest
from cnnlab.architecture.zoo import ZOO
from cnnlab.build import build
from cnnlab.data import catalog
from cnnlab.errors import ArchitectureError, ShapeError
from cnnlab.i18n import catalogue
from cnnlab.training.recipe import Recipe

ARTICLES = {
    "article-000-lenet5", "article-001-cnn", "article-002-cifar", "article-003-keras", "article-004-cnn",
    "article-004-cnn-fixed",
}  # fmt: skip
RUNNING = [name for name in PRESETS if name != "article-004-cnn"]


def lenet(channels: int) -> dict[str, nn.Module]:
    """The modules of articles 000, 001 and 002, as printed."""
    return {
        "conv1": nn.Conv2d(channels, 6, 5),
        "conv2": nn.Conv2d(6, 16, 5),
        "fc1": nn.Linear(16 * 5 * 5, 120),
        "fc2": nn.Linear(120, 84),
        "fc3": nn.Linear(84, 10),
    }


def article_004(in_features: int) -> dict[str, nn.Module]:
    return {
        "conv1": nn.Conv2d(3, 32, kernel_size=3, stride=1, padding=1),
        "conv2": nn.Conv2d(32, 64, kernel_size=3, stride=1, padding=1),
        "fc1": nn.Linear(in_features, 128),
        "fc2": nn.Linear(128, 10),
    }


PRINTED = {
    "article-000-lenet5": lenet(1),
    "article-001-cnn": lenet(1),
    "article-002-cifar": lenet(3),
    "article-004-cnn-fixed": article_004(64 * 8 * 8),
}
"""The articles' PyTorch modules; article 003 is Keras code, its count is Keras' own."""

PUBLISHED = {
    "article-000-lenet5": 61_706, "article-001-cnn": 61_706, "article-002-cifar": 62_006, "article-003-keras": 93_322,
    "article-004-cnn-fixed": 545_098, "mlp-lenet": 61_842,
}  # fmt: skip


def test_every_article_and_every_comparison_is_there() -> None:
    others = {"mnist-sprint", "cifar-blocks", "mlp-lenet"}
    assert ARTICLES | others | {preset.name for preset in ZOO} == set(PRESETS)
    assert all(name == preset.name == preset.architecture.name for name, preset in PRESETS.items())


@pytest.mark.parametrize("name", PRINTED)
def test_an_articles_network_has_the_parameters_of_its_own_code(name: str) -> None:
    network = build(PRESETS[name].architecture)
    for layer, module in PRINTED[name].items():
        ours = {key: tuple(value.shape) for key, value in network.get_submodule(layer).state_dict().items()}
        assert ours == {key: tuple(value.shape) for key, value in module.state_dict().items()}
    printed = sum(p.numel() for module in PRINTED[name].values() for p in module.parameters())
    assert printed == sum(p.numel() for p in network.parameters()) == PUBLISHED[name]


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_counts(name: str) -> None:
    assert PRESETS[name].architecture.trace().num_params == PUBLISHED[name]


@pytest.mark.parametrize("name", [name for name in RUNNING if not PRESETS[name].full_size])
def test_a_preset_runs_and_names_ten_classes(name: str) -> None:
    architecture = PRESETS[name].architecture
    network = build(architecture).eval()
    assert tuple(network(torch.zeros(2, *architecture.input_shape)).shape) == (2, *architecture.output_shape) == (2, 10)


def test_the_one_that_cannot_run_says_where_and_is_mended_by_one_click() -> None:
    preset = PRESETS["article-004-cnn"]
    assert isinstance(preset.error, ShapeError)
    for word in ("fc1", "4096", "3136"):
        assert word in str(preset.error)
    mended = suggest(preset.architecture)[0].architecture
    assert mended.layers == PRESETS["article-004-cnn-fixed"].architecture.layers


@pytest.mark.parametrize("preset", PRESETS.values(), ids=PRESETS)
def test_a_preset_brings_a_valid_recipe_known_data_and_its_words_in_chinese(preset) -> None:
    Recipe.of(preset.recipe)
    assert preset.data in {info.name for info in catalog.catalog()}
    for text in (preset.title, preset.sentence, preset.source, *preset.note):
        assert catalogue("zh_CN").get(text), text
    assert preset.note


def test_the_recipes_that_articles_name() -> None:
    keras = Recipe.of(PRESETS["article-003-keras"].recipe)
    assert (keras.optimizer, keras.epochs, keras.batch_size) == ("adam", 5, 32)
    for name in ("article-004-cnn", "article-004-cnn-fixed"):
        sgd = Recipe.of(PRESETS[name].recipe)
        assert (sgd.optimizer, sgd.lr, sgd.momentum, sgd.epochs, sgd.batch_size) == ("sgd", 0.01, 0, 10, 64)


# ------------------------------------------------------------------------------------ what the notes claim
def sides(architecture: Architecture) -> list[int]:
    """Sides of the maps from layer to layer, repetitions left out."""
    shapes = [architecture.input_shape, *(row.output_shape for row in architecture.trace().rows)]
    return [side for side, _group in itertools.groupby(shape[1] for shape in shapes if shape and len(shape) == 3)]


def test_note_000_why_mnist_is_padded() -> None:
    architecture = PRESETS["article-000-lenet5"].architecture
    assert sides(architecture) == [32, 28, 14, 10, 5]
    small = architecture.with_input((1, 28, 28)).trace()
    assert sides(architecture.with_input((1, 28, 28)))[-1] == 4
    assert small.error is not None
    assert "256" in str(small.error)
    assert "400" in str(small.error)


def test_note_001_view_hides_a_wrong_size() -> None:
    def features(batch: int) -> torch.Tensor:
        layers = lenet(1)
        x = torch.zeros(batch, 1, 28, 28)
        x = nn.functional.max_pool2d(layers["conv1"](x), 2)
        return nn.functional.max_pool2d(layers["conv2"](x), 2)

    assert features(25).view(-1, 16 * 5 * 5).shape == (16, 400)
    with pytest.raises(RuntimeError):
        features(64).view(-1, 16 * 5 * 5)


def test_note_003_sides_and_flattened_numbers() -> None:
    architecture = PRESETS["article-003-keras"].architecture
    assert sides(architecture) == [28, 26, 13, 11, 5, 3]
    rows = {row.name: row for row in architecture.trace().rows}
    assert rows["flatten"].output_shape == (576,)
    assert architecture.ends_in_softmax


def test_note_004_view_raises_at_64_and_16_and_mixes_49() -> None:
    numbers = torch.arange(49 * 4096).view(49, 64, 8, 8)
    picture = torch.arange(49).view(49, 1, 1, 1).expand(49, 64, 8, 8).reshape(-1, 64 * 7 * 7)
    assert numbers.view(-1, 64 * 7 * 7).shape == (64, 3136)
    assert torch.zeros(98, 64, 8, 8).view(-1, 64 * 7 * 7).shape[0] == 128
    assert int((picture.amin(1) != picture.amax(1)).sum()) == 48
    for batch in (64, 16):
        with pytest.raises(RuntimeError):
            torch.zeros(batch, 64, 8, 8).view(-1, 64 * 7 * 7)
    with pytest.raises(ValueError, match=r"batch_size \(64\).*\(49\)"):
        nn.functional.cross_entropy(torch.zeros(64, 10), torch.zeros(49, dtype=torch.long))
    assert sides(PRESETS["article-004-cnn"].architecture.with_input((3, 28, 28)))[-1] == 7


def test_note_mlp_costs() -> None:
    traces = {name: PRESETS[name].architecture.trace() for name in ("mlp-lenet", "article-000-lenet5")}
    assert (traces["mlp-lenet"].num_params, traces["mlp-lenet"].macs) == (61_842, 61_696)
    assert (traces["article-000-lenet5"].num_params, traces["article-000-lenet5"].macs) == (61_706, 416_520)


# ------------------------------------------------------------------------------------ load_network
@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_is_loaded_by_name_and_comes_back_from_its_file(name: str, tmp_path: Path) -> None:
    path = tmp_path / "network.json"
    path.write_text(PRESETS[name].architecture.to_json(), encoding="utf-8")
    assert load_network(name) == load_network(str(path)) == PRESETS[name].architecture


def test_what_is_no_network_is_said_in_one_sentence(tmp_path: Path) -> None:
    cases: dict[str, bytes] = {
        "text": b"hello",
        "empty": b"",
        "binary": bytes(range(256)),
        "another": b'{"format": "something else"}',
        "layers": json.dumps({"input_shape": [1, 8, 8], "layers": [{"kind": "ReLU"}] * 1_000_000}).encode(),
        "brackets": b"[" * 200_000,
        "large": b" " * (MAX_JSON_BYTES + 1),
    }
    for name, content in cases.items():
        path = tmp_path / name
        path.write_bytes(content)
        with pytest.raises(ArchitectureError) as caught:
            load_network(str(path))
        assert re.fullmatch(r"[^\n]{10,300}", str(caught.value)), name


@pytest.mark.parametrize("net", ["resnet-of-the-moon", "", ".", "x" * 5000, "a\0b", "mnist-sprnt"])
def test_an_unknown_network_is_said(net: str) -> None:
    with pytest.raises(ArchitectureError) as caught:
        load_network(net)
    assert "preset" in str(caught.value)
    if net == "mnist-sprnt":
        assert "mnist-sprint" in str(caught.value)
