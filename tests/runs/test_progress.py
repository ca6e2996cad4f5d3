"""What a run says of itself: as much of a long one as a page can hold, and a speed that is true of a branch, too."""

import pytest

from cnnlab.runs import Engine, progress, run
from cnnlab.runs.progress import Progress
from cnnlab.training.events import TrainEvent
from tests.runs.labs import LONG, RECIPE, spec, until


@pytest.fixture
def lab(lab_home):
    found = Engine(slots=2)
    yield found
    found.close()


def step(number, images=20):
    return TrainEvent(number, 1, 0.5, 0.5, images, 0.1)


def test_a_run_that_becomes_longer_notes_more_steps_in_one_event(monkeypatch):
    monkeypatch.setattr(progress, "MAX_TRAIN_EVENTS", 10)
    found, sizes = Progress(steps=10), []
    for number in range(1, 5):
        found.step(step(number), 0.01)
        assert found.group_is_full and found.take_group() is not None
    found.steps = 1000  # as after a change to batches of one image
    for number in range(5, 1001):
        found.step(step(number), 0.01)
        if found.group_is_full:
            sizes.append(len(found._group))
            found.take_group()
    assert set(sizes) == {100}


def test_a_smaller_batch_does_not_make_more_events_than_a_page_can_hold(lab, monkeypatch):
    from cnnlab.health import monitor

    monkeypatch.setattr(progress, "MAX_TRAIN_EVENTS", 20)
    monkeypatch.setattr(monitor, "MOST_LOOKS", 4)
    id = lab.submit(spec(RECIPE.changed(batch_size=400, epochs=4)))  # 4 steps
    lab.command(id, {"do": "pause"})
    until(lambda: lab.snapshot(id).state == "paused")
    lab.command(id, {"do": "change", "batch_size": 2})
    lab.command(id, {"do": "resume"})
    found = lab.wait(id, 60)
    assert found.state == "done" and found.steps >= 600
    kinds = [event["kind"] for event in lab.events(id)]
    assert kinds.count("train") <= 22
    assert kinds.count("health") <= 6 + 4 + 1  # 1, 2, 4, ... 32, then as rarely as in a run of that length


def test_how_fast_a_branch_was_is_told_by_its_own_steps(lab):
    parent = lab.submit(spec(RECIPE.changed(epochs=3)))
    whole = lab.wait(parent, 60)
    assert whole.images_per_s == pytest.approx(60 * 20 / whole.train_s)
    branch = lab.wait(lab.branch(parent, 40), 60)
    assert branch.images_per_s == pytest.approx(20 * 20 / branch.train_s)


def test_how_fast_a_run_was_whose_batches_changed_is_told_by_its_images(lab, monkeypatch):
    taken = []
    take = run.Progress.step
    monkeypatch.setattr(
        run.Progress, "step", lambda self, event, s: (taken.append(event.images), take(self, event, s))[1]
    )
    id = lab.submit(spec(LONG))
    until(lambda: lab.snapshot(id).step > 3)
    lab.command(id, {"do": "change", "batch_size": 100})
    until(lambda: 100 in taken)
    lab.command(id, {"do": "stop"})
    found = lab.wait(id, 60)
    assert found.images_per_s == pytest.approx(sum(taken) / found.train_s)
