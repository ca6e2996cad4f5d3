"""The whole network at a glance, on the page: which maps stand where, which layers are open, which map is chosen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import streamlit as st

from cnnlab.figures import whole
from cnnlab.home import ASSETS
from cnnlab.i18n import _
from pages import _choices, _session

if TYPE_CHECKING:
    from cnnlab.description import ModelRef
    from cnnlab.insight import Look
    from cnnlab.insight.overview import Column, Fold, Order
    from cnnlab.model import Model, Tensor

KEY = "magnifier.whole"
MOST_COLUMNS = 16
"""A network with more layers than this begins with them folded: all of them would not fit a screen."""
MOST_BLOCKS = 24
"""One with more blocks than this begins in stages, where it has any."""

_ORDER = "magnifier.order"
_CHOSEN = "magnifier.unit"
_OPENED = "magnifier.opened"

_COMPONENT = st.components.v2.component(
    "cnnlab_whole",
    html='<div class="whole-root"></div>',
    css=(ASSETS / "components" / "whole.css").read_text(encoding="utf-8"),
    js=(ASSETS / "components" / "whole.js").read_text(encoding="utf-8"),
)


def layers(model: Model) -> Fold:
    """Draw the choice between all layers, blocks and stages where they differ; return what is chosen."""
    from cnnlab.insight.overview import drawn

    names: dict[Fold, str] = {"all": _("all of them"), "blocks": _("in blocks"), "stages": _("in stages")}
    counts: dict[Fold, int] = {}
    for fold in names:
        count = len(drawn(model.architecture, fold))
        if count not in counts.values():
            counts[fold] = count
    if len(counts) == 1:
        return "all"
    limits: dict[Fold, int] = {"all": MOST_COLUMNS, "blocks": MOST_BLOCKS}
    begun = next((fold for fold in counts if counts[fold] <= limits.get(fold, 0)), [*counts][-1])
    key = f"magnifier.layers.{begun}"  # what is chosen for a small network says nothing about a large one
    return _choices.segments(key, _("Layers"), tuple(counts), begun, names.__getitem__)


def draw(ref: ModelRef, model: Model, seen: Look, picture: Tensor, scale: str, fold: Fold) -> tuple[str, int]:
    """Draw the network and return which map is chosen: its column's name and its number.

    Args:
        picture: the input as bytes, with its border. Shape: (C, H, W) uint8
        scale: one of ``sheets.SCALES``.
        fold: a column for each layer, block or stage.
    """
    from cnnlab.insight.overview import columns, drawn, overview

    found = columns(model.architecture)
    opened = _opened([column.name for column in found])
    order = _order(ref, model, seen)
    chosen = _chosen(found, drawn(model.architecture, fold)[1].name, order)
    view = overview(model, seen, order, opened, fold=fold, chosen=chosen)
    data = whole.to_data(
        view, seen, picture.numpy(), [_(name) for name in model.class_names], scale, dark=_session.dark()
    )
    data |= {"opened": opened, "chosen": list(chosen), "text": _texts()}
    _COMPONENT(data=data, key=KEY, on_opened_change=lambda: None, on_chosen_change=lambda: None)
    return chosen


def sort_anew() -> None:
    """Let the strongest maps of what is looked at now stand first."""
    _session.set_here(_ORDER, None)


def _order(ref: ModelRef, model: Model, seen: Look) -> Order:
    """Return the order of the maps: that of the first look at this picture, so that they keep their places.

    Neither another stroke, nor another moment of the run, nor another step of learning moves them.
    """
    from cnnlab.insight.overview import strongest

    picture = "drawn" if _session.kept("magnifier.mode", "look") == "draw" else str(_session.image_ref())
    mark = (ref.source, model.architecture.key, picture)
    known = _session.here(_ORDER)
    if known is None or known[0] != mark:
        known = (mark, strongest(model.architecture, seen))
        _session.set_here(_ORDER, known)
    return known[1]


def _told(name: str) -> Any:
    state: Any = st.session_state.get(KEY)
    return state.get(name) if state else None


def _opened(names: list[str]) -> list[str]:
    """Return the layers that are unfolded, before a reload too."""
    told = _told("opened")
    if isinstance(told, list):
        _session.keep(_OPENED, tuple(name for name in names if name in told))
    return [name for name in _session.kept(_OPENED, ()) if name in names]


def _chosen(found: tuple[Column, ...], first: str, order: Order) -> tuple[str, int]:
    """Return the chosen map; until one is, and where it is not there, the strongest of the ``first`` layer that is seen."""
    told = _told("chosen")
    counts = {column.name: column.count for column in found}
    if isinstance(told, list) and len(told) == 2 and _is_map(told, counts):
        _session.keep(_CHOSEN, tuple(told))
    kept = list(_session.kept(_CHOSEN, ()))
    return (kept[0], kept[1]) if _is_map(kept, counts) else (first, order[first][0])


def _is_map(told: list[Any], counts: dict[str, int]) -> bool:
    return len(told) == 2 and told[0] in counts and isinstance(told[1], int) and 0 <= told[1] < counts[told[0]]


def _texts() -> dict[str, Any]:
    """Return the component's words with their places left open; the browser fills them."""
    layer, index, mean, count, share, list_ = ("{layer}", "{index}", "{mean}", "{count}", "{share}", "{list}")
    return {
        "names": {whole.INPUT: _("input"), whole.PROBS: _("probabilities")},
        "label": _("The whole network: a column for each layer, a picture for each map"),
        "hint": _("Point at a map, tap it, or move with the arrow keys: what feeds it lights up, and what it feeds."),
        "tile": _("{layer}[{index}], mean {mean}", layer=layer, index=index, mean=mean),
        "strip": _("{layer}, the numbers of map {index}, mean {mean}", layer=layer, index=index, mean=mean),
        "unit": _("{layer}, unit {index}: {mean}", layer=layer, index=index, mean=mean),
        "class": _("{layer}, class {name}: {mean}", layer=layer, name="{class}", mean=mean),
        "open": _("Show the other {count} of {layer}", count=count, layer=layer),
        "close": _("Show only the strongest of {layer}", layer=layer),
        "each": _("own scales"),
        "folded": _("{count} layers: {list}", count=count, list=list_),
        "here": _("{map}: mean {mean}.", map="{map}", mean=mean),
        "inside": _(
            "{map} is chosen. It stands inside {block}, which is folded: this column shows only its last layer.",
            map="{map}",
            block="{block}",
        ),
        "value": _("{map}: {mean}.", map="{map}", mean=mean),
        "gets": _("Fed by: {list}.", list=list_),
        "hidden": _("Maps not shown: {share}.", share=share),
        "gives": _("Its share of what feeds the next: {list}.", list=list_),
        "up": _("{map} {share}, pushes up", map="{map}", share=share),
        "down": _("{map} {share}, pushes down", map="{map}", share=share),
        "comma": _("; "),
    }
