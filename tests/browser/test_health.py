"""The doctor of networks in a real browser: a fault is found and mended, a learning rate is searched for and used."""

import re
from collections.abc import Callable

from playwright.sync_api import Page, expect

from pages import _fault_state
from tests.browser.conftest import settled
from tests.browser.test_hand import button, number
from tests.browser.test_walk import LONG_MS, key, press_until


def test_find_the_fault(visit: Callable[..., Page]) -> None:
    fault = next(n for n in range(1, 200) if _fault_state.fault(n).rule == "batch-too-large")  # trained in nine steps
    page = visit("train")
    press_until(page, button(page, "train.fault"), number(page, "train.fault.number"))
    number(page, "train.fault.number").fill(str(fault))
    number(page, "train.fault.number").press("Enter")
    settled(page)
    press_until(page, button(page, "train.fault.begin"), key(page, "fault"))
    expect(key(page, "fault")).to_contain_text(f"Find the fault {fault}")

    press_until(page, button(page, "train.start"), key(page, "train_controls"))
    expect(page.get_by_text("Batch too large for this set", exact=True)).to_be_visible(timeout=LONG_MS)
    expect(page.get_by_text("hidden until you have named the fault")).to_be_visible()
    page.get_by_text("Batch too large for this set", exact=True).click()
    settled(page)
    button(page, "fault.answer").click()
    expect(key(page, "fault")).to_contain_text("Right: Batch too large for this set")
    expect(key(page, "health")).to_contain_text("in batches of 2,048")

    number(page, "train.recipe.batch_size").fill("64")
    number(page, "train.recipe.batch_size").press("Enter")
    settled(page)
    button(page, "train.start").click()
    expect(key(page, "fault")).to_contain_text(re.compile(r"Mended: 9\d\.\d%"), timeout=LONG_MS)
    expect(key(page, "train_facts")).to_contain_text("has anything to say against this run")
    press_until(page, key(page, "health.layers").locator("summary"), page.locator(".lab-layers img").first)
    button(page, "fault.end").click()
    expect(number(page, "train.recipe.batch_size")).to_have_value("128")


def test_a_learning_rate_is_searched_for_and_used(visit: Callable[..., Page]) -> None:
    page = visit("train")
    press_until(page, key(page, "train.lr.open").locator("summary"), button(page, "train.lr.start"))
    button(page, "train.lr.start").click()
    expect(button(page, "train.lr.use")).to_be_visible(timeout=LONG_MS)
    expect(page.locator("img.lab-health").first).to_have_attribute("alt", re.compile("falls fastest 0.00"))
    button(page, "train.lr.use").click()
    expect(number(page, "train.recipe.lr")).to_have_value(re.compile(r"0\.00\d+"))
