"""The drawing of the Build page under a hand: mouse, keyboard, drag and drop, a link, a narrow screen."""

from collections.abc import Callable

from playwright.sync_api import Locator, Page, expect

from cnnlab.architecture import Architecture, make_layer, share
from cnnlab.architecture.presets import PRESETS

Open = Callable[..., Page]
SPRINT = PRESETS["mnist-sprint"].architecture
DEEP = Architecture(
    name="deep",
    input_shape=(1, 28, 28),
    layers=(*[make_layer("Conv2d", padding=1), make_layer("ReLU")] * 40, make_layer("Flatten"), make_layer("Linear")),
)


def names(page: Page) -> Locator:
    return page.locator(".network-root .cell .name")


def block(page: Page, name: str) -> Locator:
    return page.locator(".network-root .cell").filter(has=page.get_by_text(name, exact=True))


def drawn(page: Page, *wanted: str) -> None:
    expect(names(page)).to_have_text(["input", *wanted])


def edited(page: Page, name: str) -> None:
    expect(block(page, name)).to_have_attribute("aria-pressed", "true")
    expect(page.get_by_label("Layer", exact=True)).to_have_value(name)


def test_a_click_edits_and_an_edit_redraws(visit: Open) -> None:
    page = visit("build")
    drawn(page, *SPRINT.names)
    block(page, "conv2").click()
    edited(page, "conv2")
    filters = page.locator(".st-key-build-field-4-Conv2d-out_channels input")
    filters.fill("24")
    filters.press("Enter")
    expect(page.locator(".network-root .shape").nth(5)).to_have_text("24×8×8")
    page.get_by_role("button", name="Undo").click()
    expect(page.locator(".network-root .shape").nth(5)).to_have_text("32×8×8")


def test_the_keyboard_reaches_everything(visit: Open) -> None:
    page = visit("build")
    a, b, c, d, *rest = SPRINT.names
    block(page, "conv1").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    edited(page, "pool1")
    page.keyboard.press("Alt+ArrowRight")
    drawn(page, "conv1", "bn1", "pool1", d, *rest)
    expect(block(page, "pool1")).to_be_focused()
    page.keyboard.press("Delete")
    drawn(page, "conv1", "bn1", "relu1", "conv2", "pool1", "bn2", "relu2", "flatten", "fc1")
    page.keyboard.press("+")
    page.get_by_role("button", name="Add Conv2d after relu1").click()
    drawn(page, "conv1", "bn1", "relu1", "conv2", "conv3", "pool1", "bn2", "relu2", "flatten", "fc1")
    edited(page, "conv2")


def test_a_block_is_dragged_and_a_plus_adds_where_it_stands(visit: Open) -> None:
    page = visit("build")
    block(page, "pool1").drag_to(block(page, "input"))
    drawn(page, "pool1", "conv1", "bn1", "relu1", "conv2", "pool2", "bn2", "relu2", "flatten", "fc1")
    page.locator(".network-root .pair").first.hover()
    page.locator(".network-root .pair").first.locator(".plus").click()
    expect(page.get_by_role("button", name="Add Conv2d after the input")).to_be_visible()


def test_what_was_added_comes_into_sight_and_is_there_after_a_reload(visit: Open) -> None:
    page = visit("build")
    page.get_by_text("Add a layer", exact=True).click()
    expect(page.get_by_role("button", name="Add Conv2d after conv1")).to_be_in_viewport(ratio=1)  # at 1440x900
    page = visit(f"build?net={share.to_text(DEEP)}")
    block(page, "relu30").click()
    edited(page, "relu30")
    page.get_by_text("Add a layer", exact=True).click()
    page.get_by_role("button", name="Add Conv2d after relu30").click()
    edited(page, "conv31")
    expect(block(page, "conv31")).to_be_in_viewport(ratio=1)
    page.reload()
    edited(page, "conv31")
    page.get_by_role("button", name="Undo").click()
    drawn(page, *DEEP.names)


def test_a_layer_that_takes_the_place_of_another_is_called_by_its_own_name(visit: Open) -> None:
    page = visit("build")
    block(page, "pool2").click()
    edited(page, "pool2")
    page.locator(".st-key-build-remove button:visible").click()
    edited(page, "bn2")
    expect(page.get_by_label("Name", exact=True)).to_have_value("mnist-sprint 2")
    page.get_by_role("button", name="Undo").click()
    edited(page, "pool2")
    expect(page.get_by_label("Name", exact=True)).to_have_value("mnist-sprint")


def test_tabs_fill_when_they_are_opened(visit: Open) -> None:
    page = visit("build")
    for tab, found in (
        ("Table", "Receptive field"),
        ("PyTorch", "OrderedDict"),
        ("Presets", "MNIST sprint"),
    ):
        page.get_by_role("tab", name=tab).click()
        expect(page.locator('[data-testid="stTabs"]').get_by_text(found).first).to_be_visible()


def test_a_phone_shows_the_editor_after_a_tap_and_the_new_block_after_adding(visit: Open) -> None:
    page = visit("build", width=390, height=844)
    panel = page.locator(".st-key-build_panel")
    page.locator(".network-root .pair").nth(1).locator(".plus").tap()
    add = page.get_by_role("button", name="Add Conv2d after conv1")
    expect(add).to_be_in_viewport(ratio=1)
    add.tap()
    expect(names(page)).to_have_count(len(SPRINT.names) + 2)
    expect(block(page, "conv2")).to_have_attribute("aria-pressed", "true")
    expect(block(page, "conv2")).to_be_in_viewport(ratio=1)
    block(page, "pool1").tap()
    expect(panel.get_by_label("Layer", exact=True)).to_have_value("pool1")
    expect(panel.get_by_label("Layer", exact=True)).to_be_in_viewport()


def test_a_break_is_marked_and_mended(visit: Open) -> None:
    page = visit(f"build?net={share.to_text(PRESETS['article-004-cnn'].architecture)}")
    expect(page.locator(".network-root .cell.broken .name")).to_have_text("fc1")
    assert "net=" not in page.url
    page.get_by_role("button", name="fc1: set in_features to 4096").click()
    expect(page.locator(".network-root .cell.broken")).to_have_count(0)
    expect(page.locator(".network-root .shape").last).to_have_text("10")


def test_a_phone_shows_the_whole_drawing_without_scrolling_sideways(visit: Open) -> None:
    page = visit(f"build?net={share.to_text(PRESETS['cifar-blocks'].architecture)}", width=390, height=844)
    drawn(page, *PRESETS["cifar-blocks"].architecture.names)
    right = page.eval_on_selector_all(
        ".network-root .pair", "all => Math.max(...all.map(e => e.getBoundingClientRect().right))"
    )
    assert right <= 390
    assert page.evaluate("document.scrollingElement.scrollWidth") <= 390


def test_a_network_opened_from_a_card_comes_into_sight(visit: Open) -> None:
    page = visit("build", width=390, height=844)
    page.locator(".st-key-build-preset-mlp-lenet button:visible").click()
    drawn(page, *PRESETS["mlp-lenet"].architecture.names)
    expect(block(page, "fc1")).to_be_in_viewport()
