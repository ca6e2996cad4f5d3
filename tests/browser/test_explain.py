"""Asking for many maps in a real browser: the bar and its way out come and go without moving anything."""

import io
from collections.abc import Callable

from PIL import Image, ImageDraw
from playwright.sync_api import Page, expect

from tests.browser.conftest import settled


def test_the_bar_moves_nothing_and_can_be_cancelled(visit: Callable[..., Page]) -> None:
    page = visit("explain")
    methods = page.locator(".st-key-explain-methods")
    for name in ("Input × Gradient", "Guided Backprop", "DeepLift", "Guided Grad-CAM"):
        methods.get_by_text(name, exact=True).click()
        settled(page)
    expect(page.locator(".cnnlab-row figure")).to_have_count(16)
    page.get_by_label("Model", exact=True).click()
    page.get_by_role("option", name="cifar-blocks").click()
    bar = page.locator(".st-key-explain_asking")
    expect(bar).to_be_visible()
    top = "e => e.closest('[data-testid=stElementContainer]').getBoundingClientRect().top"
    first = page.locator(".cnnlab-row").first
    during = first.evaluate(top)
    bar.get_by_role("button", name="Cancel").click()
    expect(page.get_by_text("maps are missing")).to_be_visible()
    settled(page)
    page.get_by_role("button", name="Go on").click()
    expect(page.locator(".cnnlab-row figure")).to_have_count(16)
    settled(page)
    expect(bar).to_have_count(0)
    assert abs(first.evaluate(top) - during) < 1
    tops = [cell.evaluate("e => e.getBoundingClientRect().left") for cell in page.locator(".cnnlab-row figure").all()]
    assert len({round(left) for left in tops}) == 4  # four columns, in both rows of both classes


def picture() -> bytes:
    sheet = Image.new("L", (200, 200), 230)
    ImageDraw.Draw(sheet).line([(70, 50), (130, 50), (90, 150)], fill=20, width=16, joint="curve")
    buffer = io.BytesIO()
    sheet.save(buffer, "PNG")
    return buffer.getvalue()


def test_what_was_chosen_stays_while_there_is_no_image_to_ask_about(visit: Callable[..., Page]) -> None:
    page = visit("explain")
    rows = page.locator(".cnnlab-row")
    methods = page.locator(".st-key-explain-methods [data-selected]")
    expect(rows).to_have_count(2)
    expect(methods).to_have_count(4)
    page.get_by_role("radio", name="heat map").click()
    settled(page)
    page.get_by_text("Your picture", exact=True).click()
    expect(rows).to_have_count(0)
    for name, data, count in (("seven.png", picture(), 2), ("no.png", b"no picture", 0), ("7.png", picture(), 2)):
        page.set_input_files("input[type=file]", {"name": name, "mimeType": "image/png", "buffer": data})
        expect(page.get_by_text("cannot be read")).to_have_count(1 if count == 0 else 0)
        expect(rows).to_have_count(count)
        settled(page)
    expect(methods).to_have_count(4)
    expect(page.get_by_role("radio", name="heat map")).to_be_checked()
    expect(page.locator("[class*=st-key-explain-classes] [data-selected]")).to_have_count(2)
