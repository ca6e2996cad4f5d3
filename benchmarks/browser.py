"""What a learner waits for, in a real browser: the first page, an answer to a stroke, a page opened while a run trains."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.report import Row, not_measured, row

ROOT = Path(__file__).resolve().parent.parent
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "msedge")
FLAGS = (
    "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run",
    "--disable-background-timer-throttling", "--disable-renderer-backgrounding",
    "--disable-backgrounding-occluded-windows",
)  # fmt: skip
STROKES, STARTS, OPENINGS, PAGES = 20, 3, 5, 30
WATCH_S = 20.0
WAIT_MS = 120_000

_READY = '[data-testid="stApp"][data-test-script-state="notRunning"]'

FIRST_PAGE = "`streamlit run app.py` to a usable first page, s; against an empty Streamlit app"
STROKE_IDLE = "end of a stroke to new probabilities on the page, nothing trains, median ms"
STROKE_BUSY = "end of a stroke to new probabilities on the page, while a run trains, median ms"
OPENING = "opening Explore while a run trains, median s; against the same with nothing training"
WATCHERS = f"{PAGES} pages watching a run at once, cores they take on the server"

_BARS = {
    FIRST_PAGE: "<= 5 s",
    STROKE_IDLE: "<= 120 ms",
    STROKE_BUSY: "<= 200 ms",
    OPENING: "<= 2x",
    WATCHERS: "< 0.1 core",
}

_LISTEN = """root => {
  window.labTimes = []
  let began = 0
  root.addEventListener("pointerup", () => { began = performance.now() }, true)
  new MutationObserver(() => {
    if (began && Number(root.dataset.answered) >= Number(root.dataset.sent)) {
      window.labTimes.push(performance.now() - began)
      began = 0
    }
  }).observe(root, { attributes: true, attributeFilter: ["data-answered"] })
}"""


def measure_browser() -> Iterator[Row]:
    """Yield the rows that need a browser; without one (or without playwright) each says so."""
    try:
        from playwright.sync_api import Error, sync_playwright
    except ImportError:
        yield from (not_measured(what, bar, "playwright is not installed") for what, bar in _BARS.items())
        return
    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    if path is None:
        yield from (not_measured(what, bar, "no Chromium or Chrome was found") for what, bar in _BARS.items())
        return
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(FLAGS))
        left = dict(_BARS)
        try:
            for found in _rows(browser):
                left.pop(found.what)
                yield found
        except Error as error:
            reason = str(error).splitlines()[0][:200]
            yield from (not_measured(what, bar, reason) for what, bar in left.items())
        browser.close()


def _rows(browser: Any) -> Iterator[Row]:
    yield _first_page(browser)
    with tempfile.TemporaryDirectory() as folder, serve(ROOT / "app.py", Path(folder)) as (address, server):
        context = browser.new_context(viewport={"width": 1440, "height": 900})
        page = context.new_page()
        page.set_default_timeout(WAIT_MS)
        _open(page, address)
        _open(page, f"{address}/explore")  # torch and captum are there from now on
        idle_stroke = _strokes(page, address)
        idle_open = median(_open(page, f"{address}/explore") for _ in range(OPENINGS))
        yield row(STROKE_IDLE, idle_stroke, None, _BARS[STROKE_IDLE], lambda ms: ms <= 120, False)
        trainer = context.new_page()
        trainer.set_default_timeout(WAIT_MS)
        _start_long_run(trainer, address)
        busy_stroke = _strokes(page, address)
        busy_open = median(_open(page, f"{address}/explore") for _ in range(OPENINGS))
        yield row(STROKE_BUSY, busy_stroke, idle_stroke, _BARS[STROKE_BUSY], lambda ms: ms <= 200, False)
        yield row(OPENING, busy_open, idle_open, _BARS[OPENING], lambda ratio: ratio <= 2, True)
        page.close()
        trainer.close()
        yield _watchers(context, address, server)
        context.close()


def _first_page(browser: Any) -> Row:
    apps = {
        "lab": (ROOT / "app.py", '[data-testid="stMain"] h1'),
        "empty": (ROOT / "benchmarks" / "empty_app.py", "h1"),
    }
    spent: dict[str, list[float]] = {name: [] for name in apps}
    for _ in range(STARTS + 1):
        for name, (app, sign) in apps.items():
            context = browser.new_context(viewport={"width": 1440, "height": 900})
            page = context.new_page()
            page.set_default_timeout(WAIT_MS)
            with tempfile.TemporaryDirectory() as folder:
                began = time.perf_counter()
                with serve(app, Path(folder)) as (address, _):
                    page.goto(address)
                    page.wait_for_selector(sign)
                    page.wait_for_selector(_READY)
                    spent[name].append(time.perf_counter() - began)
                    context.close()
    found = {name: median(times[1:]) for name, times in spent.items()}  # the first warms the disk
    return row(FIRST_PAGE, found["lab"], found["empty"], _BARS[FIRST_PAGE], lambda s: s <= 5, False)


def _open(page: Any, address: str) -> float:
    """Return how long opening ``address`` takes until its script has run through, in seconds."""
    began = time.perf_counter()
    page.goto(address)
    page.wait_for_selector('[data-testid="stMain"] h1')
    page.wait_for_selector(_READY)
    return time.perf_counter() - began


def _strokes(page: Any, address: str) -> float:
    """Return the median of the times from the end of a stroke to its answer on the page, in milliseconds."""
    _open(page, f"{address}/draw")
    root = page.locator(".draw").first
    root.wait_for()
    page.wait_for_timeout(1000)
    root.evaluate(_LISTEN)
    box = root.locator("canvas").first.bounding_box()
    for number in range(STROKES):
        x = box["x"] + box["width"] * (0.3 + 0.4 * number / STROKES)
        page.mouse.move(x, box["y"] + box["height"] * 0.25)
        page.mouse.down()
        page.mouse.move(x + 5, box["y"] + box["height"] * 0.75, steps=12)
        page.mouse.up()
        page.wait_for_function(f"window.labTimes.length >= {number + 1}")
        page.wait_for_timeout(150)
    return float(median(page.evaluate("window.labTimes")))


def _start_long_run(page: Any, address: str) -> None:
    """Start a run from the Train page that lasts as long as the measurements."""
    _open(page, f"{address}/train")
    epochs = page.get_by_label("Epochs", exact=True).first
    epochs.fill("200")
    epochs.press("Enter")
    page.wait_for_selector(_READY)
    page.wait_for_timeout(1000)
    page.locator(".st-key-train\\\\.start button, .st-key-train-start button").first.click()
    page.get_by_role("button", name="Pause").first.wait_for()
    page.wait_for_timeout(3000)


def _watchers(context: Any, address: str, server: subprocess.Popen[bytes]) -> Row:
    """Return how many cores thirty watching pages take: what the server uses beside the threads that train."""
    if not Path("/proc/self/task").is_dir():
        return not_measured(WATCHERS, _BARS[WATCHERS], "this system does not tell the time of single threads")
    training = _busy_threads(server.pid)  # nobody watches now: what is busy trains
    alone = _beside(server.pid, training)
    pages = []
    for _ in range(PAGES):
        page = context.new_page()
        page.set_default_timeout(WAIT_MS)
        page.goto(f"{address}/train")
        page.wait_for_selector('[data-testid="stMain"] h1')
        pages.append(page)
    time.sleep(5)
    watched = _beside(server.pid, training)
    return row(WATCHERS, watched - alone, None, _BARS[WATCHERS], lambda cores: cores < 0.1, False)


def _busy_threads(pid: int) -> set[str]:
    """Return the threads of process ``pid`` that use more than a fifth of a core."""
    before, began = _thread_seconds(pid), time.perf_counter()
    time.sleep(WATCH_S / 4)
    after, took = _thread_seconds(pid), time.perf_counter() - began
    return {id for id, seconds in after.items() if seconds - before.get(id, seconds) > 0.2 * took}


def _beside(pid: int, training: set[str]) -> float:
    """Return the cores that process ``pid`` uses beside its threads ``training``, threads that have ended included."""
    threads, whole, began = _thread_seconds(pid), _process_seconds(pid), time.perf_counter()
    time.sleep(WATCH_S)
    later, total, took = _thread_seconds(pid), _process_seconds(pid) - whole, time.perf_counter() - began
    spent = sum(later.get(id, threads[id]) - threads[id] for id in training if id in threads)
    return max(0.0, total - spent) / took


def _process_seconds(pid: int) -> float:
    return _cpu_seconds(Path(f"/proc/{pid}/stat"))


def _thread_seconds(pid: int) -> dict[str, float]:
    found = {}
    for task in Path(f"/proc/{pid}/task").iterdir():
        try:
            found[task.name] = _cpu_seconds(task / "stat")
        except OSError:  # it has ended meanwhile
            continue
    return found


def _cpu_seconds(path: Path) -> float:
    fields = path.read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def serve(app: Path, folder: Path) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """Run ``app`` as a teacher starts it, with a home of its own; yield its address once it answers."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    environment = {**os.environ, "CNNLAB_HOME": str(folder / "home")}
    command = [sys.executable, "-m", "streamlit", "run", str(app), "--server.headless=true"]
    command += [f"--server.port={port}", "--server.address=127.0.0.1", "--server.fileWatcherType=none"]
    server = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _until_it_answers(port, server)
        yield f"http://127.0.0.1:{port}", server
    finally:
        server.terminate()
        try:
            server.wait(60)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def _until_it_answers(port: int, server: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and server.poll() is None:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=1):
                return
        except OSError:
            time.sleep(0.02)
    raise RuntimeError("the app did not start")
