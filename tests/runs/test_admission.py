"""Who begins next, what fits, and how long the others wait; then the same with real runs."""

import pytest

from cnnlab.architecture import Architecture
from cnnlab.architecture.layers import Flatten, Linear
from cnnlab.errors import BudgetError, RunError
from cnnlab.runs import Engine, Limits, limits, set_limits
from cnnlab.runs.admission import (
    Applicant,
    Room,
    capacity_bytes,
    check_fits,
    need_bytes,
    seconds_left,
    usual_speed,
)
from tests.runs.labs import LONG, NET, RECIPE, spec, until

GB = 10**9


def waits(id, owner, number, need=0, begun=False):
    return Applicant(id, owner, number, None, need, begun)


def works(id, owner, turn, need=0):
    return Applicant(id, owner, None, turn, need)


def paused(id, need):
    return Applicant(id, "x", None, None, need)


def room(*runs, turns=None, count=2, capacity=GB):
    return Room(runs, turns or {}, count, capacity)


def test_the_wait_is_that_of_the_runs_that_begin_before() -> None:
    runs = [
        works("a", "ann", 1),
        works("b", "bob", 2),
        waits("a2", "ann", 1),
        waits("a3", "ann", 2),
        waits("c", "cat", 3),
    ]
    left = {"a": 10.0, "b": 30.0, "c": 5.0, "a2": 7.0, "a3": 100.0}
    places = room(*runs, turns={"ann": 1, "bob": 2}).places(left.__getitem__)
    # cat has no slot: hers is the first, at 10 s; she is done at 15 s, and ann, who has none by then, goes on
    assert [(p.id, p.position, p.wait_s) for p in places] == [("c", 0, 10.0), ("a2", 1, 15.0), ("a3", 2, 22.0)]
    assert not any(p.for_memory for p in places)


def test_what_nobody_knows_is_not_made_up() -> None:
    places = room(works("a", "ann", 1), waits("b", "bob", 1), waits("c", "cat", 2), count=1).places(
        lambda id: {"a": 4.0}.get(id)
    )
    assert [(p.id, p.wait_s) for p in places] == [("b", 4.0), ("c", None)]


def test_a_run_that_does_not_fit_waits_and_is_not_passed_by() -> None:
    """Else small runs, one after the other, would keep it waiting for ever."""
    busy = [works("a", "ann", 1, need=600), waits("big", "bob", 1, need=700), waits("small", "cat", 2, need=100)]
    now = room(*busy, capacity=1000)
    assert now.next() is None
    assert [(p.id, p.wait_s, p.for_memory) for p in now.places(lambda id: {"a": 9.0}.get(id, 1.0))] == [
        ("big", 9.0, True),
        ("small", 9.0, True),
    ]


def test_paused_runs_in_the_way_of_one_do_not_hold_up_the_others() -> None:
    now = room(paused("p", 600), waits("big", "bob", 1, need=700), waits("small", "cat", 2, need=100), capacity=1000)
    first = now.next()
    assert first is not None and first.id == "small"
    places = now.places(lambda _id: 1.0)
    assert [(p.id, p.wait_s) for p in places] == [("small", 0.0), ("big", None)]
    assert places[1].for_memory


def test_a_run_that_goes_on_holds_its_memory_already() -> None:
    full = room(works("a", "ann", 1, need=600), waits("b", "bob", 1, need=400, begun=True), capacity=1000)
    first = full.next()
    assert first is not None and first.id == "b"
    assert room(waits("b", "bob", 1, need=2000), capacity=1000).next() is not None  # alone it may try


def test_what_never_fits_is_refused_with_the_numbers() -> None:
    wide = Architecture(
        name="wide", input_shape=(1, 28, 28), layers=(Flatten(), Linear(out_features=20_000), Linear(out_features=10))
    )
    need = need_bytes(wide, RECIPE)
    assert need > 14 * 4 * 15_000_000
    assert check_fits(wide, RECIPE, need) == need
    with pytest.raises(BudgetError) as error:
        check_fits(wide, RECIPE, 500_000_000)
    assert f"{round(need / 1e6):,} MB" in str(error.value) and "500 MB" in str(error.value)


