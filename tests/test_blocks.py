"""A network of nested blocks goes everywhere that a flat one goes: trained, left and taken up, changed, saved, looked into."""

from __future__ import annotations

import copy
import pickle
from dataclasses import replace

import pytest
import torch

from cnnlab.architecture import Architecture
from cnnlab.architecture.blocks import (
    Branches,
    DenseBlock,
    DepthwiseSeparable,
    InvertedResidual,
    Residual,
    Sequence,
    SqueezeExcitation,
)
from cnnlab.architecture.layers import (
    AdaptiveAvgPool2d,
    BatchNorm2d,
    ChannelShuffle,
    Conv2d,
    Dropout,
    Dropout2d,
    Flatten,
    GroupNorm,
    LayerNorm,
    Linear,
    MaxPool2d,
    ReLU,
    SiLU,
    Softmax,
)
from cnnlab.architecture.repair import suggest
from cnnlab.attribution import METHODS, attribute, last_convolution
from cnnlab.attribution.problem import map_layer
from cnnlab.build import build
from cnnlab.data.loader import load
from cnnlab.errors import ModelError, RecipeError
from cnnlab.figures import chain, sheets
from cnnlab.figures import network as drawing
from cnnlab.health.case import Case
from cnnlab.health.facts import DataFacts
from cnnlab.health.history import History
from cnnlab.health.monitor import Monitor
from cnnlab.health.rules import RULES, diagnose
from cnnlab.insight import filters, look, window
from cnnlab.insight.strongest import strongest_maps
from cnnlab.model import Model
from cnnlab.runs.compare import network_differences
from cnnlab.training.checkpoint import Checkpoint
from cnnlab.training.events import LookEvent
from cnnlab.training.loop import Training
from cnnlab.training.recipe import Recipe

CONV = Conv2d(out_channels=4, padding=1, bias=False)
TREE = Architecture(
    name="tree",
    input_shape=(1, 28, 28),
    layers=(
        Conv2d(out_channels=4, stride=2, padding=1),
        Sequence(
            name="stage",
            repeat=2,
            layers=(
                Residual(name="block", layers=(CONV, BatchNorm2d(), ReLU(), CONV, BatchNorm2d())),
                ReLU(),
            ),
        ),
        Residual(
            layers=(Conv2d(out_channels=6, stride=2, padding=1), GroupNorm(num_groups=2), SiLU()), shortcut="projection"
        ),
        Branches(branches=(Sequence(), Sequence(layers=(Conv2d(out_channels=3, padding=1), LayerNorm()))), split=True),
        SqueezeExcitation(reduction=2),
        DenseBlock(layers=(Dropout2d(p=0.1), Conv2d(out_channels=3, padding=1), ReLU()), repeat=2),
        ChannelShuffle(groups=2),
        InvertedResidual(out_channels=12, expansion=2),
        DepthwiseSeparable(out_channels=8),
        Residual(layers=(MaxPool2d(kernel_size=3, stride=2, padding=1),), shortcut="pad"),
        AdaptiveAvgPool2d(output_size=2),
        Sequence(name="head", layers=(Flatten(), Dropout(p=0.2), Linear(out_features=10), Softmax())),
    ),
)  # fmt: skip
RECIPE = Recipe(
    epochs=2, batch_size=16, limit_train=64, lr=0.01, precision="float32", memory_format="channels_last", threads=1, seed=3
)  # fmt: skip


@pytest.fixture(scope="module")
def digits():
    whole = load("mnist")
    return replace(whole, train=whole.train[:400], test=whole.test[:50])


@pytest.fixture(scope="module")
def trained(digits):
    training = Training(TREE, digits, RECIPE)
    training.monitor = Monitor(training.network, 2)
    events = [*training.events()]
    return training, events


@pytest.fixture(scope="module")
def model(trained, digits):
    from cnnlab.description import ModelAbout, ModelDescription, Preprocessing

    description = ModelDescription(
        architecture=TREE,
        preprocessing=Preprocessing.of(TREE, digits),
        class_names=digits.class_names,
        about=ModelAbout(name="tree", data="mnist"),
    )
    return Model(description, trained[0].state())


def test_it_learns_and_its_layers_are_watched(trained):
    training, events = trained
    assert training.step == training.steps == 8
    rows = {row.name: row for row in TREE.trace().rows}
    looks = [event for event in events if event.kind == "health"]
    assert len(looks) >= 4
    for event in looks:
        assert set(event.layers) <= set(rows)
        learning = {name for name, figures in event.layers.items() if "grad_norm" in figures}
        assert learning == {name for name, row in rows.items() if row.num_params}
        assert all(event.layers[name]["grad_norm"] > 0 for name in ("stage2.block.conv2", "residual1.shortcut.conv"))
        assert "dead" in event.layers["dense1.layer2.relu1"] and "saturated" in event.layers["se1.squeeze.sigmoid1"]
        assert sum(event.predicted) == 16


def test_watching_changes_no_bit(trained, digits):
    alone = Training(TREE, digits, RECIPE)
    assert [event for event in alone.events() if event.kind == "train"] == [
        event for event in trained[1] if event.kind == "train"
    ]
    assert all(torch.equal(value, trained[0].state()[name]) for name, value in alone.state().items())


