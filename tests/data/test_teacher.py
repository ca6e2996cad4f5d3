"""Who may import and delete data."""

import pytest

from cnnlab import teacher
from cnnlab.teacher import is_loopback, is_pin, is_teacher, pin_is_set


@pytest.fixture(autouse=True)
def waited(monkeypatch):
    """Return the pauses that wrong PINs cost, without waiting for them."""
    pauses = []
    monkeypatch.setattr(teacher.time, "sleep", pauses.append)
    return pauses


def test_a_wrong_pin_costs_time_and_a_right_one_none(waited, monkeypatch):
    monkeypatch.setenv("CNNLAB_TEACHER_PIN", "4711")
    assert not is_pin("4712")
    assert waited == [teacher.WRONG_PIN_S]
    assert is_pin("4711")
    assert not is_pin("") and not is_pin(None)
    assert waited == [teacher.WRONG_PIN_S]


@pytest.mark.parametrize(
    ("ip", "here"),
    [
        (None, True), ("127.0.0.1", True), ("127.8.8.8", True), ("::1", True), ("::ffff:127.0.0.1", True),
        ("192.168.1.7", False), ("10.0.0.1", False), ("::ffff:10.0.0.1", False), ("fe80::1%eth0", False), ("0.0.0.0", False),
        ("", False), ("localhost", False), ("127.0.0.1, 10.0.0.1", False), ("nonsense", False),
    ],
)  # fmt: skip
def test_only_this_machine_is_loopback(ip, here, monkeypatch):
    monkeypatch.delenv("CNNLAB_TEACHER_PIN", raising=False)
    assert is_loopback(ip) is here
    assert is_teacher(ip) is here
    assert is_teacher(ip, "anything") is here  # no PIN is set: nothing typed is right
    assert is_teacher(ip, "") is here


def test_the_pin_opens_from_anywhere(monkeypatch):
    monkeypatch.setenv("CNNLAB_TEACHER_PIN", "4711-é")
    assert pin_is_set()
    assert is_teacher("192.168.1.7", "4711-é")
    for wrong in (None, "", "4711", "4711-é ", "4711-e"):
        assert not is_teacher("192.168.1.7", wrong)


def test_an_empty_pin_is_no_pin(monkeypatch):
    monkeypatch.setenv("CNNLAB_TEACHER_PIN", "")
    assert not pin_is_set()
    assert not is_teacher("192.168.1.7", "")


@pytest.mark.parametrize("header", ["X-Forwarded-For", "forwarded", "X-Real-IP", "Via"])
def test_behind_a_proxy_a_local_address_says_nothing(header, monkeypatch):
    monkeypatch.setenv("CNNLAB_TEACHER_PIN", "4711")
    assert not is_teacher("127.0.0.1", None, ["Host", header])
    assert is_teacher("127.0.0.1", "4711", ["Host", header])
    assert is_teacher("127.0.0.1", None, ["Host", "Accept"])
