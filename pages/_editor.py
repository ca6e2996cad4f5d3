"""Editors made from a pydantic schema: range, default and description become a widget, so that a new field needs none."""

from __future__ import annotations

import types
import typing
from typing import Any, Literal, TypeVar

import streamlit as st
from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from cnnlab.i18n import N_, _

M = TypeVar("M", bound=BaseModel)
HIDDEN = frozenset({"kind", "in_channels", "in_features"})


def spec_editor(
    spec: M | type[M], value: M | None = None, key: str = "spec", *,
    skip: frozenset[str] | set[str] = frozenset(), only: tuple[str, ...] | None = None, columns: int = 1,
) -> M:
    """Draw a widget for each field of a pydantic model and return the edited copy.

    Args:
        spec: the class, or an instance of it.
        value: the instance to edit; None edits ``spec`` itself, or the class's defaults.
        key: prefix of the widgets' keys; unique on the page.
        skip: fields to leave as they are.
        only: fields to show, in this order; None shows all.
        columns: how many widgets stand side by side.
    """
    model = spec if isinstance(spec, type) else type(spec)
    current: Any = value if value is not None else (spec if not isinstance(spec, type) else model())
    names = [n for n in (only or tuple(model.model_fields)) if n not in skip and n not in HIDDEN]
    places = st.columns(columns) if columns > 1 else [st.container()]
    changes: dict[str, Any] = {}
    for position, name in enumerate(names):
        with places[position % columns]:
            changes[name] = _field(model.model_fields[name], name, getattr(current, name), f"{key}.{name}")
    return _edited(current, changes)


def _edited(current: Any, changes: dict[str, Any]) -> Any:
    try:
        return type(current).model_validate({**{n: getattr(current, n) for n in type(current).model_fields}, **changes})
    except ValidationError as error:
        for problem in error.errors():
            where = ", ".join(label(str(part)) for part in problem["loc"]) or type(current).__name__
            st.error(_("{where}: {problem}", where=where, problem=problem["msg"]))
        return current


def label(name: str) -> str:
    """Return a field's label in the learner's language: the plain words first, torch's word after."""
    return _(LABELS.get(name, name))


def _field(info: FieldInfo, name: str, value: Any, key: str) -> Any:
    kind, optional = _plain_type(info.annotation)
    text, help = label(name), _(info.description) if info.description else None
    low, high = _bounds(info)
    if isinstance(value, BaseModel):
        with st.container(border=True):
            st.markdown(f"**{text}**", help=help)
            return spec_editor(type(value), value, key)
    if kind is bool:
        return st.toggle(text, value=bool(value), help=help, key=key)
    if typing.get_origin(kind) is Literal:
        options = list(typing.get_args(kind))
        return st.selectbox(text, options, options.index(value), help=help, key=key, format_func=label)
    if optional:
        return _optional(kind, text, value, help, key, low, high)
    return _number(kind, text, value, help, key, low, high)


def _number(kind: Any, text: str, value: Any, help: str | None, key: str, low: Any, high: Any) -> Any:
    if kind is int:
        return int(st.number_input(text, _int(low), _int(high), int(value), step=1, help=help, key=key))
    if kind is float:
        step = 10.0 ** (len(f"{value:.0e}") and int(f"{abs(value) or 0.01:.0e}".split("e")[1]))
        return float(st.number_input(
            text, None if low is None else float(low), None if high is None else float(high), float(value),
            step=min(step, 1.0), format="%.4g" if value == 0 or value >= 1e-3 else "%.2e", help=help, key=key,
        ))
    return st.text_input(text, value="" if value is None else str(value), help=help, key=key)


def _optional(kind: Any, text: str, value: Any, help: str | None, key: str, low: Any, high: Any) -> Any:
    raw = st.number_input(
        text, _int(low), _int(high), value, step=1, help=help, key=key, placeholder=_("automatic"),
    )
    return None if raw is None else kind(raw)


def _plain_type(annotation: Any) -> tuple[Any, bool]:
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        parts = [part for part in typing.get_args(annotation) if part is not type(None)]
        return parts[0], len(parts) < len(typing.get_args(annotation))
    if typing.get_origin(annotation) is typing.Annotated:
        return _plain_type(typing.get_args(annotation)[0])
    return annotation, False


def _bounds(info: FieldInfo) -> tuple[Any, Any]:
    low = high = None
    for rule in info.metadata:
        low = getattr(rule, "ge", getattr(rule, "gt", low))
        high = getattr(rule, "le", getattr(rule, "lt", high))
    return low, high


def _int(bound: Any) -> int | None:
    return None if bound is None else int(bound)


LABELS: dict[str, str] = {
    "out_channels": N_("Filters: *out_channels*"),
    "out_features": N_("Units: *out_features*"),
    "kernel_size": N_("Window in pixels: *kernel_size*"),
    "stride": N_("Jump of the window: *stride*"),
    "padding": N_("Rim of zeros: *padding*"),
    "dilation": N_("Gap between taps: *dilation*"),
    "groups": N_("Separate groups: *groups*"),
    "bias": N_("Add a constant: *bias*"),
    "output_size": N_("Output side: *output_size*"),
    "p": N_("Share switched off: *p*"),
    "eps": N_("Guard against zero: *eps*"),
    "momentum": N_("Keep of the past: *momentum*"),
    "negative_slope": N_("Slope below zero: *negative_slope*"),
    "epochs": N_("Passes over the data: *epochs*"),
    "batch_size": N_("Images per step: *batch_size*"),
    "optimizer": N_("How weights move: *optimizer*"),
    "lr": N_("Size of a step: *learning rate*"),
    "nesterov": N_("Look ahead: *Nesterov*"),
    "weight_decay": N_("Pull towards zero: *weight decay*"),
    "schedule": N_("Step size over time: *schedule*"),
    "loss": N_("What counts as wrong: *loss*"),
    "label_smoothing": N_("Doubt in the labels: *label smoothing*"),
    "augmentation": N_("Varied images: *augmentation*"),
    "whiten": N_("Whitening first layer: *whiten*"),
    "mirror": N_("Mirrored view at test time: *mirror*"),
    "seed": N_("Start of chance: *seed*"),
    "precision": N_("Number format: *precision*"),
    "memory_format": N_("Order in memory: *memory format*"),
    "threads": N_("Processor threads (0: automatic)"),
    "limit_train": N_("Only the first images"),
    "full_train": N_("Train on validation images too"),
    "shift": N_("Shift, pixels"),
    "crop_padding": N_("Crop with padding, pixels"),
    "rotate": N_("Rotate, degrees"),
    "scale": N_("Scale, fraction"),
    "flip": N_("Mirror left and right"),
}
