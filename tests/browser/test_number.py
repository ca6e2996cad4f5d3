"""A number followed in a real browser: from a probability down to a pixel, hop by hop, with the values that Python has."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from cnnlab.data import loader
from cnnlab.insight.arithmetic import explain, pass_of
from cnnlab.runs.models import named
from tests.browser.conftest import settled
from tests.browser.test_whole import open_magnifier

MINUS = "\u2212"


def read(text: str) -> float:
    return float(text.replace(MINUS, "-").replace("%", "e-2"))


def test_a_probability_is_followed_down_to_a_pixel_and_back(visit: Callable[..., Page]) -> None:
    page = visit("")
    open_magnifier(page)
    passed = pass_of(named("mnist-sprint"), loader.load("mnist").test.images[0])
    root = page.locator(".number-root")
    root.locator(".crumb.start").click()
    here = root.locator('.crumb[aria-current="location"]')
    unit, seen = f"probs[{int(passed.look.probs.argmax())}]", []
    while not unit.startswith("image"):
        expect(here.locator("b")).to_have_text(unit)
        told = explain(passed, unit)
        assert read(here.locator("small").inner_text()) == pytest.approx(told.value, rel=1e-3, abs=1e-6)
        settled(page)
        seen.append(unit)
        link = root.locator("table.terms:not(.shares) .go").first
        unit = link.inner_text().removesuffix(" ↓")
        assert unit in {str(term.input) for term in told.terms}
        link.click()
    expect(here.locator("b")).to_have_text(unit)
    assert [name.split("[")[0] for name in seen] == [
        "probs", "fc1", "flatten", "relu2", "bn2", "pool2", "conv2", "relu1", "bn1", "pool1", "conv1", "input",
    ]  # fmt: skip
    assert root.locator(".crumb").count() == len(seen) + 1
    root.locator(".crumb").nth(1).click()
    expect(here.locator("b")).to_have_text(seen[1])


def test_pointing_at_an_output_takes_it_apart_without_the_server(visit: Callable[..., Page]) -> None:
    page = visit("")
    open_magnifier(page)
    passed = pass_of(named("mnist-sprint"), loader.load("mnist").test.images[0])
    root = page.locator(".number-root")
    canvas = root.locator("canvas.map").last
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    assert box is not None
    values = passed.values("conv1")[0]
    height, width = values.shape
    for row, column in ((5, 7), (12, 20), (20, 3)):
        canvas.hover(position={"x": (column + 0.5) * box["width"] / width, "y": (row + 0.5) * box["height"] / height})
        expect(root).to_contain_text(f"conv1[0,{row},{column}] =")
        said = re.search(rf"conv1\[0,{row},{column}\] = .* = ({MINUS}?[\d.e{MINUS}-]+)", root.inner_text())
        assert said is not None
        assert read(said[1].rstrip(".")) == pytest.approx(float(values[row, column]), rel=1e-3, abs=1e-4)
