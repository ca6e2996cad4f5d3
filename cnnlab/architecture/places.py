"""Editing inside a tree of layers by place: every function returns a new tuple, the old one stays as it is."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from pydantic import ValidationError

from cnnlab.architecture import blocks
from cnnlab.architecture.shapes import Shape
from cnnlab.architecture.spec import LayerSpec
from cnnlab.architecture.tape import Place
from cnnlab.errors import ArchitectureError
from cnnlab.validation import first_finding

Layers = tuple[LayerSpec, ...]


def at(layers: Layers, place: Place) -> LayerSpec:
    """Return the layer or block at ``place``.

    Raises:
        ArchitectureError: there is none.
    """
    for depth, position in enumerate(place):
        if not 0 <= position < len(layers):
            raise _nowhere(place)
        found = layers[position]
        if depth + 1 < len(place):
            layers = inner(found)
    if not place:
        raise _nowhere(place)
    return found


def inner(layer: LayerSpec) -> Layers:
    """Return what stands in a block; nothing stands in a single layer."""
    return layer.inner if isinstance(layer, blocks.Block) else ()


def edited(layers: Layers, parent: Place, edit: Callable[[list[LayerSpec]], None]) -> Layers:
    """Return ``layers`` after ``edit`` changed the list of those that stand in the block at ``parent`` (() for the top).

    Raises:
        ArchitectureError: there is no such block, or it cannot hold what came out.
    """
    if not parent:
        changed = list(layers)
        edit(changed)
        return tuple(changed)
    block = at(layers, parent[:1])
    if not isinstance(block, blocks.Block) or isinstance(block, blocks.Shorthand):
        raise ArchitectureError("{kind} is one piece; open it up first to change what stands in it", kind=block.kind)
    held = edited(block.inner, parent[1:], edit)
    try:
        new = block.with_inner(held)
    except ValidationError as error:
        raise ArchitectureError("this change does not work: {finding}", finding=first_finding(error)) from error
    return (*layers[: parent[0]], new, *layers[parent[0] + 1 :])


def mapped(layers: Layers, change: Callable[[LayerSpec, Place], LayerSpec | None], parent: Place = ()) -> Layers:
    """Return ``layers`` with every single layer and shorthand replaced by what ``change`` makes of it and its place."""
    found: list[LayerSpec | None] = []
    for position, layer in enumerate(layers):
        place = (*parent, position)
        if isinstance(layer, blocks.Block) and not isinstance(layer, blocks.Shorthand):
            found.append(layer.with_inner(mapped(layer.inner, change, place)))
        else:
            found.append(change(layer, place))
    return tuple(layer for layer in found if layer is not None)


def run_of(layers: Layers, places: Sequence[Place]) -> tuple[Place, int, int]:
    """Return the parent and the first and last position of ``places``, which must stand next to each other in one block.

    Raises:
        ArchitectureError: there are none, or they do not.
    """
    ordered = sorted(set(places))
    if not ordered or not ordered[0]:
        raise ArchitectureError("choose the layers that shall become a block")
    parent, first, last = ordered[0][:-1], ordered[0][-1], ordered[-1][-1]
    if ordered != [(*parent, position) for position in range(first, last + 1)]:
        raise ArchitectureError("only layers that stand next to each other in one block can become a block")
    at(layers, ordered[-1])
    return parent, first, last


def together(layers: Layers, parent: Place, first: int, last: int, name: str) -> Layers:
    """Return ``layers`` with those from ``first`` to ``last`` of the block at ``parent`` made a Sequence called ``name``.

    Raises:
        ArchitectureError: that would nest too deep, or no block may be called so.
    """

    def edit(held: list[LayerSpec]) -> None:
        held[first : last + 1] = [blocks.Sequence(layers=tuple(held[first : last + 1]), name=name)]  # type: ignore[arg-type]

    try:
        return edited(layers, parent, edit)
    except ValidationError as error:
        raise ArchitectureError("this change does not work: {finding}", finding=first_finding(error)) from error


def opened(layer: LayerSpec, arrives: Shape | None, leaves: Shape | None) -> Layers:
    """Return layers that together compute what the block ``layer`` does, one step more generic.

    A Sequence gives its layers, once for each copy; a shorthand the generic block it stands for; a Residual two Branches
    that are added, the shortcut's layers in the second; a DenseBlock one concatenation for each copy.

    Args:
        layer: the block.
        arrives: the shape that arrives at it, where known.
        leaves: the shape that leaves its body, where known; a Residual's shortcut is made for it.

    Raises:
        ArchitectureError: it is a single layer, or there is nothing more generic.
    """
    if isinstance(layer, blocks.Sequence):
        return layer.layers * layer.repeat
    if isinstance(layer, blocks.Shorthand) and arrives is not None:
        part = layer.parts(arrives)
        return (part.named(layer.name),)
    body = blocks.Sequence(layers=getattr(layer, "layers", ()), name="body")
    if isinstance(layer, blocks.Residual) and arrives is not None and leaves is not None:
        kept = layer.shortcut_layers(arrives, leaves)
        if not any(one.kind == "PadShortcut" for one in kept):
            way = blocks.Sequence(layers=kept, name="short")  # type: ignore[arg-type]
            return (blocks.Branches(branches=(body, way), join="add", name=layer.name),)
    if isinstance(layer, blocks.DenseBlock):
        return (blocks.Branches(branches=(blocks.Sequence(), body), name=layer.name),) * layer.repeat
    if isinstance(layer, blocks.Branches) and len(layer.branches) == 1 and not layer.split:
        return layer.branches
    raise ArchitectureError(
        "{kind} cannot be opened up here; there is nothing simpler that does the same", kind=layer.kind
    )


def _nowhere(place: Place) -> ArchitectureError:
    return ArchitectureError("no layer stands at {place}", place=".".join(str(part + 1) for part in place) or "-")
