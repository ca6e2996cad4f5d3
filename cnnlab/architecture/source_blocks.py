"""Blocks as PyTorch classes: one class for all blocks of one form, with what differs between them as its arguments."""

from __future__ import annotations

import keyword
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from cnnlab.architecture.joins import Chunk, PadShortcut
from cnnlab.architecture.rare import SelectChannels
from cnnlab.architecture.shapes import Shape
from cnnlab.architecture.tape import Row

_INDENT = "    "
_BARE = {"Add", "Multiply", "Concat", "Chunk", "PadShortcut", "SelectChannels"}
"""Kinds that are written where they happen, in ``forward``, and are no module."""

_TAKEN = {"Network", "OrderedDict", "RBF", "DIGITS"}


@dataclass(frozen=True)
class Value:
    """A number in a call, which may differ between blocks of one form: the argument's name and what it is here."""

    name: str
    value: object


Code = list["str | Value"]
"""A piece of source: text, and the values in it."""

Calls = Callable[[Row], Code]
"""What makes the module of one row."""


@dataclass
class Scope:
    """One name's part of the network: layers and further scopes by their names, in order."""

    name: str
    children: dict[str, Scope | Row] = field(default_factory=dict)
    made: Code = field(default_factory=list)  # the call that makes it, once its class is known

    def rows(self) -> Iterator[Row]:
        """Go through all rows inside."""
        for child in self.children.values():
            if isinstance(child, Scope):
                yield from child.rows()
            else:
                yield child

    @property
    def first(self) -> Row:
        """The row that takes what arrives."""
        return next(self.rows())

    @property
    def last(self) -> Row:
        """The row whose output leaves."""
        return [*self.rows()][-1]

    @property
    def has_modules(self) -> bool:
        """Whether anything inside is a module."""
        return any(row.layer.kind not in _BARE for row in self.rows())

    @property
    def share(self) -> Chunk | None:
        """The share of the channels that a plain way begins with; it is handed over by who calls."""
        first, *rest = self.children.values()
        layer = first.layer if isinstance(first, Row) else None  # a share inside a way further in is that one's
        return layer if isinstance(layer, Chunk) and rest and _is_chain(rest) else None

    @property
    def is_chain(self) -> bool:
        """Whether it is modules one behind the other and nothing else."""
        children = [*self.children.values()]
        return _is_chain(children[1:] if self.share else children)

    @property
    def height(self) -> int:
        """How many classes stand inside each other in it."""
        inner = max((child.height for child in self.children.values() if isinstance(child, Scope)), default=0)
        return inner + (self.has_modules and not self.is_chain)

    def inside(self) -> Iterator[Scope]:
        """Go through the scopes inside, inner before outer."""
        for child in self.children.values():
            if isinstance(child, Scope):
                yield from child.inside()
                yield child


def _is_chain(children: list[Scope | Row]) -> bool:
    return all(
        child.has_modules and child.share is None if isinstance(child, Scope) else child.layer.kind not in _BARE
        for child in children
    )


def scope_of(rows: tuple[Row, ...]) -> Scope:
    """Return the network as a tree of names."""
    root = Scope("network")
    for row in rows:
        *path, name = row.name.split(".")
        scope = root
        for part in path:
            child = scope.children.setdefault(part, Scope(part))
            if isinstance(child, Scope):
                scope = child
        scope.children[name] = row
    return root


def written(root: Scope, calls: Calls) -> list[str]:
    """Return the classes that the blocks of ``root`` need, as source; each block then knows the call that makes it."""
    scopes = [scope for scope in root.inside() if scope.has_modules and not scope.is_chain]
    classes: list[str] = []
    names: Counter[str] = Counter()
    for height in sorted({scope.height for scope in scopes}):
        forms: dict[tuple[str, ...], list[tuple[Scope, list[Code], list[str]]]] = {}
        for scope in scopes:
            if scope.height == height:
                made, forward = _members(scope, calls), _forward(scope)
                key = (_stem(scope.name), *("".join(map(_form, line)) for line in made), *forward)
                forms.setdefault(key, []).append((scope, made, forward))
        for (stem, *_rest), alike in forms.items():
            names[stem] += 1
            name = stem if names[stem] == 1 else f"{stem}{names[stem]}"
            classes.append(_class(name, alike))
    return classes


