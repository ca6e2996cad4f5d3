"""Charts of health: points where the numbers say, axes that fit, words for who cannot see them."""

import base64
import re

import numpy as np
import pytest

from cnnlab.data.augmentation import Augmentation
from cnnlab.figures.health import (
    HEIGHT,
    WIDTH,
    Line,
    bars_html,
    chain_html,
    evidence_html,
    layer_html,
    series_html,
    varied_html,
)
from cnnlab.health.case import Evidence, Finding
from cnnlab.health.history import History
from cnnlab.health.series import EXPLAINED, LOGARITHMIC, SERIES
from cnnlab.i18n import Message, set_language

STEPS = (1, 2, 4, 8, 16, 32, 50, 100)
FADING = [(step, 10.0 ** (-k)) for k, step in enumerate(STEPS)]


def drawn(html: str) -> str:
    return "".join(base64.b64decode(found).decode() for found in re.findall(r"svg\+xml;base64,([^\"]+)", html))


def alts(html: str) -> str:
    return " ".join(re.findall(r'alt="([^"]+)"', html))


def points(svg: str, style: str = "train") -> list[tuple[float, float]]:
    found = re.search(rf'<polyline class="{style}" points="([^"]+)"', svg)
    assert found is not None
    return [(float(a), float(b)) for a, b in (pair.split(",") for pair in found.group(1).split())]


def heights(svg: str) -> dict[str, float]:
    """Return where the label of each tick stands, in pixels from above."""
    return {text: float(y) - 4 for y, text in re.findall(r'<text class="end soft" x="40" y="([\d.]+)">([^<]+)', svg)}


def history() -> History:
    events = [
        {"kind": "train", "step": step, "loss": 2.3 / k, "acc": k / 10, "lr": 0.1} for k, step in enumerate(STEPS, 1)
    ]
    looks = [
        {
            "kind": "health",
            "step": step,
            "layers": {
                "conv1": {"grad_norm": value, "update_ratio": value / 100, "mean": 0.1, "std": 1.0},
                "relu1": {"mean": 0.3, "std": 0.4, "dead": k / 10, "dead_window": 0.0},
                "fc1": {"grad_norm": 1.0, "update_ratio": 0.01},
            },
            "predicted": [step, 0],
        }
        for k, (step, value) in enumerate(FADING)
    ]
    val = [{"kind": "val", "step": step, "loss": 2.0, "acc": 0.25, "split": "val"} for step in (50, 100)]
    return History.of([*events, *looks, *val])


def test_a_gradient_is_drawn_by_its_powers_of_ten() -> None:
    svg = drawn(series_html("grad_norm", [Line("conv1", FADING)], 100))
    ys = [y for _x, y in points(svg)]
    gaps = np.diff(ys)
    assert np.allclose(gaps, gaps[0], atol=0.11) and gaps[0] > 5  # each a tenth of the one before: even steps down
    at = heights(svg)
    assert at["1"] == pytest.approx(ys[0], abs=0.1) and {"0.01", "10⁻⁴", "10⁻⁶"} <= {*at}
    xs = [x for x, _y in points(svg)]
    assert np.allclose(np.diff(xs) / np.diff(STEPS), (xs[-1] - xs[0]) / 99, atol=0.11)


def test_a_share_runs_from_nothing_to_all() -> None:
    svg = drawn(series_html("dead", [Line("relu1", [(1, 0.0), (50, 0.5), (100, 1.0)])], 100))
    at = heights(svg)
    assert [y for _x, y in points(svg)] == pytest.approx([at["0%"], at["50%"], at["100%"]], abs=0.1)


def test_a_loss_that_grows_without_bounds_does_not_flatten_the_rest() -> None:
    svg = drawn(series_html("loss", [Line("loss", [(1, 2.3), (2, 2.0), (3, 5e7), (4, 2.2)])], 4))
    ys = [y for _x, y in points(svg)]
    assert ys[0] - ys[2] > 30 and heights(svg).keys() >= {"0", "2"}
    assert min(ys) >= 0 and ys[1] - ys[0] > 2


def test_a_limit_lies_at_its_value() -> None:
    svg = drawn(series_html("grad_norm", [Line("conv1", FADING)], 100, limit=1e-2))
    y = float(re.findall(r'class="limit"[^>]*y1="([\d.]+)"', svg)[0])
    assert y == pytest.approx(points(svg)[2][1], abs=0.1)


@pytest.mark.parametrize("series", [*SERIES])
@pytest.mark.parametrize(
    "values", [[0.0], [None], [0.0, 0.0], [1e-30, 1e30], [None, 2.0, None], [-3.0, 5.0], [0.5] * 3, [5e-324, 0.0]]
)
def test_few_or_strange_values_are_drawn_too(series: str, values: list[float | None]) -> None:
    html = series_html(series, [Line("x", [*enumerate(values, 1)])], len(values))
    svg = drawn(html)
    assert not re.search(r"\bnan\b|\binf\b|None", svg + alts(html))
    for numbers in re.findall(r'points="([^"]*)"', svg):
        for pair in numbers.split():
            x, y = map(float, pair.split(","))
            assert 0 <= x <= WIDTH and 0 <= y <= HEIGHT
    assert svg.count('class="lost"') == values.count(None)
    if values == [None]:
        assert "no number" in alts(html)


