"""Asking for many maps in a real browser: the bar and its way out come and go without moving anything."""

from collections.abc import Callable

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
