"""Editing inside a tree: by place, one edit and back, blocks made and opened up; what it computes stays the same."""

from __future__ import annotations

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from cnnlab.architecture import Architecture
from cnnlab.architecture.blocks import (
    MAX_NESTING,
    Branches,
    DenseBlock,
    InvertedResidual,
    Residual,
    Sequence,
    Shorthand,
    SqueezeExcitation,
)
from cnnlab.architecture.layers import BatchNorm2d, Conv2d, Flatten, Linear, ReLU
from cnnlab.architecture.places import inner
from cnnlab.build import build
from cnnlab.errors import ArchitectureError
from tests.architecture.strategies import running, trees

CONV = Conv2d(out_channels=4, padding=1)
TREE = Architecture(
    input_shape=(4, 8, 8),
    layers=(
        ReLU(),
        Sequence(name="stage", layers=(Residual(layers=(CONV, ReLU(), CONV)), ReLU(), CONV), repeat=2),
        Branches(branches=(Sequence(), Sequence(layers=(CONV, ReLU())))),
        SqueezeExcitation(),
        Flatten(),
        Linear(),
    ),
)


def places(layers, parent=()):
    """Return every place in the tree at which a layer or block can be edited."""
    found = []
    for position, layer in enumerate(layers):
        found.append((*parent, position))
        if not isinstance(layer, Shorthand):
            found += places(inner(layer), (*parent, position))
    return found


def output(architecture):
    """Return what a freshly initialised network makes of noise; layers are drawn in the order of execution."""
    network = build(architecture, torch.Generator().manual_seed(4)).eval()
    with torch.no_grad():
        return network(torch.randn(2, *architecture.input_shape, generator=torch.Generator().manual_seed(5)))


@given(trees(), st.data())
@settings(max_examples=150, deadline=None)
def test_every_edit_can_be_taken_back_at_every_place(architecture, data):
    place = data.draw(st.sampled_from(places(architecture.layers)))
    before, layer = architecture.key, architecture.at(place)
    in_branches = len(place) > 1 and isinstance(architecture.at(place[:-1]), Branches)
    new = Sequence(layers=(ReLU(),)) if in_branches else ReLU()
    assert architecture.insert(place, new).remove(place) == architecture
    assert architecture.replace(place, new).replace(place, layer) == architecture
    *parent, position = place
    behind = (*parent, position + 1)
    twice = architecture.duplicate(place)
    assert twice.at(behind) == layer and twice.remove(behind) == architecture
    assert twice.move(place, behind) == twice
    assert architecture.insert(behind, new).move(behind, place).at(place) == new
    assert architecture.key == before


@given(trees(), st.data())
@settings(max_examples=150, deadline=None)
def test_grouped_and_opened_again_it_is_the_same_and_computes_the_same(architecture, data):
    architecture = running(architecture)
    assume(architecture.trace().rows)
    place = data.draw(st.sampled_from(places(architecture.layers)))
    assume(len(place) < 2 or not isinstance(architecture.at(place[:-1]), Branches))
    *parent, first = place
    siblings = inner(architecture.at(tuple(parent))) if parent else architecture.layers
    last = data.draw(st.integers(first, len(siblings) - 1))
    chosen = [(*parent, position) for position in range(first, last + 1)]
    assume(max(layer.nesting for layer in siblings[first : last + 1]) + len(place) < MAX_NESTING)
    grouped = architecture.group(data.draw(st.permutations(chosen)), name="mine")
    assert grouped.at(place) == Sequence(name="mine", layers=siblings[first : last + 1])
    assert grouped.ungroup(place) == architecture
    assert torch.equal(output(grouped), output(architecture))


@given(trees(), st.data())
@settings(max_examples=150, deadline=None)
def test_opened_up_a_block_computes_the_same(architecture, data):
    architecture = running(architecture)
    blocks = [place for place in places(architecture.layers) if architecture.at(place).nesting]
    assume(architecture.trace().rows and blocks)
    place = data.draw(st.sampled_from(blocks))
    in_branches = len(place) > 1 and isinstance(architecture.at(place[:-1]), Branches)
    assume(not in_branches)
    try:
        opened = architecture.ungroup(place)
    except ArchitectureError as error:
        assert "cannot be opened up" in str(error) or "one piece" in str(error)
        assert isinstance(architecture.at(place), (Branches, Residual)) or "different shapes" in str(error)
        return
    assume(opened.trace().rows and [r.layer.kind for r in opened.trace().rows if r.layer.kind != "Add"])
    assert opened.trace().error is None and torch.equal(output(opened), output(architecture))