@pytest.mark.parametrize("left_after", [1, 5])
def test_left_and_taken_up_it_is_the_same_run_to_the_bit(digits, left_after):
    whole = Training(TREE, digits, RECIPE)
    events = [event for event in whole.events() if not isinstance(event, LookEvent)]
    first = Training(TREE, digits, RECIPE)
    for event in first.events():
        if event.kind == "train" and first.step == left_after:
            break
    second = Training.restore(TREE, digits, Checkpoint.from_bytes(first.checkpoint().to_bytes()))
    rest = [event for event in second.events() if not isinstance(event, LookEvent)]
    assert rest == events[-len(rest) :] and sum(event.kind == "train" for event in rest) == 8 - left_after
    assert all(torch.equal(value, second.state()[name]) for name, value in whole.state().items())


def test_layers_inside_blocks_are_frozen_and_their_dropout_changed_while_it_learns(digits):
    training = Training(TREE, digits, RECIPE)
    events = training.events()
    next(event for event in events if event.kind == "train")
    before = copy.deepcopy(training.state())
    still = ("stage1.block.conv1", "stage1.block.bn1", "residual1.shortcut.conv")
    training.apply({"frozen": list(still), "dropout": {"dense1.layer2.drop1": 0.0, "head.drop1": 0.5}})
    assert training.dropout == {"dense1.layer1.drop1": 0.1, "dense1.layer2.drop1": 0.0, "head.drop1": 0.5}
    next(event for event in events if event.kind == "train")
    after = training.state()
    for name, value in before.items():
        layer = name.rpartition(".")[0]
        if layer in still:
            assert torch.equal(value, after[name]), name
    moved = {name.rpartition(".")[0] for name in before if not torch.equal(before[name], after[name])}
    assert {"stage2.block.conv1", "stage1.block.bn2", "residual1.conv1", "residual1.shortcut.bn", "head.fc1"} <= moved
    with pytest.raises(RecipeError, match="stage1.block.conv1"):
        training.apply({"frozen": ["stage1.block"]})
    with pytest.raises(RecipeError, match="dense1.layer1.drop1"):
        training.apply({"dropout": {"drop1": 0.5}})


def test_saved_and_loaded_it_answers_the_same(model, digits):
    loaded = Model.from_bytes(model.to_bytes())
    assert loaded.architecture == TREE
    images = digits.test.images[:5]
    assert torch.equal(loaded.logits(images), model.logits(images))
    assert "stage2.block.conv2.weight" in loaded.state and "residual1.shortcut.bn.running_mean" in loaded.state
    spoilt = {name: value for name, value in model.state.items() if name != "se1.squeeze.conv1.weight"}
    with pytest.raises(ModelError, match="se1.squeeze.conv1.weight"):
        Model(model.description, spoilt)


def test_maps_and_filters_of_every_layer(model, digits):
    image = digits.test.images[0]
    seen = look(model, image)
    rows = TREE.trace().rows
    assert [*seen.maps] == [*TREE.names]
    assert [tuple(value.shape) for value in seen.maps.values()] == [row.output_shape for row in rows]
    torch.testing.assert_close(seen.logits, model.logits(image[None])[0])
    add = seen.maps["residual1.silu1"] + seen.maps["residual1.shortcut.bn"]
    assert torch.equal(seen.maps["residual1.add"], add)
    assert torch.equal(seen.arriving("residual1.shortcut.conv"), seen.maps["stage2.relu1"])
    assert torch.equal(seen.arriving("branches1.branch2.conv1"), seen.maps["branches1.branch2.chunk"])
    for row in rows:
        if row.layer.kind in ("Conv2d", "Linear"):
            assert torch.equal(filters(model, row.name).weight, model.state[f"{row.name}.weight"])
            assert (window(TREE, row.name) is None) == (row.layer.kind == "Linear")
    with pytest.raises(ModelError, match=r"stage1\.block\.conv1"):
        filters(model, "branches1.branch2.ln1")  # a weight with the shape of maps is no filter
    names = [maps.layer for maps in strongest_maps(model, image)]
    assert not {"stage1.block.conv1", "stage1.block.bn2", "residual1.gn1"} & set(
        names
    )  # what passes on is shown behind
    assert {"stage1.relu1", "residual1.silu1", "residual1.add", "branches1.concat"} <= set(names)
    assert not any(name.endswith("chunk") for name in names)


def test_every_map_tells_its_filter_and_field(model, digits):
    seen = look(model, digits.test.images[0])
    assert sheets.source_filters(TREE, "stage1.block.bn2") == "stage1.block.conv2"
    assert sheets.source_filters(TREE, "stage1.relu1") is None  # a sum has no single filter
    for name, values in seen.maps.items():
        if values.dim() == 3:
            source = sheets.source_filters(TREE, name)
            data = sheets.unit_data(TREE, seen, name, 0, filters(model, source) if source else None)
            assert data["fields"] is not None


