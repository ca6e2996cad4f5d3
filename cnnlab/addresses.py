"""Under which address other devices open the lab."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from urllib.parse import urlsplit, urlunsplit

from cnnlab.teacher import is_loopback


@dataclass(frozen=True)
class Address:
    """An address of the lab; ``only_here`` where no other device can open it."""

    url: str
    only_here: bool = False


def lan_address() -> str | None:
    """Return this machine's address on its network, None without one.

    A UDP socket is pointed at a documentation address (RFC 5737), which picks the outgoing interface and sends nothing.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            return None
        address = str(probe.getsockname()[0])
    return None if address.startswith(("127.", "0.")) else address


def for_others(url: str, listens_on: str | None = None) -> Address:
    """Return what another device opens, where this one has opened ``url``.

    A name that means "this machine" is replaced by the machine's address on its network; any other is kept, since it
    has just proved that it works.

    Args:
        url: address of the lab's first page, as the browser shows it.
        listens_on: the address that the server was told to listen on; None or empty: on all.
    """
    parts = urlsplit(url)
    host = parts.hostname or "localhost"
    clean = urlunsplit((parts.scheme or "http", parts.netloc or host, parts.path or "/", "", ""))
    if not _is_here(host):
        return Address(clean)
    lan = None if listens_on and _is_here(listens_on) else lan_address()
    if lan is None:
        return Address(clean, only_here=True)
    port = f":{parts.port}" if parts.port else ""
    return Address(urlunsplit((parts.scheme, f"{lan}{port}", parts.path or "/", "", "")))


def _is_here(host: str) -> bool:
    return host == "localhost" or host.endswith(".localhost") or is_loopback(host)