def test_without_a_point_there_is_no_chart() -> None:
    assert series_html("loss", [Line("x", [])], 10) == "" == series_html("loss", [], 10)
    assert layer_html(history(), "softmax") == ""


def test_names_stand_apart_and_inside() -> None:
    lines = [Line(f"fc{k}", [(1, 1.0), (10, 1e-6 * (1 + k / 100))], marked=True) for k in range(8)]
    svg = drawn(series_html("grad_norm", lines, 10))
    ys = sorted(float(y) for y in re.findall(r'class="start bad" x="\d+" y="([\d.]+)"', svg))
    assert len(ys) == 8 and min(np.diff(ys)) >= 12 and 0 < ys[0] and ys[-1] <= HEIGHT


def test_the_line_that_matters_is_named_among_many() -> None:
    lines = [Line(f"fc{k}", [(1, 1.0), (10, 0.1 * k + 0.1)], marked=k == 3) for k in range(7)]
    svg = drawn(series_html("grad_norm", lines, 10))
    assert re.findall(r'<text class="start[^"]*"[^>]*>(fc\d)', svg) == ["fc3"]
    assert svg.count('class="marked"') == 1 and svg.count('class="other"') == 6


def test_a_layer_shows_what_it_has() -> None:
    html = layer_html(history(), "relu1", ("grad_norm", "std", "dead"))
    assert re.findall(r"<figcaption>([^<]+)", html) == ["Spread", "Dead units"]
    assert "Dead units from 0.0% to 70.0%" in alts(html)
    assert "<svg" not in html and "<script" not in html  # Streamlit strips both


def test_bars_are_as_long_as_their_values() -> None:
    svg = drawn(bars_html({"conv1": 100.0, "fc1": 400.0, "fc2": 0.0}, ("fc1",)))
    wide = [float(w) for w in re.findall(r'<rect class="(?:hot)?" [^>]*width="([\d.]+)"', svg)]
    assert wide[1] == pytest.approx(4 * wide[0], rel=0.01) and wide[2] == 0
    assert svg.count('class="hot"') == 1
    many = {f"layer{k}": float(k) for k in range(40)}
    html = bars_html(many, ("layer1",))
    assert "layer1 1" in alts(html) and "layer39 39" in alts(html) and "layer5 " not in alts(html)


def test_the_chain_marks_the_layers() -> None:
    names = [f"conv{k}" for k in range(30)]
    html = chain_html(names, ("conv3", "conv7"))
    svg = drawn(html)
    assert svg.count('class="boxhot"') == 2 and svg.count('class="box"') == 28
    right = [float(x) + float(w) for x, w in re.findall(r'class="box[^"]*" x="(\d+)" y="\d+" width="(\d+)"', svg)]
    assert len(right) == 30 and max(right) <= WIDTH
    assert alts(html).startswith("conv3, conv7 in the network")


def test_evidence_is_drawn_as_it_is_meant() -> None:
    def finding(*evidence: Evidence, layers: tuple[str, ...] = ()) -> Finding:
        return Finding("x", "note", Message("x"), Message("x"), layers, evidence)

    names, past = ("conv1", "relu1", "fc1"), history()
    gradients = Evidence(("grad_norm",), ("conv1", "fc1"), limit=0.01)
    html = evidence_html(finding(gradients, layers=("conv1",)), past, names)
    assert drawn(html).count('class="marked"') == 1 and "conv1 from 1 to" in alts(html)
    assert evidence_html(finding(gradients, layers=("conv1",)), History(), names) == chain_html(names, ("conv1",))
    both = evidence_html(finding(Evidence(("loss", "val_loss"))), past, names)
    assert "training from 2.3" in alts(both) and "validation from 2 to 2" in alts(both)
    assert evidence_html(finding(Evidence()), past, names) == ""
    bars = evidence_html(finding(Evidence(values={"fc1": 3.0}, title="Loss")), past, names)
    assert "<figcaption>Loss</figcaption>" in bars and alts(bars) == "fc1 3"
    turned = finding(Evidence(varied=Augmentation(rotate=90)))
    image = np.zeros((1, 28, 28), np.uint8)
    assert evidence_html(turned, past, names) == ""
    assert evidence_html(turned, past, names, image) == varied_html(image, Augmentation(rotate=90))


def test_varied_pictures_are_varied() -> None:
    image = np.tile(np.arange(28, dtype=np.uint8) * 9, (1, 28, 1))
    html = varied_html(image, Augmentation(flip=True), count=5)
    tiles = re.findall(r'src="([^"]+)"', html)
    assert len(tiles) == 6 and len({*tiles}) == 2 and tiles[0] in tiles[1:]


def test_it_speaks_the_learners_language() -> None:
    set_language("zh_CN")
    assert "梯度随步数的变化" in alts(layer_html(history(), "conv1"))
    assert {*EXPLAINED} == {*SERIES} - {"loss", "acc", "val_loss", "val_acc", "lr"} and {*LOGARITHMIC} <= {*SERIES}
