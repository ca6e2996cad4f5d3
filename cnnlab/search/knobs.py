"""Each number of each layer, and whether a search may vary it: with a range to begin with, or with the reason why not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, get_args

from pydantic import ValidationError

from cnnlab.architecture import Architecture
from cnnlab.architecture.spec import LayerSpec
from cnnlab.architecture.tape import Place
from cnnlab.errors import CnnLabError
from cnnlab.i18n import N_, Message
from cnnlab.search.offer import Offer, offered
from cnnlab.search.space import ACTIVATION, IN_OUT, KINDS, RECIPE_FIELDS, Choice, answering, fields_of, places_of
from cnnlab.training.recipe import Recipe

IN_OR_OUT = "in_or_out"
"""The field of a knob that stands for the layer itself: in the network, or left out."""
EVERY_ACTIVATION = "every_activation"
"""The field of a knob that stands for every activation of the network at once."""
_MORE: Mapping[str, tuple[int, ...]] = {
    "kernel_size": (1, 2, 3, 5, 7), "stride": (1, 2, 3), "padding": (0, 1, 2, 3), "dilation": (1, 2, 3),
    "batch_size": (16, 32, 64, 128, 256),
}  # fmt: skip
"""Values that are usual, beside those of a layer as it is."""
_FIRST: Mapping[str, tuple[int, ...]] = {"stride": (1, 2), "padding": (0, 1), "dilation": (1, 2), "kernel_size": (2, 3)}
_FEW = 8  # up to here a whole number is chosen among its neighbours, beyond from a range
_SKIPPED = ("kind", "name", "layers", "branches")


@dataclass(frozen=True)
class Knob:
    """One number (or word) of a layer or of the recipe.

    Attributes:
        field: its name in the layer (``kind``, too), ``IN_OR_OUT``, ``EVERY_ACTIVATION``, or its name in the recipe.
        now: what it is now.
        offer: how it may vary, to begin with; None where it may not.
        usual: further values that may be chosen, where there are values to choose from.
        why: the reason where it may not vary.
    """

    field: str
    now: Any
    offer: Offer | None = None
    usual: tuple[Any, ...] = ()
    why: Message | None = None

    @property
    def target(self) -> str:
        """What a choice of it is about; empty where it may not vary."""
        return self.offer.choice.target if self.offer else ""


@lru_cache(maxsize=16)
def knobs(architecture: Architecture, recipe: Recipe) -> Mapping[Place, tuple[Knob, ...]]:
    """Return the knobs of each layer and block by its place, and last, under (), those of the recipe.

    Raises:
        ShapeError, ArchitectureError: the network cannot run.
    """
    known = {offer.choice.target: offer for offer in offered(architecture, recipe)}
    found: dict[Place, tuple[Knob, ...]] = {}
    answers = _answers(architecture)
    for name, place in sorted(places_of(architecture).items(), key=lambda item: item[1]):  # in the network's order
        if place not in found:  # of copies the first one gives the name
            found[place] = tuple(_of_layer(name, architecture.at(place), known, place == answers))
    found[()] = tuple(
        Knob(name, getattr(recipe, name), known[name], _MORE.get(name, ())) for name in RECIPE_FIELDS if name in known
    )
    return found


def place_of(architecture: Architecture, target: str) -> Place | None:
    """Return where the layer or block stands that a choice of ``target`` is about; None for the recipe, or all activations."""
    places = places_of(architecture)
    return places.get(target, places.get(target.rpartition(".")[0]))


def _answers(architecture: Architecture) -> Place | None:
    """Return where the layer stands that gives one number for each class: the last dense one, else the last convolution."""
    rows = [row.place for row in architecture.trace().rows if row.layer.kind == "Conv2d"]
    return answering(architecture) or (rows[-1] if rows else None)


def _of_layer(name: str, layer: LayerSpec, known: Mapping[str, Offer], answers: bool) -> Iterator[Knob]:
    for field in type(layer).model_fields:
        if field in _SKIPPED:
            continue
        now = getattr(layer, field)
        why = _why_not(layer, field, now, answers)
        offer = None if why else known.get(f"{name}.{field}") or _made(f"{name}.{field}", layer, field, now)
        if offer is None:
            yield Knob(field, now, why=why or Message(N_("there is nothing else that it could be")))
        else:
            usual = _MORE.get(field, ()) if offer.choice.options else ()
            yield Knob(field, now, offer, tuple(value for value in usual if _takes(layer, field, value)))
    if f"{name}.kind" in known:
        yield Knob("kind", layer.kind, known[f"{name}.kind"])
    if layer.kind in KINDS["activation"] and ACTIVATION in known:
        yield Knob(EVERY_ACTIVATION, layer.kind, known[ACTIVATION])
    if answers:
        yield Knob(IN_OR_OUT, IN_OUT[0], why=Message(N_("without it nothing names a class")))
    elif name in known:
        yield Knob(IN_OR_OUT, IN_OUT[0], known[name])


def _why_not(layer: LayerSpec, field: str, now: Any, answers: bool) -> Message | None:
    """Return why a field cannot vary, or None."""
    value: Any = layer
    if field in ("in_channels", "in_features"):
        return Message(N_("what arrives decides: it follows the layers before"))
    if answers and field in ("out_features", "out_channels"):
        return Message(N_("one number for each class: the data decide"))
    if field in ("groups", "num_groups"):
        return Message(N_("it must divide the channels, which may vary themselves"))
    if field == "out_channels" and getattr(layer, "groups", 1) > 1:
        return Message(N_("the maps are dealt out to {count} groups and must come out even"), count=value.groups)
    if field == "padding" and now and 2 * now == getattr(layer, "dilation", 1) * (value.kernel_size - 1):
        return Message(N_("half the window: it follows the side of the window, so that the maps stay as large"))
    if now is None:
        return Message(N_("left empty: it follows the other numbers"))
    if field == "eps":
        return Message(N_("it only keeps a division safe"))
    if field not in fields_of(layer):
        return Message(N_("a table, not a number"))
    return None


def _made(target: str, layer: LayerSpec, field: str, now: Any) -> Offer | None:
    """Return a range around ``now``, or values to choose from; None where there are no two that the layer takes."""
    kind, words = fields_of(layer)[field], get_args(type(layer).model_fields[field].annotation)
    whole = kind is not float
    if kind is bool:
        options: tuple[Any, ...] = (True, False)
    elif kind is str:
        options = words
    elif kind is int and (field in _FIRST or now <= _FEW):
        near = _FIRST.get(field) or (now - 1, now + 1)
        options = tuple(sorted({now, *(value for value in near if _takes(layer, field, value))}))
    else:
        low, high = (max(1, now // 2), 2 * now) if whole else (float(f"{now / 2:.2g}"), float(f"{now * 2:.2g}"))
        if low >= high or not (_takes(layer, field, low) and _takes(layer, field, high)):
            return None
        return Offer(Choice(target=target, low=low, high=high, log=whole), f"{now:g}", whole=whole)
    if len(options) < 2:
        return None
    return Offer(Choice(target=target, options=options), str(now), fixed=() if kind is int else tuple(options))


def _takes(layer: LayerSpec, field: str, value: Any) -> bool:
    fields = {name: getattr(layer, name) for name in type(layer).model_fields}
    try:
        type(layer)(**{**fields, field: value})
    except (ValidationError, CnnLabError):
        return False
    return True
