"""What may vary: what is written, what it means for the network, and what is refused with a reason."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cnnlab.architecture import LAYERS, Architecture
from cnnlab.architecture.blocks import Residual, Sequence
from cnnlab.architecture.presets import PRESETS
from cnnlab.errors import CnnLabError
from cnnlab.search import Choice, SearchError, Space
from cnnlab.search.knobs import EVERY_ACTIVATION, knobs, place_of
from cnnlab.search.offer import first_choices, offered
from cnnlab.search.space import places_of
from cnnlab.training.recipe import Recipe
from tests.search.makers import QUICK, TINY

NESTED = Architecture(
    name="nested",
    input_shape=(3, 16, 16),
    layers=(
        LAYERS["Conv2d"](out_channels=8, kernel_size=3, padding=1, in_channels=3),
        Sequence(
            layers=(
                Residual(layers=(LAYERS["Conv2d"](out_channels=8, kernel_size=3, padding=1), LAYERS["ReLU"]())),
                LAYERS["Dropout"](p=0.2),
            ),
            repeat=2,
        ),
        LAYERS["AdaptiveAvgPool2d"](),
        LAYERS["Flatten"](),
        LAYERS["Linear"](out_features=16, in_features=8),
        LAYERS["Tanh"](),
        LAYERS["Linear"](out_features=10, in_features=16),
    ),
)


def drawn(network: Architecture, text: str, value: object) -> Architecture:
    return Space(network, QUICK, [Choice.parse(text)]).draw({text.partition("=")[0]: value})[0]


@pytest.mark.parametrize(
    "text",
    [
        "conv1.out_channels=4..32",
        "lr=0.0001..0.1:log",
        "fc1.out_features=32..256:step=32",
        "conv1.kernel_size=3,5",
        "relu1.kind=ReLU,GELU",
        "drop1=in,out",
        "conv1.bias=True,False",
    ],
)
def test_a_choice_is_written_as_it_is_read(text: str) -> None:
    assert str(Choice.parse(text)) == text
    assert Choice.parse(str(Choice.parse(text))) == Choice.parse(text)


@given(
    low=st.integers(1, 1000),
    more=st.integers(1, 1000),
    log=st.booleans(),
    target=st.sampled_from(["conv1.out_channels", "lr"]),
)
def test_every_range_survives_its_text(low: int, more: int, log: bool, target: str) -> None:
    choice = Choice(target=target, low=low, high=low + more, log=log)
    assert Choice.parse(str(choice)) == choice


@pytest.mark.parametrize(
    "text",
    [
        "", "conv1", "conv1.out_channels=", "conv1.out_channels=4", "conv1.out_channels=8..4", "lr=0..1:log", "lr=1..2:up",
        "lr=nan..1", "lr=1e-4..inf", "lr=1..4:log:step=1", "=1..2", "lr=a..b", "optimizer=sgd,sgd", "lr=1..2:step=-1",
    ],
)  # fmt: skip
def test_what_is_no_choice_is_refused_in_one_sentence(text: str) -> None:
    with pytest.raises(SearchError) as caught:
        Choice.parse(text)
    assert "\n" not in str(caught.value) and caught.value.text("zh_CN") != str(caught.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("conv9.out_channels=1..2", "conv1"),
        ("fc1.out_features=4..20", "one number for each class"),
        ("fc1=in,out", "cannot be left out"),
        ("conv1.groups2=1..2", "out_channels"),
        ("conv1.out_channels=0..4", "1 or more"),
        ("relu1.kind=ReLU,Linear", "Linear cannot stand there"),
        ("relu1.kind=ReLU,Softmax", "Softmax cannot stand there"),
        ("activation=ReLU,exec", "exec cannot stand there"),
        ("optimizer=sgd,magic", "optimizer"),
        ("lr=0.1..100", "lr"),
        ("seed=1..2", "nothing of that name"),
        ("epochs=1..2", "nothing of that name"),
        ("threads=1..2", "nothing of that name"),
        ("conv1.kind=Conv2d,Linear", "cannot stand there"),
    ],
)
def test_what_does_not_fit_the_network_is_refused_with_a_reason(text: str, said: str) -> None:
    with pytest.raises(SearchError, match=said) as caught:
        Space(TINY, QUICK, [Choice.parse(text)])
    assert caught.value.text("zh_CN") != str(caught.value)


def test_the_same_thing_cannot_vary_twice_under_two_names() -> None:
    two = ["block1.drop1.p=0..0.5", "block2.drop1.p=0..0.5"]
    with pytest.raises(SearchError, match="twice"):
        Space(NESTED, QUICK, [Choice.parse(text) for text in two])


def test_a_field_changes_in_all_copies_of_a_block() -> None:
    network = drawn(NESTED, "block2.drop1.p=0..0.5", 0.4)
    assert [row.layer.p for row in network.trace().rows if row.layer.kind == "Dropout"] == [0.4, 0.4]  # type: ignore[attr-defined]


def test_a_block_repeats_goes_and_what_stands_inside_changes_kind() -> None:
    assert drawn(NESTED, "block1.repeat=1..4", 4).trace().num_params > NESTED.trace().num_params
    assert [layer.kind for layer in drawn(NESTED, "block1=in,out", "out").layers][:2] == ["Conv2d", "AdaptiveAvgPool2d"]
    inside = drawn(NESTED, "block1.residual1.relu1.kind=ReLU,GELU", "GELU")
    assert [row.layer.kind for row in inside.trace().rows].count("GELU") == 2
    assert [row.layer.kind for row in drawn(NESTED, "activation=ReLU,SiLU", "SiLU").trace().rows].count("SiLU") == 3


def test_a_kernel_keeps_its_maps_as_large_where_it_did() -> None:
    network = drawn(NESTED, "conv1.kernel_size=3,7", 7)
    assert network.trace().error is None and network.trace().rows[0].output_shape == (8, 16, 16)
    assert drawn(TINY, "conv1.kernel_size=3,5", 3).trace().rows[0].output_shape == (4, 13, 13)


def test_layers_that_insist_on_what_arrives_are_let_loose() -> None:
    network = drawn(NESTED, "fc1.out_features=4..32", 32)
    assert network.trace().error is None and network.trace().rows[-1].input_shape == (32,)


def test_the_recipe_varies_with_the_network() -> None:
    space = Space(TINY, QUICK, [Choice.parse("lr=1e-4..1e-1:log"), Choice.parse("batch_size=16,32")])
    network, recipe = space.draw({"lr": 0.02, "batch_size": 16})
    assert network.layers == TINY.layers and (recipe.lr, recipe.batch_size, recipe.seed) == (0.02, 16, QUICK.seed)
    assert space.size is None


def test_the_number_of_draws_is_counted_where_it_can_be() -> None:
    texts = ["conv1.out_channels=2..8:step=2", "activation=ReLU,GELU,Tanh", "conv1=in,out"]
    assert Space(TINY, QUICK, [Choice.parse(text) for text in texts]).size == 4 * 3 * 2


SMALL = [
    name for name, one in PRESETS.items() if not (trace := one.architecture.trace()).error and len(trace.rows) <= 60
]


@pytest.mark.parametrize("name", SMALL)
def test_everything_offered_for_a_preset_can_be_asked_for(name: str) -> None:
    preset = PRESETS[name]
    recipe = Recipe.of(preset.recipe)
    offers = offered(preset.architecture, recipe)
    assert len({offer.choice.target for offer in offers}) == len(offers) > 4
    for offer in offers:
        space = Space(preset.architecture, recipe, [offer.choice])
        for value in offer.choice.options or (offer.choice.low, offer.choice.high):
            assert value is not None
            try:
                space.draw({offer.choice.target: value})
            except CnnLabError as error:
                pytest.fail(f"{offer.choice}: {error}")
    first = first_choices(offers)
    assert 1 <= len(first) <= 5
    Space(preset.architecture, recipe, first)


def test_places_name_nothing_that_cannot_be_edited() -> None:
    for name, place in places_of(NESTED).items():
        assert NESTED.at(place), name


@pytest.mark.parametrize("name", SMALL)
def test_every_number_of_a_preset_may_vary_or_says_why(name: str) -> None:
    preset = PRESETS[name]
    recipe = Recipe.of(preset.recipe)
    found = knobs(preset.architecture, recipe)
    assert set(places_of(preset.architecture).values()) | {()} == set(found)
    targets = [knob.target for place in found for knob in found[place] if knob.field != EVERY_ACTIVATION and knob.offer]
    assert len(set(targets)) == len(targets)
    assert "lr" in targets
    for place, every in found.items():
        for knob in every:
            assert (knob.offer is None) == (knob.why is not None), (place, knob)
            if knob.offer is None:
                continue
            choice = knob.offer.choice
            assert Choice.parse(str(choice)) == choice  # as it is kept
            assert place_of(preset.architecture, choice.target) == (
                None if knob.field == EVERY_ACTIVATION else place or None
            )
            if knob.usual:
                choice = Choice(target=choice.target, options=tuple(dict.fromkeys([*choice.options, *knob.usual])))
            Space(preset.architecture, recipe, [choice])


def test_what_names_the_classes_stays() -> None:
    every = knobs(TINY, QUICK)[(4,)]
    assert {knob.field for knob in every if knob.offer} == {"bias"}
    squeeze = PRESETS["squeezenet-mnist"].architecture
    last = max(row.place for row in squeeze.trace().rows if row.layer.kind == "Conv2d")
    assert "out_channels" in {knob.field for knob in knobs(squeeze, Recipe())[last] if knob.why}
