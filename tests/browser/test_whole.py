"""The whole network in a real browser: pointing is answered there, choosing and opening by the server, nothing moves."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, WebSocket, expect

from cnnlab.data import loader
from cnnlab.insight import look
from cnnlab.insight.overview import overview, strongest
from cnnlab.runs.models import named
from tests.browser.conftest import settled
from tests.browser.test_walk import go, key, press, wait_for

MINUS = "\u2212"


def open_magnifier(page: Page) -> None:
    go(page, "Magnifier")
    expect(page.locator(".whole-root .tile").first).to_be_visible()
    settled(page)


def tile(page: Page, layer: str, map_: int) -> str:
    return f'.whole-root .tile[aria-label^="{layer}[{map_}],"]'


def test_pointing_lights_the_true_links_without_the_server_and_choosing_asks_it(visit: Callable[..., Page]) -> None:
    page = visit("")
    sent: list[int] = []

    def listen(socket: WebSocket) -> None:
        socket.on("framesent", lambda frame: sent.append(len(frame)))

    page.on("websocket", listen)
    page.reload()  # so that its connection is listened to
    settled(page)
    open_magnifier(page)
    model, image = named("mnist-sprint"), loader.load("mnist").test.images[0]
    seen = look(model, image)
    view = overview(model, seen, strongest(model.architecture, seen))
    index = [column.name for column in view.columns].index("conv2")
    (fed,) = view.fed[index]
    before = len(sent)
    for place in (0, 3):
        item = view.shown[index][place]
        page.locator(tile(page, "conv2", item)).hover()
        expect(page.locator(".whole-root .says b")).to_contain_text(f"conv2[{item}]: mean")
        share = fed.strength[place].abs() / (fed.strength[place].abs().sum() + fed.rest[place])
        best = int(share.argmax())
        way = "pushes down" if fed.strength[place][best] < 0 else "pushes up"
        name = f"relu1[{view.shown[index - 1][best]}]"
        expect(page.locator(".whole-root .says")).to_contain_text(
            f"Fed by: {name} {round(100 * float(share[best]))}%, {way}"
        )
        assert page.locator(".lit path").count() == len(view.shown[index - 1]) + 1  # what feeds it, and pool2
    assert len(sent) == before
    chosen = page.locator(tile(page, "relu2", view.shown[index][1]))
    chosen.click()
    expect(page.get_by_text(f"What can reach relu2[{view.shown[index][1]},")).to_be_visible()
    assert len(sent) > before


def test_the_keys_go_along_links_and_a_folded_layer_opens_in_place(visit: Callable[..., Page]) -> None:
    page = visit("")
    open_magnifier(page)
    page.locator('.whole-root .tile[tabindex="0"]').focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowDown")
    focused = page.evaluate(
        "() => { let e = document.activeElement; while (e.shadowRoot) e = e.shadowRoot.activeElement; return e.ariaLabel }"
    )
    assert focused.startswith("pool1[")
    expect(page.locator(".whole-root .says b")).to_contain_text("pool1[")
    first = page.locator('.whole-root .tile[aria-label^="conv1["]')
    names = first.evaluate_all("nodes => nodes.map((node) => node.ariaLabel)")
    assert len(names) == 10
    page.get_by_role("button", name="+6").first.click()
    expect(first).to_have_count(16)
    assert first.evaluate_all("nodes => nodes.map((node) => node.ariaLabel)")[:10] == names
    page.keyboard.press("Tab")  # the button of the layer is still there, to fold it again
    page.get_by_role("button", name=MINUS, exact=True).first.click()
    expect(first).to_have_count(10)


@pytest.mark.parametrize("dark", [False, True])
def test_a_phone_shows_the_layers_below_each_other(visit: Callable[..., Page], dark: bool) -> None:
    page = visit("magnifier", locale="zh-CN", width=390, height=844, dark=dark)
    tiles = page.locator(".whole-root .tile")
    expect(tiles.first).to_be_visible()
    settled(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    for box in (tiles.first.bounding_box(), tiles.last.bounding_box(), tiles.nth(5).bounding_box()):
        assert box is not None and box["x"] >= 0 and box["x"] + box["width"] <= 390
    tiles.nth(4).tap()
    expect(page.locator('.whole-root .tile[aria-pressed="true"]')).to_have_count(1)
    expect(page.locator(".whole-root .says b")).to_contain_text("conv1[")


def test_longer_words_push_the_picture_down_once_and_shorter_ones_do_not_pull_it_back(
    visit: Callable[..., Page],
) -> None:
    """Else a map slips away from under the pointer, which points at another one, whose words are shorter, without an end."""
    page = visit("magnifier", width=390, height=844)
    tiles = page.locator(".whole-root .tile")
    expect(tiles.first).to_be_visible()
    settled(page)
    stage, says = page.locator(".whole-root .stage"), page.locator(".whole-root .says")
    bar = page.locator(
        ".whole-root .tile.class"
    ).first  # fed by so many that its words need more lines than the input's
    tops = []
    for at, name in (tiles.first, "input["), (bar, "fc1["), (tiles.first, "input["), (bar, "fc1["):
        at.hover()
        expect(says.locator("b")).to_contain_text(name)
        tops.append(stage.evaluate("stage => stage.offsetTop"))
    assert tops[1] >= tops[0] and len(set(tops[1:])) == 1, tops


PIXELS = """() => {
    const canvases = [...document.querySelectorAll('*')].flatMap((node) => node.shadowRoot ? [...node.shadowRoot.querySelectorAll('.whole-root .tile canvas')] : []);
    const found = canvases.length ? canvases : [...document.querySelectorAll('.whole-root .tile canvas')];
    return found.map((canvas) => {
        const box = canvas.getBoundingClientRect();
        const own = canvas.seenBefore ?? false;
        canvas.seenBefore = true;
        return { own, place: `${box.x},${box.y + scrollY},${box.width}`, url: canvas.toDataURL() };
    });
}"""


def test_while_a_run_learns_the_maps_change_where_they_are(visit: Callable[..., Page]) -> None:
    page = visit("")
    go(page, "Train")
    field = key(page, "train.recipe.epochs").locator("input")
    field.fill("3")
    field.press("Enter")
    press(page, "train.start")
    expect(page.locator(".lab-run-running").first).to_be_visible()
    open_magnifier(page)
    expect(page.get_by_text("still learning")).to_be_visible()
    settled(page)
    before = page.evaluate(PIXELS)
    assert before
    now = before

    def learned() -> bool:
        nonlocal now
        now = page.evaluate(PIXELS)
        return sum(one["url"] != other["url"] for one, other in zip(before, now)) > 20

    wait_for(learned, page)
    assert all(one["own"] for one in now)  # the same tiles, repainted
    assert [one["place"] for one in now] == [one["place"] for one in before]


def test_a_picture_is_dragged_and_pushed_by_keys_and_its_maps_move_along(visit: Callable[..., Page]) -> None:
    page = visit("")
    open_magnifier(page)
    page.get_by_text("push it around").click()
    picture = page.locator(".shift-root canvas")
    expect(picture).to_be_visible()
    settled(page)
    before = page.evaluate(PIXELS)
    box = picture.bounding_box()
    assert box is not None
    pixel = box["width"] / 28
    page.mouse.move(box["x"] + 14.5 * pixel, box["y"] + 14.5 * pixel)
    page.mouse.down()
    page.mouse.move(box["x"] + 17.5 * pixel, box["y"] + 12.5 * pixel, steps=4)
    page.mouse.up()
    expect(page.locator(".shift-root .by")).to_have_text("→ 3 px ↑ 2 px")
    wait_for(lambda: page.evaluate(PIXELS)[0]["url"] != before[0]["url"], page, 30_000)
    settled(page)
    after = page.evaluate(PIXELS)
    assert all(one["own"] for one in after)
    assert [one["place"] for one in after] == [one["place"] for one in before]
    picture.focus()
    for press_ in ("ArrowLeft", "ArrowDown", "Home"):
        page.keyboard.press(press_)
    expect(page.locator(".shift-root .by")).to_have_text("→ 0 px ↓ 0 px")
    wait_for(lambda: page.evaluate(PIXELS)[0]["url"] == before[0]["url"], page, 30_000)
    expect(page.get_by_text("Do the maps move along?")).to_be_visible()
