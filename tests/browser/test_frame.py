"""Every page in a real browser: opens, complains of nothing, fits a phone."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

from pages import _registry
from tests.browser.conftest import running, settled

PAGES = [page.name for page in _registry.PAGES]
SCROLLS = "() => document.documentElement.scrollWidth > window.innerWidth"
WIDER = """() => {
    const main = document.querySelector('[data-testid="stMain"]');
    return main.scrollWidth > main.clientWidth + 1;
}"""


@pytest.mark.parametrize(("locale", "lang"), [("en-US", "en"), ("zh-CN", "zh")])
@pytest.mark.parametrize("name", PAGES)
def test_a_page_fits_a_phone(name: str, locale: str, lang: str, visit: Callable[..., Page]) -> None:
    page = visit("" if name == "home" else name, locale=locale, width=390, height=844)
    assert not page.evaluate(SCROLLS)
    assert not page.evaluate(WIDER)
    assert page.locator('[data-testid="stSidebar"][aria-expanded="true"]').count() == 0  # closed on a phone
    title = page.locator('[data-testid="stMainBlockContainer"] h1').first.inner_text()
    assert any("\u4e00" <= letter <= "\u9fff" for letter in title) == (lang == "zh"), title


def test_the_language_can_be_changed_and_is_kept(visit: Callable[..., Page]) -> None:
    page = visit()
    english = page.locator("h1").first.inner_text()
    page.get_by_role("radio", name="中文").click()
    page.wait_for_function("before => document.querySelector('h1').innerText !== before", arg=english)
    chinese = page.locator("h1").first.inner_text()
    page.wait_for_function("() => document.cookie.includes('cnnlab_workspace=')")
    page.reload()
    page.wait_for_function("text => document.querySelector('h1')?.innerText === text", arg=chinese)


@pytest.mark.parametrize(("locale", "shown"), [("en-US", True), ("zh-CN", False)])
def test_what_streamlit_says_in_english_only_is_not_on_a_chinese_page(
    visit: Callable[..., Page], locale: str, shown: bool
) -> None:
    page = visit("convolution", locale=locale)
    page.locator(".st-key-convolution-predict label").first.click()
    field = page.locator(".st-key-glass_card_params input").first
    field.fill("26")
    hint = page.locator('.st-key-glass_card_params [data-testid="InputInstructions"]').first
    expect(hint).to_have_text(re.compile("Enter"))
    assert hint.is_visible() == shown


def test_the_model_and_the_image_stay_from_page_to_page(visit: Callable[..., Page]) -> None:
    page = visit("explore")
    for name in ("Explain", "Explore", "Draw", "Explore", "Home", "Explain"):
        page.locator('[data-testid="stSidebarNav"]').get_by_role("link", name=name, exact=True).click()
        expect(page.locator("h1")).to_have_text("From pixels to an answer, and back" if name == "Home" else name)
        if name != "Home":  # the one a new learner begins with, which is not the first of the list
            expect(page.locator(".st-key-model_line-ref input")).to_have_value(re.compile("^mnist-sprint"))
        if name.startswith("Exp"):
            chosen = page.locator(".st-key-image_line-kind").get_by_role("radio", checked=True)
            expect(chosen).to_have_text("Test image")


def test_an_address_opened_first_after_a_restart_is_a_page_of_the_lab(browser: Browser, tmp_path: Path) -> None:
    with running(tmp_path) as address:
        page = browser.new_page()
        page.goto(f"{address}/explore")
        expect(page.locator("h1")).to_have_text("Explore")
        expect(page.locator('[data-testid="stSidebarNav"] a')).to_have_count(len(PAGES))
        page.close()


def test_the_glossary_opens_and_finds(visit: Callable[..., Page]) -> None:
    page = visit()
    page.get_by_role("button", name="Words of the lab").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_text("How far the window jumps each time").wait_for()
    box = dialog.get_by_role("textbox")
    box.fill("jumps each time")
    box.press("Enter")
    dialog.get_by_text("How wrong the network is").wait_for(state="detached")
    assert dialog.get_by_text("How far the window jumps each time").is_visible()


def test_a_browser_remembers_messages_long_enough_for_quick_clicks(visit: Callable[..., Page]) -> None:
    """What the real server tells the browser: with Streamlit's own 2 runs, three clicks outran its memory of a message."""
    page = visit()
    told: list[int] = []

    def hear(data: str | bytes) -> None:
        message = ForwardMsg()
        message.ParseFromString(bytes(data) if isinstance(data, bytes) else data.encode())
        if message.WhichOneof("type") == "new_session":
            told.append(message.new_session.config.max_cached_message_age)

    page.on("websocket", lambda socket: socket.on("framereceived", hear))
    page.reload()
    settled(page)
    assert told
    assert min(told) >= 20