def network_class(root: Scope, calls: Calls) -> str:
    """Return the whole network as the class ``Network``, for one that is more than modules one behind the other."""
    return _class("Network", [(root, _members(root, calls), _forward(root))])


def entries(scope: Scope, calls: Calls, indent: int = 1) -> list[tuple[Code, Shape | None]]:
    """Return the lines of an ``OrderedDict`` for ``nn.Sequential``, each with the shape that leaves there."""
    lines: list[tuple[Code, Shape | None]] = []
    pad = _INDENT * indent
    for name, child in scope.children.items():
        if isinstance(child, Row):
            if child.layer.kind not in _BARE:
                lines.append(([f'{pad}("{name}", ', *calls(child), "),"], child.output_shape))
        elif child.made:
            lines.append(([f'{pad}("{name}", ', *child.made, "),"], child.last.output_shape))
        else:
            lines.append(([f'{pad}("{name}", nn.Sequential(OrderedDict(['], None))
            lines += entries(child, calls, indent + 1)
            lines.append(([f"{pad}]))),"], child.last.output_shape))
    return lines


def text(code: Code, names: dict[int, str] | None = None) -> str:
    """Return a piece of source with its values written out, or as the arguments that ``names`` gives them by place."""
    parts, place = [], 0
    for part in code:
        if isinstance(part, str):
            parts.append(part)
        else:
            parts.append((names or {}).get(place) or repr(part.value))
            place += 1
    return "".join(parts)


def _form(part: str | Value) -> str:
    return part if isinstance(part, str) else f"\0{part.name}"


def _members(scope: Scope, calls: Calls) -> list[Code]:
    """Return the lines of ``__init__`` that make what stands in ``scope``."""
    lines: list[Code] = []
    for name, child in scope.children.items():
        if isinstance(child, Row):
            if child.layer.kind not in _BARE:
                lines.append([f"self.{name} = ", *calls(child)])
        elif child.made:
            lines.append([f"self.{name} = ", *child.made])
        elif not child.has_modules:
            continue
        else:
            inner = [part for line, _shape in entries(child, calls, 3) for part in ("\n", *line)]
            lines.append([f"self.{name} = nn.Sequential(OrderedDict([", *inner, f"\n{_INDENT * 2}]))"])
    return lines


@dataclass(frozen=True)
class _Item:
    """One line of ``forward``: what it takes, what it gives, how it is written with its arguments, its own word."""

    takes: tuple[int, ...]
    gives: int
    write: Callable[[list[str]], str]
    word: str = ""


def _items(scope: Scope) -> Iterator[_Item]:
    for name, child in scope.children.items():
        if isinstance(child, Row):
            yield _Item(child.inputs, child.index, _writer(name, child))
        elif not child.has_modules:
            yield from _items(child)
        else:
            share = child.share
            part = f".chunk({share.chunks}, dim=1)[{share.index}]" if share else ""
            takes = (child.first.inputs[0],)
            yield _Item(takes, child.last.index, lambda x, n=name, p=part: f"self.{n}({x[0]}{p})", name)  # type: ignore[misc]


def _writer(name: str, row: Row) -> Callable[[list[str]], str]:
    layer = row.layer
    match layer.kind:
        case "Add":
            return " + ".join
        case "Multiply":
            return " * ".join
        case "Concat":
            return lambda x: f"torch.cat([{', '.join(x)}], dim=1)"
    if isinstance(layer, Chunk):
        return lambda x: f"{x[0]}.chunk({layer.chunks}, dim=1)[{layer.index}]"
    if isinstance(layer, SelectChannels):
        return lambda x: f"{x[0]}[:, {list(layer.channels)}]"
    if isinstance(layer, PadShortcut):
        channels = (row.input_shape or (0,))[0]
        before = layer.before(channels)
        around = (0, 0, 0, 0, before, layer.out_channels - channels - before)
        every = f"[:, :, ::{layer.stride}, ::{layer.stride}]" if layer.stride > 1 else ""
        return lambda x: f"F.pad({x[0]}{every}, {around})"
    return lambda x: f"self.{name}({x[0]})"


