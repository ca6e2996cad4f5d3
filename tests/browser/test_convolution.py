"""Convolution under the glass in a real browser: pointer, keys and touch read torch's numbers; a kernel is typed."""

import re
from collections.abc import Callable

import pytest
import torch
from playwright.sync_api import Locator, Page, expect

from cnnlab.data import loader
from cnnlab.insight.glass import Operation, brightness, run, uses
from cnnlab.insight.kernels import kernel
from tests.browser.conftest import settled

MINUS = "\u2212"


@pytest.fixture(scope="module")
def stages():
    picture = brightness(loader.load("mnist").test.images[0])
    return run(picture, [Operation(kernel=(kernel("sobel_x", 3),))])


def open_page(visit: Callable[..., Page], **options: object) -> Page:
    page = visit("convolution", **options)
    expect(page.locator("input.cell").first).to_be_visible()
    settled(page)
    return page


def rect(node: Locator) -> dict[str, float]:
    node.scroll_into_view_if_needed()
    box = node.bounding_box()
    assert box is not None
    return dict(box)


def spot(page: Page, which: int, row: int, col: int, side: int) -> tuple[float, float]:
    box = rect(page.locator("canvas.over").nth(which))
    return box["x"] + (col + 0.5) * box["width"] / side, box["y"] + (row + 0.5) * box["height"] / side


def said(page: Page) -> str:
    return page.locator(".says").inner_text()


def value(text: str) -> float:
    return float(text.split("=")[-1].split(":")[0].split("\n")[0].strip().replace(MINUS, "-"))


def numbers(nodes: Locator) -> list[float]:
    return [float(text.replace(MINUS, "-")) for text in nodes.all_inner_texts()]


def test_the_pointer_takes_a_number_apart_and_finds_where_one_goes(visit: Callable[..., Page], stages) -> None:
    page = open_page(visit)
    picture, conv = stages[0].values, stages[1].values
    for row, col in [(0, 0), (6, 5), (25, 25), (20, 12)]:
        page.mouse.move(*spot(page, 1, row, col, 26))
        assert said(page).startswith(f"conv1[0,{row},{col}] = ")
        assert value(said(page)) == pytest.approx(float(conv[0, row, col]), abs=1e-4)
        grids = page.locator(".line .grid")
        patch = picture[0, row : row + 3, col : col + 3].flatten()
        assert numbers(grids.nth(0).locator(".cell")) == pytest.approx(patch.tolist(), abs=1e-3)
        products = patch * torch.tensor(kernel("sobel_x", 3)).flatten()
        assert numbers(grids.nth(2).locator(".cell")) == pytest.approx(products.tolist(), abs=1e-3)
    for row, col in [(0, 0), (7, 6), (27, 13)]:
        page.mouse.move(*spot(page, 0, row, col, 28))
        found = uses(picture, stages[1], 0, row, col)
        assert f"reaches {len(found)} of the 676" in said(
            page
        ) or f"reaches one of the 676 numbers of conv1: row {row}" in said(page)
        assert numbers(page.locator(".line .grid .cell")) == [use.factor for use in found]
    page.mouse.move(5, 5)
    assert said(page).startswith("conv1[0,20,12] = ")


def test_the_keyboard_moves_the_window_plays_and_types_a_kernel(visit: Callable[..., Page], stages) -> None:
    page = open_page(visit)
    page.get_by_role("button", name="Back to the first place").click()
    page.locator("canvas.over").nth(1).focus()
    for key in ("ArrowDown", "ArrowRight", "ArrowRight", "ArrowUp", "ArrowLeft"):
        page.keyboard.press(key)
    assert said(page).startswith("conv1[0,0,1] = ")
    page.keyboard.press(" ")
    expect(page.get_by_role("button", name="Pause")).to_be_visible()
    expect(page.locator(".where")).to_have_text(re.compile(r"place ([5-9]|\d\d+) of 676"))
    page.keyboard.press(" ")
    expect(page.get_by_role("button", name="Play")).to_be_visible()
    page.get_by_role("button", name="One place on").click()
    weights = page.locator("input.cell")
    weights.nth(0).fill("1/4")
    weights.nth(0).press("Tab")
    expect(page.get_by_text("Type weights into the kernel")).to_be_visible()  # the lab has taken it
    settled(page)
    assert page.locator("input.cell:focus").get_attribute("data-index") == "1"
    assert weights.nth(0).input_value() == "0.25"
    picture = stages[0].values
    typed = torch.tensor(kernel("sobel_x", 3), dtype=torch.float64)
    typed[0, 0] = 0.25
    page.mouse.move(*spot(page, 1, 20, 12, 26))
    assert value(said(page)) == pytest.approx(float((picture[0, 20:23, 12:15] * typed).sum()), abs=1e-4)
    weights.nth(4).fill("much")
    weights.nth(4).press("Tab")
    assert weights.nth(4).get_attribute("aria-invalid") == "true"
    page.reload()
    expect(page.locator("input.cell").first).to_have_value("0.25")


