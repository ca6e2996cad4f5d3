"""A phone goes on where the laptop was, by a link that opens once."""

from collections.abc import Callable

from playwright.sync_api import Page, expect

from tests.browser.conftest import settled
from tests.browser.test_walk import press_until

Open = Callable[..., Page]


def workspace_cookie(page: Page) -> str:
    page.wait_for_function("document.cookie.includes('cnnlab_workspace')")  # a component of the page sets it
    return next(cookie["value"] for cookie in page.context.cookies() if cookie["name"] == "cnnlab_workspace")


def test_a_workspace_continues_on_another_device(visit: Open) -> None:
    laptop = visit("build")
    laptop.get_by_role("button", name="My workspace").click()
    name = laptop.get_by_label("Name of this workspace")
    name.fill("Ana and Wei")
    name.press("Enter")
    laptop.get_by_test_id("stPopoverButton").filter(has_text="Ana and Wei").wait_for()
    laptop.keyboard.press("Escape")
    laptop.get_by_role("button", name="Continue on another device").click()
    dialog = laptop.get_by_role("dialog", name="Continue on another device")
    expect(dialog.get_by_role("img", name="QR code of the address below")).to_be_visible()
    url = dialog.locator("code").inner_text().strip()
    assert workspace_cookie(laptop) not in url

    path = url.split("/", 3)[3]
    phone = visit(path, width=390, height=844)
    before = workspace_cookie(phone)
    ask = phone.get_by_role("dialog", name="Continue here")
    expect(ask).to_contain_text("Ana and Wei")
    ask.get_by_role("button", name="Continue here").click()
    expect(ask).to_have_count(0)
    settled(phone)
    phone.wait_for_function("was => !document.cookie.includes(was)", arg=before)
    assert workspace_cookie(phone) == workspace_cookie(laptop)
    assert "continue=" not in phone.url
    expect(dialog).to_contain_text("This link was used, or a newer one was made.")
    phone.reload()
    settled(phone)
    assert workspace_cookie(phone) == workspace_cookie(laptop)

    third = visit(path)
    expect(third.get_by_role("dialog")).to_contain_text("This link was used already")
    assert workspace_cookie(third) != workspace_cookie(laptop)


def test_the_teacher_sees_a_learners_run_and_ends_it(visit: Open) -> None:
    learner = visit("train")
    learner.locator('[class*="st-key-train-start"] button, [class*="st-key-train.start"] button').first.click()
    state = learner.locator(".lab-run-state").first
    expect(state).to_have_text("learning")

    teacher = visit("teacher")
    row = teacher.locator('[class*="st-key-teacher_row_"]').first
    expect(row).to_contain_text("learning")
    row.get_by_role("button", name="Pause").click()
    expect(row).to_contain_text("paused")
    expect(state).to_have_text("paused")
    expect(learner.get_by_text("The teacher has paused this run")).to_be_visible()
    row.get_by_role("button", name="Curves").click()
    expect(teacher.locator(".lab-chart").first).to_be_visible()  # the learner's loss, as the learner sees it
    row.get_by_role("button", name="End").click()
    expect(state).to_have_text("paused")  # it is asked first
    told = learner.get_by_text("The teacher has ended this run")
    press_until(teacher, teacher.get_by_role("button", name="End it"), told)
    expect(state).to_have_text("stopped")
    expect(teacher.locator('[class*="st-key-teacher_row_"]')).to_have_count(0)
