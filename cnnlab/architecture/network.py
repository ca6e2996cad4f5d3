"""``Architecture``: what a network is, without torch. Editing returns a copy; ``trace()`` tells what each layer does."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from cnnlab.architecture.layers import AnyLayer, LayerSpec, Softmax
from cnnlab.architecture.shapes import ReceptiveField, Shape
from cnnlab.errors import ArchitectureError, BudgetError, CnnLabError, ShapeError
from cnnlab.i18n import Message
from cnnlab.validation import first_finding

MAX_LAYERS = 500
MAX_JSON_BYTES = 1_000_000
MAX_JSON_DEPTH = 32
MAX_NAME = 80
FORMAT = "cnnlab.architecture"
VERSION = 1

Side = Annotated[int, Field(ge=1, le=1024)]


@dataclass(frozen=True)
class Row:
    """What one layer does to one example.

    Attributes:
        index: position in ``architecture.layers``, from 0.
        name: the layer's name in the network.
        layer: its description.
        input_shape: what arrives, or None below a layer that does not fit.
        output_shape: what leaves, or None where it does not fit.
        num_params: parameters without buffers, or None where unknown.
        macs: multiply-adds for one example, or None where unknown.
        receptive_field: which input pixels reach its units, or None where unknown.
        error: why the layer does not fit, or None.
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


@dataclass(frozen=True)
class Trace:
    """All rows of a network and their totals; where a layer does not fit, the totals count the rows above it."""

    rows: tuple[Row, ...]

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


class Architecture(BaseModel):
    """A network: the shape of its input and its layers in order.

    Args:
        name: what people call it.
        input_shape: ``(C, H, W)``.
        layers: descriptions, see :data:`cnnlab.architecture.layers.LAYERS`.

    Raises:
        pydantic.ValidationError: a field is out of its range. A network whose layers do not fit each other is no
            error here: it can be drawn and mended; ``check()`` raises.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal["cnnlab.architecture"] = FORMAT  # type: ignore[assignment]
    version: Literal[1] = VERSION  # type: ignore[assignment]
    name: str = Field("", max_length=MAX_NAME)
    input_shape: tuple[Annotated[int, Field(ge=1, le=64)], Side, Side]
    layers: tuple[AnyLayer, ...] = Field((), max_length=MAX_LAYERS)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The layers' names: prefix and count, ``flatten`` and ``softmax`` bare where they stand alone."""
        counts: Counter[str] = Counter()
        names = []
        for layer in self.layers:
            counts[layer.prefix] += 1
            number = counts[layer.prefix]
            names.append(layer.prefix if number == 1 and not layer.counted else f"{layer.prefix}{number}")
        return tuple(names)

    def trace(self) -> Trace:
        """Return a row for each layer; never raises, the first layer that does not fit carries the error."""
        return _trace(self)

    def check(self) -> None:
        """Raise the first error of ``trace()``, or an error where there is no layer at all."""
        if not self.layers:
            raise ArchitectureError("the network has no layer yet; add one, for example Flatten and then Linear")
        if error := self.trace().error:
            raise error

    @property
    def output_shape(self) -> Shape:
        """The shape that leaves the last layer for one example; raises as ``check()`` does."""
        self.check()
        shape = self.trace().rows[-1].output_shape
        return shape if shape is not None else self.input_shape

    @property
    def ends_in_softmax(self) -> bool:
        """Whether the last layer is Softmax; then the logits are what arrives at it."""
        return bool(self.layers) and isinstance(self.layers[-1], Softmax)

    @property
    def key(self) -> str:
        """Canonical JSON, with each layer's kind: the key under which anything about this network may be kept."""
        return self.model_dump_json()

    def with_layers(self, layers: Sequence[LayerSpec]) -> Architecture:
        """Return the network with other layers; raises ArchitectureError above ``MAX_LAYERS``."""
        if len(layers) > MAX_LAYERS:
            raise ArchitectureError("a network may have {limit} layers at most", limit=MAX_LAYERS)
        return Architecture(name=self.name, input_shape=self.input_shape, layers=tuple(layers))

    def insert(self, index: int, layer: LayerSpec) -> Architecture:
        """Return the network with ``layer`` before position ``index``."""
        return self.with_layers((*self.layers[:index], layer, *self.layers[index:]))

    def remove(self, index: int) -> Architecture:
        """Return the network without the layer at ``index``."""
        return self.with_layers(self.layers[:index] + self.layers[index + 1 :])

    def replace(self, index: int, layer: LayerSpec) -> Architecture:
        """Return the network with ``layer`` in place of the one at ``index``."""
        return self.with_layers((*self.layers[:index], layer, *self.layers[index + 1 :]))

    def duplicate(self, index: int) -> Architecture:
        """Return the network with a second copy of the layer at ``index`` right behind it."""
        return self.insert(index + 1, self.layers[index])

    def move(self, index: int, to: int) -> Architecture:
        """Return the network with the layer at ``index`` moved to position ``to``."""
        layers = list(self.layers)
        layers.insert(to, layers.pop(index))
        return self.with_layers(layers)

    def with_input(self, shape: tuple[int, int, int]) -> Architecture:
        """Return the network for another input shape ``(C, H, W)``."""
        return Architecture(name=self.name, input_shape=shape, layers=self.layers)

    def renamed(self, name: str) -> Architecture:
        """Return the network under another name."""
        return Architecture(name=name, input_shape=self.input_shape, layers=self.layers)

    def to_json(self) -> str:
        """Return the network as an indented JSON document, which ``from_json`` reads."""
        return self.model_dump_json(indent=2)

    @classmethod
    def from_json(cls, text: str | bytes) -> Architecture:
        """Return the network that a JSON document describes; the document may come from anyone.

        Raises:
            ArchitectureError: too large, too deep, not JSON, or not a network; the sentence says where.
        """
        if len(text) > MAX_JSON_BYTES:
            raise ArchitectureError(
                "this document has {size} bytes; a network's JSON may have {limit} at most",
                size=len(text),
                limit=MAX_JSON_BYTES,
            )
        if _depth(text) > MAX_JSON_DEPTH:
            raise ArchitectureError(
                "this document nests deeper than {limit} brackets; a network's JSON does not",
                limit=MAX_JSON_DEPTH,
            )
        try:
            return cls.model_validate_json(text, strict=True)
        except ValidationError as error:
            raise ArchitectureError("not a network: {finding}", finding=first_finding(error)) from error


