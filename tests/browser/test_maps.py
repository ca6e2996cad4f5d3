"""The large map in a real browser: the pointer is answered with the network's own numbers, without the server."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Locator, Page, WebSocket, expect

from cnnlab.data import loader
from cnnlab.insight import look
from cnnlab.model import Model
from cnnlab.runs.models import named
from tests.browser.conftest import settled
from tests.browser.test_walk import go

MINUS = "\u2212"


@pytest.fixture(scope="module")
def model() -> Model:
    return named("mnist-sprint")


def open_explore(visit: Callable[..., Page], **options: object) -> Page:
    page = visit("", **options)
    go(page, "Explore")
    expect(page.locator("button.tile").first).to_be_visible()
    settled(page)
    return page


def point_at(page: Page, row: int, col: int, shape: tuple[int, ...]) -> None:
    box = rect(page.locator("canvas.large").first)
    page.mouse.move(box["x"] + (col + 0.5) * box["width"] / shape[2], box["y"] + (row + 0.5) * box["height"] / shape[1])


def rect(node: Locator) -> dict[str, float]:
    box = node.bounding_box()
    assert box is not None
    return dict(box)


def said(page: Page) -> tuple[str, float]:
    """Return the address and the number that are read out."""
    match = re.match(r"(\S+) = (\S+)", page.locator(".readout b").inner_text())
    assert match
    return match[1], float(match[2].replace(MINUS, "-"))


def test_the_pointer_reads_the_networks_numbers_and_shows_their_field(visit: Callable[..., Page], model: Model) -> None:
    page = open_explore(visit)
    image = loader.load("mnist").test.images[0]
    maps = look(model, image).maps["conv1"]
    field = model.architecture.trace().rows[0].receptive_field
    assert field
    page.locator("button.tile").nth(3).click()
    expect(page.locator(".view figcaption").first).to_have_text("conv1, map 3")
    settled(page)
    for row, col in [(0, 0), (12, 7), (23, 23)]:
        point_at(page, row, col, tuple(maps.shape))
        address, value = said(page)
        assert address == f"conv1[3,{row},{col}]"
        assert value == pytest.approx(float(maps[3, row, col]), rel=1e-3, abs=1e-4)
        (top, bottom), (left, right) = field.box((3, row, col))
        picture, frame = rect(page.locator("canvas.large").nth(1)), rect(page.locator(".field"))
        pixel = picture["width"] / 28
        assert pixel == int(pixel)
        assert frame["x"] - picture["x"] == pytest.approx(left * pixel, abs=0.6)
        assert frame["y"] - picture["y"] == pytest.approx(top * pixel, abs=0.6)
        assert frame["width"] == pytest.approx((right - left + 1) * pixel, abs=0.6)
        assert frame["height"] == pytest.approx((bottom - top + 1) * pixel, abs=0.6)
        total = float(page.locator(".sum").inner_text().split("=")[1].replace(MINUS, "-"))
        assert total == value  # the kernel times the patch, plus the bias


def test_pointing_does_not_go_to_the_server_and_choosing_does(visit: Callable[..., Page]) -> None:
    page = visit("")
    sent: list[int] = []

    def listen(socket: WebSocket) -> None:
        socket.on("framesent", lambda frame: sent.append(len(frame)))

    page.on("websocket", listen)
    page.reload()  # so that its connection is listened to
    settled(page)
    go(page, "Explore")
    expect(page.locator("button.tile").first).to_be_visible()
    settled(page)
    assert sent
    before = len(sent)
    for col in range(0, 24, 3):
        point_at(page, 10, col, (16, 24, 24))
    assert said(page)[0] == "conv1[0,10,21]"
    assert len(sent) == before
    page.locator("button.tile").nth(5).click()
    expect(page.locator(".view figcaption").first).to_have_text("conv1, map 5")
    assert len(sent) > before


def test_the_keyboard_reaches_every_map_and_every_number(visit: Callable[..., Page]) -> None:
    page = open_explore(visit)
    page.locator("button.tile").first.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    expect(page.locator(".view figcaption").first).to_have_text("conv1, map 2")
    expect(page.locator("button.tile").nth(2)).to_be_focused()
    point_at(page, 4, 4, (16, 24, 24))
    page.locator("canvas.large").first.focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowRight")
    assert said(page)[0] == "conv1[2,5,5]"


def test_the_sum_of_all_kernels_is_the_number_in_the_map(visit: Callable[..., Page]) -> None:
    page = open_explore(visit)
    page.get_by_label("Model", exact=True).click()
    page.get_by_role("option", name="article-000-lenet5").click()
    page.get_by_role("radio", name="conv2", exact=True).click()
    expect(page.locator(".view figcaption").first).to_have_text("conv2, map 0")
    settled(page)
    maps = look(named("article-000-lenet5"), loader.load("mnist").test.images[0]).maps["conv2"]
    for row, col in [(0, 0), (4, 6), (9, 9)]:
        point_at(page, row, col, tuple(maps.shape))
        total = float(page.locator(".sum").inner_text().split("=")[1].replace(MINUS, "-"))
        assert said(page) == (f"conv2[0,{row},{col}]", total)
        parts = [float(text.replace(MINUS, "-")) for text in page.locator(".product").all_inner_texts()]
        assert len(parts) == 6
        bias = float(page.locator(".sum").inner_text().split("bias ")[1].split(" =")[0].replace(MINUS, "-"))
        assert sum(parts) + bias == pytest.approx(float(maps[0, row, col]), abs=0.05)


def test_map_and_arithmetic_are_in_sight_together_and_the_choice_outlives_a_reload(visit: Callable[..., Page]) -> None:
    page = open_explore(visit)
    page.locator("button.tile").nth(5).click()
    expect(page.locator(".view figcaption").first).to_have_text("conv1, map 5")
    page.get_by_role("radio", name="each map", exact=True).click()
    settled(page)
    for part in (page.locator("canvas.large").first, page.locator(".readout"), page.locator(".sum")):
        box = rect(part)
        assert box["y"] >= 0
        assert box["y"] + box["height"] <= 900
    page.reload()
    expect(page.locator(".view figcaption").first).to_have_text("conv1, map 5")
    expect(page.get_by_role("radio", name="each map", exact=True)).to_be_checked()


def test_a_phone_shows_it_all_without_scrolling_sideways(visit: Callable[..., Page]) -> None:
    page = visit("explore", width=390, height=844, dark=True)
    expect(page.locator("button.tile").first).to_be_visible()
    settled(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    view = rect(page.locator(".view"))
    for canvas in page.locator("canvas.large").all():
        box = rect(canvas)
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= view["x"] + view["width"] + 1


def test_a_finger_finds_every_kernel_of_a_wide_layer(visit: Callable[..., Page]) -> None:
    page = visit("explore", width=390, height=844)
    page.get_by_label("Model", exact=True).click()
    page.get_by_role("option", name="cifar-blocks").click()
    page.get_by_role("radio", name="conv2", exact=True).click()
    sheet = page.locator("canvas.sheet")
    expect(sheet).to_be_visible()
    settled(page)
    sheet.scroll_into_view_if_needed()
    box = rect(sheet)
    cell = box["width"] / 64, box["height"] / 24
    assert min(cell) >= 24
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.touchscreen.tap(box["x"] + 2.5 * cell[0], box["y"] + 4.5 * cell[1])
    expect(page.locator(".said b")).to_have_text("conv2.weight[2,4]")
    shown = [float(text.replace(MINUS, "-")) for text in page.locator(".numbers span").all_inner_texts()]
    assert shown == pytest.approx(named("cifar-blocks").state["conv2.weight"][2, 4].flatten().tolist(), rel=0.06)
    sheet.focus()
    page.keyboard.press("End")
    page.keyboard.press("ArrowDown")
    expect(page.locator(".said b")).to_have_text("conv2.weight[63,5]")
    marked, scrolled = rect(page.locator(".mark")), rect(page.locator(".scroll"))
    assert marked["x"] + marked["width"] <= scrolled["x"] + scrolled["width"] + 1  # brought into sight
