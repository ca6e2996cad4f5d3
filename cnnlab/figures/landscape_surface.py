"""The loss over a plane as a surface that is seen from a side, with the path and the marbles on it: one SVG."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cnnlab.figures import landscape as maps
from cnnlab.figures import theme
from cnnlab.figures.live import svg_img
from cnnlab.insight.landscape import Landscape, Pair, Rolled

WIDTH, HEIGHT = 560, 440
_SCALE = 170.0
_TILT = math.radians(32)
_TALL = 0.85
_LETTER = 8.0
_SHADES = 14

Points = NDArray[np.float64]


def surface_html(
    found: Landscape, rolled: Sequence[Rolled] = (), marble: Pair | None = None, *, turn: float = 30.0
) -> str:
    """Return the surface as an ``img``; what lies behind a hill is drawn over it, so that no path is lost.

    Its height is the logarithm of the loss. The colours are those of the page's theme.

    Args:
        rolled: what marbles have done.
        marble: where the next one lies.
        turn: from where it is seen, in degrees around the vertical.
    """
    view = _View(found, turn)
    parts = [_style(), *view.quads(), *_posts(found, view)]
    if found.path:
        parts.append(_line("path", view.on_ground([one.place for one in found.path])))
    parts.append(_cross(view.on_ground([found.plane.origin])[0]))
    for one in rolled:
        points = view.on_ground(one.places)
        parts.append(_line(one.way, points))
        parts.append(f'<circle class="{one.way} ball" cx="{points[-1][0]:.1f}" cy="{points[-1][1]:.1f}" r="6"/>')
    if marble is not None:
        x, y = view.on_ground([marble])[0]
        parts.append(f'<circle class="marble" cx="{x:.1f}" cy="{y:.1f}" r="8"/>')
    svg = svg_img("".join(parts), f"0 0 {WIDTH} {HEIGHT}", maps.landscape_text(found, rolled), "lab-surface")
    return svg.replace("<img ", '<img style="width:100%;max-height:30rem;object-fit:contain" ', 1)


class _View:
    """From places on the plane and heights to points of the picture."""

    def __init__(self, found: Landscape, turn: float) -> None:
        self.found, self.turn = found, math.radians(turn)
        self.z = maps.heights(found.losses)
        self.low, self.high = float(self.z.min()), max(float(self.z.max()), float(self.z.min()) + 1e-6)

    def seen(self, u: Points, v: Points, z: Points) -> tuple[Points, Points, Points]:
        """Return x, y and the distance from the eye of points of the ground, in pixels."""
        (left, right), (bottom, top) = self.found.plane.reach
        a, b = 2 * (u - left) / (right - left) - 1, 2 * (v - bottom) / (top - bottom) - 1
        h = _TALL * (2 * (z - self.low) / (self.high - self.low) - 1) / 1.4
        cos, sin = math.cos(self.turn), math.sin(self.turn)
        across, deep = a * cos - b * sin, a * sin + b * cos
        up = h * math.cos(_TILT) + deep * math.sin(_TILT)
        return WIDTH / 2 + _SCALE * across, HEIGHT / 2 - 10 - 0.9 * _SCALE * up, deep

    def quads(self) -> list[str]:
        """Return the ground as one four-sided piece for each square of the grid, the furthest first."""
        u, v = np.meshgrid(self.found.u, self.found.v)
        x, y, deep = self.seen(u, v, self.z)
        rows, columns = np.indices((len(u) - 1, len(u) - 1)).reshape(2, -1)
        far = (deep[rows, columns] + deep[rows + 1, columns + 1]) / 2
        made = []
        for place in np.argsort(-far, kind="stable"):
            i, j = int(rows[place]), int(columns[place])
            corners = ((i, j), (i, j + 1), (i + 1, j + 1), (i + 1, j))
            height = sum(float(self.z[corner]) for corner in corners) / 4
            shade = min(_SHADES - 1, int(_SHADES * (height - self.low) / (self.high - self.low)))
            points = " ".join(f"{x[corner]:.1f},{y[corner]:.1f}" for corner in corners)
            made.append(f'<polygon class="s{shade}" points="{points}"/>')
        return made

    def on_ground(self, places: Sequence[Pair]) -> list[Pair]:
        """Return where ``places`` lie in the picture, on the ground; outside the map, at its edge."""
        (left, right), (bottom, top) = self.found.plane.reach
        u = np.clip([place[0] for place in places], left, right)
        v = np.clip([place[1] for place in places], bottom, top)
        x, y, _deep = self.seen(u, v, _between(self.found.u, self.found.v, self.z, u, v))
        return [(float(a), float(b)) for a, b in zip(x, y)]


def _between(us: Points, vs: Points, z: Points, u: Points, v: Points) -> Points:
    """Return the heights between the points of the grid, bilinear. Shape: those of ``u`` and ``v``."""
    column = np.clip(np.searchsorted(us, u) - 1, 0, len(us) - 2)
    row = np.clip(np.searchsorted(vs, v) - 1, 0, len(vs) - 2)
    s = (u - us[column]) / (us[column + 1] - us[column])
    t = (v - vs[row]) / (vs[row + 1] - vs[row])
    low = z[row, column] * (1 - s) + z[row, column + 1] * s
    high = z[row + 1, column] * (1 - s) + z[row + 1, column + 1] * s
    return np.asarray(low * (1 - t) + high * t, dtype=np.float64)


def _posts(found: Landscape, view: _View) -> list[str]:
    """Return the names of the axes, each at the middle of the edge that lies nearer to the eye."""
    (left, right), (bottom, top) = found.plane.reach
    names = maps.axis_short(found)
    edges = [[((left + right) / 2, v) for v in (bottom, top)], [(u, (bottom + top) / 2) for u in (left, right)]]
    made = []
    for name, places in zip(names, edges):
        x, y, deep = view.seen(
            np.array([one[0] for one in places]), np.array([one[1] for one in places]), np.full(2, view.low)
        )
        near = int(deep.argmin())
        half = _LETTER * len(name) / 2
        at = min(max(half, float(x[near])), WIDTH - half)
        made.append(
            f'<text x="{at:.0f}" y="{min(HEIGHT - 6, y[near] + 26):.0f}" text-anchor="middle">{_escaped(name)}</text>'
        )
    return made


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;")


def _line(style: str, points: Sequence[Pair]) -> str:
    written = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    return f'<polyline class="halo" points="{written}"/><polyline class="{style}" points="{written}"/>'


def _cross(point: Pair) -> str:
    return f'<text class="cross" x="{point[0]:.1f}" y="{point[1] + 7:.1f}" text-anchor="middle">+</text>'


def _style() -> str:
    lines = [
        f".s{k}{{fill:light-dark({_mixed(k, False)},{_mixed(k, True)})}}"
        for k in range(_SHADES)
    ]  # fmt: skip
    lines += [
        f".{way}{{stroke:light-dark({colour[False]},{colour[True]});stroke-width:2.5}}"
        f".{way}.ball{{fill:light-dark({colour[False]},{colour[True]})}}"
        for way, colour in maps.COLOURS.items()
    ]
    ink, ground = (f"light-dark({colour[False]},{colour[True]})" for colour in (theme.INK, theme.GROUND))
    quiet = f"light-dark({theme.QUIET[False]},{theme.QUIET[True]})"
    lines += [
        "polygon{stroke:light-dark(rgba(27,39,51,.22),rgba(230,237,243,.2));stroke-width:.7;stroke-linejoin:round}",
        f".halo{{stroke:{ground};stroke-width:5;opacity:.7}}.path{{stroke:{ink};stroke-width:2;stroke-dasharray:2 4}}",
        f".ball{{stroke:{ground};stroke-width:1.5}}.marble{{fill:none;stroke:{ink};stroke-width:3}}",
        f"text{{font:15px system-ui,sans-serif;fill:{quiet}}}.cross{{font-size:22px;font-weight:700;fill:{ink}}}",
    ]
    return f"<style>{''.join(lines)}</style>"


def _mixed(shade: int, dark: bool) -> str:
    part = shade / (_SHADES - 1)
    low, high = theme.rgb(maps.LOW[dark]), theme.rgb(maps.HIGH[dark])
    return "#" + "".join(f"{round(a + (b - a) * part):02X}" for a, b in zip(low, high))
