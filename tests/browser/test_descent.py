"""The marble is set down by a finger where it taps the map, at its first tap and at every other."""

from collections.abc import Callable

from playwright.sync_api import Page, expect

from tests.browser.conftest import settled
from tests.browser.test_walk import LONG_MS, key

GROUND = """document.querySelector('[data-testid="stPlotlyChart"] .nsewdrag')"""
PLACE = f"() => {{ const at = {GROUND}.getBoundingClientRect(); return [at.x, at.y, at.width, at.height]; }}"


def test_the_first_tap_of_a_finger_sets_the_marble_down(visit: Callable[..., Page]) -> None:
    page = visit("descent", width=390, height=844)
    across = key(page, "descent.u").locator("input")
    expect(across).to_be_visible(timeout=LONG_MS)
    settled(page)
    for share, there in ((0.25, "-0.5000"), (0.75, "0.5000")):
        page.evaluate(f"() => {GROUND}.scrollIntoView({{block: 'center'}})")  # drawn anew meanwhile, it is another one
        settled(page)
        left, top, width, height = page.evaluate(PLACE)
        page.touchscreen.tap(left + share * width, top + 0.25 * height)
        expect(across).to_have_value(there)
