"""A thread that trains goes behind those that answer."""

import os
import sys
import threading

import pytest

from cnnlab.training.threads import give_way


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux gives each thread a priority of its own")
def test_only_the_calling_thread_and_its_children_go_behind():
    before = os.getpriority(os.PRIO_PROCESS, threading.get_native_id())
    found = {}

    def child():
        found["child"] = os.getpriority(os.PRIO_PROCESS, threading.get_native_id())

    def work():
        give_way()
        found["worker"] = os.getpriority(os.PRIO_PROCESS, threading.get_native_id())
        thread = threading.Thread(target=child)
        thread.start()
        thread.join()

    worker = threading.Thread(target=work)
    worker.start()
    worker.join()
    assert found["worker"] > before and found["child"] == found["worker"]
    assert os.getpriority(os.PRIO_PROCESS, threading.get_native_id()) == before
