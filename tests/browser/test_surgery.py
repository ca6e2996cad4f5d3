"""Surgery in a real browser: a channel is silenced, what is kept is looked into on another page, a table is made."""

from collections.abc import Callable

from playwright.sync_api import Page, expect

from cnnlab.insight.surgery import Edit, table_for
from cnnlab.runs.models import named
from tests.browser.conftest import settled
from tests.browser.test_walk import LONG_MS, go, key, press, press_until

SILENT = [Edit(do="silence", layer="conv1", unit=0)]


def test_a_channel_is_silenced_kept_and_looked_into(visit: Callable[..., Page]) -> None:
    page = visit("")
    go(page, "Surgery")
    effect = table_for(named("mnist-sprint")).operate(SILENT)[1]
    shown = page.locator(".lab-effect")
    expect(shown).to_contain_text(f"{effect.acc_before:.1%}", timeout=LONG_MS)
    press(page, "surgery.operate")
    expect(shown).to_contain_text(f"{effect.acc_after:.1%}", timeout=LONG_MS)
    press_until(page, key(page, "surgery.keep").locator("button"), key(page, "surgery.open.0"))
    press(page, "surgery.open.0")
    go(page, "Explore")
    expect(key(page, "model_line").locator("input").first).to_have_value("mnist-sprint-cut: your own model")
    tile = page.locator("button.tile").first
    expect(tile).to_be_visible(timeout=LONG_MS)
    assert tile.get_attribute("aria-label") == "conv1, map 0, mean 0"


def test_the_lesion_table_and_a_channels_page(visit: Callable[..., Page]) -> None:
    page = visit("")
    go(page, "Surgery")
    press(page, "surgery.lesions.start")
    expect(key(page, "surgery.lesions.heat")).to_be_visible(timeout=LONG_MS)
    go(page, "Units")
    expect(key(page, "units.cost")).to_be_visible(timeout=LONG_MS)
    expect(page.locator("figure img")).to_have_count(20, timeout=LONG_MS)
    settled(page)
    press(page, "units.operate")
    expect(page.locator("h1")).to_have_text("Surgery")
