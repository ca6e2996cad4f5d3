"""The inside of a block as rows: the same shapes and sums as the whole trace, at any depth."""

import pytest

from cnnlab.architecture import Architecture
from cnnlab.architecture.blocks import Branches, DenseBlock, Residual, Sequence, SqueezeExcitation
from cnnlab.architecture.layers import AdaptiveAvgPool2d, BatchNorm2d, Conv2d, Flatten, Linear, ReLU
from cnnlab.architecture.scopes import scope
from cnnlab.architecture.starters import starter, wrapped

_HALVES = (Conv2d(out_channels=32, stride=2, padding=1), BatchNorm2d(), ReLU(), Conv2d(out_channels=32, padding=1))
NET = Architecture(
    name="tree",
    input_shape=(3, 32, 32),
    layers=(
        Conv2d(out_channels=16, padding=1),
        Sequence(name="stage", repeat=2, layers=(Residual(shortcut="projection", layers=_HALVES), ReLU())),
        Branches(branches=(
            Sequence(layers=(Conv2d(out_channels=8, kernel_size=1),)),
            Sequence(layers=(Conv2d(out_channels=8, padding=1), ReLU())), Sequence(),
        )),
        DenseBlock(repeat=3, layers=(Conv2d(out_channels=4, padding=1), Sequence(layers=(ReLU(),)))),
        SqueezeExcitation(), AdaptiveAvgPool2d(), Flatten(), Linear(out_features=10),
    ),
)  # fmt: skip


def test_the_network_itself_is_the_folded_trace() -> None:
    whole = scope(NET)
    assert whole.rows == NET.trace().folded
    assert (whole.place, whole.name, whole.block, whole.joins) == ((), "", None, ())
    assert whole.input_shape == NET.input_shape


@pytest.mark.parametrize(
    ("place", "name", "arrives", "names", "joins"),
    [
        ((1,), "stage1", (16, 32, 32), ["residual1", "relu1"], []),
        ((1, 0), "stage1.residual1", (16, 32, 32), ["conv1", "bn1", "relu1", "conv2"],
         ["shortcut.conv", "shortcut.bn", "add"]),
        ((2,), "branches1", (32, 8, 8), ["branch1", "branch2", "branch3"], ["concat"]),
        ((2, 1), "branches1.branch2", (32, 8, 8), ["conv1", "relu1"], []),
        ((3,), "dense1", (48, 8, 8), ["layer1.conv1", "layer1.block1"], ["layer1.concat"]),
        ((3, 1), "dense1.layer1.block1", (4, 8, 8), ["relu1"], []),
    ],
)  # fmt: skip
def test_a_block_shows_its_first_copy_and_what_it_adds(place, name, arrives, names, joins) -> None:
    inside = scope(NET, place)
    assert (inside.place, inside.name, inside.input_shape) == (place, name, arrives)
    assert [row.name for row in inside.rows] == [f"{name}.{one}" for one in names]
    assert [row.name for row in inside.joins] == [f"{name}.{one}" for one in joins]
    assert [row.index for row in inside.rows] == list(range(len(names)))
    assert [NET.at(inside.at(row.index)) for row in inside.rows] == [row.layer for row in inside.rows]
    assert inside.parallel == (place == (2,))


def test_every_copy_counts_in_the_row_of_a_repeated_block() -> None:
    stage = scope(NET).rows[1]
    assert stage.num_params == sum(r.num_params or 0 for r in NET.trace().rows if r.top == 1)
    assert stage.name == "stage1–stage2"
    assert scope(NET, (1,)).rows[0].num_params < stage.num_params  # one copy alone


@pytest.mark.parametrize("place", [(0,), (4,), (9,), (1, 7), (2, 1, 0, 3), (-1,)])
def test_what_is_no_block_with_an_inside_shows_the_network(place) -> None:
    assert scope(NET, place) == scope(NET)


def test_an_error_inside_is_the_folded_row_s() -> None:
    broken = NET.replace((1, 0, 0), Conv2d(out_channels=32, kernel_size=64))
    assert scope(broken).rows[1].error is not None
    assert scope(broken, (1, 0)).rows[0].error is not None
    assert scope(broken, (2,)).input_shape is None


_FOR_MAPS = ["Sequence", "Residual", "Branches", "DenseBlock", "InvertedResidual", "Conv2d"]


@pytest.mark.parametrize(
    ("kind", "arrives"),
    [(kind, shape) for kind in _FOR_MAPS for shape in [(16, 8, 8), (1, 28, 28)]]
    + [(kind, (120,)) for kind in _FOR_MAPS[:4]],
)
def test_a_new_block_runs_where_it_is_put(kind, arrives) -> None:
    leaves = starter(kind, arrives).output_shape(arrives)
    assert len(leaves) == len(arrives)
    if kind == "Residual":
        assert leaves == arrives


@pytest.mark.parametrize("kind", ["Sequence", "Residual", "Branches", "DenseBlock"])
def test_layers_become_a_block(kind) -> None:
    layers = (Conv2d(out_channels=16, padding=1), ReLU())
    block = wrapped(layers, kind, "mine")
    assert (block.kind, block.name) == (kind, "mine")
    held = block.branches[0].layers if kind == "Branches" else block.layers
    assert held == layers
    assert block.output_shape((16, 8, 8)) == ((32, 8, 8) if kind in ("Branches", "DenseBlock") else (16, 8, 8))
