"""The drawing is to scale, says every shape, and marks where a network breaks."""

import json
import xml.etree.ElementTree as ElementTree

import pytest
from hypothesis import given, settings

from cnnlab.architecture import LAYERS, Architecture, make_layer
from cnnlab.architecture.presets import PRESETS
from cnnlab.figures import network as drawing
from cnnlab.figures.network import blocks, shape_text, thumbnail, to_data
from cnnlab.figures.numbers import bytes_text, count_text
from cnnlab.home import ASSETS
from tests.architecture.strategies import networks

NETWORKS = {name: preset.architecture for name, preset in PRESETS.items() if preset.architecture.is_flat}


def faces(svg: str) -> dict[str, dict[str, float]]:
    root = ElementTree.fromstring(svg)
    return {
        node.get("class", ""): {k: float(v) for k, v in node.attrib.items() if k in ("width", "height", "y")}
        for node in root.iter()
        if node.get("class") in ("front",)
    }


def test_height_is_the_side_and_width_the_channels() -> None:
    architecture = PRESETS["article-003-keras"].architecture
    maps = {}
    for block, row in zip(blocks(architecture)[1:], architecture.trace().rows):
        if row.output_shape and len(row.output_shape) == 3 and block.changed:
            maps[block.name] = (row.output_shape, faces(block.svg)["front"])
    heights = {name: front["height"] / shape[1] for name, (shape, front) in maps.items()}
    widths = {name: front["width"] / shape[0] for name, (shape, front) in maps.items()}
    assert len(maps) == 5
    assert max(heights.values()) - min(heights.values()) < 0.05  # one scale, to the rounding of the SVG
    assert max(widths.values()) - min(widths.values()) < 0.01
    vectors = {
        block.shape: block.size_px[1] for block in blocks(architecture) if "×" not in block.shape and block.changed
    }
    assert vectors["576"] / vectors["64"] == pytest.approx(9)
    assert max(block.size_px[1] for block in blocks(architecture)) <= drawing.HEIGHT_PX


@settings(max_examples=80)
@given(networks())
def test_any_network_can_be_drawn(architecture: Architecture) -> None:
    drawn = blocks(architecture)
    rows = architecture.trace().rows
    assert [block.index for block in drawn] == [drawing.INPUT, *range(len(rows))]
    assert [block.shape for block in drawn[1:]] == [shape_text(row.output_shape) for row in rows]
    states = [block.state for block in drawn]
    broken = next((row.index for row in rows if row.error), None)
    if broken is None:
        assert set(states) == {"ok"}
    else:
        assert states == ["ok"] * (broken + 1) + ["broken"] + ["unknown"] * (len(rows) - broken - 1)
        assert str(rows[broken].error) in str(drawn[broken + 1].sentence)
    for block in drawn:
        assert all(0 < side < 400 for side in block.size_px)
        ElementTree.fromstring(block.svg)
    ElementTree.fromstring(thumbnail(architecture))


@pytest.mark.parametrize("language", ["en", "zh_CN"])
@pytest.mark.parametrize("architecture", NETWORKS.values(), ids=NETWORKS)
def test_the_browser_gets_plain_values_and_whole_sentences(architecture: Architecture, language: str) -> None:
    data = json.loads(json.dumps(to_data(architecture, language)))
    assert [block["name"] for block in data[1:]] == list(architecture.names)
    assert data[0]["name"] == {"en": "input", "zh_CN": "输入"}[language]
    assert data[0]["insert"] == {"en": "Add a layer after input", "zh_CN": "在 输入 之后添加一层"}[language]
    for block in data:
        assert block["label"]
        assert "{" not in block["label"] + block["insert"]


def test_every_kind_has_a_colour_in_both_themes() -> None:
    families = {drawing.FAMILIES.get(kind, "act") for kind in LAYERS}
    assert families | {"input", "none"} == set(drawing.COLOURS)
    css = (ASSETS / "components" / "network.css").read_text(encoding="utf-8")
    for family, (light, dark) in drawing.COLOURS.items():
        assert f"--{'broken' if family == 'none' else family}: light-dark({light}, {dark})" in css


def test_the_picture_says_in_words_what_it_shows_and_takes_no_markup_from_a_name() -> None:
    network = PRESETS["article-004-cnn"].architecture.renamed('"><script>')
    assert "fc1 (Linear) does not fit" in "; ".join(block.sentence.text("en") for block in blocks(network))
    assert "script" not in thumbnail(network)


def test_the_details_that_a_drawing_has_room_for() -> None:
    said = {
        "5×5": make_layer("Conv2d", kernel_size=5),
        "3×3 /2": make_layer("Conv2d", stride=2),
        "max 2×2": make_layer("MaxPool2d", stride=2),
        "max 3×3 /2": make_layer("MaxPool2d", kernel_size=3, stride=2),
        "avg 2×2": make_layer("AvgPool2d"),
        "avg → 1×1": make_layer("AdaptiveAvgPool2d"),
        "p 0.25": make_layer("Dropout2d"),
        "": make_layer("ReLU"),
    }
    assert {drawing.detail(layer): layer for layer in said.values()} == said


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0"), (999, "999"), (9_999, "9,999"), (61_706, "61.71k"), (93_322, "93.32k"), (999_960, "1M"), (416_520, "416.5k"),
     (1_054_720, "1.055M"), (54_223_904, "54.22M"), (2_000_000_000, "2G"), (3 * 10**12, "3T"), (4 * 10**15, "4P"), (47 * 10**18, "47E")],
)  # fmt: skip
def test_counts_have_four_digits_at_most(count: int, text: str) -> None:
    assert count_text(count) == text


def test_memory_and_percent_carry_their_units() -> None:
    assert [bytes_text(size) for size in (12, 4_000, 19_080_000, 4 * 10**9)] == [
        "12\u202fB", "4\u202fkB", "19.08\u202fMB", "4\u202fGB",
    ]  # fmt: skip
