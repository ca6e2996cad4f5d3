"""The names that the source gives to its modules, as names of blocks: what was written together stays together."""

from __future__ import annotations

import re
from collections.abc import Sequence as Many
from dataclasses import dataclass
from typing import TypeVar

from pydantic import ValidationError

from cnnlab.architecture import LayerSpec, Shape
from cnnlab.architecture.blocks import Block, Branches, DenseBlock, Sequence
from cnnlab.architecture.tape import child_names
from cnnlab.source_in.shorthands import shorthand

_COUNTED = re.compile(r"(\w*[A-Za-z_])(\d+)")
AnyBlock = TypeVar("AnyBlock", bound=LayerSpec)


@dataclass(frozen=True)
class Call:
    """One call of a module.

    Attributes:
        number: different for each call.
        name: the attribute that holds the module; empty where it has none.
        container: whether it is an ``nn.Sequential`` rather than a class with a ``forward`` of its own.
    """

    number: int
    name: str
    container: bool


Scope = tuple[Call, ...]
"""Which calls something stands in, outermost first."""


def grouped(steps: Many[tuple[LayerSpec, Scope, Shape | None]], depth: int) -> list[LayerSpec]:
    """Return the layers of ``steps``, those of one module's call together as one block with that module's name.

    Args:
        steps: each layer with the calls it stands in and the shape that arrives.
        depth: how many of those calls are around all of them.
    """
    layers: list[LayerSpec] = []
    position = 0
    while position < len(steps):
        scope = steps[position][1][: depth + 1]
        stop = position + 1
        while len(scope) > depth and stop < len(steps) and steps[stop][1][: depth + 1] == scope:
            stop += 1
        inside = steps[position:stop]
        if len(scope) > depth:
            layers.append(_called(grouped(inside, depth + 1), scope[-1], inside[0][2]))
        else:
            layers += [spec for spec, _scope, _shape in inside]
        position = stop
    return _repeated(layers)


def _called(layers: list[LayerSpec], call: Call, arrives: Shape | None) -> LayerSpec:
    """Return one layer for those of a call: itself where it is alone, a Sequence otherwise."""
    if len(layers) == 1:
        only = layers[0]
        if isinstance(only, DenseBlock) and re.fullmatch(r"\w*?layer\d+", only.name):
            return _with_name(only, call.name)
        if isinstance(only, Sequence) and only.repeat > 1 and not only.name and not call.container:
            return _with_name(only, call.name)
        if not call.container:
            return (
                shorthand(_with_name(only, call.name), arrives) if isinstance(only, Block) and not only.name else only
            )
    return shorthand(_with_name(Sequence(layers=tuple(layers)), call.name), arrives)  # type: ignore[arg-type]


def _with_name(block: AnyBlock, name: str) -> AnyBlock:
    """Return the block under a name, or as it is where blocks cannot be called so."""
    try:
        return type(block)(**{**{field: getattr(block, field) for field in type(block).model_fields}, "name": name})
    except ValidationError:
        return block


def without_name(block: AnyBlock, usual: str) -> AnyBlock:
    """Return the block without its name if that is the ``usual`` one."""
    return _with_name(block, "") if getattr(block, "name", "") == usual else block


def _repeated(layers: list[LayerSpec]) -> list[LayerSpec]:
    """Return ``layers`` with equal blocks in a row as one that repeats, and without names that they would have anyway."""
    layers = _unhidden(_dense_runs(layers))
    wanted = _names(layers)
    for place, layer in enumerate(layers):
        if isinstance(layer, Block) and re.fullmatch(rf"{layer.prefix}\d*", layer.name):
            candidate = [*layers[:place], _with_name(layer, ""), *layers[place + 1 :]]
            layers = candidate if _names(candidate) == wanted else layers
    runs: list[LayerSpec] = []
    for layer in layers:
        together = _twice(runs[-1], layer) if runs else None
        runs[-1:] = [together] if together else [*runs[-1:], layer]
    return runs if _names(runs) == wanted else layers


