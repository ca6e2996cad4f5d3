"""What the lab writes as PyTorch or Keras source, it reads back as the same network."""

from collections.abc import Sequence

import pytest
from hypothesis import HealthCheck, assume, given, settings

from cnnlab.architecture import LAYERS, Architecture, LayerSpec, make_layer
from cnnlab.architecture.blocks import Block, Branches, DenseBlock, SqueezeExcitation
from cnnlab.architecture.joins import JOINS, Chunk, JoinSpec
from cnnlab.architecture.presets import PRESETS
from cnnlab.architecture.rare import RARE
from cnnlab.architecture.shapes import Shape
from cnnlab.architecture.source import to_pytorch
from cnnlab.errors import ShapeError
from cnnlab.export.keras import to_keras
from cnnlab.source_in import read_source
from tests.architecture.strategies import networks, running, trees


def bare(layer: LayerSpec) -> LayerSpec:
    """Return the layer without what it says of its input: the source always says it, and it has to be true."""
    names = [name for name in ("in_channels", "in_features") if getattr(layer, name, None) is not None]
    same_stride = getattr(layer, "stride", 0) == getattr(layer, "kernel_size", None) and "Pool" in layer.kind
    changed = dict.fromkeys([*names, *(["stride"] if same_stride else [])])
    return layer.model_copy(update=changed) if changed else layer


def at_this_size(layer: LayerSpec, arrives: Shape) -> LayerSpec:
    """Return the layer without a rounding up that changes nothing here: Keras writes down how far a window reaches."""
    if not getattr(layer, "ceil_mode", False):
        return layer
    down = layer.model_copy(update={"ceil_mode": False})
    try:
        return down if down.output_shape(arrives) == layer.output_shape(arrives) else layer
    except ShapeError:
        return layer


def wiring(architecture: Architecture, numbers: dict[object, int], named: bool, keras: bool = False) -> int:
    """Return one number for the whole network: the same for two that have the same layers, names and connections.

    What adds or multiplies does so in any order, a join of one tensor is none, and joins need no name: they have no weights.
    """
    made = {-1: -1}
    rows = architecture.trace().rows
    for row in rows:
        arrives = [made[one] for one in row.inputs]
        layer = row.layer
        if (isinstance(layer, JoinSpec) and len(arrives) == 1) or (isinstance(layer, Chunk) and layer.chunks == 1):
            made[row.index] = arrives[0]
            continue
        commutes = layer.kind in ("Add", "Multiply")
        name = row.name if named and layer.kind not in (*JOINS, "SelectChannels") else ""
        layer = at_this_size(layer, row.input_shape or ()) if keras else layer
        key = (name, bare(layer), row.output_shape, tuple(sorted(arrives) if commutes else arrives))
        made[row.index] = numbers.setdefault(key, len(numbers))
    return made[len(rows) - 1]


def keeps_names(layers: Sequence[LayerSpec], copied: bool = False) -> bool:
    """Return whether the source tells how all blocks are called.

    It does not tell of branches with one way only, which are nothing but that way, and not which reduction copies of a
    squeeze share, whose channels differ from copy to copy.
    """
    for layer in layers:
        if isinstance(layer, Branches) and len(layer.branches) == 1:
            return False
        if copied and isinstance(layer, SqueezeExcitation):
            return False
        dense = copied or (isinstance(layer, DenseBlock) and layer.repeat > 1)
        if isinstance(layer, Block) and not keeps_names(layer.inner, dense):
            return False
    return True


def reads_back(architecture: Architecture) -> None:
    found = read_source(to_pytorch(architecture))
    assert found.problems == ()
    assert found.architecture is not None
    assert found.input_shape == architecture.input_shape
    if architecture.is_flat:
        assert found.architecture.layers == tuple(map(bare, architecture.layers))
    numbers: dict[object, int] = {}
    named = keeps_names(architecture.layers)
    assert wiring(found.architecture, numbers, named) == wiring(architecture, numbers, named)


def keras_reads_back(architecture: Architecture, named: bool = False) -> None:
    found = read_source(to_keras(architecture))
    assert found.problems == ()
    assert found.architecture is not None
    assert found.input_shape == architecture.input_shape
    if architecture.is_flat:
        rows = architecture.trace().rows
        plain = tuple(bare(at_this_size(row.layer, row.input_shape or ())) for row in rows)
        assert tuple(map(bare, found.architecture.layers)) == plain
    numbers: dict[object, int] = {}
    assert wiring(found.architecture, numbers, named, True) == wiring(architecture, numbers, named, True)


@pytest.mark.parametrize("name", [name for name, p in PRESETS.items() if not p.error])
def test_a_preset_as_keras(name: str) -> None:
    keras_reads_back(PRESETS[name].architecture, named=True)


@pytest.mark.parametrize("kind", LAYERS)
def test_every_kind_as_keras(kind: str) -> None:
    before = [make_layer("Flatten")] if kind == "Linear" else [RARE["SelectChannels"](channels=(1, 0, 1, 0))]
    fields = {"GroupNorm": {"num_groups": 2}}.get(kind, {})
    keras_reads_back(Architecture(name=kind, input_shape=(2, 9, 7), layers=(*before, make_layer(kind, **fields))))


@pytest.mark.parametrize("codes", ["digits", "random"])
def test_codes_as_keras(codes: str) -> None:
    layers = (make_layer("Flatten"), make_layer("Linear", out_features=84), RARE["RBF"](codes=codes))
    keras_reads_back(Architecture(input_shape=(2, 9, 7), layers=layers))


@settings(max_examples=120, suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow])
@given(networks(most=5))
def test_any_flat_network_that_runs_as_keras(architecture: Architecture) -> None:
    assume(architecture.trace().error is None)
    keras_reads_back(architecture)


@settings(max_examples=120, suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow])
@given(trees())
def test_any_network_of_blocks_that_runs_as_keras(drawn: Architecture) -> None:
    architecture = running(drawn)
    assume(architecture.layers and wiring(architecture, {}, False) != -1)
    keras_reads_back(architecture)


@pytest.mark.parametrize("name", [name for name, p in PRESETS.items() if not p.error])
def test_a_preset(name: str) -> None:
    reads_back(PRESETS[name].architecture)


@pytest.mark.parametrize("kind", LAYERS)
def test_every_kind(kind: str) -> None:
    flat = [make_layer("Flatten")] if kind == "Linear" else []
    architecture = Architecture(name=kind, input_shape=(2, 9, 7), layers=(*flat, make_layer(kind)))
    reads_back(architecture)


def test_dense_blocks_whose_names_count_up_stay_two() -> None:
    pool = make_layer("MaxPool2d", kernel_size=3, stride=1, padding=1)
    blocks = tuple(DenseBlock(name="stage", layers=(pool,)) for _copy in range(2))
    for inner in (blocks, (*blocks, make_layer("ReLU"), DenseBlock(name="stage", layers=(pool,), repeat=2))):
        architecture = Architecture(input_shape=(2, 3, 3), layers=inner)
        reads_back(architecture)
        keras_reads_back(architecture, named=True)


@settings(max_examples=120, suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow])
@given(networks(most=5))
def test_any_flat_network_that_runs(architecture: Architecture) -> None:
    assume(architecture.trace().error is None)
    reads_back(architecture)


@settings(max_examples=120, suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow])
@given(trees())
def test_any_network_of_blocks_that_runs(drawn: Architecture) -> None:
    architecture = running(drawn)
    assume(architecture.layers and wiring(architecture, {}, False) != -1)
    reads_back(architecture)