def test_a_place_is_a_position_or_the_way_to_it():
    assert TREE.at(0) == TREE.at((0,)) == ReLU()
    assert TREE.at((1, 0, 2)) == CONV and TREE.at((2, 1, 1)) == ReLU()
    assert TREE.remove((1, 0, 1)).names[1:4] == (
        "stage1.residual1.conv1",
        "stage1.residual1.conv2",
        "stage1.residual1.add",
    )
    assert TREE.insert((1, 0, 3), BatchNorm2d()).at((1, 0)).layers[-1] == BatchNorm2d()
    assert TREE.move((1, 0, 1), 0).layers[:2] == (ReLU(), ReLU())
    assert TREE.move(0, (1, 0, 0)).at((0, 0)) == TREE.at((1, 0))  # the tree without it has one layer less before
    for wrong in ((9,), (0, 0), (1, 7), (1, 0, 9), (-1,), (3, 0), ()):
        with pytest.raises(ArchitectureError, match="no layer stands at"):
            TREE.at(wrong)


def test_branches_hold_ways():
    more = TREE.insert((2, 2), ReLU())
    assert more.at((2, 2)) == Sequence(layers=(ReLU(),))
    with pytest.raises(ArchitectureError, match="this change does not work: branches: too short; 1 at least"):
        TREE.remove((2, 1)).remove((2, 0))


def test_a_shorthand_is_one_piece_until_it_is_opened_up():
    with pytest.raises(ArchitectureError, match="SqueezeExcitation is one piece; open it up first"):
        TREE.insert((3, 0), ReLU())
    opened = TREE.ungroup(3)
    assert isinstance(opened.at(3), Branches) and opened.at((3, 1, 0)).kind == "AdaptiveAvgPool2d"
    assert opened.names[-4:] == ("branches2.squeeze.sigmoid1", "branches2.multiply", "flatten", "fc1")
    inverted = Architecture(input_shape=(4, 8, 8), layers=(InvertedResidual(out_channels=4, name="mine"),))
    assert inverted.ungroup(0).names == inverted.names


def test_what_stands_for_something_else_in_each_copy_stays_closed():
    growing = DenseBlock(layers=(SqueezeExcitation(),), repeat=2)
    with pytest.raises(ArchitectureError, match="its copies get different shapes"):
        Architecture(input_shape=(4, 8, 8), layers=(growing,)).ungroup((0, 0))


@pytest.mark.parametrize(
    ("block", "kinds"),
    [
        (Sequence(layers=(CONV, ReLU()), repeat=2), ["Conv2d", "ReLU", "Conv2d", "ReLU"]),
        (Residual(layers=(CONV,)), ["Branches"]),
        (Residual(layers=(Conv2d(out_channels=6, stride=2, padding=1),), shortcut="projection"), ["Branches"]),
        (DenseBlock(layers=(CONV,), repeat=3), ["Branches"] * 3),
        (Branches(branches=(Sequence(layers=(CONV,), name="way"),)), ["Sequence"]),
    ],
)
def test_what_a_block_is_made_of(block, kinds):
    architecture = Architecture(input_shape=(4, 8, 8), layers=(block,))
    opened = architecture.ungroup(0)
    assert [layer.kind for layer in opened.layers] == kinds
    assert torch.equal(output(opened), output(architecture))


@pytest.mark.parametrize("chosen", [[], [(1,), (3,)], [(0,), (1, 0)], [(5,), (6,)]])
def test_what_cannot_become_a_block_says_so(chosen):
    with pytest.raises(ArchitectureError, match="become a block|no layer stands at"):
        TREE.group(chosen)
    with pytest.raises(ArchitectureError, match="cannot be opened up"):
        TREE.ungroup(0)


def test_too_deep_and_too_many_are_refused_when_edited():
    deep = Architecture(input_shape=(1, 8, 8), layers=(ReLU(),))
    for _level in range(MAX_NESTING):
        deep = deep.group([0])
    with pytest.raises(ArchitectureError, match=f"{MAX_NESTING + 1} deep"):
        deep.group([0])
    with pytest.raises(ArchitectureError, match="train is a word of PyTorch"):
        TREE.group([0], name="train")
    many = Architecture(input_shape=(1, 8, 8), layers=(Sequence(layers=(ReLU(),) * 3, repeat=400),))
    with pytest.raises(ArchitectureError, match="2,400 layers and blocks"):
        many.insert((0, 0), Sequence(layers=(ReLU(),)))
    with pytest.raises(ArchitectureError, match="500 layers at most|too long"):
        Architecture(input_shape=(1, 8, 8), layers=(Sequence(layers=(ReLU(),) * 500),)).insert((0, 0), ReLU())
