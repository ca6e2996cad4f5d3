"""The small graph of a block: every layer on it once, joins with their sign, sound SVG, and a plain box when too wide."""

from xml.etree import ElementTree

import pytest

from cnnlab.architecture.blocks import Branches, DenseBlock, InvertedResidual, Residual, Sequence, SqueezeExcitation
from cnnlab.architecture.layers import Conv2d, ReLU
from cnnlab.figures.graph import MOST_PX, graph
from cnnlab.figures.network import FAMILIES

CONV = Conv2d(out_channels=16, padding=1)


def drawn(block, arrives=(16, 8, 8)):
    piece = graph(block, arrives, lambda kind: FAMILIES.get(kind, "act"))
    tree = ElementTree.fromstring(f"<svg>{piece.svg}</svg>")
    bars = [g for g in tree.iter("g") if (g.get("class") or "").startswith("f ")]
    joins = [c for c in tree.iter("circle") if c.get("class") == "join"]
    return piece, bars, joins, tree


@pytest.mark.parametrize(
    ("block", "bars", "joins", "arcs"),
    [
        (Sequence(layers=(CONV, ReLU(), CONV)), 3, 0, 0),
        (Residual(layers=(CONV, ReLU())), 2, 1, 1),
        (Branches(branches=(Sequence(layers=(CONV,)), Sequence(layers=(CONV, ReLU())), Sequence())), 3, 1, 0),
        (DenseBlock(layers=(CONV, ReLU()), repeat=4), 2, 1, 1),
        (Sequence(layers=(Residual(layers=(CONV,)), Residual(layers=(CONV, ReLU()))), repeat=3), 3, 2, 2),
        (SqueezeExcitation(), 5, 1, 0),
        (InvertedResidual(out_channels=16), 8, 1, 1),
    ],
)
def test_each_layer_is_drawn_once_and_each_join(block, bars, joins, arcs) -> None:
    piece, found, circles, tree = drawn(block)
    assert (len(found), len(circles)) == (bars, joins)
    assert len([p for p in tree.iter("path") if (p.get("class") or "").startswith("shortcut")]) == arcs
    assert 0 < piece.line < piece.height and 0 < piece.width <= MOST_PX


def test_a_shortcut_that_learns_is_dashed() -> None:
    block = Residual(layers=(Conv2d(out_channels=32, padding=1),), shortcut="projection")
    assert 'class="shortcut dashed"' in graph(block, (16, 8, 8), lambda kind: "conv").svg


def test_what_is_too_wide_is_a_plain_box() -> None:
    piece, bars, joins, tree = drawn(Sequence(layers=(CONV,) * 60))
    assert piece.width < 60 and len(bars) <= 3 and not joins
    assert [r for r in tree.iter("rect") if r.get("class") == "frame"]


def test_a_shorthand_that_does_not_fit_is_a_plain_box() -> None:
    assert 'class="frame"' in graph(SqueezeExcitation(), (10,), lambda kind: "conv").svg
