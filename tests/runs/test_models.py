"""What is kept of a run's weights: the newest, with what came of it, and never more than fits."""

import threading
import time

import pytest
import torch

from cnnlab.architecture import Architecture
from cnnlab.architecture.layers import Conv2d, Flatten, Linear
from cnnlab.errors import ModelError
from cnnlab.model import Model, ModelRef
from cnnlab.runs import engine, models, resolve, watch
from cnnlab.runs.run import Run
from cnnlab.runs.snapshot import RunSpec
from cnnlab.runs.watch import Watch
from cnnlab.runs.weights import Weights
from cnnlab.training.loop import Training
from cnnlab.training.recipe import Recipe
from tests.runs.labs import until

NET = Architecture(
    name="small",
    input_shape=(1, 28, 28),
    layers=(Conv2d(out_channels=4, kernel_size=5, stride=3), Flatten(), Linear(out_features=10)),
)
RECIPE = Recipe(
    epochs=1, batch_size=20, limit_train=200, precision="float32", memory_format="contiguous", threads=1
)  # fmt: skip


@pytest.fixture
def lab(lab_home, monkeypatch):
    monkeypatch.setattr(models, "_kept", type(models._kept)())
    found = engine()
    yield found
    found.close()


def submit(lab, recipe=RECIPE):
    return lab.submit(RunSpec(architecture=NET, data="mnist", recipe=recipe, owner="ann"))


def before_the_end(monkeypatch, look):
    """Call ``look(id)`` when a run has done its last step and is not over yet; return what it gave, by and by."""
    finish, seen = Run._finish, []

    def looked_at(run, training, state):
        seen.append(look(run.id))
        finish(run, training, state)

    monkeypatch.setattr(Run, "_finish", looked_at)
    return seen


def test_a_finished_run_says_its_test_accuracy_even_if_its_last_step_was_looked_at_before(lab, monkeypatch):
    monkeypatch.setattr(Weights, "due", True)
    seen = before_the_end(monkeypatch, lambda id: resolve(ModelRef(f"run:{id}")))
    id = submit(lab)
    found = lab.wait(id, 60)
    assert found.state == "done"
    assert seen[0].about.result["step"] == found.step and "test_acc" not in seen[0].about.result
    for ref in (ModelRef(f"run:{id}"), ModelRef(f"run:{id}", found.step)):
        assert resolve(ref).about.result["test_acc"] == found.test_acc


def test_of_two_copies_of_a_step_the_later_is_given():
    from cnnlab.runs.weights import Published

    weights = Weights("id")
    first, second = Published(3, None, {}), Published(3, None, {})
    weights.put(first)
    weights.put(second)
    assert weights.get(3, 3, False) is second


def test_the_last_glimpse_is_of_the_final_weights(lab, monkeypatch):
    monkeypatch.setattr(Weights, "due", False)  # as when one step takes longer than anybody waits
    now, watches = [0.0], {}
    seen = before_the_end(monkeypatch, lambda id: watches.setdefault(id, Watch(id, lambda: now[0])).look())
    id = submit(lab)
    found = lab.wait(id, 60)
    now[0] = 10.0
    view, last = seen[0], watches[id].look()
    assert view.snapshot.step == found.step == last.glimpse.step
    assert view.glimpse.step == 0  # what it showed then were the weights of the beginning, and it says so
    final = Model.from_bytes(lab.model(id)).state["conv1.weight"]
    assert torch.equal(torch.from_numpy(last.glimpse.filters), final)
    assert not torch.equal(torch.from_numpy(view.glimpse.filters), final)


def test_a_busy_machine_does_not_make_the_looks_rarer(lab, monkeypatch):
    """A look that waits for others for a minute and works for milliseconds is no reason to wait long for the next."""
    now, look = [0.0], watch.glimpse

    def held_up(*args):
        now[0] += 60.0
        return look(*args)

    monkeypatch.setattr(watch, "glimpse", held_up)
    id = submit(lab, RECIPE.changed(epochs=200, limit_train=2000))
    watcher, end = Watch(id, lambda: now[0]), time.monotonic() + 60
    while (first := watcher.look().glimpse) is None or lab.model_step(id) == first.step:
        assert time.monotonic() < end
        now[0] += 1.0
    now[0] += 600.0  # half of what the hold-up alone would ask for; the first look of a process works for seconds
    assert watcher.look().glimpse.step > first.step
    lab.command(id, {"do": "stop"})
    lab.wait(id, 60)


