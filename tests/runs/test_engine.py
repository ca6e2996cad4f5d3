"""The engine's contract: ids and serialisable values in, frozen snapshots and deltas out."""

import json
import time
from dataclasses import FrozenInstanceError, asdict

import pytest
import torch

from cnnlab.architecture import Architecture
from cnnlab.architecture.layers import BatchNorm2d, Conv2d, Flatten, Linear, ReLU
from cnnlab.errors import ArchitectureError, DataError, ModelError, NotAllowedError, RunError
from cnnlab.model import Model, ModelRef
from cnnlab.runs import machine, models, progress, resolve
from cnnlab.runs.engine import Engine, engine
from cnnlab.runs.snapshot import RunSpec
from cnnlab.runs.tables import RunRow
from cnnlab.training.recipe import Recipe

NET = Architecture(
    name="small",
    input_shape=(1, 28, 28),
    layers=(Conv2d(out_channels=4, kernel_size=5, stride=3), BatchNorm2d(), ReLU(), Flatten(), Linear(out_features=10)),
)
RECIPE = Recipe(
    epochs=1, batch_size=20, limit_train=200, precision="float32", memory_format="contiguous", threads=1
)  # fmt: skip
LONG = RECIPE.changed(epochs=200, limit_train=2000)
DEADLINE_S = 60.0


def spec(recipe=RECIPE, owner="ann", **fields):
    return RunSpec(**{"architecture": NET, "data": "mnist", "recipe": recipe, "owner": owner, **fields})


@pytest.fixture
def lab(lab_home):
    found = engine()
    yield found
    found.close()


def until(condition, deadline_s=DEADLINE_S):
    end = time.monotonic() + deadline_s
    while not (found := condition()):
        assert time.monotonic() < end, "not within the deadline"
        time.sleep(0.002)
    return found


def at_step(lab, id, step):
    return until(lambda: lab.snapshot(id).step >= step and lab.snapshot(id))


def done(lab, id):
    found = lab.wait(id, DEADLINE_S)
    assert not found.live
    return found


def test_a_run_from_submit_to_its_model(lab, lab_home):
    id = lab.submit(spec(name="my first"))
    first = lab.snapshot(id)
    assert first.steps == 10 and first.live
    found = done(lab, id)
    assert (found.state, found.step, found.epoch, found.epochs) == ("done", 10, 1, 1)
    assert (found.name, found.net, found.data, found.owner) == ("my first", "small", "mnist", "ann")
    assert found.error is None and found.time_left_s is None
    assert found.images_per_s > 0 and found.train_s > 0
    path = lab_home / "runs" / id / "model.safetensors"
    model = Model.load(path)
    assert model.about.result["test_acc"] == found.test_acc
    assert model.about.data_hash == found.data_hash
    assert Recipe.of(model.about.recipe) == found.recipe == RECIPE
    assert found.architecture == NET
    assert lab.model(id) == path.read_bytes()


def test_events_are_numbered_json_and_come_as_deltas(lab):
    id = lab.submit(spec())
    done(lab, id)
    events = lab.events(id)
    assert json.loads(json.dumps(events)) == events
    assert [event["n"] for event in events] == list(range(1, len(events) + 1))
    assert lab.events(id, since=7) == events[7:]
    assert lab.events(id, since=len(events)) == []
    assert [event["step"] for event in events if event["kind"] == "train"] == list(range(1, 11))
    assert [event["state"] for event in events if event["kind"] == "state"] == ["queued", "running", "done"]
    vals = [event for event in events if event["kind"] == "val"]
    assert all({"step", "loss", "acc", "whole", "split"} <= event.keys() for event in vals)
    assert vals[-1]["whole"]
    assert [event["step"] for event in events if event["kind"] == "test"] == [10]


def test_what_goes_in_and_out_is_serialisable_and_frozen(lab):
    asked = spec()
    assert RunSpec.model_validate_json(asked.model_dump_json()) == asked
    id = lab.submit(asked)
    found = done(lab, id)
    values = {**asdict(found), "recipe": found.recipe.model_dump(mode="json")}
    assert json.loads(json.dumps(values, default=str))["id"] == id
    with pytest.raises(FrozenInstanceError):
        found.step = 3