def test_the_keyboard_draws_pixel_after_pixel(visit: Callable[..., Page]) -> None:
    page = open_page(visit)
    left = rect(page.locator("canvas.over").nth(1))["x"]
    page.get_by_role("button", name="Draw on it").click()
    assert rect(page.locator("canvas.over").nth(1))["x"] == left  # the empty sheet's button pushes nothing aside
    page.get_by_role("button", name="Empty sheet").click()
    answered(page)
    page.locator("canvas.over").nth(0).focus()
    page.keyboard.press("Enter")
    for key in ("ArrowDown", "ArrowDown", "ArrowRight"):
        page.keyboard.press(key)
    for number in range(2):
        page.keyboard.press("Enter")
        answered(page)
        assert said(page).startswith(f"input[0,2,{1 + 2 * number}] = 1 "), said(page)
        page.keyboard.press("ArrowRight")
        page.keyboard.press("ArrowRight")


def test_less_motion_means_no_playing(visit: Callable[..., Page]) -> None:
    page = open_page(visit)
    page.emulate_media(reduced_motion="reduce")
    page.reload()
    expect(page.locator("button.do-play")).to_be_disabled()
    page.get_by_role("button", name="Back to the first place").click()
    page.get_by_role("button", name="One place on").click()
    assert page.locator(".where").inner_text() == "place 2 of 676"


def test_predict_on_a_phone_by_touch(visit: Callable[..., Page]) -> None:
    page = open_page(visit, width=390, height=844)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.get_by_text("Predict first").tap()
    expect(page.locator(".veil.large")).to_be_visible()
    page.get_by_label("rows").fill("26")
    page.get_by_label("columns").fill("26")
    page.get_by_role("button", name="Check").first.tap()
    expect(page.get_by_text("Right: the window can move")).to_be_visible()
    expect(page.locator(".veil.large")).to_be_hidden()
    assert "= ? Multiply each number" in said(page)
    x, y = spot(page, 1, 3, 4, 26)
    page.touchscreen.tap(x, y)
    assert said(page).startswith("conv1[0,3,4] = ")
    page.touchscreen.tap(*spot(page, 0, 10, 10, 28))
    assert said(page).startswith("input[0,10,10] = ")
    expect(page.get_by_text("Size: 1 of 1")).to_be_visible()


def test_two_layers_are_followed_back_to_the_input_and_covered_together(visit: Callable[..., Page]) -> None:
    page = open_page(visit)
    page.get_by_text("A second layer behind it").click()
    expect(page.get_by_role("button", name="Draw on it")).to_be_visible()
    page.locator("button.step").nth(1).click()
    expect(page.get_by_role("button", name="Draw on it")).to_be_hidden()
    page.mouse.move(*spot(page, 1, 4, 6, 24))
    assert said(page).startswith("conv2[0,4,6] = ")
    assert "sees rows 4 to 8 and columns 6 to 10 of the input: 5 × 5" in said(page)
    page.get_by_text("Predict first").click()
    expect(page.locator(".veil.large")).to_be_visible()
    expect(page.locator("button.step").nth(1)).to_be_disabled()
    page.get_by_role("button", name="Show me").first.click()
    expect(page.locator("button.step").nth(1)).to_be_enabled()


def test_a_picture_is_drawn_on_the_input(visit: Callable[..., Page]) -> None:
    page = open_page(visit)
    page.get_by_text("7", exact=True).first.click()
    expect(page.locator(".where")).to_contain_text("of 25")
    settled(page)
    page.get_by_role("button", name="Draw on it").click()
    page.get_by_role("button", name="Empty sheet").click()
    answered(page)
    expect(page.get_by_role("combobox", name="Drawing")).to_be_visible()
    settled(page)
    page.mouse.move(*spot(page, 0, 1, 3, 7))
    page.mouse.down()
    page.mouse.move(*spot(page, 0, 5, 3, 7), steps=12)
    page.mouse.up()
    answered(page)
    page.mouse.move(*spot(page, 1, 2, 1, 5))  # its window covers rows 2 to 4 and columns 1 to 3
    assert value(said(page)) == 4
    page.mouse.move(*spot(page, 1, 2, 3, 5))
    assert value(said(page)) == -4


def answered(page: Page) -> None:
    """Wait until what was drawn has come back from the lab."""
    root = page.locator(".glass-root")
    sent = root.get_attribute("data-sent")
    assert sent
    expect(root).to_have_attribute("data-answered", sent)
    settled(page)
