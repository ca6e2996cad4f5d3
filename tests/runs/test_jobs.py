"""A job beside a page: it says how far it is and what it has, is called off, fails in a sentence."""

from __future__ import annotations

import threading

import pytest

from cnnlab.errors import ModelError
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