def test_pause_and_resume_change_no_bit(lab):
    plain = lab.submit(spec(LONG.changed(epochs=1)))
    done(lab, plain)
    id = lab.submit(spec(LONG.changed(epochs=1)))
    at_step(lab, id, 1)
    lab.command(id, {"do": "pause"})
    paused = until(lambda: lab.snapshot(id).state == "paused" and lab.snapshot(id))
    assert 0 < paused.step < paused.steps
    torch.rand(5)
    assert lab.snapshot(id).step == paused.step
    lab.command(id, {"do": "resume"})
    done(lab, id)
    first, second = Model.from_bytes(lab.model(plain)), Model.from_bytes(lab.model(id))
    assert all(torch.equal(first.state[name], second.state[name]) for name in first.state)
    curves = [[event for event in lab.events(run) if event["kind"] in ("val", "test")] for run in (plain, id)]
    assert [{**event, "n": 0} for event in curves[0]] == [{**event, "n": 0} for event in curves[1]]
    log = [(event["do"], event["step"]) for event in lab.events(id) if event["kind"] == "command"]
    assert log == [("pause", paused.step), ("resume", paused.step)]


def test_a_stopped_run_keeps_its_weights_and_is_not_tested(lab):
    id = lab.submit(spec(LONG))
    at_step(lab, id, 2)
    lab.command(id, {"do": "stop"})
    found = done(lab, id)
    assert found.state == "stopped" and found.test_acc is None and found.has_model
    assert Model.from_bytes(lab.model(id)).about.result["step"] == found.step
    with pytest.raises(RunError, match=r"this run is over \(stopped\); resume it"):
        lab.command(id, {"do": "resume"})


def test_a_paused_run_can_be_stopped_and_gives_its_slot_to_others(lab_home):
    lab = Engine(slots=1)
    try:
        first = lab.submit(spec(LONG))
        at_step(lab, first, 1)
        second = lab.submit(spec())
        assert lab.snapshot(second).state == "queued"
        lab.command(first, {"do": "pause"})
        assert done(lab, second).state == "done"
        assert lab.snapshot(first).state == "paused"
        lab.command(first, {"do": "stop"})
        assert done(lab, first).state == "stopped"
    finally:
        lab.close()


def test_a_queue_is_first_come_first_served_and_can_be_left(lab_home):
    lab = Engine(slots=1)
    try:
        first = lab.submit(spec(LONG))
        waiting = [lab.submit(spec()) for _ in range(3)]
        lab.command(waiting[0], {"do": "stop"})
        assert lab.snapshot(waiting[0]).state == "stopped" and lab.snapshot(waiting[0]).step == 0
        lab.command(first, {"do": "stop"})
        done(lab, waiting[2])
        assert lab.snapshot(waiting[1]).state == "done"
    finally:
        lab.close()


def test_a_run_whose_loss_is_no_number_fails_with_a_sentence_and_the_next_one_goes_on(lab):
    flat = Architecture(input_shape=(1, 28, 28), layers=(Flatten(), Linear(out_features=10)))
    wild = RECIPE.changed(optimizer="sgd", lr=10, loss="mse", epochs=20)
    found = done(lab, lab.submit(spec(wild, architecture=flat)))
    assert found.state == "failed"
    assert "Try a smaller learning rate" in str(found.error)
    assert "学习率" in found.error.text("zh_CN")
    with pytest.raises(RunError, match="has left no weights"):
        lab.model(found.id)
    assert done(lab, lab.submit(spec())).state == "done"


@pytest.mark.parametrize(
    ("raised", "told"),
    [
        (
            RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"),
            "use a smaller batch size, for example 5",
        ),
        (MemoryError(), "use a smaller batch size"),
    ],
)
def test_a_run_without_memory_says_what_to_change(lab, monkeypatch, raised, told):
    from cnnlab.training import loop

    def no_memory(*_args):
        raise raised

    monkeypatch.setattr(loop.Training, "learn", no_memory)
    found = done(lab, lab.submit(spec()))
    assert found.state == "failed"
    assert told in str(found.error)


def test_bad_input_is_refused_at_submit_and_leaves_nothing(lab):
    with pytest.raises(DataError):
        lab.submit(spec(data="no such data"))
    with pytest.raises(ArchitectureError):
        lab.submit(spec(architecture=NET.replace(4, Linear(out_features=3))))
    assert lab.list() == []


