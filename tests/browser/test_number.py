"""The number view in a real browser: hovering is answered without the server, the trail leads from a probability to a pixel."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, WebSocket, expect

from cnnlab.data import loader
from cnnlab.insight.arithmetic import explain, pass_of, trail
from cnnlab.runs.models import named
from tests.browser.conftest import settled

SIZES = [{"width": 1440, "height": 900}, {"width": 390, "height": 844, "dark": True}]


def open_magnifier(visit: Callable[..., Page], **options: object) -> Page:
    page = visit("magnifier", **options)
    expect(page.locator(".number-root .says").first).to_be_visible()
    settled(page)
    return page


def total(said: str) -> float:
    """Return the number behind the last equals sign of a sentence."""
    return float(re.split(r"[:;]", said.split("= ")[-1])[0].replace("\u2212", "-").strip())


def test_hovering_reads_the_networks_own_numbers_without_the_server(visit: Callable[..., Page]) -> None:
    page = open_magnifier(visit)
    passed = pass_of(named("mnist-sprint"), loader.load("mnist").test.images[0])
    says, out = page.locator(".number-root .says").first, page.locator(".number-root .outs canvas").first
    sent: list[str] = []

    def watch(socket: WebSocket) -> None:
        socket.on("framesent", lambda frame: sent.append("sent"))

    page.on("websocket", watch)
    out.scroll_into_view_if_needed()
    box = out.bounding_box()
    assert box is not None
    seen = set()
    for place in (0.1, 0.45, 0.8):
        page.mouse.move(box["x"] + place * box["width"], box["y"] + place * box["height"])
        unit = says.inner_text().split(" = ")[0]
        seen.add(unit)
        assert total(says.inner_text()) == pytest.approx(explain(passed, unit).value, rel=2e-3, abs=1e-3)
    assert len(seen) == 3 and not sent
    out.focus()
    before = says.inner_text()
    page.keyboard.press("ArrowLeft")
    expect(says).not_to_have_text(before)


@pytest.mark.parametrize("size", SIZES, ids=["wide", "phone"])
def test_the_trail_leads_from_a_probability_to_the_input_and_back(visit: Callable[..., Page], size: dict) -> None:
    page = open_magnifier(visit, **size)
    passed = pass_of(named("mnist-sprint"), loader.load("mnist").test.images[0])
    hops = trail(passed, "probs[7]", top=1)
    root = page.locator(".number-root").first
    root.get_by_role("button", name="Start at the probability").click()
    for number, hop in enumerate(hops):
        unit = str(hop.told.unit)
        expect(root.locator(".crumb[aria-current] b")).to_have_text(unit)
        expect(root.locator(".crumb")).to_have_count(number + 1)
        settled(page)
        if hop.told.kind == "Preprocessing":
            break
        assert hop.follows is not None
        root.get_by_role("button", name=f"Go down to {hop.follows.input}").first.click()
    assert hops[-1].told.kind == "Preprocessing"
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    root.locator("button.crumb").first.click()
    expect(root.locator(".crumb[aria-current] b")).to_have_text("probs[7]")
    expect(root.locator(".crumb")).to_have_count(1)


def test_the_kernel_slides_and_a_number_of_the_input_says_what_it_reaches(visit: Callable[..., Page]) -> None:
    page = open_magnifier(visit)
    root = page.locator(".number-root").first
    step = root.get_by_role("button", name="One step")
    step.click()
    expect(root.locator(".says")).to_contain_text("[0,0,0] = ")
    step.click()
    expect(root.locator(".says")).to_contain_text("[0,0,1] = ")
    root.locator(".ins canvas").first.hover(position={"x": 60, "y": 60})
    expect(root.locator(".says")).to_contain_text("goes into 25 numbers of conv1[0]")
    expect(root.locator("button.go.big")).to_contain_text("Go down to input[0,")