def _unhidden(layers: list[LayerSpec]) -> list[LayerSpec]:
    """Return ``layers`` with another word for nameless blocks whose usual name something else is called by the source."""
    taken = {name for own in child_names([one for one in layers if getattr(one, "name", "")]) for name in own}
    hidden = {layer.prefix for layer, own in zip(layers, child_names(layers)) if not _own(layer) and taken & set(own)}
    return [
        _with_name(layer, "join") if isinstance(layer, Block) and not layer.name and layer.prefix in hidden else layer
        for layer in layers
    ]


def _own(layer: LayerSpec) -> str:
    return str(getattr(layer, "name", ""))


def _dense_runs(layers: list[LayerSpec]) -> list[LayerSpec]:
    """Return ``layers`` with DenseBlocks that follow each other, as the layers of one, in one."""
    runs: list[LayerSpec] = []
    for layer in _listed_features(layers):
        last = runs[-1] if runs else None
        if isinstance(last, DenseBlock) and _continues(last, layer):
            layer = DenseBlock(layers=last.layers)
        if isinstance(layer, DenseBlock) and isinstance(last, DenseBlock) and layer.layers == last.layers:
            named = _COUNTED.fullmatch(layer.name)
            if (
                not layer.name
                and not last.name
                or (named and named[1].endswith("layer") and int(named[2]) == last.repeat + 1)
            ):
                runs[-1] = DenseBlock(layers=last.layers, repeat=last.repeat + layer.repeat, name=last.name)
                continue
        runs.append(layer)
    return runs


def _listed_features(layers: list[LayerSpec]) -> list[LayerSpec]:
    """Return ``layers`` with one DenseBlock for modules that count up and each add to a list of features."""
    found: list[LayerSpec] = []
    bodies = [_counted_body(layer) for layer in layers]
    for place, (layer, body) in enumerate(zip(layers, bodies)):
        before = bodies[place - 1] if place else None
        if body and before and body.layers == before.layers and _follows(before.name, body.name):
            last = found.pop()
            repeat = last.repeat if isinstance(last, DenseBlock) else 1
            layer = DenseBlock(layers=body.layers, repeat=repeat + 1)
        found.append(layer)
    return found


def _counted_body(layer: LayerSpec) -> Sequence | None:
    """Return what ``cat([x, self.layer3(x)])`` adds, where it is one module."""
    inner: tuple[LayerSpec, ...] = ()
    if isinstance(layer, DenseBlock) and layer.repeat == 1 and not layer.name:
        inner = layer.layers
    elif isinstance(layer, Branches) and layer.join == "concat" and not layer.split and not layer.name:
        inner = layer.branches[1:] if len(layer.branches) == 2 and not layer.branches[0].layers else ()
    only = inner[0] if len(inner) == 1 else None
    return only if isinstance(only, Sequence) and only.repeat == 1 and _COUNTED.fullmatch(only.name) else None


def _follows(name: str, other: str) -> bool:
    one, two = _COUNTED.fullmatch(name), _COUNTED.fullmatch(other)
    return bool(one and two and one[1] == two[1] and int(two[2]) == int(one[2]) + 1)


def _continues(block: DenseBlock, layer: LayerSpec) -> bool:
    """Return whether ``layer`` says of the same body, in another way, what one more copy in ``block`` would say."""
    if block.name or not isinstance(layer, Branches) or layer.name or layer.join != "concat" or layer.split:
        return False
    ways = layer.branches
    return len(ways) == 2 and not ways[0].layers and ways[1].repeat == 1 and ways[1].layers == block.layers


def _twice(one: LayerSpec, other: LayerSpec) -> Sequence | None:
    """Return two Sequences as one that repeats, if they are alike and their names count up."""
    if not isinstance(one, Sequence) or not isinstance(other, Sequence) or one.layers != other.layers:
        return None
    if one.name == other.name == "":
        return Sequence(layers=one.layers, repeat=one.repeat + other.repeat)
    first, second = _COUNTED.fullmatch(one.name), _COUNTED.fullmatch(other.name)
    base = first[1] if first and one.repeat == 1 and first[2] == "1" else one.name if one.repeat > 1 else ""
    if base and second and other.repeat == 1 and second[1] == base and second[2] == str(one.repeat + 1):
        return _with_name(Sequence(layers=one.layers, repeat=one.repeat + 1), base)
    return None


def _names(layers: list[LayerSpec]) -> list[str]:
    return [name for own in child_names(layers) for name in own]
