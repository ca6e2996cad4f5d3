"""One name, one network: whatever is edited, no two networks that can be chosen are called alike."""

from hypothesis import given
from hypothesis import strategies as st

from cnnlab.architecture import Architecture, make_layer
from cnnlab.architecture.naming import settled
from cnnlab.architecture.network import MAX_NAME
from cnnlab.architecture.presets import PRESETS

SPRINT = PRESETS["mnist-sprint"].architecture


def keep(*networks: Architecture):
    return {network.name: network for network in networks}.get


def test_an_edited_preset_gets_the_next_number() -> None:
    first = settled(SPRINT.remove(0), keep())
    assert (first.name, first.layers) == ("mnist-sprint 2", SPRINT.layers[1:])
    assert settled(first.remove(0), keep()).name == "mnist-sprint 2"
    assert settled(first.remove(0), keep(first)).name == "mnist-sprint 3", "what is kept is not written over"
    assert settled(first, keep(first)) == first


def test_what_is_edited_back_is_the_preset_again() -> None:
    assert settled(SPRINT.renamed("mnist-sprint 2"), keep()) == SPRINT
    assert settled(SPRINT.renamed("mine"), keep()).name == "mine", "a name that was given stays"
    mended = PRESETS["article-004-cnn"].architecture.replace(
        7, make_layer("Linear", in_features=4096, out_features=128)
    )
    assert settled(mended, keep()) == PRESETS["article-004-cnn-fixed"].architecture


def test_every_preset_keeps_its_name() -> None:
    for preset in PRESETS.values():
        assert settled(preset.architecture, keep()) == preset.architecture


@given(
    st.lists(
        st.tuples(st.sampled_from(["a", "a 2", "b", "", "9", "x" * MAX_NAME, *PRESETS]), st.integers(1, 4)), max_size=12
    )
)
def test_no_two_kept_networks_are_ever_called_alike(edits: list[tuple[str, int]]) -> None:
    kept: dict[str, Architecture] = {}
    for name, side in edits:
        wanted = Architecture(name=name, input_shape=(1, side, side), layers=(make_layer("Flatten"),))
        named = settled(wanted, kept.get)
        assert (named.layers, named.input_shape) == (wanted.layers, wanted.input_shape)
        assert named.name not in PRESETS and kept.get(named.name) in (None, named)
        kept[named.name] = named
