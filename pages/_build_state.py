"""What the Build page remembers (which block is open, which layer is edited), and its edits as callbacks.

Positions (``index``) are those inside the block that is open, or in the network. Which block is open, which layer is
edited, in which panel, and which kind is about to be added are kept over pages and reloads. What is said
once, and what is to be brought into sight once, is of one rerun: only these two have session keys of this page's own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import streamlit as st

from cnnlab.architecture import BLOCKS, LAYERS, Architecture, share
from cnnlab.architecture.scopes import Scope, enters, scope
from cnnlab.architecture.starters import starter, wrapped
from cnnlab.errors import CnnLabError
from cnnlab.figures.network import INPUT
from cnnlab.i18n import N_, Message
from pages import _session

if TYPE_CHECKING:
    from cnnlab.architecture import LayerSpec, Shape
    from cnnlab.architecture.tape import Place

DRAWING = "build.drawing"
FIELD = "build.field"  # prefix of every widget that edits the network in place
NAME = f"{FIELD}.name"
PANEL = "build.panel"
EDIT, ADD = "edit", "add"
BENCH, DRAWER = "bench", "drawer"
EMPTY = "my-network"
_LAYER = "build.layer"
_INSIDE = "build.inside"
_KIND = "build.palette"
_FIRST_KIND = "Conv2d"
_NOTICE = "build.notice"
_REVEAL = "build.reveal"


def here() -> Scope:
    """Return the block that is open, or the network itself."""
    kept = _session.kept(_INSIDE, [])
    place = tuple(kept) if isinstance(kept, (list, tuple)) and all(type(part) is int for part in kept) else ()
    return scope(_session.architecture(), place)


def go_inside(place: Place) -> None:
    """Open the block at ``place`` (() for the network), and edit what stands first in it."""
    came_from = here().place
    _session.keep(_INSIDE, list(place))
    outwards = came_from[: len(place)] == tuple(place) and len(came_from) > len(place)
    select(came_from[len(place)] if outwards else 0)
    _show_anew()


def selected() -> int:
    """Return the position of the layer that is edited, or ``INPUT``."""
    kept = _session.kept(_LAYER, 0)
    return min(max(kept if type(kept) is int else 0, INPUT), len(here().rows) - 1)


def select(index: int, panel: str = EDIT) -> None:
    """Edit the layer at ``index`` from now on, or add one after it."""
    _session.keep(_LAYER, index)
    _session.keep(PANEL, panel)
    st.session_state[PANEL] = panel  # the control that shows it must not bring back what was clicked there last


def layer_names() -> tuple[str, ...]:
    """Return what can be edited by name: ``input``, then the layers."""
    return ("input", *(row.name for row in here().rows))


def choose_layer(name: str) -> None:
    """Edit what is called ``name`` from now on; nothing happens where it is gone."""
    names = layer_names()
    if name in names:
        select(names.index(name) + INPUT)


def kind() -> str:
    """Return the kind of layer that the palette is about to add."""
    kept = _session.kept(_KIND, _FIRST_KIND)
    return kept if kept in LAYERS or kept in BLOCKS else _FIRST_KIND


def choose_kind(kind: str) -> None:
    """Be about to add a layer of ``kind``."""
    _session.keep(_KIND, kind)


def reveal() -> int:
    """Return a count: when it changes, the drawing brings the layer that is edited into sight."""
    return int(st.session_state.get(_REVEAL, 0))


def _come_into_sight() -> None:
    st.session_state[_REVEAL] = reveal() + 1


def focus() -> None:
    """Edit the layer that does not fit, else the first one, and bring it into sight; where there is none, add one."""
    _come_into_sight()
    _session.keep(_INSIDE, [])
    rows = here().rows
    if rows:
        select(next((row.index for row in rows if row.error), 0))
    else:
        select(INPUT, ADD)


def notice(place: str = BENCH) -> Message | CnnLabError | None:
    """Return what is to be said once at ``place``, and forget it."""
    found: Message | CnnLabError | None = _session.pick_up(f"{_NOTICE}.{place}")
    return found


def say(message: Message | CnnLabError, place: str = BENCH) -> None:
    """Show ``message`` at the next rerun: above the drawing, or below in the drawer where the learner's hand is."""
    _session.leave(f"{_NOTICE}.{place}", message)


def _show_anew() -> None:
    """Let the fields show the network as it is now: a widget would bring back what was typed before an undo."""
    _session.unseed(FIELD)


def undo() -> None:
    """Take back the last edit."""
    _session.undo()
    _show_anew()


def redo() -> None:
    """Make the edit that was taken back last again."""
    _session.redo()
    _show_anew()


def change(edit: Callable[[Architecture], Architecture], select_next: int | None = None) -> bool:
    """Apply ``edit`` to the network and return True; one that it may not become is said, and the one before stays."""
    try:
        _session.set_architecture(edit(_session.architecture()))
    except CnnLabError as error:
        say(error)
        return False
    _show_anew()
    if select_next is not None:
        select(select_next)
    return True


def arrives(after: int) -> Shape | None:
    """Return the shape that arrives behind the layer at ``after``; every branch gets the same."""
    now = here()
    if after == INPUT or now.parallel:
        return now.input_shape
    return now.rows[after].output_shape


def new_layer(after: int, kind: str) -> LayerSpec:
    """Return a layer or block of ``kind`` that runs behind the one at ``after``."""
    return starter(kind, arrives(after), branch=here().parallel)


