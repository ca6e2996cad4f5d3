"""A thread keeps the number of torch threads that it asked for, whoever asks for another."""

import threading

import pytest
import torch

from cnnlab.training.threads import own_threads, torch_threads


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
