"""The way of a lesson, in a real browser on real MNIST: build, train, draw, explore, explain."""

import re
import time
from collections.abc import Callable

from playwright.sync_api import Locator, Page, expect

from cnnlab.i18n import translate
from tests.browser.conftest import settled

# A machine busy with other work trains slowly; nothing here waits longer than it must.
LONG_MS = 240_000
GOOD_ENOUGH = 0.80
CONTROLS = ("start", "pause", "resume", "stop")


def key(page: Page, name: str) -> Locator:
    """Return what was drawn under a Streamlit key."""
    return page.locator(f".st-key-{re.sub(r'[^A-Za-z0-9_-]', '-', name)}").first


def press(page: Page, name: str) -> None:
    settled(page)
    key(page, name).locator("button").first.click()


def press_until(page: Page, button: Locator, effect: Locator) -> None:
    """Press ``button`` until ``effect`` is there: on a busy machine a live view may be redrawn under the pointer."""
    for _attempt in range(4):
        settled(page)
        if not effect.is_visible():
            button.click()
        try:
            expect(effect).to_be_visible(timeout=15_000)
            return
        except AssertionError:
            continue
    expect(effect).to_be_visible()


def go(page: Page, name: str) -> None:
    """Go to another page by the sidebar, as a learner does: the session stays."""
    settled(page)
    page.locator('[data-testid="stSidebarNav"]').get_by_role("link", name=name, exact=True).click()
    expect(page.locator("h1")).to_have_text(name)


def step(page: Page) -> int:
    shown = page.locator(".lab-numbers dd").first.inner_text().split("\n")[0]
    return int(shown.replace(",", ""))


def validation_accuracy(page: Page) -> float:
    shown = page.locator(".lab-numbers dd").nth(1).inner_text().split("\n")[0]
    return float(shown.rstrip("%")) / 100 if shown.endswith("%") else 0.0


def wait_for(what: Callable[[], bool], page: Page, timeout_ms: int = LONG_MS) -> None:
    deadline = time.monotonic() + timeout_ms / 1000
    while not what():
        assert time.monotonic() < deadline, "it did not come to pass"
        page.wait_for_timeout(100)


def draw_a_one(page: Page) -> None:
    """Draw an upright stroke with the mouse."""
    paper = page.locator("canvas.paper")
    paper.scroll_into_view_if_needed()
    box = paper.bounding_box()
    assert box is not None
    x, top, bottom = box["x"] + box["width"] / 2, box["y"] + box["height"] * 0.2, box["y"] + box["height"] * 0.8
    page.mouse.move(x, top)
    page.mouse.down()
    page.mouse.move(x - 4, bottom, steps=12)
    page.mouse.up()


def test_from_an_empty_bench_to_the_pixels_that_decided(visit: Callable[..., Page]) -> None:
    page = visit("")
    go(page, "Build")
    build(page)
    go(page, "Train")
    run = train(page)
    press_until(page, page.get_by_role("link", name="Draw for it"), page.locator("canvas.paper"))
    draw(page, run)
    go(page, "Explore")
    explore(page)
    go(page, "Explain")
    explain(page)


def build(page: Page) -> None:
    """Open LeNet, take that back, and open it again by redoing; the totals follow."""
    press(page, "build.preset.article-000-lenet5")
    expect(key(page, "build_totals")).to_contain_text("61.71k")  # 61,706 parameters
    expect(key(page, "build.undo").locator("button").first).to_be_enabled()
    press(page, "build.undo")
    expect(key(page, "build_totals")).not_to_contain_text("61.71k")
    press(page, "build.redo")
    expect(key(page, "build_totals")).to_contain_text("61.71k")


def train(page: Page) -> str:
    """Start, pause, reload, resume, and stop once it has learned; return the name of the run."""
    start, pause, resume, stop = (key(page, f"train.{do}").locator("button").first for do in CONTROLS)
    press_until(page, start, pause)
    press_until(page, pause, resume)
    paused_at = step(page)
    page.reload()
    expect(resume).to_be_visible()
    assert step(page) == paused_at  # neither lost nor gone on
    press_until(page, resume, pause)
    wait_for(lambda: step(page) > paused_at, page)
    expect(page.get_by_text(re.compile("filters of conv1")).first).to_be_visible(timeout=LONG_MS)
    wait_for(lambda: validation_accuracy(page) > GOOD_ENOUGH, page)
    press_until(page, stop, page.get_by_role("link", name="Draw for it"))
    return page.locator(".lab-run-name").first.inner_text()


def draw(page: Page, run: str) -> None:
    """Choose the network just trained, and draw a one for it."""
    model = key(page, "model_line.ref").locator("input")
    expect(model).to_be_visible()
    if "your run" not in model.input_value():
        model.click()
        page.get_by_role("option", name=re.compile(re.escape(run) + ".*your run")).first.click()
    expect(page.locator(".heads")).to_contain_text(run)
    draw_a_one(page)
    expect(page.locator(".heads strong").first).to_have_text("1")
    expect(page.locator(".bars .row.top span").first).to_have_text("1")


def explore(page: Page) -> None:
    """See the six maps of conv1 and open the third; the model is still the one just trained."""
    expect(key(page, "model_line.ref").locator("input")).to_have_value(re.compile("your run"))
    tiles = page.locator("button.tile")
    expect(tiles).to_have_count(6)
    tiles.nth(2).click()
    expect(tiles.nth(2)).to_have_attribute("aria-pressed", "true")
    page.get_by_role("radio", name="fc3", exact=True).click()
    expect(page.locator("button.tile")).to_have_count(0)


def explain(page: Page) -> None:
    """See four methods answer for two classes, and Integrated Gradients beside the difference of the logits."""
    for method in ("Saliency", "Integrated Gradients", "Occlusion", "Grad-CAM"):
        answers = page.locator(f'[role="img"][aria-label*="{method} for class"], img[alt*="{method} for class"]')
        expect(answers.nth(1)).to_be_visible(timeout=LONG_MS)
    expect(page.get_by_text(re.compile("logits differ by")).first).to_be_visible()


def chinese(english: str) -> str:
    said = translate(english, {}, "zh_CN")
    assert said != english
    return said


def test_the_same_way_in_chinese(visit: Callable[..., Page]) -> None:
    page = visit("", locale="zh-CN", dark=True)
    go(page, chinese("Draw"))
    draw_a_one(page)
    expect(page.locator(".heads strong").first).to_have_text("1")
    go(page, chinese("Explore"))
    expect(page.locator("button.tile").first).to_be_visible()
    go(page, chinese("Explain"))
    expect(page.locator('img[alt*="Grad-CAM"]').nth(1)).to_be_visible(timeout=LONG_MS)
    go(page, chinese("Train"))
    start, stop = (key(page, f"train.{do}").locator("button").first for do in ("start", "stop"))
    press_until(page, start, stop)
    expect(page.locator(".lab-run-name").first).to_be_visible()
    press_until(page, stop, start)
    go(page, chinese("Build"))
    expect(key(page, "build_totals")).to_contain_text(chinese("Parameters"))
