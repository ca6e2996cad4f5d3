"""``Trace``: what all layers of a network do to one example, with totals; and the same with each block as one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import groupby

from cnnlab.architecture.shapes import Shape
from cnnlab.architecture.tape import BlockRow, Row
from cnnlab.errors import ArchitectureError, CnnLabError


@dataclass(frozen=True)
class Trace:
    """All rows of a network and their totals; where a layer does not fit, the totals count the rows that do.

    Attributes:
        rows: every single layer in the order of execution, what blocks add by themselves included.
        blocks: every block, copies each for itself, outer before inner.
    """

    rows: tuple[Row, ...]
    blocks: tuple[BlockRow, ...] = ()

    def row(self, name: str) -> Row:
        """Return the row of the layer ``name``.

        Raises:
            ArchitectureError: there is no such layer.
        """
        found = next((row for row in self.rows if row.name == name), None)
        if found is None:
            raise ArchitectureError("{name}: no layer of this network", name=name[:80])
        return found

    def takers(self, row: Row) -> tuple[Row, ...]:
        """Return the rows that take the output of ``row``, in order."""
        return tuple(other for other in self.rows[row.index + 1 :] if row.index in other.inputs)

    @cached_property
    def folded(self) -> tuple[Row, ...]:
        """One row for each of ``architecture.layers``: a block as one, with its sums, its output and its first error.

        Its name is the block's; of a repeated one, the first and the last copy's. ``index`` is the position in
        ``layers``, ``inputs`` are the ones before. Without blocks these are the rows themselves.
        """
        return _folded(self)

    @property
    def error(self) -> CnnLabError | None:
        """The first thing that is wrong, or None."""
        return next((row.error for row in self.rows if row.error), None)

    @property
    def num_params(self) -> int:
        """Parameters of all layers, without buffers."""
        return sum(row.num_params or 0 for row in self.rows)

    @property
    def macs(self) -> int:
        """Multiply-adds for one example."""
        return sum(row.macs or 0 for row in self.rows)

    @property
    def activation_elements(self) -> int:
        """Numbers that leave all layers for one example."""
        return sum(_product(row.output_shape) for row in self.rows if row.output_shape)


def _folded(trace: Trace) -> tuple[Row, ...]:
    blocks_of = {
        place: [*copies] for place, copies in groupby(_outermost(trace.blocks), key=lambda block: block.place[0])
    }
    single = {row.top: row for row in trace.rows if row.top not in blocks_of}
    folded = []
    for top in sorted({*blocks_of, *single}):
        if top in single:
            folded.append(replace(single[top], index=top, inputs=(top - 1,)))
            continue
        copies = blocks_of[top]
        rows = trace.rows[copies[0].start : copies[-1].stop]
        name = copies[0].name if len(copies) == 1 else f"{copies[0].name}–{copies[-1].name}"
        error = next((row.error for row in rows if row.error), None)
        known = copies[-1].output_shape is not None
        row = Row(
            index=top,
            name=name,
            layer=copies[0].layer,
            input_shape=copies[0].input_shape,
            output_shape=copies[-1].output_shape,
            num_params=sum(copy.num_params for copy in copies) if known else None,
            macs=sum(copy.macs for copy in copies) if known else None,
            receptive_field=rows[-1].receptive_field if rows else None,
            error=error,
            place=(top,),
            inputs=(top - 1,),
        )
        folded.append(row)
    return tuple(folded)


def _outermost(found: Sequence[BlockRow]) -> list[BlockRow]:
    return [block for block in found if len(block.place) == 1 and "." not in block.name]


def _product(shape: Shape) -> int:
    product = 1
    for length in shape:
        product *= length
    return product
