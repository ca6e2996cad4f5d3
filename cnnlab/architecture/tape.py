"""A tree of layers, unrolled: one row for each single layer, in the order in which they are carried out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from cnnlab.architecture.joins import JoinSpec
from cnnlab.architecture.shapes import ReceptiveField, Shape
from cnnlab.architecture.spec import LayerSpec
from cnnlab.errors import CnnLabError, ShapeError
from cnnlab.i18n import Message

Place = tuple[int, ...]
"""Where a layer stands in the tree: its position in ``layers``, then its position inside that block, and so on."""

JOIN_NAMES = ("add", "concat", "multiply", "chunk", "shortcut")
"""Names that blocks give to what they add by themselves; nobody else's."""

INPUT = -1
"""What stands in ``Row.inputs`` for the network's own input."""


@dataclass(frozen=True)
class Row:
    """What one single layer does to one example.

    Attributes:
        index: position among the rows, from 0; the position in ``architecture.layers`` where no block stands before it.
        name: the layer's name in the network; a path with dots inside blocks (``stage2.block1.conv2``).
        layer: its description.
        input_shape: what arrives (at a join: the first of its inputs), or None below a layer that does not fit.
        output_shape: what leaves, or None where it does not fit.
        num_params: parameters without buffers, or None where unknown.
        macs: multiply-adds for one example, or None where unknown.
        receptive_field: which input pixels reach its units, or None where unknown.
        error: why the layer does not fit, or None.
        place: where its description stands in the tree; what a block adds by itself has the block's own place, and
            all copies of a repeated layer have the same.
        inputs: the rows whose outputs it takes, in order; ``INPUT`` (-1) is the network's input.
    """

    index: int
    name: str
    layer: LayerSpec
    input_shape: Shape | None
    output_shape: Shape | None
    num_params: int | None
    macs: int | None
    receptive_field: ReceptiveField | None
    error: CnnLabError | None = None
    place: Place = ()
    inputs: tuple[int, ...] = ()

    @property
    def top(self) -> int:
        """The position in ``architecture.layers`` of the layer or block that it belongs to."""
        return self.place[0]


@dataclass(frozen=True)
class BlockRow:
    """What one block does to one example; each copy of a repeated block has its own.

    Attributes:
        name: its path, which the names of its rows begin with.
        layer: its description.
        place: where that stands in the tree.
        start, stop: its rows are ``rows[start:stop]``.
        input_shape: what arrives, or None where unknown.
        output_shape: what leaves, or None where unknown.
        num_params: parameters of all its rows.
        macs: multiply-adds of all its rows.
    """

    name: str
    layer: LayerSpec
    place: Place
    start: int
    stop: int
    input_shape: Shape | None
    output_shape: Shape | None
    num_params: int
    macs: int


@dataclass(frozen=True)
class Signal:
    """What flows from one layer to the next: the row that it leaves, its shape and field (None where unknown)."""

    row: int
    shape: Shape | None
    field: ReceptiveField | None


@dataclass(frozen=True)
class Here:
    """Where a layer is being unrolled: its path of names and its place in the tree."""

    path: str
    place: Place
    whole: bool = False

    def inside(self, name: str, *place: int) -> Here:
        """Return where the child ``name`` stands; without ``place`` it belongs to this place itself."""
        return Here(
            f"{self.path}.{name}" if self.path else name,
            self.place if self.whole else (*self.place, *place),
            self.whole,
        )

    def standing_for(self) -> Here:
        """Return the same name for what a shorthand stands for: all of that has the shorthand's own place."""
        return Here(self.path, self.place, True)


TOP = Here("", ())


MAX_SIDE = 4096
"""How high and wide maps may become, in pixels: more is a slip, or meant to cost time."""

MAX_POSITIONS = 2_500_000
"""For how many rows and columns, over all layers, it is worked out which pixels reach them."""


