"""The classic networks against torchvision's own modules and the figures of their papers."""

import re
import warnings
from time import perf_counter

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode
from torchvision import models

from cnnlab.architecture import Architecture
from cnnlab.architecture.blocks import Block, Residual
from cnnlab.architecture.network import _trace
from cnnlab.architecture.presets import PRESETS
from cnnlab.architecture.rare import DIGITS, RARE, RBF, SelectChannels, digit_codes
from cnnlab.architecture.zoo import FULL, SMALL, ZOO
from cnnlab.architecture.zoo.lenet import C3
from cnnlab.architecture.zoo.names import NAMED, their_names
from cnnlab.build import Network, build
from cnnlab.data import catalog
from cnnlab.errors import ShapeError
from cnnlab.i18n import catalogue
from cnnlab.lessons import lesson
from cnnlab.training.recipe import Recipe

TORCHVISION = (
    "alexnet", "vgg11", "vgg16", "googlenet", "resnet18", "resnet50", "densenet121", "mobilenet_v2", "shufflenet_v2_x1_0",
    "squeezenet1_1",
)  # fmt: skip
PAPERS = {"lenet5-1998": 60_000, "resnet20-cifar": 269_722, "resnet56-cifar": 853_018}


def torchvisions(name: str) -> nn.Module:
    """Torchvision's network on the meta device: sizes and operations, no numbers."""
    more = {"aux_logits": False, "init_weights": False} if name == "googlenet" else {}
    with torch.device("meta"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return models.get_model(name, **more).eval()


def half_the_flops(module: nn.Module, shape: tuple[int, ...]) -> float:
    with torch.device("meta"), FlopCounterMode(display=False) as counter:
        module(torch.zeros(1, *shape))
    return counter.get_total_flops() / 2


def test_all_of_the_zoo_is_among_the_presets() -> None:
    assert set(TORCHVISION) == {preset.name for preset in FULL if preset.full_size} == set(NAMED)
    for preset in ZOO:
        assert PRESETS[preset.name] is preset
        assert preset.name == preset.architecture.name
        assert preset.year is not None and str(preset.year)[:2] in ("19", "20")


@pytest.mark.parametrize("name", TORCHVISION)
def test_parameters_and_multiply_adds_are_torchvisions(name: str) -> None:
    theirs, trace = torchvisions(name), PRESETS[name].architecture.trace()
    assert trace.error is None
    assert trace.num_params == sum(p.numel() for p in theirs.parameters())
    assert trace.macs == half_the_flops(theirs, (3, 224, 224))
    assert PRESETS[name].architecture.output_shape == (1000,)


@pytest.mark.parametrize("preset", [p for p in ZOO if not p.full_size], ids=lambda p: p.name)
def test_what_is_built_has_the_parameters_and_multiply_adds_that_are_said(preset) -> None:
    with torch.device("meta"):
        network = Network(preset.architecture).eval()
    trace = preset.architecture.trace()
    assert trace.num_params == sum(p.numel() for p in network.parameters())
    assert trace.macs == half_the_flops(network, preset.architecture.input_shape)
    assert preset.architecture.output_shape == (10,)


@pytest.mark.parametrize("name", PAPERS)
def test_the_papers_own_counts(name: str) -> None:
    assert PRESETS[name].architecture.trace().num_params == PAPERS[name]


@pytest.mark.parametrize("name", TORCHVISION)
def test_every_layer_finds_its_name_in_torchvision(name: str) -> None:
    architecture = PRESETS[name].architecture
    names = their_names(architecture)
    with torch.device("meta"):
        ours = Network(architecture).state_dict()
    renamed = {f"{names[key.rpartition('.')[0]]}.{key.rpartition('.')[2]}": value.shape for key, value in ours.items()}
    assert renamed == {key: value.shape for key, value in torchvisions(name).state_dict().items()}


@pytest.mark.parametrize("preset", ZOO, ids=lambda p: p.name)
def test_it_comes_back_from_its_file_and_is_read_at_once(preset) -> None:
    _trace.cache_clear()
    again = Architecture.from_json(preset.architecture.to_json())
    began = perf_counter()
    rows = again.trace().rows
    assert perf_counter() - began < 1
    assert again == preset.architecture
    assert rows == preset.architecture.trace().rows


@pytest.mark.parametrize("preset", ZOO, ids=lambda p: p.name)
def test_it_has_a_valid_recipe_known_data_a_card_and_its_words_in_chinese(preset) -> None:
    Recipe.of(preset.recipe)
    assert preset.data in {info.name for info in catalog.catalog()}
    for text in (preset.title, preset.sentence, preset.source, *preset.note):
        assert catalogue("zh_CN").get(text), text
    english, chinese = lesson(preset.card, "en"), lesson(preset.card, "zh_CN")
    assert english and chinese and english != chinese
    assert str(preset.year) in english and str(preset.year) in chinese
    assert english.count("\n**") == chinese.count("\n**")


@pytest.mark.parametrize("preset", ZOO, ids=lambda p: p.name)
def test_figures_in_its_notes_are_those_that_are_counted(preset) -> None:
    trace = preset.architecture.trace()
    parts = {row.num_params for row in trace.rows}
    parts |= {sum(row.num_params or 0 for row in trace.rows[b.start : b.stop]) for b in trace.blocks}
    for number in re.findall(r"\d{1,3}(?:,\d{3})+(?= parameters|\)| and 2)", " ".join(preset.note)):
        counted = int(number.replace(",", ""))
        assert counted in {trace.num_params, trace.macs, *parts}, number


# ------------------------------------------------------------------------------------------ LeNet-5 of 1998
def test_each_filter_of_c3_sees_the_maps_of_its_column() -> None:
    network = build(PRESETS["lenet5-1998"].architecture, torch.Generator().manual_seed(0)).eval()
    s2 = torch.zeros(6, 6, 14, 14)
    for seen in range(6):
        s2[seen, seen] = 1.0

    def c3(x: torch.Tensor) -> torch.Tensor:
        ways = [network.get_submodule(f"c3.see{number}") for number in (3, 4, 6)]
        return torch.cat([way.conv1(way.select1(x)) for way in ways], 1)

    still = c3(torch.zeros(1, 6, 14, 14))
    reached = (c3(s2) - still).abs().amax((2, 3)) > 0  # (which map is on, which filter notices)
    assert [tuple(sorted(maps)) for maps in C3] == [
        tuple(reached[:, column].nonzero()[:, 0].tolist()) for column in range(16)
    ]
    counts = reached.sum(0).tolist()
    assert counts == [3] * 6 + [4] * 9 + [6]
    assert sum(25 * count + 1 for count in counts) == 1516  # the paper's count for C3


def test_the_parameters_of_each_layer_are_those_of_the_paper() -> None:
    trace = PRESETS["lenet5-1998"].architecture.trace()
    blocks = {block.name: block.num_params for block in trace.blocks}
    single = {row.name: row.num_params for row in trace.rows}
    found = (single["conv1"], blocks["s2"], blocks["c3"], blocks["s4"], single["conv2"], single["fc1"], single["rbf1"])
    assert found == (156, 12, 1_516, 32, 48_120, 10_164, 0)


def test_the_nearest_code_wins() -> None:
    codes = torch.tensor(digit_codes(), dtype=torch.float32)
    assert codes.shape == (10, 84) and set(codes.unique().tolist()) == {-1.0, 1.0}
    assert all(len(digit.split()) == 12 and all(len(row) == 7 for row in digit.split()) for digit in DIGITS)
    distances = torch.cdist(codes, codes)
    assert distances[~torch.eye(10, dtype=torch.bool)].min() > 2  # no two digits alike
    layer = build(Architecture(input_shape=(1, 12, 7), layers=({"kind": "Flatten"}, RBF(codes="digits"))))
    noisy = codes + 0.3 * torch.randn(codes.shape, generator=torch.Generator().manual_seed(1))
    answer = layer(noisy.reshape(10, 1, 12, 7))
    assert answer.argmax(1).tolist() == list(range(10))
    torch.testing.assert_close(answer, -((noisy[:, None] - codes[None]) ** 2).sum(2))
    assert not list(layer.parameters())


def test_drawn_codes_depend_on_the_seed_alone() -> None:
    network = Architecture(input_shape=(5, 1, 1), layers=({"kind": "Flatten"}, RBF(out_features=3)))
    one, same, other = (build(network, torch.Generator().manual_seed(seed)).rbf1.weight for seed in (0, 0, 1))
    assert one.equal(same) and not one.equal(other)
    assert set(one.unique().tolist()) == {-1.0, 1.0}


@pytest.mark.parametrize(
    ("layer", "shape", "words"),
    [
        (SelectChannels(channels=(0, 6)), (6, 4, 4), ("6", "5")),
        (SelectChannels(), (6,), ("Flatten",)),
        (RBF(), (6, 4, 4), ("Flatten",)),
        (RBF(codes="digits"), (85,), ("84", "85")),
    ],
)
def test_a_rare_layer_that_does_not_fit_says_so(layer, shape, words) -> None:
    with pytest.raises(ShapeError) as caught:
        layer.output_shape(shape)
    assert all(word in str(caught.value) for word in words)


@pytest.mark.parametrize("kind", RARE)
def test_a_rare_layer_has_its_words(kind: str) -> None:
    layer = RARE[kind]
    assert layer.formula and catalogue("zh_CN").get(layer.explanation)
    for info in list(layer.model_fields.values())[1:]:
        assert catalogue("zh_CN").get(info.description), info.description
    assert SelectChannels(channels="0, 2,1").channels == (0, 2, 1)


# ------------------------------------------------------------------------------------------ the small ones
def test_each_family_has_one_for_digits_and_one_for_colour_pictures() -> None:
    shapes = {preset.name: preset.architecture.input_shape for preset in SMALL}
    assert shapes.pop("lenet5-1998") == (1, 32, 32)
    for name, shape in shapes.items():
        assert shape == ((1, 28, 28) if name.endswith("-mnist") else (3, 32, 32))
    assert len(shapes) == 16


def test_resnets_shortcuts_for_small_pictures_have_no_weights() -> None:
    def residuals(layers) -> list[Residual]:
        found = [layer for layer in layers if isinstance(layer, Residual)]
        return found + [r for layer in layers if isinstance(layer, Block) for r in residuals(layer.inner)]

    for name, count in (("resnet20-cifar", 9), ("resnet56-cifar", 27), ("resnet-cifar", 3)):
        found = residuals(PRESETS[name].architecture.layers)
        assert len(found) == count
        assert sorted({layer.shortcut for layer in found}) == ["identity", "pad"]
        rows = PRESETS[name].architecture.trace().rows
        assert not [row for row in rows if ".shortcut." in row.name and row.num_params]
