"""The teacher sees and steers everybody's runs; nobody else sees the page."""

from dataclasses import replace
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from cnnlab import runs
from cnnlab.runs import Limits, limits
from cnnlab.workspace import Workspace, name_of, new_id
from pages import _session
from tests.runs.labs import LONG, spec, until

ROOT = Path(__file__).resolve().parent.parent.parent
PAGE = str(ROOT / "pages" / "teacher.py")


@pytest.fixture
def learners(lab_home: Path, monkeypatch: pytest.MonkeyPatch):
    """Two learners with names, and an engine that ends with the test."""
    monkeypatch.setattr(_session, "is_teacher", lambda: True)
    ana, wei = Workspace(new_id()), Workspace(new_id())
    ana.rename("Ana")
    wei.rename("<b>Wei</b>")
    yield ana, wei
    runs.engine().close()


def opened(**state: object) -> AppTest:
    at = AppTest.from_file(PAGE, default_timeout=60)
    for key, value in state.items():
        at.session_state[key] = value
    return ran(at.run())


def ran(at: AppTest) -> AppTest:
    assert not at.exception, [e.value for e in at.exception]
    return at


def shown(at: AppTest) -> str:
    return "\n".join(element.proto.body for element in at.get("html"))


def test_the_teacher_pauses_and_ends_any_run(learners) -> None:
    ana, wei = learners
    lab = runs.engine()
    first, second = lab.submit(spec(LONG, owner=ana.owner)), lab.submit(spec(LONG, owner=wei.owner))
    until(lambda: lab.snapshot(first).step > 0)
    at = opened()
    assert "Ana" in shown(at) and "&lt;b&gt;Wei&lt;/b&gt;" in shown(at)
    ran(at.button(key=f"teacher.pause.{first}").click().run())
    until(lambda: lab.snapshot(first).state == "paused")
    ran(at.run())
    ran(at.button(key=f"teacher.resume.{first}").click().run())
    until(lambda: lab.snapshot(first).state != "paused")
    assert lab.snapshot(first).held_by == ""  # it goes on
    at = opened(**{f"teacher.end.{second}": True})
    assert any("End *" in said.value and "Wei" in said.value for said in at.markdown)
    ran(at.button(key=f"teacher.stop.{second}").click().run())
    until(lambda: lab.snapshot(second).state == "stopped")
    assert lab.snapshot(second).held_by == "teacher"
    ran(at.run())
    assert "stopped" in shown(at)


def test_the_teacher_sees_a_learners_curves(learners) -> None:
    lab = runs.engine()
    id = lab.submit(spec(LONG, owner=learners[0].owner))
    until(lambda: lab.snapshot(id).step > 5)
    at = opened()
    assert "lab-chart" not in shown(at)
    ran(at.button(key=f"teacher.curves.{id}").click().run())
    assert shown(at).count('class="lab-chart"') == 2
    ran(at.button(key=f"teacher.curves.{id}").click().run())
    assert "lab-chart" not in shown(at)


@pytest.mark.parametrize(("state", "said"), [("paused", "has paused this run"), ("stopped", "has ended this run")])
def test_a_learner_is_told_that_it_was_the_teacher(learners, monkeypatch, state: str, said: str) -> None:
    from pages import _training

    told: list[str] = []
    monkeypatch.setattr(_training.st, "info", lambda text, icon: told.append(text))
    space = learners[0]
    id = runs.engine().submit(spec(LONG, owner=space.owner))
    run = replace(runs.engine().snapshot(id), state=state, held_by="teacher")
    _training._told(run)
    assert len(told) == 1 and said in told[0]
    told.clear()
    _training._told(replace(run, held_by=""))
    assert told == []


def test_the_teacher_pauses_the_whole_class_and_lets_it_go_on(learners) -> None:
    lab = runs.engine()
    ids = [lab.submit(spec(LONG, owner=space.owner)) for space in learners]
    slots = lab.room[0]
    until(lambda: sum(lab.snapshot(id).step > 0 for id in ids) == min(2, slots))
    at = opened()
    ran(at.button(key="teacher.pause_all").click().run())
    until(lambda: sum(lab.snapshot(id).state == "paused" for id in ids) >= min(2, slots))
    ran(at.run())
    ran(at.button(key="teacher.resume_all").click().run())
    until(lambda: any(lab.snapshot(id).state == "running" for id in ids))


def test_who_waits_sees_for_how_long(learners, monkeypatch: pytest.MonkeyPatch) -> None:
    ana, wei = learners
    monkeypatch.setattr("cnnlab.runs.machine.cores", lambda: 1)
    lab = runs.engine()
    first, second = lab.submit(spec(LONG, owner=ana.owner)), lab.submit(spec(LONG, owner=wei.owner))
    until(lambda: [place for place in lab.queue() if place.id == second and place.wait_s])
    from pages import _class

    assert _class.wait_words(second).startswith("It begins in about ")
    assert _class.wait_words(first) == ""
    assert "its turn is next" in shown(opened())


def test_the_cap_is_kept(learners) -> None:
    at = opened()
    assert at.number_input[0].value == limits().live_runs == 20
    ran(at.number_input[0].set_value(3).run())
    assert limits() == Limits(live_runs=3)
    assert opened().number_input[0].value == 3


def test_the_way_in_is_an_address_and_a_code(learners, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cnnlab.addresses.lan_address", lambda: "192.168.1.5")
    at = opened()
    assert at.code[0].value.startswith("http://192.168.1.5:")
    assert "data:image/svg+xml" in shown(at)


def test_nobody_else_sees_it(learners, monkeypatch: pytest.MonkeyPatch) -> None:
    id = runs.engine().submit(spec(LONG, owner=learners[0].owner))
    monkeypatch.setattr(_session, "is_teacher", lambda: False)
    at = opened()
    assert at.info and not at.button and not at.number_input and not at.code
    assert "Ana" not in shown(at)
    app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60).run()
    assert not app.exception
    from pages import _class

    _class._tell([id], "stop")  # a click that comes late, from a page that was open before
    assert runs.engine().snapshot(id).live


def test_a_name_is_found_by_its_owner_only(learners) -> None:
    ana, _wei = learners
    assert name_of(ana.owner) == "Ana"
    for other in ("", "command line", "../" + ana.owner, ana.owner[:-1] + "g", new_id()):
        assert name_of(other) == ""
