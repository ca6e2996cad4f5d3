"""The Build page inside blocks: go in, edit there, come back out, make a block of layers and open it up."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from cnnlab.architecture import Architecture
from cnnlab.architecture.blocks import Branches, Residual, Sequence
from cnnlab.architecture.layers import AdaptiveAvgPool2d, Conv2d, Flatten, Linear, ReLU
from pages import _build_state as state
from tests.pages.test_build import checked, click, network, page  # noqa: F401

NET = Architecture(
    name="tree",
    input_shape=(1, 28, 28),
    layers=(
        Conv2d(out_channels=8, padding=1), ReLU(),
        Sequence(name="stage", layers=(Residual(layers=(Conv2d(out_channels=8, padding=1), ReLU())), ReLU())),
        Branches(branches=(Sequence(layers=(Conv2d(out_channels=4, kernel_size=1),)), Sequence())),
        AdaptiveAvgPool2d(), Flatten(), Linear(out_features=10),
    ),
)  # fmt: skip


def acted(at: AppTest, **action: Any) -> AppTest:
    """Send what the drawing's component sends."""
    at.session_state[state.DRAWING] = SimpleNamespace(action=action)
    return at


def crumbs(at: AppTest) -> list[str]:
    return [button.label for button in at.button if str(button.key).startswith("build.crumb.")]


@pytest.fixture
def tree(page: Callable[..., AppTest]) -> Callable[..., AppTest]:  # noqa: F811
    return lambda layer=2, **more: page(NET, layer=layer, **more)


def test_go_inside_edit_there_and_come_back(tree: Callable[..., AppTest]) -> None:
    at = tree()
    assert not crumbs(at)
    click(at, "build.inside")
    assert crumbs(at) == ["tree", "stage"]
    click(at, "build.inside")
    assert crumbs(at) == ["tree", "stage", "residual1"]
    at.number_input(key="build.field.2.0.0.Conv2d.kernel_size").set_value(5)
    at.number_input(key="build.field.2.0.0.Conv2d.padding").set_value(2)
    checked(at.run())
    assert network(at).at((2, 0, 0)) == Conv2d(out_channels=8, kernel_size=5, padding=2)
    assert network(at).trace().error is None
    click(at, "build.crumb.0")
    assert not crumbs(at)
    assert at.selectbox(key="build.chosen").value == "stage", "the block that was left is the one to edit"


def test_what_counts_for_a_unit_is_said_to_come_back_while_the_block_does_not_fit(tree: Callable[..., AppTest]) -> None:
    at = click(click(tree(), "build.inside"), "build.inside")
    at = checked(next(one for one in at.toggle if one.key == "build.field_shown").set_value(True).run())
    assert any("make nine tenths of the effect" in text.value for text in at.markdown)
    at.number_input(key="build.field.2.0.0.Conv2d.kernel_size").set_value(5)  # the shortcut no longer fits
    checked(at.run())
    assert network(at).trace().error is not None
    assert "It is drawn again as soon as the network runs." in [text.value for text in at.caption]


def test_add_duplicate_move_and_remove_inside_a_block(tree: Callable[..., AppTest]) -> None:
    at = click(tree(), "build.inside")
    click(at, "build.duplicate")
    assert [layer.kind for layer in network(at).layers[2].inner] == ["Residual", "Residual", "ReLU"]
    click(at, "build.on")
    assert [layer.kind for layer in network(at).layers[2].inner] == ["Residual", "ReLU", "Residual"]
    click(at, "build.remove")
    assert [layer.kind for layer in network(at).layers[2].inner] == ["Residual", "ReLU"]
    assert crumbs(at) == ["tree", "stage"]
    click(at, "build.crumb.0")
    click(at, "build.undo")
    assert [layer.kind for layer in network(at).layers[2].inner] == ["Residual", "ReLU", "Residual"]


def test_a_branch_more(tree: Callable[..., AppTest]) -> None:
    at = click(tree(layer=3), "build.inside")
    at.session_state[state.PANEL] = state.ADD
    checked(at.run())
    click(at, "build.kind.Conv2d")
    click(at, "build.add")
    branches = network(at).layers[3]
    assert isinstance(branches, Branches) and len(branches.branches) == 3
    assert network(at).trace().error is None


@pytest.mark.parametrize("kind", ["Sequence", "Residual", "Branches", "DenseBlock"])
def test_layers_become_a_block_and_are_opened_up_again(tree: Callable[..., AppTest], kind: str) -> None:
    at = tree(layer=0)
    at.selectbox(key="build.field.until.().0").set_value("relu1")
    checked(at.run())
    click(at, f"build.group.{kind}")
    block = network(at).layers[0]
    assert block.kind == kind and len(network(at).layers) == len(NET.layers) - 1
    if kind in ("Sequence", "DenseBlock"):
        before = network(at).trace()
        click(at, "build.ungroup")
        after = network(at).trace()
        assert (after.num_params, after.rows[-1].output_shape) == (before.num_params, before.rows[-1].output_shape)
        assert network(at).layers[0].kind == ("Conv2d" if kind == "Sequence" else "Branches")


@pytest.mark.parametrize(
    "kind", ["Sequence", "Residual", "Branches", "DenseBlock", "SqueezeExcitation", "InvertedResidual"]
)
def test_every_block_of_the_palette_runs_where_it_is_added(tree: Callable[..., AppTest], kind: str) -> None:
    at = tree(layer=1)
    at.session_state[state.PANEL] = state.ADD
    checked(at.run())
    click(at, f"build.kind.{kind}")
    click(at, "build.add")
    assert network(at).layers[2].kind == kind
    assert network(at).trace().folded[2].error is None


@pytest.mark.parametrize("kept", [[9], [0], "x", [2, 0, 0, 0], [True], [None], [-1], {"a": 1}], ids=str)
def test_a_place_that_is_none_shows_the_network(page: Callable[..., AppTest], kept: Any) -> None:  # noqa: F811
    at = page(NET)
    from pages import _session

    at.session_state[_session.keys.WIDGETS] = {state._INSIDE: kept, state._LAYER: 2}
    checked(at.run())
    assert not crumbs(at) and not at.error
