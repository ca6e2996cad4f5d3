"""A job beside a page: it says how far it is and what it has, is called off, fails in a sentence."""

from __future__ import annotations

import threading
from collections import OrderedDict

import pytest

from cnnlab.errors import ModelError, RunError
from cnnlab.runs import jobs
from cnnlab.runs.jobs import Step


def counting(total, gate=None):
    def steps():
        for done in range(total):
            yield Step(done, list(range(done)))
            if gate is not None:
                gate.wait(30)
        return "all"

    return steps


def test_it_does_what_it_is_asked_for():
    jobs.start("me", "count", "to three", 3, counting(3))
    job = jobs.wait("me", "count", 30)
    assert (job.key, job.state, job.done, job.found, job.live) == ("to three", "done", 3, "all", False)
    assert jobs.current("you", "count") is None and jobs.current("me", "other") is None


def test_it_is_called_off_and_keeps_what_it_has():
    gate = threading.Event()
    jobs.start("me", "count", "long", 100, counting(100, gate))
    jobs.cancel("me", "count")
    gate.set()
    job = jobs.wait("me", "count", 30)
    assert job.state == "cancelled" and job.done < 100 and job.found != "all"


def test_one_works_at_a_time_and_a_new_one_takes_the_place_of_the_old():
    gate = threading.Event()
    jobs.start("me", "first", "a", 2, counting(2, gate))
    jobs.start("you", "second", "b", 1, counting(1))
    jobs.start("you", "second", "c", 1, counting(1))
    assert jobs.current("you", "second").state == "waiting"
    gate.set()
    assert jobs.wait("you", "second", 30).key == "c"
    assert jobs.wait("you", "second", 30).state == jobs.wait("me", "first", 30).state == "done"


@pytest.mark.parametrize(
    ("error", "said"), [(ModelError("no such layer"), "no such layer"), (ValueError("odd"), "odd")]
)
def test_it_fails_in_a_sentence(error, said):
    def steps():
        yield Step(0)
        raise error

    jobs.start("me", "fail", "x", 1, steps)
    job = jobs.wait("me", "fail", 30)
    assert job.state == "failed" and said in str(job.error)
    jobs.start("me", "fail", "y", 1, counting(1))
    assert jobs.wait("me", "fail", 30).state == "done"


def test_what_is_called_off_while_it_tells_stays_called_off():
    """Also where the call comes between two looks at its state."""
    inside, go = threading.Event(), threading.Event()

    def steps():
        inside.set()
        go.wait(30)
        yield Step(1, "late")

    jobs.start("me", "race", "x", 2, steps)
    inside.wait(30)
    jobs.cancel("me", "race")
    go.set()
    job = jobs.wait("me", "race", 30)
    assert (job.state, job.live, job.found) == ("cancelled", False, None)


def test_what_goes_on_is_not_forgotten_for_somebody_elses_sake(monkeypatch):
    monkeypatch.setattr(jobs, "_workers", OrderedDict())
    monkeypatch.setattr(jobs, "_MOST", 2)
    gate = threading.Event()
    jobs.start("first", "room", "a", 1, counting(1, gate))
    jobs.start("second", "room", "b", 1, counting(1, gate))
    with pytest.raises(RunError, match="try again when some are over"):
        jobs.start("third", "room", "c", 1, counting(1, gate))
    gate.set()
    assert [jobs.wait(owner, "room", 30).state for owner in ("first", "second")] == ["done", "done"]
    jobs.start("third", "room", "c", 1, counting(1))
    assert jobs.wait("third", "room", 30).state == "done"
    assert jobs.current("first", "room") is None  # over, and the oldest


def test_it_says_how_long_is_left_once_it_can_be_said(monkeypatch):
    clock = iter(range(0, 10_000, 2))
    monkeypatch.setattr(jobs, "monotonic", lambda: next(clock))
    gate, told = threading.Event(), threading.Event()

    def steps():
        yield Step(0)
        yield Step(1)  # after 4 s: 9 more of 4 s each
        told.set()
        gate.wait(30)
        yield Step(2)
        return "all"

    jobs.start("me", "timed", "to ten", 10, steps)
    try:
        assert told.wait(30)
        job = jobs.current("me", "timed")
        assert (job.done, job.spent_s, job.left_s) == (1, 4, 36)
    finally:
        gate.set()
    job = jobs.wait("me", "timed", 30)
    assert job.state == "done" and job.left_s is None
    assert jobs.Job("k", 10, "running", 0, spent_s=9).left_s is None
    assert jobs.Job("k", 10, "running", 5, spent_s=1).left_s is None
