"""The number view: one map, what makes it, and the way from a probability down to a pixel."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import streamlit as st

from cnnlab.errors import CnnLabError
from cnnlab.home import ASSETS
from cnnlab.i18n import _
from pages import _choices, _magnifier_back, _magnifier_texts, _session
from pages._looking import data_title
from pages._said import plain, show_error

if TYPE_CHECKING:
    from cnnlab.architecture import Address
    from cnnlab.insight import Look
    from cnnlab.insight.arithmetic import Pass
    from cnnlab.model import Model

_NUMBER = st.components.v2.component(
    "cnnlab_number",
    html='<div class="number-root"></div>',
    css=(ASSETS / "components" / "number.css").read_text(encoding="utf-8"),
    js=(ASSETS / "components" / "number.js").read_text(encoding="utf-8"),
)
KEY = "number.view"
TRAIL = "number.trail"
BATCH = 32
_SHOWN = 4
_LONGEST = 200  # hops; what a browser sends is not trusted
_DRAWS = ("BatchNorm2d", "Dropout", "Dropout2d")


def number_view(model: Model, seen: Look, layer: str, channel: int) -> Address:
    """Draw map (or unit) ``channel`` of ``layer`` with what makes it and the trail down; return the trail's last unit.

    Another ``layer`` or ``channel`` than last time begins a trail of its own.
    """
    from cnnlab.figures.number_sheets import number_data
    from cnnlab.insight.arithmetic.terms import finite

    passed = _pass(model, seen)
    units = _trail(passed, layer, channel)
    unit = units[-1]
    row = passed.row(unit.layer) if unit.layer in passed.look.maps else None
    count = int(_session.here(f"{TRAIL}.count", _SHOWN))
    data = number_data(passed, unit, count, dark=_session.dark())
    values = [float(passed.values(one.layer)[one.index]) for one in units]
    data["trail"] = [{"unit": str(one), "value": value} for one, value in zip(units, values)]
    best = f"{passed.probs_layer}[{int(passed.look.probs.argmax())}]"
    data["start"] = None if units[0].layer == passed.probs_layer else best
    data["key"] = f"{units}|{passed.training}|{_session.dark()}|{_session.language()}"
    data["classes"] = [_(name) for name in model.class_names]
    data["title"] = _magnifier_texts.title(unit, data["kind"])
    data["remark"] = _magnifier_texts.remark(data["kind"], row is not None and passed.training, passed.batch_size)
    data["text"] = _magnifier_texts.texts()
    _NUMBER(data=finite(data), key=KEY, on_go_change=_went)
    if _choices.toggle("number.back", _("And backwards: what the loss asks of this number"), False):
        _magnifier_back.gradient_view(model, passed, unit, _NUMBER)
    return unit


def _pass(model: Model, seen: Look) -> Pass:
    """Return the pass that is looked at: as the network is used, or as in training, where that makes a difference."""
    from cnnlab.insight.arithmetic import batch_around, pass_of, training_pass

    passed = pass_of(model, None, seen)
    if not any(row.layer.kind in _DRAWS for row in model.architecture.trace().rows):
        return passed
    names = {"use": _("as it is used"), "training": _("as in training")}
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small", key="number_mode"):
        mode = _choices.segments(
            "number.mode", _("BatchNorm and dropout"), tuple(names), "use", names.__getitem__
        )  # fmt: skip
        if mode == "use":
            return passed
        try:
            batch = batch_around(model, passed.image, BATCH)
            trained = training_pass(model, batch.images, 0)
        except CnnLabError as error:
            show_error(error)
            return passed
        st.caption(
            _("In a batch of {size}: this picture and the first {first} training images of {data}; dropout draws from seed 0.",
              size=len(batch.images), first=batch.others, data=plain(data_title(batch.data)))
        )  # fmt: skip
    return trained


def _trail(passed: Pass, layer: str, channel: int) -> list[Address]:
    """Return the units from the first one down to the one that is looked at."""
    from cnnlab.insight.arithmetic.registry import placed, takes_in

    if _session.here(f"{TRAIL}.from") != (layer, channel):
        _session.set_here(f"{TRAIL}.from", (layer, channel))
        _session.set_here(TRAIL, ())
    try:
        units = [placed(passed, one) for one in _session.here(TRAIL, ())]
    except CnnLabError:  # another network stands here now
        units = []
    for place in range(len(units) - 1, 0, -1):
        if not takes_in(passed, units[place - 1], units[place]):  # another number was pointed at in between
            units = units[place:]
            break
    return units or [_strongest(passed, layer, channel)]


def _strongest(passed: Pass, layer: str, channel: int) -> Address:
    """Return the number of a map that is largest in size, or the unit of a vector."""
    from cnnlab.architecture import Address

    values = passed.values(layer)
    if values.dim() == 1:
        return Address(layer, None, (min(channel, len(values) - 1),))
    channel = min(channel, len(values) - 1)
    row, column = divmod(int(values[channel].abs().argmax()), values.shape[2])
    return Address(layer, None, (channel, row, column))


def _went() -> None:
    """Take the step that the browser asks for."""
    state: Any = st.session_state.get(KEY)
    asked = state.get("go") if state else None
    if isinstance(asked, dict) and isinstance(asked.get("more"), int):
        _session.set_here(f"{TRAIL}.count", min(max(1, asked["more"]), 4096))
        return
    _session.set_here(TRAIL, stepped(_session.here(TRAIL, ()), asked))
    _session.set_here(f"{TRAIL}.count", _SHOWN)


def stepped(units: tuple[str, ...], asked: Any) -> tuple[str, ...]:
    """Return the trail after a step: to a number further down, back up, to another one beside it, or to the start.

    ``asked`` comes from a browser: what it does not mean is left out.
    """
    if not isinstance(asked, dict):
        return units
    back, words = asked.get("back"), {name: one for name, one in asked.items() if isinstance(one, str)}
    if isinstance(back, int):
        units = units[: max(0, back) + 1]
    elif "start" in words:
        units = (words["start"],)
    elif "instead" in words:
        units = (*units[:-1], words["instead"])
    elif {"from", "to"} <= words.keys():
        units = (*units[:-1], words["from"], words["to"])
    return units[:_LONGEST]
