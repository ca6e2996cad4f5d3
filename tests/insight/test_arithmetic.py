"""Every number is the sum that it is said to be: all kinds of layers, any network, both modes. The tensor is the judge."""

from __future__ import annotations

import copy
import math
import random

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from cnnlab.architecture import JOINS, LAYERS, Address, Architecture, blocks
from cnnlab.architecture import layers as L
from cnnlab.architecture.presets import PRESETS
from cnnlab.architecture.rare import RARE, RBF, SelectChannels
from cnnlab.description import bundled_models
from cnnlab.errors import ArchitectureError, ModelError
from cnnlab.insight import look
from cnnlab.insight.arithmetic import RULES, Pass, batch_around, explain, pass_of, trail, training_pass
from cnnlab.insight.arithmetic.registry import takes_in
from cnnlab.insight.backwards import backward_of
from cnnlab.model import Model
from cnnlab.runs import named
from tests.architecture.strategies import BLOCK_STRATEGIES, LAYER_STRATEGIES, networks, running, trees
from tests.insight.makers import GREY, MODELS, grey, image_of, mlp, model_of, picture_for


def some_units(passed: Pass, count: int, seed: int = 0) -> list[Address]:
    """Return ``count`` numbers of each layer, its corners among them, where padding and windows end."""
    draw = random.Random(seed)
    found = []
    for layer in [*passed.look.maps, "input", "probs"]:
        shape = passed.values(layer).shape
        corners = [tuple(0 for _ in shape), tuple(length - 1 for length in shape)]
        others = [tuple(draw.randrange(length) for length in shape) for _ in range(count)]
        found += [Address(layer, None, index) for index in dict.fromkeys([*corners, *others][:count])]
    return found


def check(passed: Pass, unit: Address, top: int | None = None) -> None:
    told = explain(passed, unit, top)
    value = float(passed.values(told.unit.layer)[told.unit.index])
    assert told.value == value
    if not math.isfinite(told.size):
        return
    shown = told.bias + math.fsum(term.product for term in told.terms) + told.rest
    assert abs(shown - value) <= 1e-5 * max(1.0, told.size), told
    assert abs(told.total - value) <= told.allowed
    sizes = [abs(term.product) for term in told.terms]
    assert sizes == sorted(sizes, reverse=True)
    for term in [*told.terms, *(term for one in told.sums for term in one.terms)]:
        assert term.input_value == float(passed.values(term.input.layer)[term.input.index])
        entering = term.input_value if term.amount is None else term.amount
        assert term.product == pytest.approx(entering * term.factor, rel=1e-12, abs=0)
        if term.weight is not None:
            owner = (
                passed.state[f"{term.weight.layer}.weight"] if term.weight.tensor else passed.values(term.weight.layer)
            )
            assert term.factor == float(owner[term.weight.index])
    for one in told.sums:
        assert math.fsum([*(term.product for term in one.terms), one.rest]) == pytest.approx(one.total, rel=1e-9)
    assert str(told.says)


def ending_in_a_vector(drawn: Architecture) -> Architecture:
    """Return the part of ``drawn`` that runs, with what a model needs at its end."""
    architecture = running(drawn)
    shape = architecture.output_shape if architecture.trace().rows else architecture.input_shape
    return architecture.with_layers((*architecture.layers, L.Flatten())) if len(shape) == 3 else architecture


def passes(architecture: Architecture, seed: int = 0) -> list[Pass]:
    """Return one image's pass in evaluation mode, and in training mode with two others beside it."""
    model = model_of(architecture.input_shape, architecture.layers, seed=seed)
    images = torch.stack([image_of(architecture.input_shape, seed + i) for i in range(3)])
    return [pass_of(model, images[1]), training_pass(model, images, 1, seed)]


def wide() -> Model:
    """A net for pictures of MNIST's size, but four classes."""
    return model_of((1, 28, 28), [L.Flatten(), L.Linear(out_features=4)])


def test_every_kind_of_row_has_a_rule():
    assert {kind.__name__ for kind in RULES} == {*LAYERS, *RARE, *JOINS}


KINDS = {
    **LAYER_STRATEGIES,
    "SelectChannels": st.builds(SelectChannels, channels=st.lists(st.integers(0, 3), min_size=1).map(tuple)),
    "RBF": st.builds(RBF, out_features=st.integers(1, 5)),
    "Residual": st.builds(
        blocks.Residual,
        layers=st.just((L.Conv2d(out_channels=7, stride=2, padding=1),)),
        shortcut=st.sampled_from(["pad", "projection"]),
    ),
    "Branches": st.builds(
        blocks.Branches,
        branches=st.just((blocks.Sequence(layers=(L.Tanh(),)), blocks.Sequence(), blocks.Sequence())),
        join=st.sampled_from(["concat", "add", "multiply"]),
    ),
    "Split": st.just(blocks.Branches(branches=(blocks.Sequence(), blocks.Sequence(layers=(L.ReLU(),))), split=True)),
    "SqueezeExcitation": st.just(blocks.SqueezeExcitation(reduction=2)),
    "SpatialAttention": BLOCK_STRATEGIES["SpatialAttention"],
}
"""Every kind of layer, and the blocks that bring the joins."""


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=8, deadline=None)
@given(data=st.data())
def test_each_kind_adds_up_on_its_own(kind, data):
    layer = data.draw(KINDS[kind])
    shape = (4, data.draw(st.integers(1, 9), "height"), data.draw(st.integers(1, 9), "width"))
    first = [L.Flatten()] if kind in ("Linear", "RBF") else [L.Conv2d(out_channels=4, kernel_size=1)]
    asked = (
        layer.model_copy(update={"in_channels": None, "in_features": None}) if kind in ("Conv2d", "Linear") else layer
    )
    drawn = Architecture(name="one", input_shape=shape, layers=(*first, asked))
    if drawn.trace().error is None:
        for passed in passes(ending_in_a_vector(drawn)):
            for unit in some_units(passed, 6):
                check(passed, unit)


