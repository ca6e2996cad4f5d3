"""The PyTorch source is run here, and only here: same shapes, same parameter names, same answers as the lab's own module."""

import re
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from cnnlab.architecture import LAYERS, Architecture, make_layer
from cnnlab.architecture.presets import PRESETS
from cnnlab.architecture.source import to_pytorch
from cnnlab.build import build
from cnnlab.errors import ArchitectureError, ShapeError
from tests.architecture.strategies import networks, running, trees


def run(source: str) -> torch.nn.Module:
    names: dict[str, Any] = {"print": lambda *_words: None}
    exec(compile(source, "network.py", "exec"), names)
    return names["network"]


def same_as_the_labs_module(architecture: Architecture) -> None:
    network = run(to_pytorch(architecture))
    ours = build(architecture, torch.Generator().manual_seed(0)).eval()
    if architecture.is_flat and all(row.layer.kind in LAYERS for row in architecture.trace().rows):
        assert tuple(name for name, _module in network.named_children()) == architecture.names
    shapes = {name: tuple(value.shape) for name, value in network.state_dict().items()}
    assert [*shapes.items()] == [(name, tuple(value.shape)) for name, value in ours.state_dict().items()]
    network.load_state_dict(ours.state_dict())
    images = torch.randn(2, *architecture.input_shape, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        theirs, mine = network(images), ours(images)
    assert tuple(theirs.shape) == (2, *architecture.output_shape)
    assert torch.equal(theirs, mine)


@pytest.mark.parametrize(
    "name", [name for name, preset in PRESETS.items() if not preset.error and not preset.full_size]
)
def test_the_source_of_a_preset(name: str) -> None:
    same_as_the_labs_module(PRESETS[name].architecture)


@pytest.mark.parametrize("kind", LAYERS)
def test_the_source_of_every_kind(kind: str) -> None:
    flat = [make_layer("Flatten")] if kind == "Linear" else []
    same_as_the_labs_module(Architecture(name=kind, input_shape=(2, 9, 7), layers=(*flat, make_layer(kind))))


@settings(max_examples=60, suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow])
@given(networks(most=4))
def test_the_source_of_any_network_that_runs(architecture: Architecture) -> None:
    assume(architecture.trace().error is None)
    same_as_the_labs_module(architecture)


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow])
@given(trees())
def test_the_source_of_any_tree_that_runs(architecture: Architecture) -> None:
    architecture = running(architecture)
    assume(architecture.trace().rows)
    same_as_the_labs_module(architecture)


def test_each_line_says_the_shape_that_leaves() -> None:
    architecture = PRESETS["article-000-lenet5"].architecture
    lines = re.findall(r'^    \("(\w+)", .*  # ([\d x]+)$', to_pytorch(architecture), flags=re.MULTILINE)
    assert [(name, tuple(map(int, shape.split(" x ")))) for name, shape in lines] == [
        (row.name, row.output_shape) for row in architecture.trace().rows
    ]
    assert "61,706 parameters" in to_pytorch(architecture)


@settings(max_examples=60)
@given(st.text(max_size=80))
@pytest.mark.parametrize("wrap", ["{}", "x\n{}\nimport os", '"""{}', "# {}"])
def test_a_name_stays_inside_its_comment(wrap: str, name: str) -> None:
    plain = PRESETS["mlp-lenet"].architecture
    named = plain.renamed(wrap.format(name)[:80])
    different = set(to_pytorch(named).split("\n")) ^ set(to_pytorch(plain).split("\n"))
    assert all(line.startswith("# ") for line in different)
    assert list(run(to_pytorch(named)).state_dict()) == list(run(to_pytorch(plain)).state_dict())


def test_a_network_that_cannot_run_has_no_source() -> None:
    with pytest.raises(ShapeError, match="4096"):
        to_pytorch(PRESETS["article-004-cnn"].architecture)
    with pytest.raises(ArchitectureError, match="no layer"):
        to_pytorch(Architecture(input_shape=(1, 8, 8)))
