"""The picture of a network that borrows weights: each block with its layers, what they take and how fast they learn."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from cnnlab.architecture import Architecture
from cnnlab.figures.network import INPUT, to_data
from cnnlab.i18n import N_, Message
from cnnlab.training.transfer import Borrowed, LayerStart

RATES: dict[str, str] = {
    "1": N_("learns"),
    "0.3": N_("slower: ×0.3"),
    "0.1": N_("slower: ×0.1"),
    "0.01": N_("slower: ×0.01"),
    "0": N_("frozen"),
}
"""How fast a layer may learn, as it is said: a factor of the learning rate, 0 for one that stands still."""


def borrow_data(
    architecture: Architecture,
    borrowed: Borrowed,
    frozen: Collection[str],
    factors: Mapping[str, float],
    language: str | None = None,
) -> list[dict[str, Any]]:
    """Return the blocks of the network as plain values for the browser, each with its layers that have weights.

    Args:
        architecture: a network that runs.
        borrowed: how each layer begins.
        frozen: the layers that stand still.
        factors: by what the learning rate of a layer is multiplied, where not by 1.
        language: of the sentences; None for the current one.
    """
    tops = {row.name: row.top for row in architecture.trace().rows}
    blocks = to_data(architecture, language)
    for block in blocks:
        mine = [one for one in borrowed.layers if block["index"] != INPUT and tops.get(one.layer) == block["index"]]
        block["layers"] = [_layer(one, frozen, factors, language) for one in mine]
    return blocks


def _layer(
    one: LayerStart, frozen: Collection[str], factors: Mapping[str, float], language: str | None
) -> dict[str, Any]:
    learn = "0" if one.layer in frozen else f"{factors.get(one.layer, 1.0):g}"
    why = one.why.text(language) if one.why else ""
    said = Message(N_("{layer}: weights taken from the model"), layer=one.layer)
    if not one.taken:
        said = Message(N_("{layer}: new weights ({why})"), layer=one.layer, why=why)
    return {
        "layer": one.layer,
        "name": one.layer.partition(".")[2] or one.layer,
        "taken": one.taken,
        "fixed": one.reason in ("shape", "absent"),
        "why": why,
        "learn": learn,
        "label": said.text(language),
    }
