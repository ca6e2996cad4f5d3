"""The search space under a hand: from Build into it, a layer by mouse and by keyboard, a range, a reload."""

from collections.abc import Callable

from playwright.sync_api import Locator, Page, expect

Open = Callable[..., Page]


def block(page: Page, name: str) -> Locator:
    return page.locator(".network-root .cell").filter(has=page.get_by_text(name, exact=True))


def marks(page: Page, name: str) -> Locator:
    return block(page, name).locator(".mark-of")


def test_a_space_is_drawn_on_the_network_of_build(visit: Open) -> None:
    page = visit("build")
    page.get_by_role("link", name="Let the lab search around this network").click()
    expect(page.get_by_role("heading", name="Network search")).to_be_visible()
    expect(marks(page, "conv2")).to_have_text(["filters16…64"])
    expect(page.locator(".network-root .plus")).to_have_count(0)  # it is chosen from here, not edited

    block(page, "conv2").click()
    expect(page.get_by_label("Layer", exact=True)).to_have_value("conv2")
    page.locator(".st-key-search-conv2-out_channels-high input").fill("48")
    page.keyboard.press("Enter")
    expect(marks(page, "conv2")).to_have_text(["filters16…48"])

    block(page, "conv2").focus()
    page.keyboard.press("Delete")  # nothing is taken away here
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    expect(page.get_by_label("Layer", exact=True)).to_have_value("relu2")
    page.locator(".st-key-search-vary-relu2-kind label").click()
    expect(marks(page, "relu2")).to_have_text(["kindReLU/GELU/Tanh"])
    expect(block(page, "relu2")).to_have_attribute("aria-pressed", "true")

    page.reload()
    expect(marks(page, "relu2")).to_have_text(["kindReLU/GELU/Tanh"])
    expect(marks(page, "conv2")).to_have_text(["filters16…48"])


def test_on_a_phone_the_ranges_follow_the_drawing(visit: Open) -> None:
    page = visit("search", width=390, height=844)
    block(page, "conv1").tap()
    expect(page.get_by_label("Layer", exact=True)).to_have_value("conv1")
    drawing, panel, recipe = (
        page.locator(f".st-key-search_{name}").bounding_box() for name in ("drawing", "panel", "recipe")
    )
    assert drawing and panel and recipe and drawing["y"] < panel["y"] < recipe["y"]
    assert page.evaluate("document.documentElement.scrollWidth") == 390