@dataclass
class Tape:
    """The rows and blocks of a network, in order, while it is being unrolled."""

    rows: list[Row] = field(default_factory=list)
    blocks: list[BlockRow] = field(default_factory=list)
    positions: int = 0

    def body(self, layers: Sequence[LayerSpec], signal: Signal, here: Here) -> Signal:
        """Unroll ``layers`` one behind the other, all copies of each."""
        for position, (layer, names) in enumerate(zip(layers, child_names(layers))):
            for name in names:
                signal = self.one(layer, signal, here.inside(name, position))
        return signal

    def one(self, layer: LayerSpec, arrives: Signal, here: Here) -> Signal:
        """Unroll one layer, or one copy of a block, which is then noted with its rows."""
        start, slot = len(self.rows), len(self.blocks)
        leaves = layer.unroll(self, arrives, here)
        if layer.nesting:
            rows = self.rows[start:]
            params, macs = sum(row.num_params or 0 for row in rows), sum(row.macs or 0 for row in rows)
            stop = len(self.rows)
            block = BlockRow(here.path, layer, here.place, start, stop, arrives.shape, leaves.shape, params, macs)
            self.blocks.insert(slot, block)  # before the blocks inside it
        return leaves

    def leaf(self, layer: LayerSpec, here: Here, arrives: Signal, refused: ShapeError | None = None) -> Signal:
        """Put the row of a single layer on the tape; ``refused`` says why it cannot be, where its block knows."""
        shape, seen = arrives.shape, arrives.field
        if shape is None or seen is None:
            return self._row(layer, here, (arrives,), None)
        try:
            if refused:
                raise refused
            output = self._bounded(layer, layer.output_shape(shape))
        except ShapeError as error:
            return self._row(layer, here, (arrives,), self._placed(error, layer, here))
        return self._row(layer, here, (arrives,), None, output, layer.field(seen, shape))

    def join(self, layer: JoinSpec, here: Here, arrives: Sequence[Signal], refused: ShapeError | None = None) -> Signal:
        """Put the row of a join on the tape."""
        shapes = [signal.shape for signal in arrives if signal.shape is not None]
        fields = [signal.field for signal in arrives if signal.field is not None]
        if len(shapes) < len(arrives) or len(fields) < len(arrives):
            return self._row(layer, here, arrives, None)
        try:
            if refused:
                raise refused
            output = self._bounded(layer, layer.joined_shape(shapes))
        except ShapeError as error:
            return self._row(layer, here, arrives, self._placed(error, layer, here))
        return self._row(layer, here, arrives, None, output, layer.joined_field(fields, shapes))

    def _bounded(self, layer: LayerSpec, output: Shape) -> Shape:
        if max(output[1:], default=0) > MAX_SIDE:
            raise ShapeError(
                "{where}: maps of {height}x{width} pixels would leave; {limit} a side at most are taken",
                where=layer.kind,
                height=output[1],
                width=output[2],
                limit=MAX_SIDE,
            )
        self.positions += sum(output[1:])
        if self.positions > MAX_POSITIONS:
            raise ShapeError(
                "{where}: with so many layers, maps this large take too long to work out; use a smaller input",
                where=layer.kind,
            )
        return output

    def _placed(self, error: ShapeError, layer: LayerSpec, here: Here) -> ShapeError:
        where = Message("layer {number} ({name}, {kind})", number=here.place[0] + 1, name=here.path, kind=layer.kind)
        return ShapeError(error.message, **{**error.values, "where": where})

    def _row(
        self,
        layer: LayerSpec,
        here: Here,
        arrives: Sequence[Signal],
        error: CnnLabError | None,
        output: Shape | None = None,
        seen: ReceptiveField | None = None,
    ) -> Signal:
        index, shape = len(self.rows), arrives[0].shape
        counted = output is not None and shape is not None
        params = layer.num_params(shape) if counted and shape is not None else None
        macs = layer.macs(shape) if counted and shape is not None else None
        inputs = tuple(signal.row for signal in arrives)
        self.rows.append(Row(index, here.path, layer, shape, output, params, macs, seen, error, here.place, inputs))
        return Signal(index, output, seen)


def start(shape: Shape) -> Signal:
    """Return the network's own input as a signal."""
    seen = ReceptiveField.identity(shape if len(shape) == 3 else (1, 1, 1))
    return Signal(INPUT, shape, seen)


def child_names(layers: Sequence[LayerSpec]) -> list[tuple[str, ...]]:
    """Return the names of the children of one scope, for each layer as many as it has copies.

    A name is what the layer is called and a count (``conv1``); ``flatten`` and ``softmax`` are bare where they stand
    alone, and so is a block's own name (``stage2``). An own name that something else has already gets the next count.
    """
    counts: Counter[str] = Counter()
    asked = [
        (layer.called, "") if layer.has_own_name else ("", _numbered(layer, counts))
        for layer in layers
        for _copy in range(layer.copies)
    ]
    names = iter(chosen_names(asked))
    return [tuple(next(names) for _copy in range(layer.copies)) for layer in layers]


def chosen_names(asked: Sequence[tuple[str, str]]) -> list[str]:
    """Return one name for each ``(own name, usual name)``: the usual one where there is no own name; no two alike."""
    used = {*JOIN_NAMES, *(usual for own, usual in asked if not own)}
    totals = Counter(own for own, _usual in asked)
    names = []
    for own, usual in asked:
        name = usual
        if own:
            name = own if totals[own] == 1 and own not in used else next(_free(own, used))
            used.add(name)
        names.append(name)
    return names


def _numbered(layer: LayerSpec, counts: Counter[str]) -> str:
    counts[layer.called] += 1
    number = counts[layer.called]
    return layer.called if number == 1 and not layer.counted else f"{layer.called}{number}"


def _free(called: str, used: set[str]) -> Iterator[str]:
    number, link = 0, "_" if called[-1].isdigit() else ""
    while True:
        number += 1
        if (name := f"{called}{link}{number}") not in used:
            yield name