def test_a_run_that_validates_for_long_shows_its_newest_weights(lab, monkeypatch):
    """It takes no step and says nothing new, but when the next look is due there are newer weights than shown."""
    now, watchers = [0.0], {}
    validates, go_on = threading.Event(), threading.Event()
    learn, validate = Training._train_step, Training._validate

    def learned(training):
        event = learn(training)
        if event.step == 3:
            run = lab.list()[0].id
            watchers[run] = Watch(run, lambda: now[0])
            watchers[run].look()
        return event

    def validated(training, whole):
        if whole:
            validates.set()
            assert go_on.wait(60)
        yield from validate(training, whole)

    monkeypatch.setattr(Weights, "due", True)
    monkeypatch.setattr(Training, "_train_step", learned)
    monkeypatch.setattr(Training, "_validate", validated)
    id = submit(lab)
    assert validates.wait(60)
    until(lambda: lab.snapshot(id).step == 10)
    now[0] = 0.5
    early = watchers[id].look()
    assert early.snapshot.step == 10 and early.glimpse.step < 4
    now[0] = 1000.0
    late = watchers[id].look()
    assert late.snapshot == early.snapshot and late.glimpse.step == 10
    go_on.set()
    lab.wait(id, 60)


def test_a_run_that_ends_while_all_are_listed_is_listed_as_over(lab, monkeypatch):
    id, read = submit(lab), lab._store.all

    def slow():
        found = read()
        lab.wait(id, 60)
        until(lambda: lab._crew.get(id) is None)
        return found

    monkeypatch.setattr(lab._store, "all", slow)
    assert [run.state for run in lab.list()] == ["done"]


def test_a_glimpse_keeps_no_data_set(lab):
    id = submit(lab)
    lab.wait(id, 60)
    images = Watch(id).look().glimpse.images
    assert images.base is None


def test_a_watched_run_keeps_its_newest_model_only(lab):
    id = submit(lab, RECIPE.changed(epochs=200, limit_train=2000))
    steps, end = set(), time.monotonic() + 60
    while len(steps) < 3:
        assert time.monotonic() < end
        if lab.snapshot(id).has_model:
            steps.add(resolve(ModelRef(f"run:{id}")).about.result["step"])
    assert [key[1] for key in models._kept if key[0] == f"run:{id}"] == [(max(steps), False)]
    lab.command(id, {"do": "stop"})
    found = lab.wait(id, 60)
    resolve(ModelRef(f"run:{id}"))
    assert list(models._kept) == [(f"run:{id}", (found.step, True))]


def test_models_are_kept_up_to_so_many_bytes(lab, monkeypatch):
    names = ("bundled:mnist-sprint", "bundled:article-003-keras", "bundled:article-000-lenet5")
    sizes = [models._size(resolve(ModelRef(name))) for name in names]
    assert len(models._kept) == 3
    monkeypatch.setattr(models, "_kept", type(models._kept)())
    monkeypatch.setattr(models, "MOST_BYTES", sum(sizes[1:]))
    kept = [resolve(ModelRef(name)) for name in names]
    assert list(models._kept.values()) == kept[1:]
    monkeypatch.setattr(models, "MOST_BYTES", 1)
    last = resolve(ModelRef(names[0]))
    assert list(models._kept.values()) == [last]  # one is kept, however large: it is in use
    assert resolve(ModelRef(names[0])) is last


def test_a_name_that_is_none_is_answered_with_the_names_there_are():
    with pytest.raises(ModelError, match="nothere: no such model; a model is one of .*mnist-sprint"):
        models.named("nothere")