def add(after: int, kind: str) -> None:
    """Put a new layer of ``kind`` behind the one at ``after``, edit it and bring it into sight."""
    new, place = new_layer(after, kind), here().at(after + 1)
    if change(lambda network: network.insert(place, new), after + 1):
        _come_into_sight()


def group(first: int, last: int, kind: str) -> None:
    """Make one block of ``kind`` of the layers from ``first`` to ``last``."""
    now = here()

    def together(network: Architecture) -> Architecture:
        grouped = network.group([now.at(index) for index in range(first, last + 1)])
        block = grouped.at(now.at(first))
        return grouped.replace(now.at(first), wrapped(block.layers, kind))  # type: ignore[attr-defined]

    if change(together, first):
        _come_into_sight()


def ungroup(index: int) -> None:
    """Put what the block at ``index`` is made of in its place."""
    place = here().at(index)
    if change(lambda network: network.ungroup(place), index):
        _come_into_sight()


def rename() -> None:
    """Take the name that was typed; where another network has it, say so and which one this is called instead."""
    wanted = str(st.session_state.get(NAME) or "").strip()
    if wanted and change(lambda network: network.renamed(wanted)) and _session.architecture().name != wanted:
        say(Message(N_("Another network is called {name}; this one is {other}."), name=wanted,
                    other=_session.architecture().name))  # fmt: skip
    _show_anew()


def remove(index: int) -> None:
    """Remove the layer at ``index`` and edit the one that takes its place."""
    place, rest = here().at(index), len(here().rows) - 2
    change(lambda network: network.remove(place), min(index, rest))


def duplicate(index: int) -> None:
    """Put a copy of the layer at ``index`` right behind it."""
    place = here().at(index)
    if change(lambda network: network.duplicate(place), index + 1):
        _come_into_sight()


def move(index: int, to: int) -> None:
    """Move the layer at ``index`` to position ``to``."""
    place, target = here().at(index), here().at(to)
    change(lambda network: network.move(place, target), to)


def on_drawing() -> None:
    """Do what was asked for in the drawing; what the browser sends is checked like any other input."""
    action = getattr(st.session_state.get(DRAWING), "action", None)
    now = here()
    last = len(now.rows) - 1
    wanted = action if isinstance(action, Mapping) else {}
    index, to = _place(wanted, "index", last + 1), _place(wanted, "to", last)
    match wanted.get("do"):
        case "select" if index is not None and index <= last:
            select(index)
        case "open" if index is not None and 0 <= index <= last and enters(now.rows[index].layer):
            go_inside(now.at(index))
        case "insert" if index is not None and index >= 0:
            select(index - 1, ADD)
        case "remove" if index is not None and 0 <= index <= last:
            remove(index)
        case "move" if index is not None and to is not None and 0 <= index <= last and to >= 0:
            move(index, to)


def _place(wanted: Mapping[str, Any], name: str, most: int) -> int | None:
    value = wanted.get(name)
    return value if type(value) is int and INPUT <= value <= most else None


def use_preset(name: str) -> None:
    """Start from a preset, with its recipe and its data; undo brings the network before back."""
    _session.use_preset(name)
    _show_anew()
    focus()


def begin_empty() -> None:
    """Build on with a network without layers and the plain recipe, for the images of the one before, which undo brings back."""
    from cnnlab.training.recipe import Recipe

    _session.set_recipe(Recipe())
    open_network(Architecture(name=EMPTY, input_shape=_session.architecture().input_shape, layers=()))


def open_network(network: Architecture) -> None:
    """Build on with ``network``; the one before is kept in the workspace if there is room, and undo brings it back too."""
    _session.open_network(network)
    _show_anew()
    focus()


def open_shared(shared: share.Shared) -> None:
    """Build on with a network that came by link or file, and take over the recipe and data set that came with it.

    Raises:
        RecipeError: the recipe is none; nothing has changed then.
    """
    from cnnlab.data.known import KNOWN
    from cnnlab.export.link import recipe_of

    recipe = recipe_of(shared)
    open_network(shared.architecture)
    if recipe is not None:
        _session.set_recipe(recipe)
    if shared.data in KNOWN:
        _session.set_data_name(shared.data)


def open_document(key: str) -> None:
    """Open the JSON file that the uploader ``key`` holds; what is no network is said and changes nothing."""
    file = st.session_state.get(key)
    if file is None:
        return
    try:
        open_shared(share.Shared.from_json(file.getvalue()))
    except CnnLabError as error:
        say(error, DRAWER)


def open_link() -> None:
    """Open the network of a link (``?net=...``) once, and take it out of the address."""
    text = st.query_params.get("net")
    if text is None:
        return
    del st.query_params["net"]
    try:
        open_shared(share.read(text))
    except CnnLabError as error:
        say(error)
    else:
        say(Message(N_("Opened from a link. Undo brings your own network back.")))


__all__ = [
    "ADD", "BENCH", "DRAWER", "DRAWING", "EDIT", "FIELD", "NAME", "PANEL", "add", "arrives", "begin_empty", "change", "choose_kind", "choose_layer",
    "duplicate", "focus", "go_inside", "group", "here", "kind", "layer_names", "move", "new_layer", "notice", "on_drawing",
    "open_document", "open_link", "open_network", "open_shared", "redo", "remove", "rename", "reveal", "say", "select", "selected", "undo", "ungroup",
    "use_preset",
]  # fmt: skip
