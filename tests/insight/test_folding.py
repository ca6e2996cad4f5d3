"""The whole network in blocks: each layer is in just one, nothing else leaves it, and shares are multiplied along every way."""

import pytest
import torch
from hypothesis import given, settings

from cnnlab.architecture import layers as L
from cnnlab.architecture.presets import PRESETS
from cnnlab.figures import whole
from cnnlab.insight import look
from cnnlab.insight.overview import columns, folded, overview, strongest
from cnnlab.runs.models import named
from tests.architecture.strategies import running, trees
from tests.insight.makers import picture_for
from tests.insight.test_overview import fresh


def check_partition(architecture, stages=False):
    every, fewer = columns(architecture), folded(architecture, stages)
    held = [name for column in fewer for name in (column.holds or (column.name,))]
    assert held == [column.name for column in every]
    place = {name: number for number, column in enumerate(fewer) for name in (column.holds or (column.name,))}
    for column in every:
        for source in column.inputs:
            feeds, fed = fewer[place[every[source].name]], fewer[place[column.name]]
            assert feeds is fed or (feeds.name == every[source].name and place[feeds.name] in fed.inputs)
    assert len({(column.depth, column.lane) for column in fewer}) == len(fewer)
    assert [column.classes for column in fewer if column.classes] == [True for column in every if column.classes]


@pytest.mark.parametrize("name", PRESETS)
def test_every_layer_of_a_preset_is_in_one_block_and_only_its_last_is_taken(name):
    check_partition(PRESETS[name].architecture)
    check_partition(PRESETS[name].architecture, stages=True)


def ended(architecture):
    """Return the network with a dense layer behind it, unless it ends in a vector."""
    rows = architecture.trace().rows
    if rows and len(rows[-1].output_shape or ()) != 3:
        return architecture
    return architecture.with_layers((*architecture.layers, L.Flatten(), L.Linear(out_features=3)))


@settings(max_examples=25)
@given(architecture=trees().map(running).map(ended))
def test_every_layer_of_any_network_is_in_one_block(architecture):
    check_partition(architecture)
    check_partition(architecture, stages=True)


def test_a_stage_is_one_column_however_many_blocks_it_has():
    def names(preset):
        return [column.block or column.name for column in folded(PRESETS[preset].architecture, stages=True)]

    stages = ["denseblock1", "transition1", "denseblock2", "transition2", "denseblock3", "transition3", "denseblock4"]
    assert [name for name in names("densenet121") if "." not in name and name in stages] == stages
    assert len(names("densenet121")) <= 14
    assert names("resnet20-cifar") == [
        "input",
        "conv1",
        "stage1",
        "stage2",
        "stage3",
        "pool1",
        "flatten",
        "fc1",
        "probs",
    ]


def test_what_blocks_there_are():
    def names(preset):
        return [column.name for column in folded(PRESETS[preset].architecture)]

    assert names("cifar-blocks") == ["input", *(f"gelu{k}" for k in range(1, 8)), "pool4", "flatten", "fc1", "probs"]
    blocks = [f"stage{k}.relu{j}" for k in (1, 2, 3) for j in (1, 2, 3)]
    assert names("resnet20-cifar") == ["input", "relu1", *blocks, "pool1", "flatten", "fc1", "probs"]
    (block,) = [one for one in folded(PRESETS["resnet20-cifar"].architecture) if one.name == "stage1.relu2"]
    assert block.block == "stage1.block2" and block.holds[0] == "stage1.block2.conv1"


