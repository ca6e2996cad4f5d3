"""Drawing by mouse, finger and keyboard in a real browser; what is drawn outlives all that can happen to a page."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Browser, Page, WebSocketRoute, expect

from tests.browser.conftest import settled

SEVEN = [(0.28, 0.25), (0.7, 0.25), (0.62, 0.42), (0.5, 0.65), (0.44, 0.82)]
INK = """canvas => canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data
    .reduce((sum, value, i) => sum + (i % 4 === 3 && value > 0 ? 1 : 0), 0) / (canvas.width * canvas.height)"""


def points(page: Page, way: list[tuple[float, float]], steps: int = 6) -> list[tuple[float, float]]:
    box = page.locator("canvas.paper").bounding_box()
    assert box
    between = [
        (a + (c - a) * i / steps, b + (d - b) * i / steps)
        for (a, b), (c, d) in zip(way, way[1:])
        for i in range(steps + 1)
    ]
    return [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in between]


def draw(page: Page, way: list[tuple[float, float]]) -> None:
    first, *rest = points(page, way)
    page.mouse.move(*first)
    page.mouse.down()
    for point in rest:
        page.mouse.move(*point)
    page.mouse.up()


def answered(page: Page) -> str:
    """Wait until the last message has its answer; return what the first model reads."""
    expect(page.locator(".draw")).to_have_attribute("data-state", "answered")
    return page.locator(".heads strong").first.inner_text()


def ink(page: Page) -> float:
    return page.locator("canvas.paper").evaluate(INK)


def test_a_seven_is_read_and_outlives_a_reload_another_page_and_a_resize(visit: Callable[..., Page]) -> None:
    page = visit("draw")
    expect(page.locator(".heads strong")).to_have_text("–")
    expect(page.locator(".hint")).to_be_visible()
    draw(page, SEVEN)
    assert answered(page) == "7"
    before = ink(page)
    assert 0.02 < before < 0.4
    expect(page.locator(".seen-steps figure")).to_have_count(3)

    page.set_viewport_size({"width": 900, "height": 700})
    page.wait_for_function(
        "([c, n]) => Math.abs(c.width - n) > 5", arg=[page.locator("canvas.paper").element_handle(), 5]
    )
    assert ink(page) == pytest.approx(before, abs=0.01)
    page.set_viewport_size({"width": 1440, "height": 900})

    page.get_by_role("link", name="Home").click()
    page.locator("canvas.paper").wait_for(state="detached")
    page.get_by_role("link", name="Draw", exact=True).first.click()
    expect(page.locator(".heads strong")).to_have_text("7")
    assert ink(page) == pytest.approx(before, abs=0.01)

    page.reload()
    expect(page.locator(".heads strong")).to_have_text("7")
    assert ink(page) == pytest.approx(before, abs=0.01)
    page.get_by_role("button", name="Undo").click()
    expect(page.locator(".heads strong")).to_have_text("–")
    assert ink(page) == 0


def test_only_the_canvas_and_what_is_below_it_run_while_a_stroke_is_drawn(visit: Callable[..., Page]) -> None:
    page = visit("draw")
    frames: list[bytes] = []
    page.on("websocket", lambda socket: socket.on("framereceived", lambda data: frames.append(bytes(data))))
    page.reload()
    expect(page.locator(".hint")).to_be_visible()
    settled(page)
    assert any(b"make up its mind" in frame for frame in frames)  # a whole run sends the page's head
    frames.clear()
    draw(page, SEVEN)
    assert answered(page) == "7"
    assert any(b"cnnlab.canvas" in frame for frame in frames)
    assert not any(b"make up its mind" in frame for frame in frames)


def test_the_keyboard_draws_too(visit: Callable[..., Page]) -> None:
    page = visit("draw")
    page.locator("canvas.paper").focus()
    page.keyboard.press("Space")
    for _ in range(16):
        page.keyboard.press("ArrowDown")
    page.keyboard.press("Space")
    assert answered(page) == "1"
    before = ink(page)
    page.keyboard.press("ArrowLeft")
    assert ink(page) == before  # the pen is up
    page.keyboard.press("Backspace")
    expect(page.locator(".heads strong")).to_have_text("–")


def test_a_finger_draws_and_a_second_one_changes_nothing(visit: Callable[..., Page]) -> None:
    page = visit("draw", width=390, height=844)
    page.locator("canvas.paper").scroll_into_view_if_needed()
    top = page.evaluate("document.querySelector('[data-testid=stMain]').scrollTop")
    touch = page.context.new_cdp_session(page)

    def send(kind: str, *at: tuple[float, float]) -> None:
        fingers = [{"x": x, "y": y, "id": i} for i, (x, y) in enumerate(at)]
        touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": fingers})

    way = points(page, SEVEN)
    other = points(page, [(0.9, 0.9), (0.1, 0.9)])[0]
    send("touchStart", way[0])
    for point in way[1:8]:
        send("touchMove", point)
    send("touchStart", way[7], other)
    for point in way[8:]:
        send("touchMove", point, other)
    send("touchEnd")
    assert answered(page) == "7"
    assert ink(page) > 0.02
    assert page.evaluate("document.querySelector('[data-testid=stMain]').scrollTop") == top  # it did not scroll
    corner = page.locator("canvas.paper").evaluate(
        "c => c.getContext('2d').getImageData(c.width * .8, c.height * .8, c.width * .19, c.height * .19).data.some(v => v)"
    )
    assert not corner


def test_a_lost_connection_loses_nothing(browser: Browser, lab: str) -> None:
    page = browser.new_page(locale="en-US", viewport={"width": 1440, "height": 900})  # Streamlit complains aloud here
    page.set_default_timeout(30_000)
    lines: list[WebSocketRoute] = []

    def through(line: WebSocketRoute) -> None:
        lines.append(line)
        line.connect_to_server()

    page.route_web_socket("**/_stcore/stream", through)
    page.goto(f"{lab}/draw")
    expect(page.locator(".hint")).to_be_visible()
    settled(page)
    first, *rest = points(page, SEVEN)
    page.mouse.move(*first)
    page.mouse.down()
    for point in rest[: len(rest) // 2]:
        page.mouse.move(*point)
    lines[-1].close()
    for point in rest[len(rest) // 2 :]:
        page.mouse.move(*point)
    page.mouse.up()
    drawn = ink(page)
    assert answered(page) == "7"
    assert len(lines) == 2  # it connected again
    assert ink(page) == drawn
    page.reload()
    expect(page.locator(".heads strong")).to_have_text("7")
    page.close()
