"""The network that fits other classes or another size of picture: verified by its trace, for all that can be drawn."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cnnlab.architecture import Architecture
from cnnlab.architecture.head import fitting, head, with_head
from cnnlab.architecture.layers import BatchNorm2d, Conv2d, Flatten, Linear, ReLU, Softmax
from cnnlab.architecture.presets import PRESETS
from cnnlab.errors import ArchitectureError, CnnLabError
from tests.architecture.strategies import networks, running

NETWORKS = networks().map(running).filter(lambda network: network.layers)


RUNNING = sorted(
    name
    for name, one in PRESETS.items()
    if one.architecture.trace().error is None and "RBF" not in one.architecture.key
)


@pytest.mark.parametrize("name", RUNNING)
@pytest.mark.parametrize("classes", [2, 10, 1000])
def test_every_preset_gets_another_last_layer_and_nothing_else(name, classes):
    before = PRESETS[name].architecture
    after = with_head(before, classes)
    assert after.output_shape == (classes,)
    rows = zip(before.trace().rows, after.trace().rows, strict=True)
    assert {one.name for one, other in rows if one.num_params != other.num_params} <= {head(before)}


@given(NETWORKS, st.integers(2, 30))
def test_a_new_head_fits_or_the_sentence_says_what_would(network, classes):
    try:
        found = with_head(network, classes)
    except ArchitectureError as error:
        assert f"out_features={classes}" in str(error)
    else:
        found.check()
        assert found.output_shape == (classes,)


def test_a_network_that_ends_in_maps_or_in_a_normalisation_is_refused():
    maps = Architecture(name="maps", input_shape=(1, 8, 8), layers=(Conv2d(out_channels=4), BatchNorm2d()))
    with pytest.raises(ArchitectureError, match="bn1 does not make the outputs"):
        with_head(maps, 2)
    with pytest.raises(ArchitectureError, match="nothing does not make"):
        with_head(Architecture(name="nothing", input_shape=(1, 8, 8), layers=(ReLU(),)), 2)


def test_the_softmax_after_a_head_stays():
    network = Architecture(
        name="soft", input_shape=(1, 8, 8), layers=(Flatten(), Linear(out_features=10, in_features=64), Softmax())
    )
    found = with_head(network, 3)
    assert found.layers[1:] == (Linear(out_features=3, in_features=64), Softmax())


def test_pictures_of_another_size_get_an_input_of_their_own_where_no_weight_minds():
    sprint, resnet = PRESETS["mnist-sprint"].architecture, PRESETS["resnet18"].architecture
    assert fitting(sprint, (1, 28, 28), 10) == sprint
    assert fitting(resnet, (3, 64, 64), 2).input_shape == (3, 64, 64)  # its last maps are averaged, whatever their size
    assert fitting(sprint, (1, 24, 24), 2).input_shape == (1, 28, 28)  # its dense layer counts on 28 pixels: padded
    assert fitting(sprint, (1, 40, 40), 2).input_shape == (1, 40, 40)  # they do not fit in: another dense layer
    with pytest.raises(CnnLabError):
        fitting(sprint, (3, 28, 28), 2).with_input((3, 3, 3)).check()