@dataclass(frozen=True)
class Budget:
    """How large a network may be that is built or trained; describing one of any size is free.

    Attributes:
        max_params: parameters.
        max_activation_bytes: float32 activations of all layers for one batch.
    """

    max_params: int = 50_000_000
    max_activation_bytes: int = 4_000_000_000

    def check(self, architecture: Architecture, batch_size: int = 1) -> None:
        """Refuse a network above this budget, before anything is allocated.

        Raises:
            BudgetError: too many parameters, or too much activation memory at ``batch_size``.
            ShapeError, ArchitectureError: the network cannot run at all.
        """
        architecture.check()
        trace = architecture.trace()
        if trace.num_params > self.max_params:
            raise BudgetError(
                "this network has {count:,} parameters; {limit:,} at most are built here; make its widest layers narrower",
                count=trace.num_params,
                limit=self.max_params,
            )
        needed = 4 * batch_size * trace.activation_elements
        if needed > self.max_activation_bytes:
            raise BudgetError(
                "at batch size {batch} this network's activations take {need} MB; {limit} MB at most are used here; "
                "use a batch size of {works} or less",
                batch=batch_size,
                need=needed // 1_000_000,
                limit=self.max_activation_bytes // 1_000_000,
                works=self.max_activation_bytes // (4 * trace.activation_elements),
            )


DEFAULT_BUDGET = Budget()


def check_budget(architecture: Architecture, batch_size: int = 1, budget: Budget = DEFAULT_BUDGET) -> None:
    """Raise unless ``architecture`` can run and stays within ``budget`` at ``batch_size``; see :class:`Budget`."""
    budget.check(architecture, batch_size)


@lru_cache(maxsize=512)
def _trace(architecture: Architecture) -> Trace:
    rows: list[Row] = []
    shape: Shape | None = architecture.input_shape
    field: ReceptiveField | None = ReceptiveField.identity(architecture.input_shape)
    for index, (name, layer) in enumerate(zip(architecture.names, architecture.layers)):
        if shape is None or field is None:
            rows.append(Row(index, name, layer, None, None, None, None, None))
            continue
        try:
            output = layer.output_shape(shape)
        except ShapeError as error:
            where = Message("layer {number} ({name}, {kind})", number=index + 1, name=name, kind=layer.kind)
            placed = ShapeError(error.message, **{**error.values, "where": where})
            rows.append(Row(index, name, layer, shape, None, None, None, None, placed))
            shape = field = None
            continue
        field = layer.field(field, shape)
        rows.append(Row(index, name, layer, shape, output, layer.num_params(shape), layer.macs(shape), field))
        shape = output
    return Trace(tuple(rows))


def _product(shape: Shape) -> int:
    product = 1
    for length in shape:
        product *= length
    return product


def _depth(text: str | bytes) -> int:
    """Return how deep brackets nest, outside strings or not: an upper bound that costs one pass."""
    deepest = depth = 0
    for mark in text if isinstance(text, bytes) else text.encode("utf-8", "replace"):
        if mark in b"[{":
            depth += 1
            deepest = max(deepest, depth)
        elif mark in b"]}":
            depth -= 1
    return deepest
