"""The thread that writes: in order, bounded, and never a reason to wait but where asked."""

import threading

import pytest

from cnnlab.runs.writer import Writer


def test_jobs_are_done_in_order_and_their_errors_reach_who_waits():
    writer, done = Writer(), []
    for number in range(20):
        assert writer.put(lambda number=number: done.append(number))
    writer.call(lambda: done.append("last"))
    assert done == [*range(20), "last"]
    with pytest.raises(ZeroDivisionError):
        writer.call(lambda: 1 / 0)
    writer.call(lambda: writer.call(lambda: done.append("inside")))
    writer.put(lambda: done.append("at the end"))
    writer.close()
    assert done[-2:] == ["inside", "at the end"]
    writer.call(lambda: done.append("after"))
    assert done[-1] == "after" and not writer.put(lambda: None)


def test_what_waits_is_bounded_by_number_and_bytes():
    gate, begun, done = threading.Event(), threading.Event(), []
    writer = Writer(most_bytes=100, most_jobs=3)
    writer.put(lambda: (begun.set(), gate.wait(60)), size=10)
    assert begun.wait(60)
    assert writer.put(lambda: done.append(1), size=80, wait=False)
    assert not writer.put(lambda: done.append(2), size=20, wait=False)  # too many bytes
    assert writer.put(lambda: done.append(3), size=10, wait=False)
    assert not writer.put(lambda: done.append(4), wait=False)  # too many jobs
    waiting = threading.Thread(target=lambda: writer.put(lambda: done.append(5), size=500))  # larger than all
    waiting.start()
    gate.set()
    waiting.join(60)
    writer.close()
    assert done == [1, 3, 5]