def _forward(scope: Scope) -> list[str]:
    """Return the lines of ``forward``; a variable is used again where nobody needs what it held."""
    items = [*_items(scope)]
    left = Counter(source for item in items for source in item.takes)
    held = {items[0].takes[0]: "x"}
    lines = []
    for item in items:
        call = item.write([held[source] for source in item.takes])
        left.subtract(item.takes)
        free = [held[source] for source in item.takes if left[source] == 0]
        busy = {held[source] for source in held if left[source] > 0}
        next_takes = items[items.index(item) + 1].takes if item is not items[-1] else ()
        passes_on = next_takes == (item.gives,)
        if item.word and not passes_on and item is not items[-1]:
            variable = _variable(item.word, busy)
        else:
            variable = next((name for name in free if name not in busy), None) or _variable("y", busy)
        held[item.gives] = variable
        lines.append(f"{variable} = {call}")
    last = lines.pop()
    return [*lines, f"return {last.partition(' = ')[2]}"]


def _variable(word: str, busy: set[str]) -> str:
    if word in ("self", "torch", "nn", "F", "x", "super") or keyword.iskeyword(word):
        word += "_"
    number, name = 1, word
    while name in busy:
        number += 1
        name = f"{word}{number}"
    return name


def _class(name: str, alike: list[tuple[Scope, list[Code], list[str]]]) -> str:
    """Return the source of a class for scopes of one form; each scope then knows the call that makes it."""
    _scope, members, forward = alike[0]
    values = [[part for line in made for part in line if isinstance(part, Value)] for _scope, made, _forward in alike]
    groups: dict[tuple[str, ...], list[int]] = {}
    for place in range(len(values[0])):
        column = [row[place].value for row in values]
        if any(value != column[0] for value in column):
            groups.setdefault(tuple(map(repr, column)), []).append(place)
    called = _called([[values[0][place].name for place in places] for places in groups.values()])
    names = {place: argument for argument, places in zip(called, groups.values()) for place in places}
    for (scope, _made, _forward), own in zip(alike, values):
        scope.made = [f"{name}("]
        for number, (argument, places) in enumerate(zip(called, groups.values())):
            scope.made += [", " if number else "", f"{argument}=", Value(argument, own[places[0]].value)]
        scope.made.append(")")
    lines, place = [], 0
    for line in members:
        count = sum(isinstance(part, Value) for part in line)
        here = {inside - place: argument for inside, argument in names.items() if inside >= place}
        lines.append(_INDENT * 2 + text(line, here))
        place += count
    arguments = "".join(f", {argument}" for argument in called)
    return "\n".join(
        [
            f"class {name}(nn.Module):",
            f"{_INDENT}def __init__(self{arguments}):",
            f"{_INDENT * 2}super().__init__()",
            *lines,
            "",
            f"{_INDENT}def forward(self, x):",
            *(_INDENT * 2 + line for line in forward),
        ]
    )


def _called(groups: list[list[str]]) -> list[str]:
    """Return a name for each argument of a class, from the words of the calls that use it."""
    names: list[str] = []
    for words in groups:
        wanted = words[0]
        if words[0] == "num_features" or (words[0] == "in_channels" and names):
            wanted = "channels"
        elif words[0] == "out_channels" and "in_channels" in words:
            wanted = "width"
        number, name = 1, wanted
        while name in names:
            number += 1
            name = f"{wanted}{number}"
        names.append(name)
    return names


def _stem(name: str) -> str:
    """Return the name of a class for what is called ``name``: without its count, in capitals."""
    bare = name.rstrip("0123456789_")
    stem = "".join(part[:1].upper() + part[1:] for part in bare.split("_"))
    return f"{stem}Block" if stem in _TAKEN or keyword.iskeyword(stem) else stem
