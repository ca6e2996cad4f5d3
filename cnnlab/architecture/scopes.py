"""``Scope``: the inside of one block (or the whole network) as a short list of rows, for whoever draws or edits it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from cnnlab.architecture.blocks import Block, Branches, DenseBlock, Residual
from cnnlab.architecture.blocks import Sequence as Body
from cnnlab.architecture.joins import JoinSpec
from cnnlab.architecture.network import Architecture
from cnnlab.architecture.shapes import Shape
from cnnlab.architecture.spec import LayerSpec
from cnnlab.architecture.tape import BlockRow, Place, Row


@dataclass(frozen=True)
class Scope:
    """What stands in one block, each block inside it folded to one row; of a repeated block, its first copy.

    Attributes:
        place: the block's place; () is the network itself.
        name: the block's path; empty for the network.
        block: its description, or None for the network.
        input_shape: what arrives, or None where that is unknown.
        rows: one for each of the block's layers (or branches), in order; ``index`` is the position among them.
        joins: what the block adds by itself (a shortcut, a sum, a concatenation), in order.
    """

    place: Place
    name: str
    block: LayerSpec | None
    input_shape: Shape | None
    rows: tuple[Row, ...]
    joins: tuple[Row, ...] = ()

    @property
    def parallel(self) -> bool:
        """Whether the rows stand side by side instead of one behind the other."""
        return isinstance(self.block, Branches)

    def at(self, index: int) -> Place:
        """Return the place in the network of the row at ``index``."""
        return (*self.place, index)


def scope(architecture: Architecture, place: Place = ()) -> Scope:
    """Return the inside of the block at ``place``; the network itself where no block that can be gone into stands there."""
    return _scope(architecture, tuple(place))


def enters(layer: LayerSpec) -> bool:
    """Return whether ``layer`` is a block whose inside can be looked at and edited; a shorthand is one piece."""
    return isinstance(layer, (Body, Residual, Branches, DenseBlock))


@lru_cache(maxsize=64)
def _scope(architecture: Architecture, place: Place) -> Scope:
    trace = architecture.trace()
    block = next((one for one in trace.blocks if place and one.place == place), None)
    if block is None or not enters(block.layer):
        return Scope((), "", None, architecture.input_shape, trace.folded)
    first = _first_copy(block)
    rows = [row for row in trace.rows[block.start : block.stop] if row.name.startswith(first)]
    inside = [one for one in trace.blocks if one.name.startswith(first)]
    folded = tuple(_child(block, position, rows, inside) for position in range(len(_inner(block.layer))))
    joins = [row for row in rows if row.place == place and _is_join(row)]
    return Scope(place, block.name, block.layer, block.input_shape, folded, tuple(joins))


def _inner(layer: LayerSpec) -> Sequence[LayerSpec]:
    return layer.inner if isinstance(layer, Block) else ()


def _first_copy(block: BlockRow) -> str:
    """Return what the names of the first copy's rows begin with: a dense block's copies stand inside the block."""
    if isinstance(block.layer, DenseBlock):
        return f"{block.name}.layer1."
    return f"{block.name}."


def _is_join(row: Row) -> bool:
    return (isinstance(row.layer, JoinSpec) and row.layer.kind != "Chunk") or ".shortcut." in row.name


def _child(block: BlockRow, position: int, rows: Sequence[Row], inside: Sequence[BlockRow]) -> Row:
    """Return the row of the child at ``position``: its own, or a folded one with the sums of all its copies."""
    place = (*block.place, position)
    copies = [one for one in inside if one.place == place and one.name.count(".") == _depth(block)]
    if not copies:
        row = next(row for row in rows if row.place == place)
        return replace(row, index=position)
    held = [row for row in rows if any(one.start <= row.index < one.stop for one in copies)]
    name = copies[0].name if len(copies) == 1 else f"{copies[0].name}–{copies[-1].name.rpartition('.')[2]}"
    known = copies[-1].output_shape is not None
    return Row(
        index=position,
        name=name,
        layer=_inner(block.layer)[position],
        input_shape=copies[0].input_shape,
        output_shape=copies[-1].output_shape,
        num_params=sum(one.num_params for one in copies) if known else None,
        macs=sum(one.macs for one in copies) if known else None,
        receptive_field=held[-1].receptive_field if held else None,
        error=next((row.error for row in held if row.error), None),
        place=place,
    )


def _depth(block: BlockRow) -> int:
    """Return how many dots the names of the block's children have."""
    return block.name.count(".") + (2 if isinstance(block.layer, DenseBlock) else 1)
