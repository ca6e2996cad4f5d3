"""A class of thirty asks no more often than the machine can bear."""

from cnnlab.runs.audience import EACH_S, FORGET_S, SHORTEST_S, Audience


def test_the_interval_grows_with_the_class() -> None:
    now = [100.0]
    audience = Audience(lambda: now[0])
    assert audience.seen("a") == SHORTEST_S
    intervals = [audience.seen(f"watcher {n}") for n in range(29)]
    assert intervals == sorted(intervals)
    assert intervals[-1] == 30 * EACH_S
    assert audience.seen("a") == 30 * EACH_S  # asking again is not another watcher


def test_who_has_left_is_forgotten() -> None:
    now = [0.0]
    audience = Audience(lambda: now[0])
    for n in range(20):
        audience.seen(str(n))
    now[0] = FORGET_S + 0.1
    assert audience.seen("new") == SHORTEST_S
