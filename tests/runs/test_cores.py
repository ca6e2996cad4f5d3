"""Taking turns with the cores: first come first served, never more than there are."""

import threading

from cnnlab.runs.cores import Cores


def test_never_more_cores_in_use_than_there_are():
    cores, lock = Cores(3), threading.Lock()
    used, most, turns = 0, 0, []

    def work(count):
        nonlocal used, most
        for _ in range(200):
            with cores.hold(count):
                with lock:
                    used += count
                    most = max(most, used)
                with lock:
                    used -= count
        turns.append(count)

    threads = [threading.Thread(target=work, args=(count,)) for count in (1, 2, 3, 2, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(turns) == [1, 1, 2, 2, 3]
    assert most <= 3


def test_more_than_there_are_means_all_of_them():
    cores = Cores(2)
    with cores.hold(64):
        assert cores._free == 0
    assert cores._free == 2


def test_cores_come_back_after_an_error():
    cores = Cores(2)
    try:
        with cores.hold(2):
            raise ValueError
    except ValueError:
        pass
    assert cores._free == 2