@pytest.mark.parametrize(
    ("net", "said"), [(grey, "mnist has pictures of 1×28×28"), (wide, "mnist has .* 10 classes; this .* knows 4")]
)
def test_a_data_set_that_is_another_by_now_is_said(net, said):
    model = net()
    about = model.about.model_copy(update={"data": "mnist"})
    model = Model(model.description.model_copy(update={"about": about}), model.state)
    with pytest.raises(ModelError, match=said):
        batch_around(model, picture_for(model), 32)
    assert len(batch_around(model, picture_for(model), 1).images) == 1


def lonely() -> Model:
    """A net whose BatchNorm gets one number of each channel and image."""
    return model_of(
        GREY,
        [L.Conv2d(out_channels=3, kernel_size=3), L.AdaptiveAvgPool2d(output_size=1), L.BatchNorm2d(), L.Flatten()],
    )


def test_a_batch_without_a_spread_and_an_image_that_it_has_not_are_said():
    model = lonely()
    images = image_of((2, *model.preprocessing.data_shape))
    assert training_pass(model, images, 1).batch_size == 2
    for attempt in (
        lambda: training_pass(model, images[:1]),
        lambda: backward_of(model, images[:1], torch.tensor([0]), training=True),
    ):
        with pytest.raises(ModelError, match="more than one number"):
            attempt()
    assert backward_of(model, images[:1], torch.tensor([0])).loss > 0
    for which in (2, -1):
        with pytest.raises(ModelError, match=f"image {which}: the batch has the images 0 to 1"):
            training_pass(model, images, which)


@settings(max_examples=60, deadline=None)
@given(drawn=networks(), seed=st.integers(0, 1000))
def test_any_network_adds_up(drawn, seed):
    for passed in passes(ending_in_a_vector(drawn), seed):
        for unit in some_units(passed, 3, seed):
            check(passed, unit)


@settings(max_examples=25, deadline=None)
@given(drawn=trees(), seed=st.integers(0, 1000))
def test_any_network_of_blocks_adds_up(drawn, seed):
    for passed in passes(ending_in_a_vector(drawn), seed):
        for unit in some_units(passed, 3, seed):
            check(passed, unit, top=4)


@pytest.mark.parametrize("net", MODELS)
@pytest.mark.parametrize("top", [0, 1, 5, None])
def test_the_rest_holds_what_is_not_shown(net, top):
    model = MODELS[net]()
    passed = pass_of(model, picture_for(model))
    for unit in some_units(passed, 2):
        check(passed, unit, top)
        told = explain(passed, unit, top)
        assert len(told.terms) + told.rest_count == len(explain(passed, unit).terms)
        assert top is None or len(told.terms) <= top


RUNNING = [name for name, preset in PRESETS.items() if preset.architecture.trace().error is None]


@pytest.mark.parametrize("name", RUNNING)
def test_presets_add_up(name):
    architecture = PRESETS[name].architecture
    model = model_of(architecture.input_shape, architecture.layers)
    passed = pass_of(model, image_of(architecture.input_shape))
    for unit in some_units(passed, 2):
        check(passed, unit, top=8)


@pytest.mark.parametrize("name", bundled_models())
def test_bundled_models_add_up_in_both_modes(name):
    model = named(name)
    images = batch_around(model, torch.zeros(model.preprocessing.data_shape, dtype=torch.uint8), 4).images
    for passed in (pass_of(model, images[2]), training_pass(model, images, 2)):
        for unit in some_units(passed, 3):
            check(passed, unit, top=8)


def test_training_is_that_of_the_network_itself_and_leaves_the_model_as_it_was():
    model = grey()
    before = copy.deepcopy(model.network.state_dict())
    images = torch.stack([picture_for(model, seed) for seed in range(5)])
    passed = training_pass(model, images, 3, seed=11)
    network = model.copy_network().train()
    network.use_generator(torch.Generator().manual_seed(11))
    with torch.no_grad():
        logits = network.logits(model.preprocessing.apply(images))[3]
    assert torch.equal(passed.look.logits, logits)
    assert passed.batch_size == 5 and passed.training
    dropped = [int(i) for i in (passed.drawn["drop1"].mask == 0).nonzero().flatten()]
    assert dropped and explain(passed, f"drop1[{dropped[0]}]").terms[0].factor == 0
    assert not pass_of(model, images[3]).training
    assert not model.network.training
    for name, tensor in model.network.state_dict().items():
        assert torch.equal(tensor, before[name])
    assert not any(module._forward_hooks for module in model.network.modules())