def ways(model, seen, order, stages=False):
    """Return for each layer of the network, for each column of its picture in blocks, the shares: forwards, all maps."""
    every, fewer = columns(model.architecture), folded(model.architecture, stages)
    view = overview(model, seen, order, opened={column.name for column in every})
    group = {name: column for column in fewer for name in (column.holds or (column.name,))}
    found = {}
    for number, column in enumerate(every):
        parts = []
        for fed in view.fed[number]:
            matrix = torch.zeros(column.count, every[fed.source].count, dtype=torch.float64)
            index = torch.tensor(view.shown[number])[:, None], torch.tensor(view.shown[fed.source])
            matrix[index] = fed.strength.double()
            parts.append((every[fed.source].name, matrix))
        total = sum((matrix.abs().sum(1, keepdim=True) for _name, matrix in parts), torch.zeros(column.count, 1))
        here = {}
        for name, matrix in parts:
            share = torch.where(total > 0, matrix / total, 0.0)
            inside = group[name] is group[column.name]
            for source, before in (found[name] if inside else {name: torch.eye(share.shape[1]).double()}).items():
                here[source] = here.get(source, 0) + share.abs() @ before
        found[column.name] = here
    return found


def check_shares(model, image, fold="blocks"):
    seen = look(model, image)
    order = strongest(model.architecture, seen)
    wanted, view = ways(model, seen, order, fold == "stages"), overview(model, seen, order, fold=fold)
    for column, shown, feds in zip(view.columns, view.shown, view.fed):
        if not column.holds:
            continue
        for fed in feds:
            whole = wanted[column.name][view.columns[fed.source].name][list(shown)]
            kept = whole[:, list(view.shown[fed.source])]
            torch.testing.assert_close(fed.strength.abs().double(), kept, atol=2e-5, rtol=1e-4)
            torch.testing.assert_close(fed.rest.double(), whole.sum(1) - kept.sum(1), atol=2e-5, rtol=1e-4)


@pytest.mark.parametrize("name", ["mnist-sprint", "cifar-blocks"])
def test_the_shares_of_a_bundled_model_in_blocks(name):
    model = named(name)
    check_shares(model, picture_for(model))


@pytest.mark.parametrize("name", ["resnet-mnist", "googlenet-mnist", "shufflenet-mnist", "lenet5-1998"])
def test_the_shares_of_blocks_are_multiplied_along_every_way(name):
    model = fresh(PRESETS[name].architecture)
    check_shares(model, picture_for(model))


def test_the_shares_of_a_stage_are_multiplied_through_all_of_its_blocks():
    model = fresh(PRESETS["densenet-mnist"].architecture)
    check_shares(model, picture_for(model), "stages")


def test_the_chosen_map_is_always_there():
    model = named("cifar-blocks")
    seen = look(model, picture_for(model))
    order = strongest(model.architecture, seen)
    weakest = order["conv5"][-1]
    view = overview(model, seen, order, chosen=("conv5", weakest))
    column = next(i for i, one in enumerate(view.columns) if one.name == "conv5")
    assert view.chosen == (column, weakest) and view.shown[column][-1] == weakest
    assert view.fed[column][0].strength.shape[0] == len(view.shown[column])
    before = ("bn4", order["bn4"][-1])  # of the same block, before its curve
    view = overview(model, seen, order, fold="blocks", chosen=before)
    column, item = view.chosen
    assert "bn4" in view.columns[column].holds and item == order["bn4"][-1] and item in view.shown[column]
    resnet = fresh(PRESETS["resnet-mnist"].architecture)
    seen = look(resnet, picture_for(resnet))
    inner = next(row.name for row in resnet.architecture.trace().rows if row.name.endswith(".conv1"))
    view = overview(resnet, seen, strongest(resnet.architecture, seen), fold="blocks", chosen=(inner, 0))
    assert inner in view.columns[view.chosen[0]].holds and view.chosen[1] is None


@settings(max_examples=15)
@given(architecture=trees().map(running).map(ended))
def test_the_shares_of_any_network_in_blocks(architecture):
    model = fresh(architecture)
    check_shares(model, picture_for(model))


def test_the_picture_says_what_a_block_holds():
    model = named("cifar-blocks")
    image = picture_for(model)
    seen = look(model, image)
    view = overview(model, seen, strongest(model.architecture, seen), fold="blocks")
    data = whole.to_data(view, seen, image.numpy(), model.class_names, "layer")
    block = data["columns"][2]
    assert block["holds"] == ["conv2", "pool1", "bn1", "gelu2"] and block["block"] == "conv2"
    assert data["columns"][0]["holds"] == [] and data["columns"][0]["block"] == ""