@pytest.mark.parametrize("id", ["", "..", "0123456789abcdef", "../../etc", "x" * 1000])
def test_an_unknown_run_is_one_sentence(lab, id):
    for ask in (lab.snapshot, lab.events, lab.model, lab.delete, lambda id: lab.command(id, {"do": "stop"})):
        with pytest.raises(RunError, match="there is no run"):
            ask(id)


@pytest.mark.parametrize("change", [{}, {"do": "fly"}, {"do": None}, {"do": "stop", "lr": 1}, {"lr": 1}])
def test_an_unknown_command_is_one_sentence(lab, change):
    id = lab.submit(spec())
    with pytest.raises(RunError, match="pause, resume, stop"):
        lab.command(id, change)


def test_owners_do_not_touch_each_others_runs(lab):
    hers, his = lab.submit(spec(owner="ann")), lab.submit(spec(owner="bob"))
    assert [found.id for found in lab.list("ann")] == [hers]
    assert {found.id for found in lab.list()} == {hers, his}
    for act in (lambda: lab.command(hers, {"do": "stop"}, owner="bob"), lambda: lab.delete(hers, owner="bob")):
        with pytest.raises(NotAllowedError):
            act()
    done(lab, hers)
    lab.delete(hers, owner="ann")
    assert [found.id for found in lab.list()] == [his]


def test_a_live_run_can_be_deleted(lab, lab_home):
    id = lab.submit(spec(LONG))
    at_step(lab, id, 1)
    lab.delete(id, owner="ann")
    assert lab.list() == []
    assert not (lab_home / "runs" / id).exists()


def test_a_look_into_a_live_run_is_quick_and_does_not_follow_it(lab, monkeypatch):
    from cnnlab.training import loop

    step = loop.Training.learn

    def slow(*args):
        deadline = time.perf_counter() + 0.3
        while time.perf_counter() < deadline:
            time.sleep(0.01)
        return step(*args)

    monkeypatch.setattr(loop.Training, "learn", slow)
    id = lab.submit(spec(LONG))
    at_step(lab, id, 1)
    times = []
    for _ in range(4):
        began = time.perf_counter()
        lab.model_step(id)
        times.append(time.perf_counter() - began)
    assert min(times) < 0.1  # a step takes 0.3 s: it was not waited for
    ref = ModelRef(f"run:{id}")
    model = resolve(ref)
    kept = {name: value.clone() for name, value in model.state.items()}
    later = until(lambda: (found := resolve(ref)).about.result["step"] > model.about.result["step"] and found)
    assert all(torch.equal(model.state[name], kept[name]) for name in kept)
    assert not torch.equal(later.state["fc1.weight"], kept["fc1.weight"])
    with pytest.raises(RunError, match="has kept no weights of step 999999"):
        lab.model(id, 999999)


def test_resolve_gives_the_same_object_until_what_it_names_changes(lab, lab_home, tmp_path):
    id = lab.submit(spec())
    found = done(lab, id)
    ref = ModelRef(f"run:{id}")
    last = ModelRef(f"run:{id}", found.step)
    assert resolve(ref) is resolve(ref) and resolve(last) is resolve(last)
    for name, tensor in resolve(ref).state.items():
        assert torch.equal(tensor, resolve(last).state[name])
    path = tmp_path / "a.safetensors"
    path.write_bytes(lab.model(id))
    first = resolve(ModelRef(f"file:{path}"))
    assert resolve(ModelRef(f"file:{path}")) is first
    Model.from_bytes(lab.model(done(lab, lab.submit(spec(RECIPE.changed(seed=1), name="longer name"))).id)).save(path)
    assert resolve(ModelRef(f"file:{path}")) is not first
    for wrong in (ModelRef(f"file:{tmp_path / 'none'}"), ModelRef("bundled:none")):
        with pytest.raises(ModelError):
            resolve(wrong)
    assert len(models._kept) <= models.MOST_KEPT


