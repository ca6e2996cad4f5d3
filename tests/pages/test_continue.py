"""Continue on another device: the link is made, shown, asked about, and used once."""

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from cnnlab import handover
from cnnlab.workspace import Workspace, new_id
from pages import _continue, _session

OFFER = "from pages import _continue\n_continue.offer_button()"
ARRIVE = "import streamlit as st\nfrom pages import _continue, _session\n_continue.arrive()\nst.text(_session.workspace().id)"


@pytest.fixture(autouse=True)
def _home(lab_home: Path) -> None:
    """Give each test an empty home."""


def ran(at: AppTest) -> AppTest:
    assert not at.exception, [e.value for e in at.exception]
    return at


def test_the_link_leads_to_this_workspace_and_shows_no_id() -> None:
    id = new_id()
    at = AppTest.from_string(OFFER, default_timeout=60)
    at.session_state[_session.keys.WORKSPACE] = id
    ran(at.run())
    ran(at.button(key="continue.offer").click().run())
    (shown,) = at.code
    token = shown.value.partition(f"?{_continue.PARAMETER}=")[2]
    found = handover.find(token)
    assert found is not None and found.id == id
    assert id not in shown.value


def test_the_other_device_is_asked_and_then_goes_on() -> None:
    first = Workspace(new_id())
    first.rename("Ana and Wei")
    link = handover.offer(first)
    mine = new_id()
    at = AppTest.from_string(ARRIVE, default_timeout=60)
    at.session_state[_session.keys.WORKSPACE] = mine
    at.query_params[_continue.PARAMETER] = link.token
    ran(at.run())
    assert at.text[0].value == mine
    assert any("Ana and Wei" in text.value for text in at.markdown)
    assert handover.find(link.token) is not None  # to look is not to use
    ran(at.button(key="continue.here").click().run())
    assert at.text[0].value == first.id
    assert _continue.PARAMETER not in at.query_params
    assert handover.find(link.token) is None


def test_a_link_that_is_over_changes_nothing() -> None:
    mine = new_id()
    at = AppTest.from_string(ARRIVE, default_timeout=60)
    at.session_state[_session.keys.WORKSPACE] = mine
    at.query_params[_continue.PARAMETER] = "A" * 22
    ran(at.run())
    assert at.text[0].value == mine
    assert at.info and not [b for b in at.button if b.key == "continue.here"]
    ran(at.button(key="continue.close").click().run())
    assert _continue.PARAMETER not in at.query_params


def test_the_device_that_made_the_link_does_not_use_it_up() -> None:
    space = Workspace(new_id())
    link = handover.offer(space)
    at = AppTest.from_string(ARRIVE, default_timeout=60)
    at.session_state[_session.keys.WORKSPACE] = space.id
    at.query_params[_continue.PARAMETER] = link.token
    ran(at.run())
    assert not at.button and handover.find(link.token) is not None
