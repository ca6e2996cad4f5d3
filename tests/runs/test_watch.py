"""All who watch a run share one view; its curves are thinned, and smoothed as the formula says."""

import numpy as np
import pytest

from cnnlab.runs import RunSpec
from cnnlab.runs import watch as module
from cnnlab.runs.engine import Engine
from cnnlab.runs.watch import BINS, Curves, Watch, watch


def events(steps: int) -> list[dict[str, object]]:
    return [{"n": i, "kind": "train", "step": i, "loss": 3.0 / i, "acc": i / steps} for i in range(1, steps + 1)]


@pytest.mark.parametrize("steps", [1, 5, BINS, BINS + 1, 5000])
def test_curves_keep_every_step_in_few_points(steps: int) -> None:
    curves = Curves(steps)
    for event in events(steps):
        curves.extend([event])
    points = curves.train()
    assert len(points) <= BINS
    assert points[-1, 0] == steps
    assert (np.diff(points[:, 0]) > 0).all()
    width = -(-steps // BINS)
    assert points[0, 1] == pytest.approx(np.mean([3.0 / i for i in range(1, min(width, steps) + 1)]))


def test_smoothing_is_the_corrected_moving_average() -> None:
    steps = 1000
    curves = Curves(steps)
    curves.extend(events(steps))
    mean, expected = 0.0, []
    for i in range(1, steps + 1):
        mean = 0.95 * mean + 0.05 * (i / steps)
        expected.append(mean / (1 - 0.95**i))
    points = curves.train()
    assert np.allclose(points[:, 4], [expected[int(s) - 1] for s in points[:, 0]])


def test_a_loss_that_is_no_number_does_not_break_the_curve() -> None:
    curves = Curves(3)
    curves.extend(
        [{"kind": "train", "step": 1, "loss": float("nan"), "acc": 0.1}, {"kind": "state", "state": "failed"}]
    )
    assert len(curves.train()) == 1 and np.isnan(curves.train()[0, 1])


@pytest.fixture
def finished(lab_home, monkeypatch: pytest.MonkeyPatch):  # type: ignore[no-untyped-def]
    """Return the id of a short real run, in an engine of its own."""
    from cnnlab.architecture.presets import PRESETS
    from cnnlab.runs import models
    from cnnlab.training.recipe import Recipe

    engine = Engine(slots=1)
    monkeypatch.setattr(module, "engine", lambda: engine)
    monkeypatch.setattr(models, "engine", lambda: engine)
    recipe = Recipe(epochs=1, batch_size=32, lr=0.003, limit_train=320, threads=1, precision="float32")
    id = engine.submit(
        RunSpec(architecture=PRESETS["mnist-sprint"].architecture, data="mnist", recipe=recipe, owner="me")
    )
    assert engine.wait(id, 120).state == "done"
    yield id
    engine.close()


def test_a_finished_run_is_seen_whole(finished: str) -> None:
    view = Watch(finished).look()
    assert view.snapshot.state == "done"
    assert view.train[-1, 0] == view.steps == view.snapshot.steps
    assert view.val and view.test is not None and view.test[1] == view.snapshot.test_acc
    glimpse = view.glimpse
    assert glimpse is not None and glimpse.step == view.steps
    assert glimpse.filters is not None and glimpse.filters.shape == (16, 1, 5, 5)
    assert glimpse.images.shape == (16, 1, 28, 28)
    assert len(glimpse.targets) == len(glimpse.predictions) == len(glimpse.probs) == 16
    assert glimpse.targets[:3] == (7, 2, 1)


def test_watchers_share_one_view(finished: str) -> None:
    now = [0.0]
    one = Watch(finished, lambda: now[0])
    first = one.look()
    assert one.look() is first
    now[0] = 10.0
    assert one.look() is first  # nothing new happened
    made = []
    for _watcher in range(30):
        first.shared("key", lambda: made.append(1) or "text")
    assert len(made) == 1
    assert watch(finished) is watch(finished)
