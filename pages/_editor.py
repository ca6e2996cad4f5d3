"""Editors made from a pydantic schema: range, default and description become a widget, so that a new field needs none."""

from __future__ import annotations

import math
import types
import typing
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Literal, TypeVar

import streamlit as st
from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from cnnlab.errors import CnnLabError
from cnnlab.i18n import N_, Message, _
from cnnlab.validation import first_finding
from pages import _choices
from pages._said import told

M = TypeVar("M", bound=BaseModel)
_HIDDEN = frozenset({"kind", "format", "version"})


def spec_editor(
    spec: M | type[M],
    value: M | None = None,
    key: str = "spec",
    *,
    skip: Collection[str] = (),
    only: Sequence[str] | None = None,
    columns: int = 1,
    labels: Mapping[str, str] | None = None,
    disabled: bool = False,
    refused: list[Message] | None = None,
    fresh: bool = False,
) -> M:
    """Draw a widget for each field of a pydantic model and return the edited copy.

    A change that the model refuses is shown with its sentence, and the value before is returned.

    Args:
        spec: the class, or an instance of it.
        value: the instance to edit; None edits ``spec`` itself, or the class's defaults.
        key: prefix of the widgets' keys; unique on the page.
        skip: fields to leave as they are.
        only: fields to show, in this order; None shows all.
        columns: how many widgets stand side by side.
        labels: what a person reads for each option of a choice (marked ids).
        disabled: show the values without letting anyone change them.
        refused: gets the sentence of what is refused, instead of its being shown here. A number out of range then
            comes here too: a field that knows its range turns red in the browser and tells nobody.
        fresh: ``key`` is another one for each ``value``: the widgets begin with it of themselves, without being told.
            For a form in a view that looks again by itself: there a browser may miss what a widget is told once.
    """
    model = spec if isinstance(spec, type) else type(spec)
    current: Any = value if value is not None else (model() if isinstance(spec, type) else spec)
    names = [n for n in (only or tuple(model.model_fields)) if n not in skip and n not in _HIDDEN]
    names = [n for n in names if not isinstance(getattr(current, n), Mapping)]  # no widget holds one
    changes: dict[str, Any] = {}
    for first in range(0, len(names), columns):
        places = st.columns(columns) if columns > 1 else [st.container()]
        for place, name in zip(places, names[first : first + columns], strict=False):
            with place:
                field = _Field(
                    model.model_fields[name], name, f"{key}.{name}", labels or {}, disabled, refused is None, fresh
                )
                changes[name] = field.draw(getattr(current, name))
    return _edited(current, changes, refused)


def _edited(current: Any, changes: dict[str, Any], refused: list[Message] | None) -> Any:
    values = {name: getattr(current, name) for name in type(current).model_fields}
    if all(values[name] == new for name, new in changes.items()):
        return current
    try:
        return type(current).model_validate({**values, **changes})
    except ValidationError as error:
        said = _named(first_finding(error), type(current))
    except CnnLabError as error:
        said = Message(error.message, **error.values)
    if refused is None:
        st.error(told(said), icon=":material/error:")
    else:
        refused.append(said)
    return current


def _named(finding: Message, model: type[BaseModel]) -> Message:
    """Return ``finding`` with the name that stands above the field instead of the one it has in code."""
    name = str(finding.values.get("where", ""))
    if name not in model.model_fields:
        return finding
    label = Message(field_id(name, model.model_fields[name]))
    return Message(finding.template, **{**finding.values, "where": label})


def field_label(name: str, info: FieldInfo | None = None) -> str:
    """Return what a person reads above a field: plain words first, the torch name after where it has one."""
    return _(field_id(name, info))


def field_id(name: str, info: FieldInfo | None = None) -> str:
    """Return ``field_label`` as an id, to be translated where it is shown."""
    return LABELS.get(name) or (info.title if info and info.title else name)


