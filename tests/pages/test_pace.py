"""How often live views look again: a class that comes while a page is open slows it down, and it counts itself."""

from pathlib import Path
from types import SimpleNamespace

import pytest
from streamlit.testing.v1 import AppTest

from cnnlab.architecture.presets import PRESETS
from cnnlab.runs import RunSpec, audience, engine
from cnnlab.runs.audience import EACH_S, SHORTEST_S, Audience
from cnnlab.training.recipe import Recipe
from cnnlab.workspace import Workspace, new_id
from pages import _run_line, _session, _training

LONG = Recipe(epochs=200, batch_size=32, threads=1, precision="float32")


def line() -> None:
    from pages import _run_line

    _run_line._line(1.0)


def chain() -> None:
    from pages import _chain

    _chain._draw(True, 1.0)


def live() -> None:
    from pages import _session, _training

    _training.live(str(_session.current_run()), 0.5, "running")


@pytest.fixture
def running(lab_home: Path) -> object:
    """Return a workspace with a run that is at work."""
    space = Workspace(new_id())
    space.choose(
        run=engine().submit(
            RunSpec(architecture=PRESETS["mnist-sprint"].architecture, data="mnist", recipe=LONG, owner=space.owner)
        )
    )
    while not engine().snapshot(str(space.choices.run)).step:
        engine().wait(str(space.choices.run), 0.01)
    yield space
    engine().close()


@pytest.mark.parametrize("view", [line, chain, live])
def test_a_view_follows_the_size_of_the_class(view, running: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    crowd = Audience(lambda: 0.0)
    monkeypatch.setattr(audience, "AUDIENCE", crowd)
    again: list[bool] = []
    monkeypatch.setattr("streamlit.rerun", lambda *_args, **_more: again.append(True))
    at = AppTest.from_function(view, default_timeout=60)
    at.session_state[_session.keys.WORKSPACE] = running.id
    at.run()
    assert not at.exception and not again
    assert len(crowd._seen) == 1  # a look counts
    for n in range(int(1.5 * SHORTEST_S / EACH_S) - 1):
        crowd.seen(f"watcher {n}")
    assert not at.run().exception and not again  # half as long again: not worth a whole rerun
    for n in range(int(3 * SHORTEST_S / EACH_S)):
        crowd.seen(f"watcher {n}")
    assert not at.run().exception and again == [True]


def framed() -> None:
    from pages import _run_line, _session, _training

    _run_line.draw()
    if _session.page() == "train":
        _training.live(str(_session.current_run()), 0.5, "running")


@pytest.mark.parametrize("page", ["train", "home"])
def test_the_line_is_drawn_once_and_on_train_by_the_view(page: str, running: Workspace) -> None:
    at = AppTest.from_function(framed, default_timeout=60)
    at.session_state[_session.keys.WORKSPACE] = running.id
    at.session_state[_session.keys.PAGE] = page
    at.run()
    assert not at.exception
    lines = [element.proto.body for element in at.get("html") if 'class="lab-run ' in element.proto.body]
    assert len(lines) == 1 and [b.key for b in at.button].count("run_line.pause") == 1
    assert ("train.stop" in [b.key for b in at.button]) == (page == "train")


def test_what_is_another_pace() -> None:
    same, other = [(None, None), (1.0, 1.0), (1.0, 1.9), (1.0, 0.6)], [(None, 1.0), (1.0, None), (1.0, 2.0), (3.0, 1.0)]
    assert not any(_run_line.is_another_pace(*pair) for pair in same)
    assert all(_run_line.is_another_pace(*pair) for pair in other)


@pytest.mark.parametrize(
    ("state", "step", "seconds"),
    [("queued", 0, 3.0), ("running", 0, _training.FIRST_S), ("running", 1, 3.0), ("paused", 0, 3.0), ("done", 0, None)],
)
def test_only_a_run_at_work_on_its_first_step_is_looked_at_often(state, step, seconds, monkeypatch) -> None:
    asked: list[bool] = []
    monkeypatch.setattr(_session, "interval", lambda: asked.append(True) or 3.0)
    run = SimpleNamespace(state=state, step=step, live=state != "done")
    assert _training.pace(run) == seconds  # type: ignore[arg-type]
    assert bool(asked) == run.live
