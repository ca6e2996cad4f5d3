"""A block of layers as a small graph: layers as bars on their lane, branches below each other, a shortcut as an arc above.

Pure geometry and SVG in the colour families of :mod:`cnnlab.figures.network`; who draws it gives the colours.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from cnnlab.architecture.blocks import Block, Branches, DenseBlock, Residual, Sequence, Shorthand
from cnnlab.architecture.shapes import Shape
from cnnlab.architecture.spec import LayerSpec
from cnnlab.errors import CnnLabError

MOST_PX = 260.0
"""A block that would be drawn wider is one plain box."""

_BAR = (9.0, 30.0)
_THIN = (4.0, 22.0)
_GAP = 8.0
_LANE_GAP = 7.0
_ARC = 13.0
_JOIN = 6.5


@dataclass(frozen=True)
class Piece:
    """A part of the graph: its size, the height at which the line enters and leaves it, its SVG."""

    width: float
    height: float
    line: float
    svg: str


def graph(block: LayerSpec, arrives: Shape | None, family: Callable[[str], str]) -> Piece:
    """Return the graph of ``block``, one copy of what is repeated.

    Args:
        block: a block of layers.
        arrives: the shape that arrives, where known: a shorthand needs it to say what it stands for.
        family: the colour family of a kind of layer; what is not coloured (``flat``) is drawn by its line alone.
    """
    piece = _Drawing(family).layer(block, arrives)
    if piece.width <= MOST_PX:
        return piece
    return _plain(block, family)


@dataclass(frozen=True)
class _Drawing:
    family: Callable[[str], str]

    def layer(self, layer: LayerSpec, arrives: Shape | None) -> Piece:
        match layer:
            case Shorthand():
                try:
                    return self.layer(layer.parts(arrives), arrives) if arrives else _plain(layer, self.family)
                except CnnLabError:  # it does not fit: what it stands for is not known
                    return _plain(layer, self.family)
            case Residual():
                return self._residual(layer, arrives)
            case Branches():
                return self._branches(layer, arrives)
            case DenseBlock():
                return self._arched(self._row(layer.layers, arrives), _dot())
            case Sequence():
                return self._row(layer.layers, arrives)
        return self._bar(layer)

    def _bar(self, layer: LayerSpec) -> Piece:
        family = self.family(layer.kind)
        width, height = _BAR if family in ("conv", "pool", "dense") else _THIN
        return Piece(width, height, height / 2, _bar_svg(family, width, height))

    def _row(self, layers: tuple[LayerSpec, ...], arrives: Shape | None) -> Piece:
        """Put layers one behind the other on one line."""
        pieces = []
        for layer in layers:
            pieces.append(self.layer(layer, arrives))
            arrives = _after(layer, arrives)
        if not pieces:
            return Piece(_GAP, 2.0, 1.0, _path(f"M0 1h{_GAP:g}"))
        line = max(piece.line for piece in pieces)
        below = max(piece.height - piece.line for piece in pieces)
        x, parts = 0.0, []
        for piece in pieces:
            parts.append(_moved(piece.svg, x, line - piece.line))
            x += piece.width
            parts.append(_path(f"M{x:.1f} {line:.1f}h{_GAP:g}"))
            x += _GAP
        return Piece(x - _GAP, line + below, line, "".join(parts[:-1]))

    def _residual(self, layer: Residual, arrives: Shape | None) -> Piece:
        return self._arched(self._row(layer.layers, arrives), "+", dashed=layer.shortcut != "identity")

    def _arched(self, body: Piece, mark: str, dashed: bool = False) -> Piece:
        """Put an arc over ``body``, from before it to a join behind it."""
        line, end = body.line + _ARC, _GAP + body.width + _GAP
        arc = f"M3 {line:.1f}V6q0 -4 4 -4H{end + _JOIN - 4:.1f}q4 0 4 4V{line - _JOIN:.1f}"
        svg = (
            _path(f"M0 {line:.1f}h{_GAP:g}M{_GAP + body.width:.1f} {line:.1f}h{_GAP:g}")
            + _path(arc, "shortcut dashed" if dashed else "shortcut")
            + _moved(body.svg, _GAP, _ARC)
            + _join(end + _JOIN, line, mark)
        )
        return Piece(end + 2 * _JOIN, body.height + _ARC, line, svg)

    def _branches(self, layer: Branches, arrives: Shape | None) -> Piece:
        if layer.split and arrives is not None:
            arrives = (arrives[0] // len(layer.branches), *arrives[1:])
        lanes = [self.layer(branch, arrives) for branch in layer.branches]
        width = max(lane.width for lane in lanes)
        tops, y = [], 0.0
        for lane in lanes:
            tops.append(y)
            y += lane.height + _LANE_GAP
        height = y - _LANE_GAP
        middle = height / 2
        join_x = 2 * _GAP + width + 2 * _GAP + _JOIN
        parts = []
        for lane, top in zip(lanes, tops):
            line = top + lane.line
            parts.append(_path(f"M0 {middle:.1f}C{_GAP:g} {middle:.1f} {_GAP:g} {line:.1f} {2 * _GAP:g} {line:.1f}"))
            parts.append(_moved(lane.svg, 2 * _GAP, top))
            out = 2 * _GAP + lane.width
            parts.append(
                _path(
                    f"M{out:.1f} {line:.1f}H{2 * _GAP + width:.1f}"
                    f"C{join_x - _JOIN - _GAP:.1f} {line:.1f} {join_x - _JOIN - _GAP:.1f} {middle:.1f} {join_x:.1f} {middle:.1f}"
                )
            )
        parts.append(_join(join_x, middle, {"concat": _dot(), "add": "+", "multiply": "×"}[layer.join]))
        return Piece(join_x + _JOIN, max(height, 2 * _JOIN), middle, "".join(parts))


def _after(layer: LayerSpec, arrives: Shape | None) -> Shape | None:
    try:
        return layer.output_shape(arrives) if arrives else None
    except CnnLabError:
        return None


def _plain(block: LayerSpec, family: Callable[[str], str]) -> Piece:
    """Return a box for a block that is not drawn in its parts."""
    count = len(block.inner) if isinstance(block, Block) else 0
    bars = "".join(_moved(_bar_svg(family("Conv2d"), 5, 24), 5 + 9 * i, 5) for i in range(min(3, max(1, count))))
    return Piece(40, 34, 17, f'<rect class="frame" width="40" height="34" rx="4"/>{bars}')


def _bar_svg(family: str, width: float, height: float) -> str:
    return f'<g class="f {family}"><rect class="front" width="{width:g}" height="{height:g}" rx="1"/></g>'


def _dot() -> str:
    """Return the mark of a concatenation: one behind the other."""
    return "‖"


def _join(x: float, y: float, mark: str) -> str:
    """Return a small circle with the sign of what is done in it."""
    if mark == "+":
        inner = f"M{x - 3:.1f} {y:.1f}h6M{x:.1f} {y - 3:.1f}v6"
    elif mark == "×":
        inner = f"M{x - 2.2:.1f} {y - 2.2:.1f}l4.4 4.4m0 -4.4l-4.4 4.4"
    else:
        inner = f"M{x - 1.6:.1f} {y - 3:.1f}v6m3.2 -6v6"
    return f'<circle class="join" cx="{x:.1f}" cy="{y:.1f}" r="{_JOIN:g}"/>{_path(inner, "mark")}'


def _path(d: str, kind: str = "line") -> str:
    return f'<path class="{kind}" d="{d}"/>'


def _moved(svg: str, x: float, y: float) -> str:
    return f'<g transform="translate({x:.1f} {y:.1f})">{svg}</g>'
