"""Pieces of PyTorch source: read here without being run, and run by torch, which has to give the same numbers."""

import textwrap
from typing import Any

import pytest
import torch
from torch import nn

from cnnlab.build import build
from cnnlab.source_in import read_source
from tests.source_in.pieces_more import MORE
from tests.source_in.pieces_torch import PIECES as FIRST
from tests.source_in.pieces_torch import Piece
from tests.source_in.pieces_used import USED

PIECES = {**FIRST, **MORE, **USED}


def fill(module: nn.Module) -> nn.Module:
    """Give each tensor numbers that follow from its name and sizes alone, so that both networks get the same."""
    for name, value in module.state_dict().items():
        if value.dtype.is_floating_point:
            sizes = [size for size in value.shape if size > 1]
            seed = sum((place + 3) * size * 7 for place, size in enumerate(sizes)) + len(name.split(".")[-1])
            numbers = torch.rand(sizes, generator=torch.Generator().manual_seed(seed)) * 0.5
            value.copy_((numbers if "var" in name else numbers - 0.2).reshape(value.shape))
    return module.eval()


def run(piece: Piece) -> nn.Module:
    """Let torch make the network: these pieces are ours, and are run in this test only."""
    names: dict[str, Any] = {
        "torch": torch,
        "nn": nn,
        "F": nn.functional,
        "__name__": "piece",
        "print": lambda *_: None,
    }
    exec(compile(textwrap.dedent(piece.source), "piece.py", "exec"), names)
    return eval(piece.made, names)


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel")
@pytest.mark.parametrize("name", PIECES)
def test_a_piece_gives_what_torch_makes_of_it(name: str) -> None:
    piece = PIECES[name]
    found = read_source(piece.source, piece.shape if piece.given else None, piece.network)
    assert found.architecture is not None, found.problems
    assert found.problems == ()
    assert found.input_shape == found.architecture.input_shape == piece.shape
    theirs = fill(run(piece))
    mine = fill(build(found.architecture))
    images = torch.randn(2, *piece.shape, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        expected, given = theirs(images), mine(images)
    assert given.shape == expected.shape
    assert torch.allclose(given, expected, atol=1e-5, rtol=1e-4)
    assert found.num_params == sum(p.numel() for p in theirs.parameters())


def test_a_base_class_and_settings_that_are_used_are_not_called_left_out() -> None:
    found = read_source(PIECES["a base class with parts to fill in"].source, (1, 28, 28))
    assert found.ignored == ()
    found = read_source(PIECES["dataclass config with a field list"].source, (3, 16, 16))
    assert found.ignored == ()


def test_what_a_data_class_works_out_for_itself_counts() -> None:
    source = """
from dataclasses import dataclass, field
import torch.nn as nn
@dataclass
class Sizes:
    first: int = 4
    rest: list = field(default_factory=list)
    def __post_init__(self):
        self.rest.append(2 * self.first)
a, b = Sizes(), Sizes(first=5)
net = nn.Sequential(nn.Conv2d(1, a.rest[0], 3), nn.Conv2d(a.rest[0], b.rest[0], 3))
"""
    found = read_source(source, (1, 28, 28))
    assert found.architecture is not None
    assert [layer.out_channels for layer in found.architecture.layers] == [8, 10]  # each object has a list of its own


@pytest.mark.parametrize(
    "name", ['f"{n:03}"', 'f"{n:3d}"', '"%03d" % n', '"{:03d}".format(n)', 'f"{n:>5}"', 'f"{n!r}"']
)
def test_names_put_together_are_those_that_python_makes(name: str) -> None:
    real = eval(name, {"n": 7})
    source = f"import torch.nn as nn\nn = 7\nlayers = {{{real!r}: 4}}\nnet = nn.Sequential(nn.Conv2d(1, layers[{name}], 3))\n"
    found = read_source(source, (1, 28, 28))
    if name in ('f"{n:>5}"', 'f"{n!r}"'):  # not read, so it has to be said
        assert found.architecture is None
        assert found.problems[0].line == 4
    else:
        assert found.architecture is not None, found.problems
