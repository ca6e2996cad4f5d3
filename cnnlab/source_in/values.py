"""The values that the reader computes with: plain Python ones, and these stand-ins for libraries, layers and tensors."""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from cnnlab.architecture import LayerSpec, Shape
from cnnlab.source_in.findings import Refusal

if TYPE_CHECKING:
    from cnnlab.source_in.graph import Graph

Value = Any
"""int, float, bool, str, None, tuple, list, dict, set, slice, or a class of this file."""


class Env:
    """Names and their values; a function's names shadow those of what encloses it."""

    def __init__(self, parent: Env | None = None) -> None:
        self.names: dict[str, Value] = {}
        self.parent = parent

    def holder(self, name: str) -> Env | None:
        """Return the innermost scope that knows ``name``."""
        scope: Env | None = self
        while scope is not None and name not in scope.names:
            scope = scope.parent
        return scope

    @property
    def module(self) -> Env:
        """The outermost scope."""
        scope = self
        while scope.parent is not None:
            scope = scope.parent
        return scope


@dataclass(frozen=True)
class Lib:
    """Something of a library, by its full dotted name: a module, class or function that is never loaded."""

    path: str


@dataclass(eq=False)
class Unknown:
    """A value that the source alone does not tell: a library's, a parameter's, or what could not be read.

    Attributes:
        line: where it came up.
        what: the code that made it.
        cause: why it could not be read, where that is known.
        layer: the layer whose numbers it is.
    """

    line: int
    what: str
    cause: Refusal | None = None
    layer: Layer | None = None


class Batch:
    """The number of examples in a batch: whatever it is, it stays."""


BATCH = Batch()


class Training:
    """``self.training``: true while it trains, false when it answers."""


TRAINING = Training()


@dataclass(eq=False)
class Function:
    """A function or lambda of the source."""

    node: ast.FunctionDef | ast.Lambda
    env: Env
    defaults: list[Value]
    kw_defaults: list[Value]
    owner: Class | None = None
    kind: str = "function"

    @property
    def name(self) -> str:
        """Its name in the source."""
        return self.node.name if isinstance(self.node, ast.FunctionDef) else "lambda"


@dataclass(eq=False)
class Bound:
    """A method together with the object it was taken from; ``target`` is a Function or the name of a built-in one."""

    receiver: Value
    target: Function | str


@dataclass(eq=False)
class Partial:
    """``functools.partial``."""

    target: Value
    args: list[Value]
    kwargs: dict[str, Value]


@dataclass(eq=False)
class Class:
    """A class of the source.

    Attributes:
        bases: classes of the source or of libraries.
        fields: those that it declares itself, where it is a data class or a named tuple.
        ordered: whether its objects are gone through like a tuple.
    """

    name: str
    node: ast.ClassDef
    bases: list[Value]
    names: dict[str, Value]
    fields: tuple[str, ...] = ()
    ordered: bool = False

    def all_fields(self) -> tuple[str, ...]:
        """Return the fields of a record with those that it inherits, in the order of its arguments."""
        names = [name for one in reversed(self.line_of_descent()) for name in one.fields]
        return tuple(dict.fromkeys(names))

    def knows(self, name: str) -> bool:
        """Return whether ``name`` has a value in this class or those it is derived from, be it None."""
        return any(name in one.names for one in self.line_of_descent())

    def find(self, name: str) -> Value | None:
        """Return what ``name`` means in this class or those it is derived from."""
        if name in self.names:
            return self.names[name]
        for base in self.bases:
            if isinstance(base, Class) and (found := base.find(name)) is not None:
                return found
        return None

    def line_of_descent(self) -> list[Class]:
        """Return this class and all classes of the source that it is derived from, its own first."""
        return [self, *(one for base in self.bases if isinstance(base, Class) for one in base.line_of_descent())]

    def library_bases(self) -> set[str]:
        """Return the paths of the library classes that this one is derived from."""
        found: set[str] = set()
        for base in self.bases:
            found |= (
                base.library_bases() if isinstance(base, Class) else {base.path} if isinstance(base, Lib) else set()
            )
        return found


@dataclass(eq=False)
class Factory:
    """``field(default_factory=...)``: what makes the value for each object anew."""

    target: Value


@dataclass(eq=False)
class Instance:
    """An object of a plain class of the source."""

    cls: Class
    names: dict[str, Value] = field(default_factory=dict)
    spoiled: Unknown | None = None


@dataclass(eq=False)
class Module:
    """A module with children: an object of a class of the source, a container, or a Keras model.

    Attributes:
        base: ``Module``, ``Sequential``, ``ModuleList``, ``ModuleDict``, ``keras`` (Sequential) or ``graph`` (Keras functional).
        children: what it registered, in order.
        label: the attribute under which it was first kept.
        ready: whether ``super().__init__()`` has run.
        spoiled: the statement that changed it and could not be read.
    """

    base: str
    line: int
    cls: Class | None = None
    names: dict[str, Value] = field(default_factory=dict)
    children: dict[str, Value] = field(default_factory=dict)
    label: str = ""
    ready: bool = True
    spoiled: Unknown | None = None
    output: Tensor | None = None
    given: Value = None


@dataclass(eq=False)
class Layer:
    """A layer that the source makes; it becomes specs when a tensor arrives.

    Attributes:
        kind: its name in its library.
        plan: the specs for an input of that shape (None: unknown).
        weights: whether it learns, so that using it twice ties weights.
        settings: what the source may ask it for (``conv.out_channels``).
        size: ``(field, number)`` that must arrive, where no spec checks it (``num_features``).
    """

    kind: str
    line: int
    plan: Callable[[Shape | None], list[LayerSpec]]
    weights: bool = False
    settings: dict[str, Value] = field(default_factory=dict)
    size: tuple[str, Value] | None = None
    label: str = ""
    spoiled: Unknown | None = None


@dataclass(frozen=True)
class Border:
    """What is looked at around maps that arrive, in pixels: zeros, or minus infinity (``below`` all numbers)."""

    top: int
    bottom: int
    left: int
    right: int
    below: bool = False


@dataclass(eq=False)
class Tensor:
    """What flows: the output of a node, perhaps looked at in another shape.

    Attributes:
        shape: of one example, without the batch; None where a layer above did not fit.
        batch: the number of examples where the source says it, else ``BATCH``.
        turned: whether Keras has put its channels first, as it does before it flattens maps in torch's order.
        border: what lies around its maps, with which ``shape`` counts it, until a layer takes it as its padding.
    """

    graph: Graph
    node: int
    shape: tuple[int, ...] | None
    batch: int | Batch = BATCH
    turned: bool = False
    border: Border | None = None

    def become(self, other: Tensor) -> Tensor:
        """Be ``other`` from now on, for everyone who holds this one: what an operation in place does."""
        self.node, self.shape, self.border = other.node, other.shape, other.border
        return self


@dataclass(eq=False)
class Super:
    """``super()``: the object, seen from above the class ``cls``."""

    cls: Class
    receiver: Value


Net = (Module, Layer)
"""What may be called with a tensor."""
