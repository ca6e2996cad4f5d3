"""The live view: text that carries the numbers, axes that stay, nothing that a page would strip."""

import base64
import re

import numpy as np
import pytest

from cnnlab.figures import live
from cnnlab.i18n import set_language

TRAIN = np.array([[s, 2.3 / s, s / 10, 2.3 / s, s / 10] for s in range(1, 9)], dtype=float)
VAL = [(4, 0.9, 0.55, False), (8, 0.5, 0.71, True)]


def drawn(html: str) -> str:
    return "".join(base64.b64decode(found).decode() for found in re.findall(r"svg\+xml;base64,([^\"]+)", html))


def test_a_chart_says_its_last_values() -> None:
    html = live.accuracy_html(TRAIN, VAL, 10, 10)
    assert 'alt="Accuracy, training 80.0%, validation 71.0%"' in html
    assert "step 8: training 80.0% · validation 71.0%" in html
    assert "<svg" not in html and "<script" not in html  # Streamlit strips both


def test_axes_do_not_move_while_it_learns() -> None:
    def axes(html: str) -> list[str]:
        return re.findall(r'<span class="lab-[xy]".*?</span>', html)

    for picture in (live.loss_html, live.accuracy_html):
        assert axes(picture(TRAIN[:1], [], 10, 10)) == axes(picture(TRAIN, VAL, 10, 10))


def test_points_lie_where_the_numbers_say() -> None:
    lines = re.findall(r'<polyline class="train" points="([^"]+)"', drawn(live.accuracy_html(TRAIN, VAL, 10, 10)))
    assert lines[0].split()[0] == "10.00,90.00" and lines[0].split()[-1] == "80.00,20.00"


def broken(value: float) -> np.ndarray:
    points = TRAIN.copy()
    points[3:, 1:] = value
    return points


@pytest.mark.parametrize("points", [TRAIN[:0], TRAIN[:1], broken(np.nan), broken(np.inf), broken(1e30)])
def test_few_or_broken_points_are_drawn_too(points: np.ndarray) -> None:
    for picture in (live.loss_html, live.accuracy_html):
        html = picture(points, [(1, float("nan"), 0.1, True)], 10, 10)
        assert "nan" not in drawn(html)
    assert live.sparkline_html(points, [], 10)


def test_guesses_say_right_and_wrong_in_words() -> None:
    images = np.zeros((2, 1, 28, 28), np.uint8)
    html = live.guesses_html(images, (3, 4), (3, 9), (0.9, 0.5), [str(n) for n in range(10)], 1234)
    assert "after step 1,234" in html and "4, taken for 9" in html
    assert live.guesses_title((3, 4), (3, 9)) == "1 of 2 test images right"
    set_language("zh_CN")
    assert live.guesses_title((3, 4), (3, 9)) == "2 张测试图像答对 1 张"


@pytest.mark.parametrize(("side", "tile"), [(28, 56), (32, 64), (16, 64), (64, 64), (100, 100)])
def test_a_tile_is_a_whole_multiple_and_four_fit_in_a_row(side: int, tile: int) -> None:
    images = np.zeros((1, 1, side, side), np.uint8)
    html = live.guesses_html(images, (0,), (0,), (1.0,), ["a", "b"], 1)
    assert f"--tile:{tile}px" in html and f"width:{tile}px" in html


def test_a_word_below_an_image_has_a_line_of_its_own() -> None:
    images = np.zeros((1, 1, 32, 32), np.uint8)
    assert "lab-named" in live.guesses_html(images, (0,), (0,), (1.0,), ["airplane", "ship"], 1)
    assert "lab-named" not in live.guesses_html(images, (0,), (0,), (1.0,), ["1", "10"], 1)


@pytest.mark.parametrize(
    ("steps", "said"), [(1, ["0", "1"]), (469, ["0", "234", "469"]), (56160, ["0", "28,080", "56,160"])]
)
def test_steps_on_the_axis_are_whole_and_readable(steps: int, said: list[str]) -> None:
    html = live.loss_html(TRAIN[:1], [], steps, 10)
    assert re.findall(r'<span class="lab-x"[^>]*>([^<]*)</span>', html) == said


def test_what_is_off_the_chart_is_said() -> None:
    wild = TRAIN.copy()
    wild[2, 3] = 412.0  # one excursion: the axis stays
    assert "off the chart: up to 412" in live.loss_html(wild, VAL, 10, 2.3)
    assert "off the chart: up to 9" in live.loss_html(TRAIN, [(4, 9.0, 0.1, True)], 10, 2.3)
    for picture in (live.loss_html(TRAIN, VAL, 10, 2.3), live.accuracy_html(TRAIN, VAL, 10, 10)):
        assert "off the chart" not in picture


def test_the_least_loss_has_a_line_where_there_is_one() -> None:
    assert "as low as it gets" not in live.loss_html(TRAIN, VAL, 10, 2.0)
    html = live.loss_html(TRAIN, VAL, 10, 2.0, 0.5)
    assert 'style="bottom:20.00%"><em>as low as it gets: 0.5' in html  # the axis ends at 1.25 times guessing
    assert "as low as it gets" not in live.loss_html(TRAIN, VAL, 10, 2.0, 1.9)  # no room beside the other label


@pytest.mark.parametrize("value", [0.0, 0.02, 0.3, 0.99, 1.0])
@pytest.mark.parametrize("other", [None, 0.0, 0.05, 0.31, 1.0])
def test_what_the_lines_end_in_stays_inside_the_chart_and_apart(value: float, other: float | None) -> None:
    points = np.array([[1, 0.1, value, 0.1, value], [2, 0.1, value, 0.1, value]])
    val = [] if other is None else [(2, 0.1, other, True)]
    html = live.accuracy_html(points, val, 10, 10)
    at = [float(found) for found in re.findall(r'lab-end lab-end-\w+" style="bottom:([\d.]+)%', html)]
    assert len(at) == 1 + (other is not None)
    assert all(10 <= one <= 90 for one in at)  # two lines of text reach 10 % up and down: the axis stays readable
    assert other is None or abs(at[0] - at[1]) >= 19.9


def test_names_of_classes_cannot_break_out() -> None:
    images = np.zeros((1, 1, 28, 28), np.uint8)
    html = live.guesses_html(images, (0,), (0,), (1.0,), ["<b onclick='x'>"], 1)
    assert "<b onclick" not in html


@pytest.mark.parametrize(
    ("value", "text"), [(None, "–"), (0.4, "0 s"), (59.6, "1:00 min"), (185, "3:05 min"), (4800, "1:20 h")]
)
def test_durations_are_short(value: float | None, text: str) -> None:
    assert live.seconds(value) == text
