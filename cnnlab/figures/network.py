"""A network drawn to scale: one block for each layer, as high and deep as its maps and as wide as its channels.

Pure geometry and SVG, without plotly: the Build page's component lays the blocks out (they wrap like text), and
``thumbnail`` draws them bare in one row, for a card.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from html import escape
from typing import Any

from cnnlab.architecture.blocks import BLOCKS
from cnnlab.architecture.layers import LayerSpec
from cnnlab.architecture.network import Architecture
from cnnlab.architecture.scopes import enters, scope
from cnnlab.architecture.shapes import Shape
from cnnlab.architecture.tape import Place, Row
from cnnlab.figures.graph import graph
from cnnlab.i18n import N_, Message

INPUT = -1
"""Index of the block that stands for the input."""

HEIGHT_PX = 118
"""Room for the highest block, its depth included."""

_SIDE_PX = 86.0  # the largest map's height
_DEPTH = 0.36  # a map's width, seen obliquely
_WIDTH_PX = 66.0  # the widest block, if it has many channels
_MOST_PX_PER_CHANNEL = 2.5
_LEAST_PX = 3.0
_SHEET_PX = 5.0  # an activation, a normalisation, a dropout: thin, for they change no shape
_BAR_PX = 11.0  # a vector

FAMILIES: Mapping[str, str] = {
    "Conv2d": "conv", "MaxPool2d": "pool", "AvgPool2d": "pool", "AdaptiveAvgPool2d": "pool", "BatchNorm2d": "norm",
    "LayerNorm": "norm", "GroupNorm": "norm", "LocalResponseNorm": "norm", "Dropout": "drop", "Dropout2d": "drop",
    "Flatten": "flat", "ZeroPad2d": "flat", "ChannelShuffle": "flat", "Linear": "dense", "Softmax": "prob",
    **dict.fromkeys(BLOCKS, "conv"), "Add": "flat", "Multiply": "flat", "Concat": "flat", "Chunk": "flat",
    "PadShortcut": "pool",
}  # fmt: skip
"""Colour family of each kind; kinds that are not here are activations."""

_SHEETS = {"act", "norm", "drop", "prob"}
"""Families that are drawn thin: they change numbers, not shapes."""

COLOURS: Mapping[str, tuple[str, str]] = {
    "input": ("#4a5866", "#a9b6c2"), "conv": ("#3d5afe", "#8c9eff"), "pool": ("#00876c", "#4dc6a8"),
    "act": ("#c77700", "#f0b040"), "norm": ("#2b8cc4", "#74c0ee"), "drop": ("#7b8794", "#9aa5b1"),
    "flat": ("#8a63b8", "#c3a3ea"), "dense": ("#c6511b", "#ff9a68"), "prob": ("#b0447f", "#ef8fc0"),
    "none": ("#c62828", "#ff6b6b"),
}  # fmt: skip
"""Colour of each family on a light and on a dark ground; ``network.css`` has the same."""


@dataclass(frozen=True)
class Block:
    """One layer (or the input) as it is drawn.

    Attributes:
        index: the layer's position, or ``INPUT``.
        name: the layer's name, or ``input``.
        detail: its few numbers (``5x5``, ``p 0.5``), or empty.
        shape: what leaves it, written ``6x28x28`` with multiplication signs; empty where that is unknown.
        changed: whether another shape leaves than arrives.
        state: ``ok``, ``broken`` (it does not fit) or ``unknown`` (it stands below one that does not).
        family: its colour.
        size_px: width and height of the drawing.
        svg: the drawing, a ``<g>`` of that size.
        sentence: everything above in words.
    """

    index: int
    name: str
    detail: str
    shape: str
    changed: bool
    state: str
    family: str
    size_px: tuple[float, float]
    svg: str
    sentence: Message


@dataclass(frozen=True)
class _Scale:
    """Pixels of the drawing for each pixel of a map, each channel, each number of a vector."""

    per_pixel: float
    per_channel: float
    per_number: float

    @classmethod
    def of(cls, shapes: list[Shape]) -> _Scale:
        maps = [shape for shape in shapes if len(shape) == 3]
        vectors = [shape[0] for shape in shapes if len(shape) == 1]
        side = max((max(shape[1:]) for shape in maps), default=1)
        channels = max((shape[0] for shape in maps), default=1)
        return cls(
            _SIDE_PX / side,
            min(_MOST_PX_PER_CHANNEL, _WIDTH_PX / channels),
            HEIGHT_PX / max(vectors, default=1),
        )


def blocks(architecture: Architecture, place: Place = ()) -> tuple[Block, ...]:
    """Return the input and a block for each layer, all maps to one scale, all channels and all vectors to another.

    A block of layers (a Residual, say) is one block here, too: its graph is drawn, small.

    Args:
        architecture: the network.
        place: of the block whose inside is drawn; () is the network itself.
    """
    inside = scope(architecture, place)
    arrives = inside.input_shape
    shapes = [shape for shape in (arrives, *(row.output_shape for row in inside.rows)) if shape]
    scale = _Scale.of(shapes or [architecture.input_shape])
    drawing, size = _solid(arrives, scale, "input") if arrives else _ghost(None, scale)
    first = Block(
        INPUT, "input", "", shape_text(arrives), True, "ok" if arrives else "unknown", "input", size, drawing,
        Message(N_("input, {shape}"), shape=shape_text(arrives)),
    )  # fmt: skip
    return (first, *(_block(row, scale) for row in inside.rows))


def shape_text(shape: Shape | None) -> str:
    """Return ``shape`` as a person writes it: ``6×28×28``; empty for None."""
    return "×".join(map(str, shape)) if shape else ""


def detail(layer: LayerSpec) -> str:
    """Return the few numbers of ``layer`` that a drawing has room for."""
    fields = layer.model_dump(exclude={"layers", "branches"})
    if layer.nesting:
        return " ".join(part for part in _block_words(fields) if part)
    if "kernel_size" in fields:
        kernel, stride = fields["kernel_size"], fields["stride"]
        words = {"MaxPool2d": ["max"], "AvgPool2d": ["avg"]}.get(layer.kind, [])
        words.append(f"{kernel}×{kernel}")
        if stride is not None and stride != (kernel if words[0] in ("max", "avg") else 1):
            words.append(f"/{stride}")
        return " ".join(words)
    if "output_size" in fields:
        return f"avg → {fields['output_size']}×{fields['output_size']}"
    return f"p {fields['p']:g}" if "p" in fields else ""


def _block_words(fields: Mapping[str, Any]) -> Iterator[str]:
    yield f"{fields['repeat']}×" if fields.get("repeat", 1) > 1 else ""
    yield f"{fields['kernel_size']}×{fields['kernel_size']}" if "kernel_size" in fields else ""
    yield f"/{fields['stride']}" if fields.get("stride", 1) > 1 else ""


def _block(row: Row, scale: _Scale) -> Block:
    arrives, leaves = row.input_shape, row.output_shape
    if row.layer.nesting and leaves is not None:
        return _folded(row)
    state = "broken" if row.error else "ok" if leaves else "unknown"
    family = FAMILIES.get(row.layer.kind, "act") if leaves else "none"
    changed = arrives != leaves
    if leaves is None:
        drawing, size = _ghost(arrives, scale)
    else:
        drawing, size = _solid(leaves, scale, family, sheet=family in _SHEETS and not changed)
    return Block(
        row.index,
        row.name.rpartition(".")[2],
        detail(row.layer),
        shape_text(leaves),
        changed,
        state,
        family,
        size,
        drawing,
        _sentence(row),
    )


def _folded(row: Row) -> Block:
    """Return a block of layers as the graph that it is."""
    piece = graph(row.layer, row.input_shape, lambda kind: FAMILIES.get(kind, "act"))
    shape = shape_text(row.output_shape)
    changed = row.input_shape != row.output_shape
    state = "broken" if row.error else "ok"
    size = (piece.width, piece.height)
    drawing = f'<g class="graph">{piece.svg}</g>'
    name = row.name.rpartition(".")[2]
    return Block(row.index, name, detail(row.layer), shape, changed, state, "conv", size, drawing, _sentence(row))


def _sentence(row: Row) -> Message:
    known = {"name": row.name, "kind": row.layer.kind}
    if row.error:
        return Message("{name} ({kind}) does not fit: {error}", error=row.error, **known)
    if row.output_shape is None:
        return Message("{name} ({kind}), below a layer that does not fit", **known)
    return Message(
        "{name} ({kind}): {before} in, {after} out",
        before=shape_text(row.input_shape),
        after=shape_text(row.output_shape),
        **known,
    )


def _solid(shape: Shape, scale: _Scale, family: str, sheet: bool = False) -> tuple[str, tuple[float, float]]:
    """Return a box (front: channels x height, depth: width) for maps, a bar for a vector."""
    if len(shape) == 1:
        height = max(_LEAST_PX, shape[0] * scale.per_number)
        width = _SHEET_PX if sheet else _BAR_PX
        return _group(family, f'<rect class="front" width="{width:g}" height="{height:.1f}"/>'), (width, height)
    channels, rows, cols = shape
    width = _SHEET_PX if sheet else max(_LEAST_PX, channels * scale.per_channel)
    height = max(_LEAST_PX, rows * scale.per_pixel)
    depth = cols * scale.per_pixel * _DEPTH
    right, top, low = width + depth, depth, depth + height
    faces = (
        f'<rect class="front" y="{top:.1f}" width="{width:.1f}" height="{height:.1f}"/>'
        f'<path class="top" d="M0 {top:.1f}L{depth:.1f} 0H{right:.1f}L{width:.1f} {top:.1f}Z"/>'
        f'<path class="side" d="M{width:.1f} {top:.1f}L{right:.1f} 0V{height:.1f}L{width:.1f} {low:.1f}Z"/>'
    )
    return _group(family, faces), (right, low)


def _ghost(arrives: Shape | None, scale: _Scale) -> tuple[str, tuple[float, float]]:
    """Return a dashed outline: the layer is there, its output is not."""
    if arrives is None or len(arrives) == 1:
        width, height = _BAR_PX, 30.0
    else:
        width, height = 16.0, max(18.0, arrives[1] * scale.per_pixel)
    return _group("none", f'<rect class="front" width="{width:g}" height="{height:.1f}"/>'), (width, height)


def _group(family: str, inner: str) -> str:
    return f'<g class="f {family}">{inner}</g>'


def to_data(architecture: Architecture, language: str | None = None, place: Place = ()) -> list[dict[str, Any]]:
    """Return the blocks at ``place`` as plain values for the browser, with their sentences in ``language``."""
    inside, data = scope(architecture, place), []
    opens = {row.index for row in inside.rows if enters(row.layer)}
    for block in blocks(architecture, place):
        width, height = block.size_px
        name = _name(block, language)
        data.append(
            {
                "index": block.index,
                "name": name,
                "detail": block.detail,
                "shape": block.shape,
                "changed": block.changed,
                "state": block.state,
                "height": height + 2,
                "label": block.sentence.text(language),
                "opens": block.index in opens,
                "insert": Message("Add a layer after {name}", name=name).text(language),
                "svg": f'<svg width="{width + 2:.1f}" height="{height + 2:.1f}" viewBox="-1 -1 {width + 2:.1f} {height + 2:.1f}" '
                f'aria-hidden="true">{block.svg}</svg>',
            }
        )
    return data


def joins_data(architecture: Architecture, language: str | None = None, place: Place = ()) -> list[dict[str, str]]:
    """Return what the block at ``place`` adds by itself (a shortcut, a sum) as plain values for the browser."""
    inside = scope(architecture, place)
    return [
        {
            "name": row.name.removeprefix(f"{inside.name}."),
            "label": _sentence(row).text(language),
            "shape": shape_text(row.output_shape),
        }
        for row in inside.joins
    ]


def _name(block: Block, language: str | None) -> str:
    return Message(N_("input")).text(language) if block.index == INPUT else block.name


def thumbnail(architecture: Architecture, dark: bool = False) -> str:
    """Return the bare blocks as a small SVG for a card, without words."""
    x = 1.0
    parts = []
    for block in blocks(architecture):
        width, height = block.size_px
        parts.append(f'<g transform="translate({x:.1f} {(HEIGHT_PX - height) / 2 + 1:.1f})">{block.svg}</g>')
        x += width + 7
    return _svg(x, HEIGHT_PX + 2, _fills(dark), parts, "aria-hidden", "true")


def _svg(width: float, height: float, style: str, parts: list[str], attribute: str, value: str) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height:.0f}" viewBox="0 0 {width:.0f} {height:.0f}" '
        f'role="img" {attribute}="{escape(value)}"><style>{style}</style>{"".join(parts)}</svg>'
    )


def _fills(dark: bool) -> str:
    colours = "".join(f".f.{family}{{stroke:{pair[dark]};fill:{pair[dark]}}}" for family, pair in COLOURS.items())
    return (
        f".front{{fill-opacity:.55}}.top{{fill-opacity:.24}}.side{{fill-opacity:.8}}"
        f".f.none *{{fill-opacity:.06;stroke-dasharray:3 3}}{colours}"
        f".line,.shortcut,.mark,.join,.frame{{stroke:{'#E6EDF3' if dark else '#1B2733'};fill:none;opacity:.6}}"
        ".dashed,.frame{stroke-dasharray:4 3}"
    )
