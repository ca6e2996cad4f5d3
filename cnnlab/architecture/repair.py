"""Edits that make a broken network run: each is tried out before it is offered."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from math import gcd
from typing import Any, TypeAlias

from cnnlab.architecture.blocks import Residual
from cnnlab.architecture.layers import (
    AdaptiveAvgPool2d,
    AvgPool2d,
    Conv2d,
    Dropout,
    Dropout2d,
    Flatten,
    LayerSpec,
    Linear,
    MaxPool2d,
)
from cnnlab.architecture.network import MAX_LAYERS, Architecture
from cnnlab.architecture.shapes import Shape
from cnnlab.architecture.tape import Place
from cnnlab.errors import ShapeError
from cnnlab.i18n import Message

MOST = 5
"""How many suggestions are made at most."""

MOST_FURTHER = 12
"""How many layers below a suggestion mends at most."""

_INPUT_SIDES = (28, 32, 64)

_Pool: TypeAlias = "MaxPool2d | AvgPool2d"


@dataclass(frozen=True)
class Suggestion:
    """An edit after which the network runs.

    Attributes:
        label: what is changed, for a button.
        architecture: the network after the edit; ``check()`` passes.
        further: edits below that the first one makes necessary, done in ``architecture`` too.
    """

    label: Message
    architecture: Architecture
    further: tuple[Message, ...] = ()


@dataclass(frozen=True)
class _Misfit:
    """Where a network breaks: how far it got, the layer and its place, the shape that arrives there, and the rule.

    Attributes:
        index: of its row.
        place: where the layer, or the block that adds it, stands.
        name: of the row.
        layer: what stands at ``place``.
        shape: what arrives at the row.
        rule: the error's template.
    """

    index: int
    place: Place
    name: str
    layer: LayerSpec
    shape: Shape
    rule: str


_Edit = tuple[Message, Architecture]


@lru_cache(maxsize=64)
def suggest(architecture: Architecture) -> tuple[Suggestion, ...]:
    """Return up to ``MOST`` edits that make ``architecture`` run, the mildest first; none where it runs already.

    Each candidate for the first layer that does not fit is tried; where layers below then break too (a dense layer that
    counted on the old size), they are mended by the first edit that works, up to ``MOST_FURTHER`` of them.
    """
    if not architecture.layers:
        return (Suggestion(Message("Add Flatten and Linear(10)"), architecture.with_layers((Flatten(), Linear()))),)
    broken = _first_misfit(architecture)
    if broken is None:
        return ()
    found = _tried(architecture, broken, lambda edited: _is_better(edited, architecture, broken))
    found = found or _tried(architecture, broken, lambda edited: True)
    mildest = sorted(found.values(), key=lambda suggestion: len(suggestion.further))  # stable: the order of _edits
    return tuple(mildest[:MOST])


def _tried(
    architecture: Architecture, broken: _Misfit, wanted: Callable[[Architecture], bool]
) -> dict[str, Suggestion]:
    found: dict[str, Suggestion] = {}
    for label, edited in _edits(architecture, broken):
        mended = _mend_below(edited) if wanted(edited) else None
        removed = _count(edited) < _count(architecture)
        if mended is not None and not (removed and mended[1] and found):  # removing is milder only where it is enough
            suggestion = Suggestion(label, *mended)
            found.setdefault(suggestion.architecture.key, suggestion)
    return found


def suggest_head(architecture: Architecture) -> Suggestion:
    """Return the edit that lets a running network whose output are maps name one of ten classes."""
    head = (*architecture.layers, Flatten(), Linear())
    return Suggestion(Message("Add Flatten and Linear(10)"), architecture.with_layers(head))


def _first_misfit(architecture: Architecture) -> _Misfit | None:
    """Return the first layer that does not fit (without blocks by shapes only: cheaper than a trace)."""
    shape: Shape = architecture.input_shape
    if not architecture.is_flat:
        row = next((row for row in architecture.trace().rows if row.error), None)
        if row is None or row.error is None:
            return None
        layer = architecture.at(row.place)
        return _Misfit(row.index, row.place, row.name, layer, row.input_shape or shape, row.error.message)
    for index, layer in enumerate(architecture.layers):
        try:
            shape = layer.output_shape(shape)
        except ShapeError as error:
            return _Misfit(index, (index,), architecture.names[index], layer, shape, error.message)
    return None


def _mend_below(architecture: Architecture) -> tuple[Architecture, tuple[Message, ...]] | None:
    """Return a running network and the further edits that it took, or None where too many would be needed."""
    further: list[Message] = []
    while (broken := _first_misfit(architecture)) is not None and len(further) < MOST_FURTHER:
        better = next((e for e in _edits(architecture, broken) if _is_better(e[1], architecture, broken)), None)
        if better is None:
            return None
        further.append(better[0])
        architecture = better[1]
    return (architecture, tuple(further)) if broken is None and architecture.layers else None


def _is_better(edited: Architecture, before: Architecture, broken: _Misfit) -> bool:
    """Return whether an edit helped: all fits, the break moved on, another rule is broken, or there is less to break."""
    now = _first_misfit(edited)
    if now is None or not edited.layers or _count(edited) < _count(before):
        return bool(edited.layers)
    return now.index > broken.index or (now.index == broken.index and now.rule != broken.rule)


def _count(architecture: Architecture) -> int:
    return sum(layer.unrolled_size for layer in architecture.layers)


def _edits(architecture: Architecture, broken: _Misfit) -> Iterator[_Edit]:
    """Yield edits that may help the layer that does not fit; the mildest first."""
    place, name, layer, shape = broken.place, broken.name, broken.layer, broken.shape
    if layer.nesting:  # the break is at its sum; what is changed is the block
        name = next((block.name for block in architecture.trace().blocks if block.place == place), name)

    def changed(**fields: Any) -> Iterator[_Edit]:
        for field, value in fields.items():
            label = (
                Message("{name}: leave {field} empty, take whatever arrives", name=name, field=field)
                if value is None
                else Message("{name}: set {field} to {value}", name=name, field=field, value=value)
            )
            try:
                yield (
                    label,
                    architecture.replace(place, type(layer).model_validate({**layer.model_dump(), field: value})),
                )
            except ValueError:  # outside the field's range
                continue

    if isinstance(layer, Conv2d) and len(shape) == 3:
        yield from _convolution(layer, shape, changed)
    elif isinstance(layer, (MaxPool2d, AvgPool2d)) and len(shape) == 3:
        yield from _pooling(layer, shape, changed)
    elif isinstance(layer, Linear):
        yield from _dense(architecture, broken, changed)
    elif isinstance(layer, Residual):
        for other in ("projection", "pad", "identity"):
            if other != layer.shortcut:
                yield from changed(shortcut=other)
        yield from _keeping_sides(architecture, place, name, layer)
    if len(shape) == 1 and not isinstance(layer, Linear):
        yield from _maps_wanted(architecture, broken)
    yield from _input_sides(architecture)
    yield Message("Remove {name}", name=name), architecture.remove(place)


def _keeping_sides(architecture: Architecture, place: tuple[int, ...], name: str, layer: Residual) -> Iterator[_Edit]:
    """Yield the block with a rim of zeros for each of its convolutions, so that height and width come through; then with a projection."""
    rims = {n: one.dilation * (one.kernel_size - 1) // 2 for n, one in enumerate(layer.layers)
            if isinstance(one, Conv2d) and one.stride == 1 and one.dilation * (one.kernel_size - 1) % 2 == 0}  # fmt: skip
    body = tuple(
        one.model_copy(update={"padding": rims[n]}) if n in rims else one for n, one in enumerate(layer.layers)
    )
    if body == layer.layers:
        return
    label = Message("{name}: let its convolutions keep height and width", name=name)
    yield label, architecture.replace(place, layer.with_inner(body))
    if layer.shortcut != "projection":
        fitted = layer.with_inner(body).model_copy(update={"shortcut": "projection"})
        label = Message("{name}: let its convolutions keep height and width, and set shortcut to projection", name=name)
        yield label, architecture.replace(place, fitted)


_Changed: TypeAlias = Callable[..., Iterator[_Edit]]


def _convolution(layer: Conv2d, shape: Shape, changed: _Changed) -> Iterator[_Edit]:
    channels, smaller = shape[0], min(shape[1:])
    if layer.in_channels is not None and layer.in_channels != channels:
        yield from changed(in_channels=channels)
        yield from changed(in_channels=None)
    common = gcd(gcd(channels, layer.out_channels), layer.groups)
    if common != layer.groups:
        yield from changed(groups=common)
        yield from changed(groups=1)
        if channels % layer.groups == 0:
            yield from changed(out_channels=-(-layer.out_channels // layer.groups) * layer.groups)
    yield from _window(layer.kernel_size, layer.padding, layer.dilation, smaller, changed)


def _pooling(layer: _Pool, shape: Shape, changed: _Changed) -> Iterator[_Edit]:
    if 2 * layer.padding > layer.kernel_size:
        yield from changed(padding=layer.kernel_size // 2)
        yield from changed(kernel_size=2 * layer.padding)
        yield from changed(padding=0)
    yield from _window(layer.kernel_size, layer.padding, 1, min(shape[1:]), changed)


def _window(kernel: int, padding: int, dilation: int, smaller: int, changed: _Changed) -> Iterator[_Edit]:
    reach = dilation * (kernel - 1) + 1
    if reach <= smaller + 2 * padding:
        return
    largest = (smaller + 2 * padding - 1) // dilation + 1
    odd = largest - (largest % 2 == 0)
    yield from changed(kernel_size=odd if kernel % 2 else largest)  # odd stays odd: it has a middle
    yield from changed(padding=-(-(reach - smaller) // 2))
    if dilation > 1:
        yield from changed(dilation=1)
    yield from changed(kernel_size=largest)


def _dense(architecture: Architecture, broken: _Misfit, changed: _Changed) -> Iterator[_Edit]:
    shape, name = broken.shape, broken.name
    if len(shape) == 1:
        yield from changed(in_features=shape[0])
        yield from changed(in_features=None)
        return
    if len(architecture.layers) + 2 > MAX_LAYERS:
        return
    flat = architecture.insert(broken.place, Flatten())
    yield Message("Insert Flatten before {name}", name=name), flat
    averaged = flat.insert(broken.place, AdaptiveAvgPool2d())
    yield Message("Insert AdaptiveAvgPool2d(1) and Flatten before {name}", name=name), averaged


def _maps_wanted(architecture: Architecture, broken: _Misfit) -> Iterator[_Edit]:
    """A vector arrives where maps are needed: move the layer up, or do without what flattened them."""
    layer, place = broken.layer, broken.place
    row = next((found for found in architecture.trace().folded if found.place == place), None)
    name = row.name if row else broken.name
    if isinstance(layer, Dropout2d):
        yield (
            Message("{name}: use Dropout instead of Dropout2d", name=name),
            architecture.replace(place, Dropout(p=layer.p)),
        )
    above = architecture.trace().rows[: broken.index]
    flat = next((one for one in above if isinstance(one.layer, Flatten)), None)
    if flat is None or flat.place[:-1] != place[:-1]:
        return
    yield Message("Move {name} before {other}", name=name, other=flat.name), architecture.move(place, flat.place)
    if all(not isinstance(one.layer, Linear) for one in above):
        yield Message("Move {name} behind {other}", name=flat.name, other=name), architecture.move(flat.place, place)


def _input_sides(architecture: Architecture) -> Iterator[_Edit]:
    channels, height, width = architecture.input_shape
    for side in _INPUT_SIDES:
        if (side, side) != (height, width):
            yield (
                Message("Feed {shape} pictures", shape=f"{channels}×{side}×{side}"),
                architecture.with_input((channels, side, side)),
            )
