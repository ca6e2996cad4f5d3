"""The search space drawn on the network: which layer is open, and what may vary, as the page remembers them.

What may vary is kept as text (``Choice``), over pages and reloads; what no longer fits the network is left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import streamlit as st

from cnnlab.architecture import Architecture
from cnnlab.architecture.scopes import Scope, enters, scope
from cnnlab.architecture.tape import Place
from cnnlab.errors import CnnLabError
from cnnlab.figures.network import INPUT, joins_data
from cnnlab.figures.search_space import space_data
from cnnlab.i18n import _
from cnnlab.search import Choice
from cnnlab.search.knobs import knobs
from cnnlab.search.offer import first_choices, offered
from cnnlab.search.space import ACTIVATION, KINDS
from cnnlab.training.recipe import Recipe
from pages import _session
from pages._network import NETWORK, crumbs

DRAWING = "search.drawing"
_CHOICES = "search.choices"
_LAYER = "search.layer"
_INSIDE = "search.inside"


# -- what may vary ------------------------------------------------------------------------------------------------


def choices(network: Architecture, recipe: Recipe) -> dict[str, Choice]:
    """Return what may vary, by its target: what was drawn before, else what a first search would vary."""
    known = {knob.target for every in knobs(network, recipe).values() for knob in every}
    kept = _session.kept(_CHOICES, None)
    found = {choice.target: choice for choice in _parsed(kept or ()) if choice.target in known}
    if not found and kept != ():  # nothing was drawn yet, or for another network
        found = {choice.target: choice for choice in first_choices(offered(network, recipe)) if choice.target in known}
    return found


def keep(found: Mapping[str, Choice]) -> None:
    """Remember what may vary."""
    _session.keep(_CHOICES, tuple(text for text in map(str, found.values()) if len(text) <= 200))


def carried_out(network: Architecture, recipe: Recipe, found: Mapping[str, Choice]) -> tuple[Choice, ...]:
    """Return what a search varies: in the order of the network; a kind of its own yields to all activations at once."""
    targets = [knob.target for every in knobs(network, recipe).values() for knob in every if knob.target]
    ordered = [found[target] for target in dict.fromkeys(targets) if target in found]
    together = set(KINDS["activation"]) if ACTIVATION in found else set()
    return tuple(one for one in ordered if not (one.target.endswith(".kind") and together & set(one.options)))


def _parsed(texts: Iterable[object]) -> Iterable[Choice]:
    for text in texts:
        try:
            yield Choice.parse(str(text))
        except CnnLabError:
            continue  # kept by another version of the lab


# -- where one looks ----------------------------------------------------------------------------------------------


def here() -> Scope:
    """Return the block that is open, or the network itself."""
    kept = _session.kept(_INSIDE, ())
    place = tuple(kept) if isinstance(kept, (list, tuple)) and all(type(part) is int for part in kept) else ()
    return scope(_session.architecture(), place)


def go_inside(place: Place) -> None:
    """Open the block at ``place`` (() for the network)."""
    came_from = here().place
    _session.keep(_INSIDE, list(place))
    outwards = came_from[: len(place)] == tuple(place) and len(came_from) > len(place)
    _session.keep(_LAYER, came_from[len(place)] if outwards else 0)


def selected() -> int:
    """Return the position of the layer whose ranges are open, or ``INPUT``."""
    kept = _session.kept(_LAYER, 0)
    return min(max(kept if type(kept) is int else 0, INPUT), len(here().rows) - 1)


def names() -> tuple[str, ...]:
    """Return what can be chosen by name: ``input``, then the layers."""
    return ("input", *(row.name for row in here().rows))


def choose(name: str) -> None:
    """Open the ranges of what is called ``name``; nothing happens where it is gone."""
    if name in names():
        _session.keep(_LAYER, names().index(name) + INPUT)


def draw(network: Architecture, found: tuple[Choice, ...]) -> None:
    """Draw the network, or the block that is open, with what may vary marked on it."""
    now = here()
    crumbs(network, now.place, go_inside, "search.crumb")
    data = {
        "blocks": space_data(network, found, _session.language(), now.place),
        "joins": joins_data(network, _session.language(), now.place),
        "parallel": now.parallel,
        "selected": selected(),
        "reveal": 0,
        "panel": ".st-key-search_panel",
        "still": True,
        "text": {"label": _("The network, and what of it may vary"), "open": _("Look inside")},
    }
    NETWORK(data=data, key=DRAWING, on_action_change=on_drawing)


def on_drawing() -> None:
    """Do what was asked for in the drawing; what the browser sends is checked like any other input."""
    action = getattr(st.session_state.get(DRAWING), "action", None)
    wanted = action if isinstance(action, Mapping) else {}
    now, index = here(), wanted.get("index")
    if type(index) is not int or not INPUT <= index < len(now.rows):
        return
    if wanted.get("do") == "select":
        _session.keep(_LAYER, index)
    elif wanted.get("do") == "open" and index != INPUT and enters(now.rows[index].layer):
        go_inside(now.at(index))
