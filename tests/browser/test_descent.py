"""The marble is set down by a finger where it taps the map, at its first tap and at every other."""

from collections.abc import Callable

from playwright.sync_api import Page, expect

from tests.browser.conftest import settled
from tests.browser.test_walk import LONG_MS, key


def test_the_first_tap_of_a_finger_sets_the_marble_down(visit: Callable[..., Page]) -> None:
    page = visit("descent", width=390, height=844)
    across = key(page, "descent.u").locator("input")
    expect(across).to_be_visible(timeout=LONG_MS)
    settled(page)
    ground = page.locator('[data-testid="stPlotlyChart"] .nsewdrag').first
    for share, there in ((0.25, "-0.5000"), (0.75, "0.5000")):
        ground.scroll_into_view_if_needed()
        settled(page)
        box = ground.bounding_box()
        assert box is not None
        page.touchscreen.tap(box["x"] + share * box["width"], box["y"] + 0.25 * box["height"])
        expect(across).to_have_value(there)
