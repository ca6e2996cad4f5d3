"""Who is the teacher: whoever sits at the server's own machine, or knows the PIN in ``CNNLAB_TEACHER_PIN``."""

from __future__ import annotations

import hmac
import os
import threading
import time
from collections.abc import Iterable
from ipaddress import ip_address

PIN_VARIABLE = "CNNLAB_TEACHER_PIN"
WRONG_PIN_S = 1.0

_one_at_a_time = threading.Lock()


def is_loopback(ip: str | None) -> bool:
    """Return whether ``ip`` is this machine itself. None counts: that is how Streamlit reports localhost."""
    if ip is None:
        return True
    try:
        address = ip_address(ip.split("%", 1)[0])
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return bool((mapped or address).is_loopback)


def came_through_a_proxy(header_names: Iterable[str]) -> bool:
    """Return whether a request was passed on by a proxy, whose own address says nothing of who is asking."""
    names = {name.lower() for name in header_names}
    return bool(names & {"forwarded", "x-forwarded-for", "x-real-ip", "via"})


def pin_is_set() -> bool:
    """Return whether the teacher has set a PIN, so that a page may ask for it."""
    return bool(os.environ.get(PIN_VARIABLE))


def is_teacher(ip: str | None, pin_given: str | None = None, header_names: Iterable[str] = ()) -> bool:
    """Return whether a visitor may do what is the teacher's alone: see and steer the runs of a class, import and delete data.

    Args:
        ip: the visitor's address; None for localhost.
        pin_given: what the visitor typed as the PIN, if anything. Without a PIN set, nothing typed is right.
        header_names: names of the request's headers; one that a proxy adds makes a local address worthless.
    """
    if is_loopback(ip) and not came_through_a_proxy(header_names):
        return True
    return is_pin(pin_given)


def is_pin(given: str | None) -> bool:
    """Return whether ``given`` is the PIN that the teacher has set; without one set, nothing is.

    A wrong one is answered after ``WRONG_PIN_S`` and one at a time in the whole process, so that nobody tries them all.
    """
    pin = os.environ.get(PIN_VARIABLE, "")
    if not pin or not given:
        return False
    with _one_at_a_time:
        right = hmac.compare_digest(pin.encode(), given.encode())
        if not right:
            time.sleep(WRONG_PIN_S)
        return right