def test_the_memory_that_may_be_used(monkeypatch) -> None:
    monkeypatch.delenv("CNNLAB_MEMORY_MB", raising=False)
    assert capacity_bytes() >= 256_000_000
    monkeypatch.setenv("CNNLAB_MEMORY_MB", "300")
    assert capacity_bytes() == 300_000_000
    for wrong in ("0", "much", "-1", "1.5"):
        monkeypatch.setenv("CNNLAB_MEMORY_MB", wrong)
        with pytest.raises(RunError, match="CNNLAB_MEMORY_MB"):
            capacity_bytes()


@pytest.fixture
def lab(lab_home):
    made = []

    def make(**options):
        made.append(Engine(**options))
        return made[-1]

    yield make
    for found in made:
        found.close()


def test_a_run_waits_for_memory_and_begins_when_there_is_some(lab) -> None:
    need = need_bytes(NET, LONG)
    found = lab(slots=2, memory=int(1.5 * need))
    first, second = found.submit(spec(LONG)), found.submit(spec(LONG, owner="bob"))
    until(lambda: found.snapshot(first).step > 0)
    (place,) = found.queue()
    assert (place.id, place.position, place.for_memory) == (second, 0, True)
    assert found.position(second) == 0 and found.position(first) is None
    assert found.snapshot(second).state == "queued"
    found.command(first, {"do": "pause"})
    until(lambda: found.snapshot(first).state == "paused")
    assert found.snapshot(second).state == "queued"  # what is paused keeps its memory
    found.command(first, {"do": "stop"})
    until(lambda: found.snapshot(second).step > 0)
    with pytest.raises(BudgetError, match="MB"):
        found.command(second, {"do": "change", "batch_size": 100_000})


def test_a_paused_run_goes_on_though_another_one_waits_for_memory(lab) -> None:
    need = need_bytes(NET, LONG)
    found = lab(slots=2, memory=int(1.5 * need))
    first, second = found.submit(spec(LONG)), found.submit(spec(LONG, owner="bob"))
    until(lambda: found.snapshot(first).step > 0)
    found.command(first, {"do": "pause"})
    until(lambda: found.snapshot(first).state == "paused")
    found.command(first, {"do": "resume"})
    until(lambda: found.snapshot(first).state == "running")
    assert found.snapshot(second).state == "queued"


def test_what_never_fits_leaves_no_run_behind(lab) -> None:
    found = lab(slots=1, memory=1_000_000)
    with pytest.raises(BudgetError, match="1 MB here"):
        found.submit(spec())
    assert found.list() == []


def test_the_wait_is_expected_from_what_was_seen(lab) -> None:
    found = lab(slots=1)
    first = found.submit(spec(LONG))
    second = found.submit(spec(LONG, owner="bob"))
    third = found.submit(spec(LONG, owner="cat"))
    until(lambda: found.snapshot(first).time_left_s)
    places = until(lambda: (w := found.queue()) and all(place.wait_s for place in w) and w)
    assert [place.id for place in places] == [second, third]
    assert 0 < places[0].wait_s < places[1].wait_s
    seen = found.snapshot(first)
    speed = usual_speed([seen])
    assert seconds_left(found.snapshot(second), speed) == pytest.approx(
        seen.steps * LONG.batch_size / seen.images_per_s
    )
    assert seconds_left(found.snapshot(second), None) is None


