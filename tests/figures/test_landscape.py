"""The pictures of the landscape: every point can be tapped, every marble is drawn, what is no number breaks nothing."""

import base64
import re
from dataclasses import replace

import numpy as np
import pytest

from cnnlab.description import ModelRef
from cnnlab.figures import landscape as figures
from cnnlab.figures.landscape_surface import surface_html
from cnnlab.insight.landscape import WAYS, Ask, Landscape, Moment, Move, Rolled, ground_for, random_plane
from cnnlab.runs import resolve


@pytest.fixture(scope="module")
def found() -> Landscape:
    plane = random_plane(ground_for(resolve(ModelRef("bundled:mnist-sprint"))))
    sides = np.linspace(-1, 1, 7)
    losses = 0.1 + sides[:, None] ** 2 + 2 * sides[None, :] ** 2
    path = (Moment(0, (-0.8, 0.5), 3.0, 4.0, 2.3, 1.9), Moment(9, (0.0, 0.0), 0.0, 0.0, 0.1, 0.1))
    return Landscape(Ask(), plane, sides, sides, losses, 0.1, 144, path=path)


def rolled_in(places):
    moves = tuple(
        Move(n + 1, a, (1.0, 1.0), (b[0] - a[0], b[1] - a[1])) for n, (a, b) in enumerate(zip(places, places[1:]))
    )
    losses = tuple(1.0 / (n + 1) for n in range(len(places)))
    return [Rolled(way, places[0], 0.1, 1, moves, losses[:-1], losses, (0.5,) * len(moves)) for way in WAYS]


def drawn(html):
    return base64.b64decode(re.search(r"base64,([^\"]+)", html)[1]).decode()


@pytest.mark.parametrize("dark", [False, True])
def test_every_point_can_be_tapped_and_every_way_is_drawn(found, dark):
    rolled = rolled_in([(0.6, 0.6), (0.2, 0.3), (0.0, 0.1)])
    figure = figures.landscape_map(found, rolled, (0.6, 0.6), dark=dark)
    points = next(trace for trace in figure.data if trace.type == "scatter" and len(trace.x) == 49)
    assert {(x, y): loss for x, y, loss in zip(points.x, points.y, points.customdata)}[1.0, -1.0] == found.losses[0, 6]
    assert sum(trace.type == "scatter" and len(trace.x) == 3 for trace in figure.data) == len(WAYS)
    text = figures.landscape_text(found, rolled)
    assert "0.1 at the model" in text and text.count("after 2 steps at (0, 0.1)") == len(WAYS)
    legend = figures.legend_html(found, rolled, dark=dark)
    assert legend.count("0.3333") == len(WAYS) and "left the map" not in legend
    beyond = figures.legend_html(found, rolled_in([(0.6, 0.6), (0.9, 1.1)]), dark=dark)
    assert beyond.count("left the map") == len(WAYS)
    figures.descent_curves(rolled, 40, dark=dark)


def test_the_marble_begins_where_it_goes_down_to_the_centre(found):
    whole = replace(found, path=())
    assert whole.start == pytest.approx((2 / 3, 2 / 3))
    sides = np.linspace(-1, 1, 25)
    far = np.hypot(sides[:, None], sides[None, :])
    basin = np.where(far < 0.6, 0.1 + far, 0.7 - far / 10)  # a small hollow in a plain that falls away
    small = replace(whole, u=sides, v=sides, losses=basin)
    assert small.start == pytest.approx((5 / 12, 5 / 12))
    assert replace(small, losses=np.full((25, 25), np.nan)).start == pytest.approx((1 / 12, 1 / 12))


def test_the_surface_has_a_piece_for_each_square_and_follows_the_turn(found):
    svg = drawn(surface_html(found, rolled_in([(0.6, 0.6), (0.2, 0.3)]), (0.6, 0.6), turn=30))
    assert svg.count("<polygon") == 36 and svg.count(' ball"') == len(WAYS)
    numbers = [float(n) for one in re.findall(r'<polygon[^>]*points="([^"]+)"', svg) for n in re.split("[ ,]", one)]
    assert all(0 <= n <= 560 for n in numbers[::2]) and all(0 <= n <= 440 for n in numbers[1::2])
    assert drawn(surface_html(found, turn=90)) != drawn(surface_html(found, turn=30))


def test_the_marble_lies_on_the_ground(found):
    from cnnlab.figures.landscape_surface import _between

    u, v = np.array([1 / 3, 0.5]), np.array([-1 / 3, 0.0])
    at = _between(found.u, found.v, found.losses, u, v)
    assert at[0] == pytest.approx(found.losses[2, 4]) and at[1] == pytest.approx(found.losses[3, [4, 5]].mean())


def test_what_is_no_number_is_a_high_place(found):
    losses = found.losses.copy()
    losses[0, 0], losses[0, 1] = np.nan, np.inf
    broken = replace(found, losses=losses)
    assert figures.heights(losses)[0, 0] == figures.heights(losses).max() == np.log10(found.losses.max())
    assert np.isfinite(broken.rate) and broken.rate > 0
    figures.landscape_map(broken)
    assert "nan" not in drawn(surface_html(broken)) and "nan" not in figures.landscape_text(broken)


def test_ticks_are_round_losses_inside():
    assert figures.ticks(-1, 1) == [0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0]
    assert figures.ticks(np.log10(0.33), np.log10(0.35)) == pytest.approx([0.33, 0.35])
