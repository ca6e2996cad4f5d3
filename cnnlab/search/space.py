"""What may vary in a network and its recipe, from what to what, as plain values; a draw of it becomes a network."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from cnnlab.architecture import LAYERS, Architecture
from cnnlab.architecture.spec import LayerSpec
from cnnlab.architecture.tape import Place
from cnnlab.errors import CnnLabError
from cnnlab.training.recipe import Recipe
from cnnlab.validation import first_finding

Value = bool | int | float | str

RECIPE_FIELDS = (
    "lr", "batch_size", "optimizer", "momentum", "weight_decay", "schedule", "label_smoothing", "mixup", "l1",
    "clip_norm", "warmup",
)  # fmt: skip
"""What of a recipe may vary: not what the trials are judged by (epochs, images), nor the machine's affairs."""
ACTIVATION = "activation"
"""The target that stands for every activation of the network at once."""
KINDS = {
    group: tuple(kind for kind, layer in LAYERS.items() if layer.group == group and kind != "Softmax")
    for group in ("activation", "pooling")
}
"""Which kinds may take each other's place."""
IN_OUT = ("in", "out")
MAX_CHOICES = 40
MAX_OPTIONS = 50


class SearchError(CnnLabError):
    """A search that cannot be made as it is asked for."""


class _Refused(SearchError, ValueError):
    """A sentence of ours that pydantic hands on as its finding."""


