"""A thread keeps the number of torch threads that it asked for, whoever asks for another."""

import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest
import torch

from cnnlab.training import threads
from cnnlab.training.threads import own_threads, torch_threads, wide


def elsewhere(work):
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()


@pytest.mark.parametrize(("mine", "theirs"), [(2, 1), (1, 2), (3, 1)])
def test_another_threads_number_is_not_ones_own_also_before_the_first_operation(mine, theirs):
    found = []

    def work():
        own_threads(mine)
        elsewhere(lambda: own_threads(theirs))
        torch.ones(300, 300).sum()
        found.append(torch.get_num_threads())

    elsewhere(work)
    assert found == [mine]


def test_for_a_while_and_back_also_after_a_failure():
    def fail():
        with torch_threads(1):
            found.append(torch.get_num_threads())
            raise ZeroDivisionError

    def work():
        own_threads(2)
        with pytest.raises(ZeroDivisionError):
            fail()
        found.append(torch.get_num_threads())

    found = []
    elsewhere(work)
    assert found == [1, 2]


def test_work_for_several_threads_is_done_in_one_place_whoever_asks():
    where = []

    def work(number):
        torch.ones(300, 300).sum()
        where.append((threading.get_ident(), torch.get_num_threads()))
        return number

    def ask(number):
        found.append(wide(2, work, number))

    found = []
    for number in range(3):
        elsewhere(partial(ask, number))
    assert found == [0, 1, 2]
    assert len(set(where)) == 1 and where[0][1] == 2
    assert where[0][0] != threading.get_ident()


def test_one_thread_is_the_callers_own_and_none_said_is_what_it_has():
    def work():
        return threading.get_ident(), torch.get_num_threads()

    def ask():
        own_threads(2)
        found.extend([wide(1, work), wide(0, work), (threading.get_ident(), 2)])

    found = []
    elsewhere(ask)
    assert found == [(found[2][0], 1), found[2], found[2]]


def test_wide_work_may_ask_for_more_of_it_and_its_errors_reach_the_caller():
    assert wide(2, lambda: wide(2, torch.get_num_threads)) == 2
    with pytest.raises(ZeroDivisionError):
        wide(2, lambda: 1 / 0)
    assert wide(3, torch.get_num_threads) == 3


def test_threads_that_come_later_begin_with_one():
    found = []
    wide(2, torch.get_num_threads)
    elsewhere(lambda: found.append(torch.get_num_threads()))
    assert found == [1]


def test_wide_work_is_done_here_where_the_interpreter_ends_and_takes_no_more(monkeypatch):
    over = ThreadPoolExecutor(1)
    over.shutdown()
    monkeypatch.setattr(threads, "_lane", over)
    before = torch.get_num_threads()
    assert wide(2, lambda: (torch.get_num_threads(), threading.get_ident())) == (2, threading.get_ident())
    assert torch.get_num_threads() == before
