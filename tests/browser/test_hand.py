"""A run in the learner's hand, in a real browser: single steps, a change, back in time, a branch; drawers hold true."""

import re
from collections.abc import Callable

from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import settled
from tests.browser.test_walk import LONG_MS, key, press_until, step, wait_for


def button(page: Page, name: str) -> Locator:
    """Return the button of a key; Streamlit draws one with a help text twice, one of them hidden."""
    return key(page, name).locator("button:visible").first


def number(page: Page, name: str) -> Locator:
    return key(page, name).locator("input").first


def changed(page: Page, name: str) -> Locator:
    """Return the field ``name`` of the form that changes a live run."""
    return page.locator(f'[class*="st-key-train-change-"][class*="-{name}"] input').first


def paused(visit: Callable[..., Page]) -> Page:
    """Return the Train page with a run that was started and paused."""
    page = visit("train")
    press_until(page, button(page, "train.start"), button(page, "train.pause"))
    wait_for(lambda: step(page) > 16, page)
    press_until(page, button(page, "train.pause"), button(page, "train.resume"))
    return page


def test_one_step_a_change_back_in_time_and_a_branch(visit: Callable[..., Page]) -> None:
    page = paused(visit)
    settled(page)
    at = step(page)
    button(page, "train.step").click()
    wait_for(lambda: step(page) == at + 1, page)

    press_until(page, button(page, "train.change_it"), changed(page, "lr"))
    expect(changed(page, "batch_size")).to_have_value("128")  # as it is, not as an empty field begins
    changed(page, "lr").fill("0.005")
    button(page, "train.change.send").click()
    expect(page.get_by_text(re.compile(r"Learning rate 0\.02 → 0\.005"))).to_be_visible()
    expect(page.locator(".lab-mark").first).to_be_visible()
    page.keyboard.press("Escape")

    back_in_time(page)
    press_until(page, button(page, "train.branch"), button(page, "train.branch.start"))
    expect(key(page, "train_branch")).to_contain_text(re.compile("Go on from step 1 of"))
    button(page, "train.branch.start").click()
    expect(key(page, "train_parent")).to_contain_text(re.compile("Branched from step 1 of"), timeout=LONG_MS)
    press_until(page, button(page, "train.stop"), page.get_by_role("link", name="Draw for it"))


def back_in_time(page: Page) -> None:
    """Move the slider to the second kept moment by the keyboard; filters and guesses follow."""
    settled(page)
    slider = page.locator('[data-testid="stSlider"]').first
    slider.locator('input, [role="slider"]').first.focus()
    page.keyboard.press("Home")
    page.keyboard.press("ArrowRight")
    expect(slider).to_contain_text("step 1")
    expect(page.locator("figcaption", has_text=re.compile(r"^after step 1$")).first).to_be_visible()


def test_a_fold_that_is_opened_late_shows_the_recipe_and_leaves_it_as_it_is(visit: Callable[..., Page]) -> None:
    page = visit("train")
    epochs = number(page, "train.recipe.epochs")
    epochs.fill("4")
    epochs.press("Enter")
    settled(page)
    press_until(
        page, key(page, "train.recipe.more.open").locator("summary"), number(page, "train.recipe.more.momentum")
    )
    expect(number(page, "train.recipe.more.label_smoothing")).to_have_value("0.05")
    expect(number(page, "train.recipe.more.warmup")).to_have_value("0.3")
    epochs.fill("500")
    epochs.press("Enter")
    expect(page.get_by_text("Epochs: 500 is too large; use 200 or less")).to_be_visible()
    expect(button(page, "train.start")).to_be_disabled()
    epochs.fill("1")
    epochs.press("Enter")
    expect(button(page, "train.start")).to_be_enabled()
