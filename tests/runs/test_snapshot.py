"""What a run keeps where it goes on or branches, and what is then as before it began."""

from dataclasses import fields, replace

import pytest

from cnnlab.i18n import Message
from cnnlab.runs import Engine, Snapshot, moments
from cnnlab.runs.snapshot import BLANK, IDENTITY, KEPT_BY_BRANCH, KEPT_BY_RESUME
from tests.runs.labs import LONG, NET, RECIPE, spec, until


@pytest.fixture
def lab(lab_home):
    found = Engine(slots=1)
    yield found
    found.close()


SPENT = Snapshot(
    id="0" * 16, name="old", owner="ann", state="stopped", net="small", data="mnist", data_hash="1", step=7, steps=9,
    epoch=1, epochs=2, images_per_s=5.0, train_s=3.0, time_left_s=1.0, train_loss=0.1, train_acc=0.2, val_loss=0.3,
    val_acc=0.4, test_loss=0.5, test_acc=0.6, error=Message("x"), recipe=RECIPE, architecture_key=NET.key, created=1.0,
    events=3, has_model=True, parent="1" * 16, parent_step=2, notes="n", chosen_step=4,
    changes=({"step": 1, "change": {"lr": 0.1}},), rate=2.0, resumed=3, warning=Message("y"), held_by="teacher",
)  # fmt: skip


def test_each_field_says_either_what_a_run_is_or_what_it_has_come_to():
    """A field that is added must be named in one of the two, so that no branch and no resume takes it over unseen."""
    names = {field.name for field in fields(Snapshot)}
    assert names == IDENTITY | BLANK.keys() and not IDENTITY & BLANK.keys()
    assert BLANK.keys() > KEPT_BY_RESUME and IDENTITY > KEPT_BY_BRANCH
    assert all(vars(SPENT)[name] != value for name, value in BLANK.items())  # else the next test sees nothing


def test_a_run_that_goes_on_keeps_what_is_named_and_no_more():
    again = replace(SPENT, **moments.standing_again(SPENT, 5))
    kept = {name for name, value in vars(SPENT).items() if getattr(again, name) == value}
    assert kept == IDENTITY | KEPT_BY_RESUME
    assert (again.step, again.resumed) == (5, 4)
    reset = BLANK.keys() - KEPT_BY_RESUME - {"step", "resumed"}
    assert {name: getattr(again, name) for name in reset} == {name: BLANK[name] for name in reset}


def test_slow_motion_ends_with_the_run(lab):
    """Whoever shows or reckons with a pace that nobody keeps any more is wrong by hours."""
    id = lab.submit(spec(LONG))
    lab.command(id, {"do": "slow", "rate": 5})
    until(lambda: lab.snapshot(id).rate == 5 and lab.snapshot(id).step > 0)
    until(lambda: lab._store.snapshot(id).rate == 5)
    other = Engine(slots=1)
    try:
        with lab._store.database.write() as session:
            lab._store.process.leave(session)  # as if this program had been killed
        found = other.snapshot(id)
        assert (found.state, found.rate) == ("interrupted", None)
        other.resume(id)
        assert other.snapshot(id).rate is None
        until(lambda: other.snapshot(id).step > 20)
    finally:
        other.close()