def test_runs_are_listed_after_a_restart_and_a_damaged_record_can_only_be_deleted(lab_home):
    lab = engine()
    id = lab.submit(spec(name="kept"))
    before = done(lab, id)
    events = lab.events(id)
    broken = lab.submit(spec())
    done(lab, broken)
    lab.close()
    again = engine()
    assert again is not lab
    with again._store.database.write() as session:
        session.get(RunRow, broken).snapshot = {"id": broken}
        session.get(RunRow, broken).version += 1
    assert again.list("ann") == [before] == [again.snapshot(id)]
    assert again.events(id) == events
    assert Model.from_bytes(again.model(id)).architecture == NET
    with pytest.raises(RunError, match="damaged"):
        again.delete(broken, owner="ann")
    again.delete(broken)
    with pytest.raises(RunError, match="there is no run"):
        again.snapshot(broken)
    again.close()


def test_closing_interrupts_what_is_live_and_it_can_go_on(lab_home):
    lab = Engine(slots=1)
    running, waiting = lab.submit(spec(LONG)), lab.submit(spec())
    at_step(lab, running, 1)
    lab.close()
    again = Engine()
    found = again.snapshot(running)
    assert found.state == again.snapshot(waiting).state == "interrupted"
    assert "resume it" in str(found.error) and found.error.text("zh_CN") != str(found.error)
    assert Model.from_bytes(again.model(running)).about.result["step"] == found.step > 0
    with pytest.raises(RunError, match="closing"):
        lab.submit(spec())
    again.resume(waiting)
    assert done(again, waiting).state == "done"
    again.close()


def test_two_engines_on_one_store_see_each_others_runs_and_tell_them_what_to_do(lab_home):
    lab, other = Engine(), Engine()
    try:
        id = lab.submit(spec(LONG))
        at_step(lab, id, 1)
        assert other.snapshot(id).live
        other.command(id, {"do": "pause"})
        until(lambda: other.snapshot(id).state == "paused")
        assert lab.snapshot(id).state == "paused"
        until(lambda: other.model_step(id) == other.checkpoints(id)[-1].step == lab.snapshot(id).step)
        assert Model.from_bytes(other.model(id)).architecture == NET
        until(lambda: other.events(id) == lab.events(id))
        other.delete(id)
        assert lab.list() == other.list() == []
    finally:
        lab.close()
        other.close()


def test_a_long_run_notes_the_mean_of_several_steps(lab, monkeypatch):
    plain = lab.submit(spec())
    done(lab, plain)
    monkeypatch.setattr(progress, "MAX_TRAIN_EVENTS", 4)
    id = lab.submit(spec())
    done(lab, id)
    plain_events = {event["step"]: event for event in lab.events(plain) if event["kind"] == "train"}
    grouped = [event for event in lab.events(id) if event["kind"] == "train"]
    assert [event["step"] for event in grouped] == [3, 6, 9, 10]
    steps = [0, 3, 6, 9]
    for begin, event in zip(steps, grouped):
        part = [plain_events[step]["loss"] for step in range(begin + 1, event["step"] + 1)]
        assert event["loss"] == pytest.approx(sum(part) / len(part))


def test_what_is_left_to_the_machine_is_fixed_at_submit_and_written_into_the_recipe(lab, lab_home):
    auto = RECIPE.changed(precision="auto", memory_format="auto", threads=0)
    ids = [lab.submit(spec(auto)) for _ in range(2)]
    recipes = [done(lab, id).recipe for id in ids]
    assert recipes[0] == recipes[1]
    assert recipes[0].precision in ("float32", "bfloat16")
    assert recipes[0].memory_format in ("contiguous", "channels_last")
    assert 1 <= recipes[0].threads <= machine.cores()
    kept = json.loads((lab_home / "machine.json").read_bytes())
    assert (kept["precision"], kept["memory_format"]) == (recipes[0].precision, recipes[0].memory_format)


def test_the_machine_is_timed_once(lab_home, monkeypatch):
    calls = []
    monkeypatch.setattr(machine, "_measure", lambda: calls.append(1) or {
        "machine": machine.signature(), "precision": "float32", "memory_format": "contiguous", "threads": 1
    })  # fmt: skip
    first = machine.timings()
    assert machine.timings() == first and calls == [1]
    (lab_home / "machine.json").write_text("{")
    machine.timings()
    (lab_home / "machine.json").write_text(json.dumps({**first, "machine": {}}))
    machine.timings()
    assert calls == [1, 1, 1]
