"""One name, one network: an edited network gives the name that it began with back to the one it came from.

A preset's name, and that of a network which the learner keeps, belong to that network alone; so no menu ever shows two
networks alike, and keeping one never writes over another.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import count

from cnnlab.architecture.network import MAX_NAME, Architecture
from cnnlab.architecture.presets import PRESETS

_NUMBERED = re.compile(r" \d{1,6}$")


def settled(network: Architecture, kept: Callable[[str], Architecture | None]) -> Architecture:
    """Return ``network`` under a name that no other one has: its own, a preset's that is the same, or the next number.

    ``mnist-sprint`` with one more layer is ``mnist-sprint 2``; if that is kept and edited again, ``mnist-sprint 3``.

    Args:
        network: the network as it is now.
        kept: gives the network that is kept under a name, or None.
    """

    def owner(name: str) -> Architecture | None:
        return PRESETS[name].architecture if name in PRESETS else kept(name)

    base = _NUMBERED.sub("", network.name)
    numbered = base != network.name
    if numbered and base in PRESETS and _same(network, PRESETS[base].architecture):
        return PRESETS[base].architecture  # edited back to where it began
    if owner(network.name) in (None, network):
        return network
    if twin := next((p.architecture for p in PRESETS.values() if _same(network, p.architecture)), None):
        return twin
    names = (f"{base[: MAX_NAME - 7]} {number}".strip() for number in count(2))
    return next(one for one in map(network.renamed, names) if owner(one.name) in (None, one))


def _same(one: Architecture, other: Architecture) -> bool:
    return one.input_shape == other.input_shape and one.layers == other.layers


__all__ = ["settled"]