class _Field:
    """One field of a model as a widget; the type and the bounds decide which."""

    def __init__(
        self,
        info: FieldInfo,
        name: str,
        key: str,
        labels: Mapping[str, str],
        disabled: bool,
        bounded: bool = True,
        fresh: bool = False,
    ) -> None:
        self.kind, self.optional = _plain_type(info.annotation)
        self.label = field_label(name, info)
        self.key, self.labels, self.disabled, self.bounded, self.fresh = key, labels, disabled, bounded, fresh
        self.help = _(info.description) if info.description else None
        self.low, self.high = _bounds(info, self.kind)
        if self.help and self.high is not None and self.kind in (int, float) and self.high <= 1_000_000:
            self.help += "\n\n" + _("At most {high}.", high=f"{self.high:,.6g}")

    def draw(self, value: Any) -> Any:
        """Draw the widget and return what it holds."""
        if isinstance(value, BaseModel):
            with st.popover(self.label, help=self.help, disabled=self.disabled):
                return spec_editor(type(value), value, self.key, labels=self.labels, fresh=self.fresh)
        if typing.get_origin(self.kind) is Literal:
            options = list(typing.get_args(self.kind))
            said = {option: self._said(option) for option in options}
            return self._shown(st.selectbox, options, now=value, labels=said, format_func=self._said)
        if self.kind is bool:
            return self._shown(st.toggle, now=bool(value))
        if self.kind is int or self.kind is float:
            return self._number(value)
        return self._shown(st.text_input, now="" if value is None else str(value))

    def _said(self, option: Any) -> str:
        return _(self.labels.get(option, str(option)))

    def _shown(self, draw: Callable[..., Any], *more: Any, now: Any, **options_of: Any) -> Any:
        options_of = {"help": self.help, "disabled": self.disabled, **options_of}
        return _choices.seeded(draw, self.label, *more, key=self.key, now=now, told=not self.fresh, **options_of)

    def _number(self, value: Any) -> Any:
        kind = self.kind
        shown = None if value is None else kind(value)
        low = None if self.low is None or not self.bounded else kind(self.low)
        high = None if self.high is None or not self.bounded else kind(self.high)
        looks: dict[str, Any] = {"step": _float_step(value), "format": "%.6g"} if kind is float else {"step": 1}
        if self.optional:
            looks["placeholder"] = _("automatic")
        raw = self._shown(st.number_input, low, high, now=shown, **looks)
        if raw is None:
            return None if self.optional else value
        return kind(float(f"{raw:.6g}")) if kind is float else int(raw)


def _float_step(value: float | None) -> float:
    """Return a tenth of the power of ten of ``value``: 0.001 moves by 0.0001."""
    return float(f"{10.0 ** (math.floor(math.log10(abs(value))) - 1 if value else -2):.0e}")


def _plain_type(annotation: Any) -> tuple[Any, bool]:
    """Return the type behind ``X | None`` and ``Annotated``, and whether None is allowed."""
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        parts = [part for part in typing.get_args(annotation) if part is not type(None)]
        return _plain_type(parts[0])[0], len(parts) < len(typing.get_args(annotation))
    if typing.get_origin(annotation) is typing.Annotated:
        return _plain_type(typing.get_args(annotation)[0])
    return annotation, False


def _bounds(info: FieldInfo, kind: Any) -> tuple[Any, Any]:
    """Return the lowest and highest value; an open bound of a float is the nearest value inside."""
    low = high = None
    tiny = 1e-6 if kind is float else 1
    for rule in info.metadata:
        if (bound := getattr(rule, "ge", None)) is not None:
            low = bound
        if (bound := getattr(rule, "gt", None)) is not None:
            low = bound + tiny
        if (bound := getattr(rule, "le", None)) is not None:
            high = bound
        if (bound := getattr(rule, "lt", None)) is not None:
            high = bound - tiny
    return low, high


LABELS: dict[str, str] = {
    "out_channels": N_("Filters: *out_channels*"),
    "in_channels": N_("Channels that arrive: *in_channels*"),
    "out_features": N_("Units: *out_features*"),
    "in_features": N_("Numbers that arrive: *in_features*"),
    "kernel_size": N_("Side of the window: *kernel_size*"),
    "stride": N_("How far it jumps: *stride*"),
    "padding": N_("Rim of zeros: *padding*"),
    "dilation": N_("Distance between taps: *dilation*"),
    "groups": N_("Separate groups: *groups*"),
    "bias": N_("Add a constant: *bias*"),
    "output_size": N_("Side of the output: *output_size*"),
    "p": N_("Share switched off: *p*"),
    "eps": N_("Guard against dividing by zero: *eps*"),
    "negative_slope": N_("Slope below zero: *negative_slope*"),
    "ceil_mode": N_("Keep a window over the edge: *ceil_mode*"),
    "num_groups": N_("Groups of channels: *num_groups*"),
    "size": N_("Neighbouring channels: *size*"),
    "alpha": N_("Weight of the neighbours: *alpha*"),
    "beta": N_("Exponent: *beta*"),
    "k": N_("Added constant: *k*"),
    "left": N_("Zeros on the left: *left*"),
    "right": N_("Zeros on the right: *right*"),
    "top": N_("Zeros above: *top*"),
    "bottom": N_("Zeros below: *bottom*"),
    "name": N_("Name of the block: *name*"),
    "repeat": N_("Copies in a row: *repeat*"),
    "shortcut": N_("Way past the layers: *shortcut*"),
    "join": N_("How the branches meet: *join*"),
    "split": N_("Share the channels out: *split*"),
    "expansion": N_("Widening: *expansion*"),
    "reduction": N_("Narrowing: *reduction*"),
    "activation": N_("Activation: *activation*"),
}
