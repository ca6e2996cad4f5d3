"""``Architecture``: what a network is, without torch. Editing returns a copy; ``trace()`` tells what each layer does."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property, lru_cache
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from cnnlab.architecture import blocks, places
from cnnlab.architecture import tape as tapes
from cnnlab.architecture.blocks import AnyLayer, check_size
from cnnlab.architecture.budget import DEFAULT_BUDGET, Budget, check_budget
from cnnlab.architecture.layers import Softmax
from cnnlab.architecture.shapes import Shape
from cnnlab.architecture.spec import MAX_LAYERS, LayerSpec
from cnnlab.architecture.tape import Place, Row
from cnnlab.architecture.trace import Trace
from cnnlab.errors import ArchitectureError
from cnnlab.validation import first_finding

MAX_JSON_BYTES = 1_000_000
MAX_JSON_DEPTH = 32
MAX_NAME = 80
FORMAT = "cnnlab.architecture"
VERSION = 1

_KNOWN = ("names", "_traced")
"""What an architecture finds out about itself once."""

Side = Annotated[int, Field(ge=1, le=1024)]


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

    @model_validator(mode="after")
    def _bounded(self) -> Architecture:
        check_size(self.layers)
        return self

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Architecture:
        """Return a copy with some fields changed; what was found out about this network stays behind."""
        copied = super().model_copy(update=update, deep=deep)
        for known in _KNOWN:
            copied.__dict__.pop(known, None)
        return copied

    def __getstate__(self) -> dict[Any, Any]:
        """Go to another process without what was found out here."""
        state = super().__getstate__()
        return {**state, "__dict__": {name: kept for name, kept in state["__dict__"].items() if name not in _KNOWN}}

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The names of all rows: prefix and count, ``flatten`` and ``softmax`` bare where they stand alone.

        Inside blocks they are paths with dots; a network without blocks has one for each of ``layers``.
        """
        if self.is_flat:  # without asking for shapes
            return tuple(name for names in tapes.child_names(self.layers) for name in names)
        return tuple(row.name for row in self.trace().rows)

    @property
    def is_flat(self) -> bool:
        """Whether it has no blocks: then its rows are its layers."""
        return not any(layer.nesting for layer in self.layers)

    def trace(self) -> Trace:
        """Return a row for each single layer; never raises, the first layer that does not fit carries the error."""
        return self._traced

    @cached_property
    def _traced(self) -> Trace:
        return _trace(self)

    def check(self) -> None:
        """Raise the first error of ``trace()``, or an error where there is no layer at all."""
        if not self.trace().rows:
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
        """Whether the last row is Softmax; then the logits are what arrives at it."""
        rows = self.trace().rows
        return bool(rows) and isinstance(rows[-1].layer, Softmax)

    @property
    def key(self) -> str:
        """Canonical JSON, with each layer's kind: the key under which anything about this network may be kept."""
        return self.model_dump_json()

    def with_layers(self, layers: Sequence[LayerSpec]) -> Architecture:
        """Return the network with other layers.

        Raises:
            ArchitectureError: more than ``MAX_LAYERS``, or too many with all repeats counted.
        """
        if len(layers) > MAX_LAYERS:
            raise ArchitectureError("a network may have {limit} layers at most", limit=MAX_LAYERS)
        check_size(layers)
        return Architecture(name=self.name, input_shape=self.input_shape, layers=tuple(layers))

    def at(self, place: int | Place) -> LayerSpec:
        """Return the layer or block at ``place``: a position in ``layers``, or the way to it through blocks.

        Raises:
            ArchitectureError: there is none.
        """
        return places.at(self.layers, _place(place))

    def insert(self, place: int | Place, layer: LayerSpec) -> Architecture:
        """Return the network with ``layer`` before what stands at ``place``; the last position may be one past the end."""
        return self._edited(place, lambda layers, position: layers.insert(position, layer))

    def remove(self, place: int | Place) -> Architecture:
        """Return the network without the layer or block at ``place``."""
        return self._edited(place, lambda layers, position: layers.pop(position))

    def replace(self, place: int | Place, layer: LayerSpec) -> Architecture:
        """Return the network with ``layer`` in place of what stands at ``place``."""
        return self._edited(place, lambda layers, position: layers.__setitem__(position, layer))

    def duplicate(self, place: int | Place) -> Architecture:
        """Return the network with a second copy of what stands at ``place`` right behind it."""
        return self._edited(place, lambda layers, position: layers.insert(position, layers[position]))

    def move(self, place: int | Place, to: int | Place) -> Architecture:
        """Return the network with what stands at ``place`` moved to ``to``, a place in the tree without it."""
        layer = self.at(place)
        return self.remove(place).insert(to, layer)

    def group(self, chosen: Sequence[int | Place], name: str = "") -> Architecture:
        """Return the network with neighbours made one block, a Sequence called ``name``; it stands where the first did.

        Raises:
            ArchitectureError: the chosen do not stand next to each other in one block, that would nest too deep, or no
                block may be called ``name``.
        """
        parent, first, last = places.run_of(self.layers, [_place(place) for place in chosen])
        return self.with_layers(places.together(self.layers, parent, first, last, name))

    def ungroup(self, place: int | Place) -> Architecture:
        """Return the network with the block at ``place`` opened up; it computes the same, see :func:`places.opened`.

        Raises:
            ArchitectureError: it is a single layer, or nothing simpler does the same.
            ShapeError: a shorthand or shortcut there does not fit.
        """
        place = _place(place)
        layer, rows = self.at(place), self.trace().rows
        found = []
        for block in self.trace().blocks:
            if block.place == place and block.layer == layer:
                residual = isinstance(layer, blocks.Residual) and block.stop > block.start
                leaves = rows[block.stop - 1].input_shape if residual else block.output_shape
                found.append(places.opened(layer, block.input_shape, leaves))
        parts = found[0] if found else places.opened(layer, None, None)
        if any(other != parts for other in found):
            raise ArchitectureError(
                "{kind} cannot be opened up here; its copies get different shapes, and each stands for something else",
                kind=layer.kind,
            )
        return self._edited(place, lambda layers, position: layers.__setitem__(slice(position, position + 1), parts))

    def can_edit(self, row: Row) -> bool:
        """Return whether ``row`` stands in the tree as it is, and not as something that its block adds by itself."""
        return self.at(row.place) == row.layer

    def mapped(self, change: Callable[[LayerSpec, Place], LayerSpec | None]) -> Architecture:
        """Return the network with every layer replaced by what ``change`` makes of it and its place; None takes it out.

        Blocks are gone into; a shorthand is changed as a whole.
        """
        return self.with_layers(places.mapped(self.layers, change))

    def _edited(self, place: int | Place, edit: Callable[[list[LayerSpec], int], object]) -> Architecture:
        *parent, position = _place(place)

        def inside(layers: list[LayerSpec]) -> None:
            edit(layers, position)

        return self.with_layers(places.edited(self.layers, tuple(parent), inside))

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


def _place(place: int | Place) -> Place:
    return (place,) if isinstance(place, int) else tuple(place)


@lru_cache(maxsize=512)
def _trace(architecture: Architecture) -> Trace:
    tape = tapes.Tape()
    tape.body(architecture.layers, tapes.start(architecture.input_shape), tapes.TOP)
    return Trace(tuple(tape.rows), tuple(tape.blocks))


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


__all__ = [
    "DEFAULT_BUDGET", "FORMAT", "MAX_JSON_BYTES", "MAX_JSON_DEPTH", "MAX_LAYERS", "MAX_NAME", "Architecture", "Budget",
    "Row", "Trace", "check_budget",
]  # fmt: skip
