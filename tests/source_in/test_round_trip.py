"""What the lab writes as PyTorch source, it reads back as the same network."""

import pytest
from hypothesis import HealthCheck, assume, given, settings

from cnnlab.architecture import LAYERS, Architecture, LayerSpec, make_layer
from cnnlab.architecture.presets import PRESETS
from cnnlab.architecture.source import to_pytorch
from cnnlab.source_in import read_source
from tests.architecture.strategies import networks


def bare(layer: LayerSpec) -> LayerSpec:
    """Return the layer without what it says of its input: the source always says it, and it has to be true."""
    names = [name for name in ("in_channels", "in_features") if getattr(layer, name, None) is not None]
    same_stride = getattr(layer, "stride", 0) == getattr(layer, "kernel_size", None) and "Pool" in layer.kind
    changed = dict.fromkeys([*names, *(["stride"] if same_stride else [])])
    return layer.model_copy(update=changed) if changed else layer


def reads_back(architecture: Architecture) -> None:
    found = read_source(to_pytorch(architecture))
    assert found.problems == ()
    assert found.architecture is not None
    assert found.input_shape == architecture.input_shape
    assert found.architecture.layers == tuple(map(bare, architecture.layers))


@pytest.mark.parametrize("name", [name for name, p in PRESETS.items() if not p.error and p.architecture.is_flat])
def test_a_preset(name: str) -> None:
    reads_back(PRESETS[name].architecture)


@pytest.mark.parametrize("kind", LAYERS)
def test_every_kind(kind: str) -> None:
    flat = [make_layer("Flatten")] if kind == "Linear" else []
    architecture = Architecture(name=kind, input_shape=(2, 9, 7), layers=(*flat, make_layer(kind)))
    reads_back(architecture)


@settings(max_examples=200, suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow])
@given(networks(most=5))
def test_any_flat_network_that_runs(architecture: Architecture) -> None:
    assume(architecture.trace().error is None)
    reads_back(architecture)
