"""The real app on a free port, and a real browser to walk through it."""

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, expect, sync_playwright

ROOT = Path(__file__).resolve().parent.parent.parent
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "msedge")
QUIET = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--no-first-run",
)
START_S = 90.0
WAIT_MS = 30_000

QUIET_NOW = """() => {
    const app = document.querySelector('[data-testid="stApp"]');
    return app && app.dataset.testScriptState !== 'running' && app.dataset.testConnectionState === 'CONNECTED'
        && !document.querySelector('[data-testid="stSkeleton"]');
}"""
Open = Callable[..., Page]
expect.set_options(timeout=WAIT_MS)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark everything here as a browser test."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Return a headless Chromium; without one the test is skipped, or fails if CNNLAB_REQUIRE_BROWSER is set."""
    path = next(filter(None, map(shutil.which, NAMES)), None)
    if path is None:
        reason = "no Chromium or Chrome on the PATH: install one to run the browser tests"
        if os.environ.get("CNNLAB_REQUIRE_BROWSER", "0") not in {"", "0"}:
            pytest.fail(reason)
        pytest.skip(reason)
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=list(QUIET))
        yield chromium
        chromium.close()


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@contextmanager
def running(folder: Path) -> Iterator[str]:
    """Run the app as a teacher starts it, with a home of its own in ``folder``; yield its address."""
    port = free_port()
    environment = {key: value for key, value in os.environ.items() if key != "OMP_NUM_THREADS"}
    environment |= {"CNNLAB_HOME": str(folder / "home"), "PYTHONUNBUFFERED": "1"}
    command = [sys.executable, "-m", "streamlit", "run", "app.py", "--server.headless=true"]
    command += [f"--server.port={port}", "--server.address=127.0.0.1", "--server.fileWatcherType=none"]
    with (folder / "log.txt").open("w") as log:
        server = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=subprocess.STDOUT)
    address = f"http://127.0.0.1:{port}"
    try:
        wait_until_healthy(address, server, folder / "log.txt")
        yield address
    finally:
        server.terminate()
        try:
            server.wait(timeout=30)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()
    said = (folder / "log.txt").read_text()
    assert "Traceback" not in said, said[-4000:]


@pytest.fixture(scope="session")
def lab(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Return the address of the app that the tests of a session share."""
    with running(tmp_path_factory.mktemp("lab")) as address:
        yield address


def wait_until_healthy(address: str, server: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        if server.poll() is not None:
            break
        try:
            with urllib.request.urlopen(f"{address}/_stcore/health", timeout=1) as answer:
                if answer.status == 200:
                    return
        except (urllib.error.URLError, OSError):
            server_wait(server)
    pytest.fail(f"the app did not start:\n{log.read_text()[-4000:]}")


def server_wait(server: subprocess.Popen[bytes]) -> None:
    try:
        server.wait(timeout=0.1)
    except subprocess.TimeoutExpired:
        return


@pytest.fixture
def visit(browser: Browser, lab: str) -> Iterator[Open]:
    """Return a function that opens a page of the lab as a new learner; afterwards no error may have been seen."""
    contexts, complaints, pages = [], [], []

    def open_page(
        path: str = "", *, locale: str = "en-US", width: int = 1440, height: int = 900, dark: bool = False
    ) -> Page:
        context = browser.new_context(
            locale=locale,
            viewport={"width": width, "height": height},
            color_scheme="dark" if dark else "light",
            has_touch=width < 600,
        )
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(WAIT_MS)

        def on_console(message: ConsoleMessage) -> None:
            probing = "/_stcore/" in message.location.get("url", "")  # below which path does the server live?
            if message.type == "error" and not probing:
                complaints.append(f"{path}: {message.text} ({message.location.get('url')})")

        page.on("console", on_console)
        page.on("pageerror", lambda error: complaints.append(f"{path}: {error}"))
        pages.append(page)
        page.goto(f"{lab}/{path}")
        settled(page)
        return page

    yield open_page
    exceptions = [page.url for page in pages if page.locator('[data-testid="stException"]').count()]
    for context in contexts:
        context.close()
    assert not exceptions, exceptions
    assert not complaints, complaints


def settled(page: Page) -> None:
    """Wait until the page has been drawn and nothing is being computed for it."""
    page.wait_for_selector('[data-testid="stMainBlockContainer"] h1')
    page.wait_for_function(QUIET_NOW)