class Choice(BaseModel):
    """One thing that may vary.

    Attributes:
        target: ``conv1.out_channels`` (a field of a layer or block, by its name in the network), ``relu1.kind``,
            ``drop1`` (the layer itself: in or out), ``activation`` (every activation), or a field of the recipe.
        low, high: from what to what, both included.
        step: distance between the values that are tried; None takes every whole number, or any number between.
        log: whether each doubling counts alike, as with learning rates.
        options: the values to choose from, in place of ``low`` and ``high``.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    target: str = Field(min_length=1, max_length=200)
    low: int | float | None = None
    high: int | float | None = None
    step: int | float | None = Field(None, gt=0)
    log: bool = False
    options: tuple[Value, ...] = Field((), max_length=MAX_OPTIONS)

    @model_validator(mode="after")
    def _sound(self) -> Choice:
        if self.options:
            if len(set(map(str, self.options))) < max(2, len(self.options)) or self.low is not None:
                raise _Refused("{target}: give two or more different values to choose from", target=self.target)
        elif self.low is None or self.high is None or self.low >= self.high:
            raise _Refused(
                "{target}: give a smallest and a larger largest value, for example 4..32", target=self.target
            )
        elif self.log and self.low <= 0:
            raise _Refused("{target}: a logarithmic range begins above 0", target=self.target)
        elif self.log and self.step is not None:
            raise _Refused("{target}: a logarithmic range has no step; leave one of the two out", target=self.target)
        return self

    @classmethod
    def parse(cls, text: str) -> Choice:
        """Return the choice that ``text`` writes.

        For example ``conv1.out_channels=4..32``, ``lr=1e-4..1e-1:log``, ``fc1.out_features=32..256:step=32``,
        ``optimizer=sgd,adam``, ``drop1=in,out``.

        Raises:
            SearchError: it writes none.
        """
        target, equals, rest = text.partition("=")
        body, *marks = rest.split(":")
        low, dots, high = body.partition("..")
        fields: dict[str, Any] = {"target": target.strip()}
        for mark in marks:
            name, _equals, number = mark.strip().partition("=")
            fields[name] = True if name == "log" and not number else _number(number)
        if dots:
            fields |= {"low": _number(low), "high": _number(high)}
        else:
            fields["options"] = tuple(_value(part) for part in body.split(",") if part.strip())
        known = set(fields) <= {"target", "low", "high", "options", "log", "step"}
        if not equals or not known or any(fields.get(name, 0) is None for name in ("low", "high", "step")):
            raise SearchError(
                "{text}: not a choice; write for example `conv1.out_channels=4..32`, `lr=1e-4..1e-1:log`, "
                "`fc1.out_features=32..256:step=32`, `conv1.kernel_size=3,5` or `drop1=in,out`",
                text=text[:80],
            )
        return cls.of(fields)

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Choice:
        """Return the choice that ``values`` describe; raises SearchError."""
        try:
            return cls.model_validate(dict(values))
        except ValidationError as error:
            raise SearchError("this cannot vary like that: {finding}", finding=first_finding(error)) from error

    def __str__(self) -> str:
        if self.options:
            return f"{self.target}={','.join(map(str, self.options))}"
        mark = ":log" if self.log else f":step={_written(self.step)}" if self.step is not None else ""
        return f"{self.target}={_written(self.low)}..{_written(self.high)}{mark}"

    def count(self, whole: bool) -> int | None:
        """Return how many values there are; None for a range of numbers that are not ``whole``."""
        if self.options:
            return len(self.options)
        if self.low is None or self.high is None or (self.step is None and not whole):
            return None
        return int((self.high - self.low) / (self.step or 1) + 1e-9) + 1


def _written(number: int | float | None) -> str:
    """Return a number as ``_number`` reads it, as short as it goes without losing anything."""
    return short if isinstance(number, float) and float(short := f"{number:g}") == number else str(number)


def _number(text: str) -> int | float | None:
    try:
        return int(text)
    except ValueError:
        pass
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _value(text: str) -> Value:
    text = text.strip()
    number = _number(text)
    return {"true": True, "false": False}.get(text.lower(), text if number is None else number)


class Space:
    """A network and a recipe, and what of them may vary.

    Args:
        architecture, recipe: as they are where nothing varies.
        choices: what may vary, each thing once.

    Raises:
        SearchError: a choice that does not fit the network or the recipe.
        ShapeError, ArchitectureError: the network cannot run as it is.
    """

    def __init__(self, architecture: Architecture, recipe: Recipe, choices: Sequence[Choice]) -> None:
        architecture.check()
        self.architecture = loosened(architecture)
        self.recipe = recipe
        self.choices = tuple(choices)
        if not 1 <= len(self.choices) <= MAX_CHOICES:
            raise SearchError("choose at least one thing that may vary, and {most} at most", most=MAX_CHOICES)
        self._places, self._answers = places_of(self.architecture), answering(self.architecture)
        self._aims = {choice.target: self._aim(choice) for choice in self.choices}
        if len(self._aims) < len(self.choices) or len(set(self._aims.values())) < len(self.choices):
            raise SearchError("the same thing is asked to vary twice; leave one of them out")
        for choice in self.choices:
            for value in choice.options or (choice.low, choice.high):
                self._check_value(choice, value)

    @cached_property
    def size(self) -> int | None:
        """How many draws differ; None where a range holds any number."""
        counts = [choice.count(self.is_whole(choice)) for choice in self.choices]
        return None if None in counts else math.prod(count for count in counts if count)

    @cached_property
    def corner_params(self) -> list[int]:
        """Parameters of the network where every choice is at its low end, and where every one is at its high end.

        Of options each stands for itself; what does not fit together is left out.
        """
        found = []
        for end in (0, -1):
            values = {
                choice.target: choice.options[end] if choice.options else (choice.low, choice.high)[end]
                for choice in self.choices
            }
            try:
                network, _recipe = self.draw({name: value for name, value in values.items() if value is not None})
            except CnnLabError:
                continue
            if network.trace().error is None:
                found.append(network.trace().num_params)
        return found

    def is_whole(self, choice: Choice) -> bool:
        """Return whether the numbers between ``low`` and ``high`` are whole ones."""
        return _is_int(self._field(choice))

    def draw(self, values: Mapping[str, Value]) -> tuple[Architecture, Recipe]:
        """Return the network and the recipe that ``values``, one for each target, stand for.

        A convolution whose padding is half its kernel keeps it so when the kernel changes: its maps stay as large. Nesterov
        is switched off with any optimizer but SGD, which alone knows it.

        Raises:
            SearchError, RecipeError: a value that a layer or the recipe does not take.
        """
        network, gone, fields = self.architecture, list[Place](), dict[str, Value]()
        for target, value in values.items():
            where, name = self._aims[target]
            if where is None:
                fields[name] = value
            elif name == IN_OUT[0]:
                gone += [where] if value == IN_OUT[1] else []
            elif name == ACTIVATION:
                for place in self._activations():
                    network = network.replace(place, _of_kind(network.at(place), str(value)))
            elif name == "kind":
                network = network.replace(where, _of_kind(network.at(where), str(value)))
            else:
                network = network.replace(where, _changed(target, network.at(where), name, value))
        for place in sorted(gone, reverse=True):
            network = network.remove(place)
        if fields.get("optimizer", "sgd") != "sgd":
            fields["nesterov"] = False
        return network, self.recipe.changed(**fields) if fields else self.recipe

    def _aim(self, choice: Choice) -> tuple[Place | None, str]:
        """Return what a choice is about: a place (None: the recipe) and the name of what changes there."""
        target = choice.target
        if target in RECIPE_FIELDS:
            return None, target
        if target == ACTIVATION and self._activations():
            return (), ACTIVATION
        if choice.options and set(choice.options) == set(IN_OUT) and target in self._places:
            if self._places[target] == self._answers:
                raise SearchError("{name} gives one number for each class; it cannot be left out", name=target)
            return self._places[target], IN_OUT[0]
        name, _dot, field = target.rpartition(".")
        place = self._places.get(name)
        if place is None:
            raise SearchError(
                "{target}: nothing of that name may vary here; there is {names}, and of the recipe {fields}",
                target=target[:80],
                names=", ".join(list(self._places)[:12]) or "-",
                fields=", ".join(RECIPE_FIELDS),
            )
        if place == self._answers and field == "out_features":
            raise SearchError("{name} gives one number for each class; its out_features cannot vary", name=name)
        layer = self.architecture.at(place)
        if field != "kind" and field not in fields_of(layer):
            raise SearchError(
                "{target}: {kind} has nothing of that name that may vary; it has {fields}",
                target=target[:80],
                kind=layer.kind,
                fields=", ".join([*fields_of(layer), *(["kind"] if layer.group in KINDS else [])]) or "-",
            )
        return place, field

    def _field(self, choice: Choice) -> Any:
        place, name = self._aims[choice.target]
        if place is None:
            return Recipe.model_fields[name].annotation
        return fields_of(self.architecture.at(place)).get(name, str) if place else str

    def _check_value(self, choice: Choice, value: Any) -> None:
        """Raise SearchError where the target does not take ``value``, whatever the rest of the network says."""
        place, name = self._aims[choice.target]
        kinds = KINDS["activation"] if name == ACTIVATION else ()
        if name == "kind" and place is not None:
            kinds = KINDS.get(self.architecture.at(place).group, ())
        if name in ("kind", ACTIVATION) and value not in kinds:
            raise SearchError(
                "{target}: {value} cannot stand there; choose from {kinds}",
                target=choice.target,
                value=str(value)[:40],
                kinds=", ".join(kinds) or "-",
            )
        try:
            self.draw({choice.target: value})
        except SearchError:
            raise
        except CnnLabError as error:
            raise SearchError("{target}: {reason}", target=choice.target, reason=error) from error

    def _activations(self) -> list[Place]:
        return sorted({p for p in self._places.values() if self.architecture.at(p).kind in KINDS["activation"]})


def answering(architecture: Architecture) -> Place | None:
    """Return where the layer stands that gives one number for each class, the last dense one; None where there is none."""
    rows = [row for row in architecture.trace().rows if row.layer.kind == "Linear"]
    return rows[-1].place if rows else None


def places_of(architecture: Architecture) -> dict[str, Place]:
    """Return where each layer and block that can be edited stands, by its name; copies share a place."""
    trace = architecture.trace()
    found = {block.name: block.place for block in trace.blocks if architecture.at(block.place) == block.layer}
    return found | {row.name: row.place for row in trace.rows if architecture.at(row.place) == row.layer}


def fields_of(layer: LayerSpec) -> dict[str, Any]:
    """Return the fields of ``layer`` that may vary, with their types; ``int`` also where it may be left empty."""
    found: dict[str, Any] = {}
    for name, info in type(layer).model_fields.items():
        plain = [part for part in (get_args(info.annotation) or (info.annotation,)) if part is not type(None)]
        if name in ("kind", "name", "in_channels", "in_features"):
            continue
        if len(plain) == 1 and plain[0] in (int, float, bool):
            found[name] = plain[0]
        elif all(isinstance(part, str) for part in plain):
            found[name] = str
    return found


def loosened(architecture: Architecture) -> Architecture:
    """Return the network with no layer that insists on what arrives, so that those before it may change."""
    for place in set(places_of(architecture).values()):
        layer = architecture.at(place)
        for name in ("in_channels", "in_features"):
            if getattr(layer, name, None) is not None:
                architecture = architecture.replace(place, _changed(name, layer, name, None))
    return architecture


def _is_int(annotation: Any) -> bool:
    return annotation is int or int in get_args(annotation)


def _changed(target: str, layer: LayerSpec, name: str, value: Any) -> LayerSpec:
    fields = {field: getattr(layer, field) for field in type(layer).model_fields}
    if name == "kernel_size" and isinstance(value, int) and fields.get("padding") and value % 2:
        if 2 * fields["padding"] == fields.get("dilation", 1) * (fields["kernel_size"] - 1):
            fields["padding"] = fields.get("dilation", 1) * (value - 1) // 2
    try:
        return type(layer)(**{**fields, name: value})
    except ValidationError as error:
        raise SearchError("{target}: {finding}", target=target, finding=first_finding(error)) from error


def _of_kind(layer: LayerSpec, kind: str) -> LayerSpec:
    """Return a layer of ``kind`` with all that it has in common with ``layer``."""
    other = LAYERS[kind]
    shared = {name: getattr(layer, name) for name in type(layer).model_fields if name in other.model_fields}
    return layer if layer.kind == kind else other(**{**shared, "kind": kind})