@pytest.mark.parametrize("method", METHODS)
def test_every_attribution_works_through_blocks(model, digits, method):
    image = digits.test.images[3]
    answer = attribute(model, image, method, 1)
    assert answer.values.isfinite().all() and float(answer.values.abs().max()) > 0
    if METHODS[method].complete:
        assert abs(answer.sum - answer.delta) <= 0.01 * max(1.0, abs(answer.delta))
    assert all(not module._forward_hooks and not module._backward_hooks for module in model.network.modules())


def test_grad_cam_reads_the_joint_maps():
    assert last_convolution(TREE) == "separable1.conv2" and map_layer(TREE) == "separable1.relu2"
    small = Architecture(
        input_shape=(1, 8, 8),
        layers=(Residual(layers=(CONV, BatchNorm2d()), shortcut="projection"), ReLU(), Flatten(), Linear()),
    )
    assert last_convolution(small) == "residual1.conv1" and map_layer(small) == "relu1"


def test_health_rules_understand_blocks():
    facts = DataFacts("mnist", tuple("0123456789"), (100,) * 10)
    said = {finding.rule for finding in diagnose(History(), TREE, Recipe(), facts)}
    assert not said & {"no-nonlinearity", "stride-skips", "sigmoid-stack", "activation-last", "map-too-small"}
    gates = [row.name for row in TREE.trace().rows if Case(TREE, Recipe(), facts).is_gate(row)]
    assert gates == ["se1.squeeze.sigmoid1"]
    straight = Sequence(layers=(Conv2d(padding=1), BatchNorm2d(), Conv2d(padding=1)), repeat=2)
    spoilt = Architecture(
        input_shape=(1, 28, 28),
        layers=(straight, Sequence(layers=(Dropout(p=0.9), Flatten(), Linear(), Softmax(), Linear(), ReLU()))),
    )
    found = {finding.rule: finding for finding in diagnose(History(), spoilt, Recipe(), facts)}
    assert {"no-nonlinearity", "dropout-high", "softmax-inside", "activation-last"} <= set(found)
    for finding in found.values():
        assert set(finding.layers) <= set(spoilt.names)
    changed = found["no-nonlinearity"].change[1]
    assert [layer.kind for layer in changed.layers[0].layers] == ["Conv2d", "BatchNorm2d", "ReLU", "Conv2d"]
    assert [layer.kind for layer in found["activation-last"].change[1].layers[1].layers][-1] == "Linear"
    assert found["dropout-high"].change[1].at((1, 0)) == Dropout(p=0.5)
    for rule in RULES.values():  # none of them stumbles over a block
        change = (
            rule.apply(Case(TREE, Recipe(), facts)) if rule.id in ("val-ahead", "underfitting", "overfitting") else None
        )
        if change:
            change[1].check()


def test_repair_offers_edits_inside_blocks():
    broken = Architecture(
        input_shape=(1, 8, 8),
        layers=(
            Sequence(layers=(Residual(layers=(Conv2d(out_channels=3, padding=1),)), ReLU())),
            Sequence(name="head", layers=(Linear(in_features=7),)),
        ),
    )
    for suggestion in suggest(broken):
        suggestion.architecture.check()
    labels = [str(suggestion.label) for suggestion in suggest(broken)]
    assert "block1.residual1: set shortcut to projection" in labels
    assert any("head.fc1" in str(edit) for suggestion in suggest(broken) for edit in suggestion.further)


def test_two_trees_are_compared_layer_by_layer():
    other = TREE.replace((1, 0, 3), Conv2d(out_channels=4, kernel_size=5, padding=2, bias=False))
    found = network_differences(TREE, other)
    assert [one.names for one in found] == [("stage1.block.conv2",) * 2, ("stage2.block.conv2",) * 2]


def test_it_is_drawn_with_each_block_as_one():
    data = drawing.to_data(TREE)
    assert [entry["index"] for entry in data] == [-1, *range(len(TREE.layers))]
    assert [entry["name"] for entry in data][2:4] == ["stage1–stage2", "residual1"]
    assert all(entry["state"] == "ok" for entry in data)
    assert chain.network_html(TREE).count("lab-stage") > 5
    folded = TREE.trace().folded
    assert sum(row.num_params for row in folded) == TREE.trace().num_params
    assert sum(row.macs for row in folded) == TREE.trace().macs
    assert folded[1].output_shape == (4, 14, 14) and [row.index for row in folded] == [*range(len(TREE.layers))]
    broken = TREE.replace((1, 0, 0), Conv2d(kernel_size=99))
    states = [entry["state"] for entry in drawing.to_data(broken)]
    assert states[:4] == ["ok", "ok", "broken", "unknown"]


def test_a_copy_knows_nothing_of_its_original():
    assert TREE.names and TREE.trace().rows
    other = TREE.model_copy(update={"layers": TREE.layers[:1]})
    assert other.names == ("conv1",) and len(other.trace().rows) == 1
    sent = pickle.loads(pickle.dumps(TREE))
    assert sent == TREE and sent.names == TREE.names
    assert len(pickle.dumps(TREE)) < 20_000
    assert build(sent).architecture == TREE