def test_a_batch_too_small_for_batchnorm_is_said():
    model = model_of((1, 3, 3), [L.Conv2d(out_channels=2), L.BatchNorm2d(), L.Flatten()])
    with pytest.raises(ModelError, match="larger batch"):
        training_pass(model, image_of((1, 3, 3))[None])


def test_a_padded_patch_says_what_meets_the_padding():
    model = grey()
    told = explain(pass_of(model, picture_for(model)), "conv1[2,0,0]")
    assert len(told.terms) == 4 and told.numbers["padded"] == 5
    assert "5 more weights meet the zeros" in str(told.says)
    assert {str(term.weight) for term in told.terms} == {
        "conv1.weight[2,0,1,1]", "conv1.weight[2,0,1,2]", "conv1.weight[2,0,2,1]", "conv1.weight[2,0,2,2]",
    }  # fmt: skip


def test_a_maximum_names_its_winner_and_a_flat_index_its_pixel():
    model = grey()
    passed = pass_of(model, picture_for(model))
    told = explain(passed, "pool1[1,2,3]")
    assert told.terms[0].factor == 1 and [term.factor for term in told.terms[1:]] == [0, 0, 0]
    _, row, column = told.terms[0].input.index
    assert row in (4, 5) and column in (6, 7)
    _channels, height, width = passed.values("relu2").shape
    term = explain(passed, f"flatten[{(2 * height + 1) * width + 3}]").terms[0]
    assert str(term.input) == "relu2[2,1,3]"


def test_probabilities_are_there_whether_the_network_ends_in_softmax_or_not():
    for make in (grey, MODELS["softmax"]):
        model = make()
        passed = pass_of(model, picture_for(model))
        told = explain(passed, "probs[1]")
        assert told.value == pytest.approx(float(passed.look.probs[1]))
        assert told.sums[0].total == pytest.approx(told.numbers["denominator"])
        assert str(told.terms[0].input) == f"{passed.logits_layer}[1]"


@pytest.mark.parametrize(
    ("unit", "error", "said"),
    [
        ("conv1[9,0,0]", ModelError, "conv1\\[3,11,11\\]"),
        ("conv1", ModelError, "no such number"),
        ("fc9[0]", ModelError, "conv1, bn1"),
        ("conv1.weight[0,0,0,0]", ModelError, "learned, not computed"),
        ("conv1[-1]", ArchitectureError, "not an address"),
    ],
)
def test_what_cannot_be_explained_is_said(unit, error, said):
    model = grey()
    with pytest.raises(error, match=said):
        explain(pass_of(model, picture_for(model)), unit)


def test_a_look_that_is_there_is_used():
    model = mlp()
    image = image_of(GREY)
    seen = look(model, image)
    assert pass_of(model, image, seen).look is seen


@settings(max_examples=25, deadline=None)
@given(drawn=trees(), seed=st.integers(0, 1000))
def test_the_way_down_hangs_together_in_any_network(drawn, seed):
    passed = passes(ending_in_a_vector(drawn), seed)[seed % 2]
    hops = trail(passed, "probs[0]", top=3)
    assert hops[0].told.unit.layer == passed.probs_layer
    for hop, after in zip(hops, hops[1:]):
        assert hop.follows is not None and hop.follows.input == after.told.unit
        assert hop.follows.input_value == after.told.value
    for hop in hops:
        check(passed, hop.told.unit, 3)
        assert hop.follows in hop.told.terms or not hop.told.terms
    assert hops[-1].told.kind == "Preprocessing" or not hops[-1].told.terms


def test_the_way_down_goes_where_one_says():
    model = MODELS["softmax"]()
    passed = pass_of(model, picture_for(model))
    second = explain(passed, "fc1[2]").terms[1].input
    hops = trail(passed, "probs[2]", 4, ["fc1[2]", second])
    assert [str(hop.told.unit) for hop in hops[:3]] == ["softmax[2]", "fc1[2]", str(second)]
    assert len(hops) == 7  # softmax, fc1, flatten, pool1, relu1, conv1, input
    with pytest.raises(ModelError, match="does not take in"):
        trail(passed, "probs[2]", 4, ["fc1[3]"])


def test_what_goes_into_a_number_is_known():
    model = MODELS["softmax"]()
    passed = pass_of(model, picture_for(model))
    for unit, other, goes in [
        ("conv1[1,2,2]", "input[0,4,4]", True),
        ("conv1[1,2,2]", "input[0,5,4]", False),
        ("pool1[1,0,0]", "relu1[1,2,2]", True),
        ("pool1[1,0,0]", "relu1[2,2,2]", False),
        ("probs[2]", "fc1[4]", True),
        ("fc1[2]", "flatten[7]", True),
        ("fc1[2]", "pool1[0,0,0]", False),
    ]:
        assert takes_in(passed, Address.parse(unit), Address.parse(other)) is goes
