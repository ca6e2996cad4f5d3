"""Runs, in a real browser: train two, choose both by hand, sort, delete and undo, export, and bring it in again."""

import re
import zipfile
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Page, expect

from tests.browser.conftest import settled
from tests.browser.test_walk import LONG_MS, go, key, press

ROWS = ".runs-root tbody tr"


def train(page: Page, seed: int) -> None:
    """Train the first preset shortly, with ``seed``."""
    go(page, "Train")
    settled(page)
    for name, value in (("epochs", 1), ("seed", seed)):
        field = key(page, f"train.recipe.{name}").locator("input")
        if not field.is_visible():  # folded away
            page.get_by_text("Recipe of the next run").click()
        field.fill(str(value))
        field.press("Enter")
        settled(page)
    before = page.locator(".lab-run-done").count()
    press(page, "train.start")
    expect(page.locator(".lab-run-running, .lab-run-queued").first).to_be_visible()
    press(page, "train.stop")
    expect(page.locator(".lab-run-stopped, .lab-run-done").first).to_be_visible(timeout=LONG_MS)
    assert before in (0, 1)


def test_runs_side_by_side_in_the_bin_and_as_a_file(visit: Callable[..., Page], tmp_path: Path) -> None:
    page = visit("runs")
    expect(page.get_by_text("There is none yet")).to_be_visible()
    train(page, 1)
    train(page, 2)
    go(page, "Runs")
    rows = page.locator(ROWS)
    expect(rows).to_have_count(2)
    expect(rows.first).to_contain_text("seed 2")

    page.get_by_role("button", name=re.compile("^Recipe")).click()  # sorts without asking the server
    expect(page.locator(".runs-root th[aria-sort=ascending]")).to_have_count(1)
    expect(rows.first).to_contain_text("seed 1")

    rows.nth(0).get_by_role("checkbox").check()
    expect(page.get_by_role("heading", name="Run 1")).to_be_visible()
    rows.nth(1).locator("td.name").click()
    expect(page.get_by_text("What is different")).to_be_visible()
    expect(page.locator(".lab-compare").first).to_contain_text("Seed")
    expect(page.locator(".js-plotly-plot")).to_have_count(2)
    expect(rows.locator("input:checked")).to_have_count(2)
    page.reload()
    expect(rows.locator("input:checked")).to_have_count(2)

    press(page, "runs.delete")
    expect(page.get_by_text("There is none yet")).to_be_visible()
    press(page, "runs.undo")
    expect(rows).to_have_count(2)

    rows.nth(0).get_by_role("checkbox").check()
    expect(page.get_by_role("heading", name="Run 2")).to_be_visible()
    with page.expect_download() as waiting:
        key(page, "runs.export").get_by_role("button", name="Export").first.click()
    path = tmp_path / waiting.value.suggested_filename
    waiting.value.save_as(path)
    assert "architecture.json" in zipfile.ZipFile(path).namelist()

    bring(page, path)
    expect(rows).to_have_count(3)
    expect(page.get_by_role("heading", name="Run 3")).to_be_visible()
    bad = tmp_path / "bad.zip"
    bad.write_bytes(b"hello")
    bring(page, bad)
    expect(page.get_by_text("bad.zip cannot be read")).to_be_visible()


def bring(page: Page, path: Path) -> None:
    settled(page)
    page.get_by_role("button", name=re.compile("Bring a run")).click()
    page.locator('[data-testid="stFileUploaderDropzoneInput"]').set_input_files(path)
    button = page.get_by_role("button", name=re.compile("Bring it here"))
    expect(button).to_be_enabled()
    button.click()
