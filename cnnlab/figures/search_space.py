"""A search space on the drawing of a network: each layer with what of it may vary, from what to what."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from cnnlab.architecture import Architecture
from cnnlab.architecture.scopes import scope
from cnnlab.architecture.tape import Place
from cnnlab.figures.network import INPUT, to_data
from cnnlab.figures.search import drawn_text
from cnnlab.i18n import N_, Message, _
from cnnlab.search.knobs import EVERY_ACTIVATION, IN_OR_OUT, place_of
from cnnlab.search.space import ACTIVATION, IN_OUT, KINDS, Choice

WORDS: Mapping[str, str] = {
    "out_channels": N_("filters"), "out_features": N_("units"), "kernel_size": N_("window"), "stride": N_("stride"),
    "padding": N_("padding"), "p": N_("switched off"), "repeat": N_("copies"), "kind": N_("kind"),
    IN_OR_OUT: N_("in or out"), EVERY_ACTIVATION: N_("all activations"), "activation": N_("activation"), "bias": N_("bias"), "expansion": N_("widening"),
}  # fmt: skip
"""What a drawing has room for, as marked ids; a field that is not here goes by its name in code."""
_SHOWN = 3  # kinds that a mark names; the rest are counted


def space_data(
    architecture: Architecture, choices: Sequence[Choice], language: str | None = None, place: Place = ()
) -> list[dict[str, Any]]:
    """Return the blocks at ``place`` as plain values for the browser, each with its marks and a sentence that says them.

    Args:
        architecture: a network that runs.
        choices: what may vary.
        language: of the words; None for the current one.
        place: of the block whose inside is drawn; () is the network itself.
    """
    inside, blocks = scope(architecture, place), to_data(architecture, language, place)
    aimed = [(choice, place_of(architecture, choice.target)) for choice in choices]
    for block in blocks:
        block["marks"] = [] if block["index"] == INPUT else _marks(architecture, inside.at(block["index"]), aimed)
        said = "; ".join(" ".join(part for part in mark if part) for mark in block["marks"])
        varies = Message(N_("may vary: {said}"), said=said) if said else Message(N_("stays as it is"))
        block["label"] = f"{block['label']}; {varies.text(language)}"
    return blocks


def _marks(architecture: Architecture, here: Place, aimed: Sequence[tuple[Choice, Place | None]]) -> list[list[str]]:
    """Return a word and a range for each choice that is about what stands at ``here``; those inside it are counted."""
    own = [[field_word(choice.target, named=False), range_text(choice)] for choice, place in aimed if place == here]
    if architecture.at(here).kind in KINDS["activation"]:
        own += [[_(WORDS[EVERY_ACTIVATION]), range_text(choice)] for choice, _p in aimed if choice.target == ACTIVATION]
    within = sum(place is not None and len(place) > len(here) and place[: len(here)] == here for _c, place in aimed)
    return [*own, ["", _("{count} inside", count=within)]] if within else own


def field_word(target: str, named: bool = True) -> str:
    """Return in a word or two what of a layer a choice is about, after the layer's name where it is ``named``."""
    if target == ACTIVATION:
        return _(WORDS[EVERY_ACTIVATION])
    name, dot, field = target.rpartition(".")
    if not dot or field not in WORDS and field[-1:].isdigit():
        name, field = target, IN_OR_OUT  # the layer itself
    word = _(WORDS[field]) if field in WORDS else field
    return f"{name} {word}" if named else word


def range_text(choice: Choice) -> str:
    """Return from what to what, as short as it can be said: ``8…32``, ``3/5``; empty where the word says it all."""
    if not choice.options:
        return f"{drawn_text(choice.low or 0)}…{drawn_text(choice.high or 0)}"
    if set(choice.options) == set(IN_OUT):
        return ""
    said = [drawn_text(value) for value in choice.options]
    if all(isinstance(value, str) for value in choice.options) and len(said) > _SHOWN:
        said = [*said[: _SHOWN - 1], f"+{len(said) - _SHOWN + 1}"]
    return "/".join(said)
