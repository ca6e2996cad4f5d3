"""Taking turns with the cores: first come first served, never more than there are, and not at every step."""

import threading
import time

from cnnlab.runs.cores import TURN_S, Cores


def test_never_more_cores_in_use_than_there_are():
    cores, lock = Cores(3), threading.Lock()
    used, most, turns = 0, 0, []

    def work(count):
        nonlocal used, most
        turn = cores.turn(count)
        for _ in range(200):
            turn.take()
            with lock:
                used += count
                most = max(most, used)
            with lock:
                used -= count
            turn.leave()
        turns.append(count)

    threads = [threading.Thread(target=work, args=(count,)) for count in (1, 2, 3, 2, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(turns) == [1, 1, 2, 2, 3]
    assert most <= 3


def free(cores, count):
    """Return whether ``count`` cores can be had at once."""
    turn = cores.turn(count)
    thread = threading.Thread(target=lambda: (turn.take(), turn.leave()), daemon=True)
    thread.start()
    thread.join(0.2)
    return not thread.is_alive()


def test_more_than_there_are_means_all_of_them():
    cores = Cores(2)
    turn = cores.turn(64)
    turn.take()
    assert not free(cores, 1)
    turn.leave()
    assert free(cores, 2)


def test_taken_twice_is_held_once_and_left_twice_is_left_once():
    cores = Cores(2)
    turn = cores.turn(1)
    turn.take()
    turn.take()
    assert free(cores, 1)
    turn.leave()
    turn.leave()
    assert free(cores, 2)


def test_who_waits_has_a_turn_when_the_other_had_a_long_one():
    now = [0.0]
    cores = Cores(1, clock=lambda: now[0])
    mine, others = cores.turn(1), cores.turn(1)
    mine.take()
    now[0] += 10 * TURN_S
    mine.pass_on()  # nobody waits: it stays
    assert not cores.wanted
    thread = threading.Thread(target=others.take, daemon=True)
    thread.start()
    while not cores.wanted:
        time.sleep(0.001)
    mine.pass_on()
    thread.join(10)
    assert not thread.is_alive()
    again = threading.Thread(target=mine.take, daemon=True)
    again.start()
    while not cores.wanted:
        time.sleep(0.001)
    now[0] += TURN_S / 2
    others.pass_on()  # its turn is not over
    assert cores.wanted
    now[0] += TURN_S / 2
    others.pass_on()
    again.join(10)
    assert not again.is_alive()
