"""The Units page: one channel fills by itself, all channels on demand, and the way to the operating table."""

from pathlib import Path

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from cnnlab.description import ModelRef
from cnnlab.insight.units import page_of, unit_page
from cnnlab.model import Model
from cnnlab.runs import jobs, resolve
from cnnlab.workspace import Workspace
from pages import _session, _unit
from tests.wording import english_left

PAGE = str(Path(__file__).resolve().parent.parent.parent / "pages" / "units.py")


@pytest.fixture
def page(lab_home: Path) -> AppTest:
    return AppTest.from_file(PAGE, default_timeout=60)


def checked(at: AppTest) -> AppTest:
    assert not at.exception, [error.value for error in at.exception]
    assert not at.error, [error.value for error in at.error]
    return at


def settled(at: AppTest, kind: str) -> AppTest:
    """Run the page, wait for what it began, and run it again."""
    owner = Workspace(checked(at.run()).session_state[_session.keys.WORKSPACE]).owner
    job = jobs.wait(owner, kind, 60)
    assert job is None or job.state == "done", job
    return checked(at.run())


def shown(at: AppTest) -> str:
    return "\n".join([*(html.proto.body for html in at.get("html")), *(one.value for one in at.markdown)])


def test_one_channel_fills_by_itself(page):
    page.session_state[_session.keys.WIDGETS] = {"units.layer": "conv2", "units.unit.conv2": 9}
    at = settled(page, "unit")
    found = page_of(resolve(ModelRef("bundled:mnist-sprint")), "conv2", 9)
    text = shown(at)
    assert text.count("<figure") == 16 + 4
    assert f"Of {found.responses.images:,} test images, the 16 that excite it most" in text
    assert "Its filter, in conv2" in text and "still to come" not in text
    assert len(at.get("plotly_chart")) == 2
    assert not at.get("progress")


def test_a_filter_that_looks_empty_is_told_from_one_with_an_edge():
    assert _unit.nearly_equal(np.array([0.30, 0.31, 0.29])) and _unit.nearly_equal(np.full((3, 2, 2), -1.0))
    assert not _unit.nearly_equal(np.array([0.3, -0.3])) and not _unit.nearly_equal(np.array([0.3, 0.1]))
    assert not _unit.nearly_equal(np.array([0.3])) and not _unit.nearly_equal(np.zeros(4))


def test_all_channels_are_made_on_demand(page):
    page.session_state[_session.keys.WIDGETS] = {"units.layer": "pool2", "units.view": "all"}
    at = checked(page.run())
    at.button(key="units.gallery").click()
    at = settled(at, "gallery")
    assert shown(at).count("<figure") == 32
    for key, value in (("units.gallery.show", "image"), ("units.gallery.order", "cost")):
        checked(next(one for one in at.get("button_group") if one.key == key).set_value(value).run())
    assert "excites pool2[" in shown(at)


def test_what_is_called_off_can_be_begun_again(page):
    at = checked(page.run())
    owner = Workspace(at.session_state[_session.keys.WORKSPACE]).owner
    jobs.cancel(owner, "unit")
    state = jobs.wait(owner, "unit", 60).state
    at = checked(at.run())
    if state == "cancelled":
        at.button(key="unit.again").click()
    at = settled(at, "unit")
    assert shown(at).count("<figure") == 20


def test_a_page_of_a_model_that_has_learned_on_is_made_anew_on_demand(page):
    page.session_state[_session.keys.WIDGETS] = {"units.layer": "bn1", "units.unit.bn1": 11}
    at = checked(page.run())
    owner = Workspace(at.session_state[_session.keys.WORKSPACE]).owner
    jobs.wait(owner, "unit", 60)
    bundled = resolve(ModelRef("bundled:mnist-sprint"))
    older = unit_page(Model(bundled.description, bundled.state), "bn1", 12)  # of another object: as of another moment
    jobs.start(owner, "unit", "bundled:mnist-sprint bn1 12", 1, lambda: older)
    jobs.wait(owner, "unit", 60)
    at.number_input(key="units.unit.bn1").set_value(12)
    at = checked(at.run())
    assert shown(at).count("<figure") == 20
    at.button(key="unit.again").click()
    at = settled(at, "unit")
    assert page_of(bundled, "bn1", 12) is not None
    assert not [one for one in at.button if one.key == "unit.again"]


def test_the_channel_is_the_one_on_the_operating_table(page):
    page.session_state[_session.keys.WIDGETS] = {"units.layer": "relu2", "units.unit.relu2": 7}
    at = settled(page, "unit")
    assert "Its filter, in conv2" in shown(at)


def test_it_speaks_chinese(page):
    page.session_state[_session.keys.LANGUAGE] = "zh_CN"
    at = settled(page, "unit")
    words = [one.value for one in [*at.markdown, *at.caption]] + [one.label for one in [*at.button, *at.number_input]]
    assert not {word: english_left(word) for word in words if english_left(word)}