def test_a_learner_has_no_more_live_runs_than_the_teacher_allows(lab) -> None:
    set_limits(Limits(live_runs=2))
    found = lab(slots=1)
    ids = [found.submit(spec(LONG)) for _n in range(2)]
    with pytest.raises(BudgetError, match="no more than 2 of your runs"):
        found.submit(spec(LONG))
    assert len(found.list()) == 2
    found.submit(spec(LONG, owner="bob"))  # each has their own
    found.submit(spec(LONG, owner=""))
    found.command(ids[1], {"do": "stop"})
    until(lambda: not found.snapshot(ids[1]).live)
    third = found.submit(spec(LONG))
    found.command(third, {"do": "stop"})
    until(lambda: not found.snapshot(third).live)
    set_limits(Limits(live_runs=1))
    until(lambda: found.snapshot(ids[0]).step > 0)
    for begin in (lambda: found.resume(third), lambda: found.branch(ids[0], 0)):
        with pytest.raises(BudgetError, match="no more than 1 of your runs"):
            begin()


def test_the_limits_last_and_a_damaged_file_is_the_default(lab_home) -> None:
    assert limits() == Limits()
    set_limits(Limits(live_runs=3))
    assert limits().live_runs == 3
    for damage in ("{", '{"live_runs": 0}', "[]"):
        (lab_home / "class.json").write_text(damage)
        assert limits() == Limits()


BIG = LONG.changed(limit_train=None, full_train=True)


def test_no_batch_is_larger_than_there_are_images() -> None:
    few = need_bytes(NET, RECIPE.changed(batch_size=4096, limit_train=None), 300)
    assert few == need_bytes(NET, RECIPE.changed(batch_size=300, limit_train=None))
    assert few == need_bytes(NET, RECIPE.changed(batch_size=4096, limit_train=300))
    assert few < need_bytes(NET, RECIPE.changed(batch_size=4096, limit_train=None))


def test_the_wait_for_a_run_counts_each_image_once(lab) -> None:
    found = lab(slots=1)
    first = found.submit(spec(LONG))
    second = found.submit(spec(LONG.changed(batch_size=4096, epochs=3), owner="bob"))
    waits = found.snapshot(second)
    assert (waits.images, waits.steps) == (2000, 3)
    assert seconds_left(waits, 1e9) == pytest.approx(3 * 2000 * NET.trace().macs / 1e9)
    found.command(first, {"do": "stop"})


def test_a_small_run_with_a_large_batch_size_is_let_in(lab) -> None:
    recipe = RECIPE.changed(batch_size=4096, limit_train=None, epochs=1)
    found = lab(slots=1, memory=need_bytes(NET, recipe, 900) + 1)
    with pytest.raises(BudgetError):
        found.submit(spec(recipe))  # 5 400 images: a batch of 4 096
    id = found.submit(spec(recipe.changed(limit_train=900)))
    assert found.wait(id, 60).state == "done"


def test_a_live_change_of_the_batch_size_counts_from_then_on(lab) -> None:
    need, larger = need_bytes(NET, BIG), need_bytes(NET, BIG.changed(batch_size=4000))
    found = lab(slots=3, memory=larger + need // 2)
    first, second = found.submit(spec(BIG)), found.submit(spec(BIG, owner="bob"))
    until(lambda: found.snapshot(first).step > 0 and found.snapshot(second).step > 0)
    with pytest.raises(BudgetError, match="the other runs take"):
        found.command(first, {"do": "change", "batch_size": 4000})
    found.command(first, {"do": "change", "batch_size": 10})  # less is always allowed
    found.command(second, {"do": "stop"})
    until(lambda: not found.snapshot(second).live)
    found.command(first, {"do": "change", "batch_size": 4000})
    until(lambda: found.snapshot(first).recipe_now.batch_size == 4000)
    until(lambda: found._store.snapshot(first).recipe_now.batch_size == 4000)
    third = found.submit(spec(BIG, owner="cat"))
    places = until(lambda: found._slots.places(lambda _id: None))
    assert [(place.id, place.for_memory) for place in places] == [(third, True)]


def test_each_share_of_a_batch_has_a_gradient() -> None:
    free = Architecture(input_shape=(1, 28, 28), layers=(Flatten(), Linear(out_features=10)))
    one, four = (need_bytes(free, LONG.changed(batch_size=64, threads=n)) for n in (1, 4))
    assert four - one == 3 * 4 * free.trace().num_params
