"""The Convolution page's settings: a kernel and how it slides, for one layer or two in a row."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import streamlit as st

from cnnlab.i18n import N_, _
from cnnlab.insight.kernels import EVERY, KERNELS, MAX_SIZE, Plane, kernel, resized, rounded
from pages import _choices, _session, _widgets

if TYPE_CHECKING:
    from cnnlab.insight.glass import Operation

HAND = "hand"
_BEGIN = ("sobel_x", "box")
RIMS = {"zeros": N_("zeros"), "reflect": N_("mirror image")}
ACTIVATIONS = {"none": N_("none"), "relu": "ReLU", "leaky_relu": "LeakyReLU", "sigmoid": "Sigmoid", "tanh": "Tanh"}
POOLINGS = {"none": N_("none"), "max": N_("largest (max)"), "avg": N_("mean (average)")}


def layers() -> tuple[int, int]:
    """Draw the choice of one or two layers; return how many there are, and which is set here (from 0)."""
    two = _choices.toggle("convolution.two", _("A second layer behind it"), False)
    if not two:
        return 1, 0
    names = {0: _("Layer 1"), 1: _("Layer 2")}
    return 2, int(_choices.segments("convolution.layer", _("Set up"), (0, 1), 0, names.__getitem__))


def operation(layer: int, planes: int, shown: bool) -> Operation:
    """Return layer ``layer`` on ``planes`` channels as it is set up, with its controls where it is ``shown``."""
    from cnnlab.insight.glass import Operation

    values = _kernel(layer, planes, shown)
    slides = _slide(layer) if shown else {name: _kept(layer, name, first) for name, first in _DEFAULTS.items()}
    return Operation(kernel=values, **slides)


_DEFAULTS: dict[str, Any] = {
    "stride": 1, "padding": 0, "padding_mode": "zeros", "dilation": 1, "bias": 0.0,
    "activation": "none", "pooling": "none", "pool_size": 2,
}  # fmt: skip


def _key(layer: int, name: str) -> str:
    return f"convolution.{layer}.{name}"


def _kept(layer: int, name: str, first: Any) -> Any:
    """Return what is kept of this setting where it is one that there is, else ``first``."""
    from cnnlab.insight.glass.operation import MAX_DILATION, MAX_PADDING, MAX_POOL, MAX_STRIDE

    value = _session.kept(_key(layer, name), first)
    options = {"padding_mode": RIMS, "activation": ACTIVATIONS, "pooling": POOLINGS}.get(name)
    if options is not None:
        return value if value in options else first
    low, high = {
        "stride": (1, MAX_STRIDE), "padding": (0, MAX_PADDING), "dilation": (1, MAX_DILATION),
        "pool_size": (2, MAX_POOL), "bias": (-1000.0, 1000.0), "size": (1, MAX_SIZE), "angle": (0, 165),
    }[name]  # fmt: skip
    good = isinstance(value, (int, float)) and not isinstance(value, bool) and low <= value <= high
    return type(first)(value) if good else first


def keep(layer: int, changes: dict[str, Any]) -> None:
    """Set up ``layer`` anew: fields of an ``Operation``, or ``kernel_size``."""
    for name, value in changes.items():
        if name == "kernel_size":
            _resize(layer, int(value))
        else:
            _session.keep(_key(layer, name), value)


def keep_kernel(layer: int, planes: Any) -> None:
    """Keep a kernel that was typed, from now on the one of ``layer``; anything that is none is left alone."""
    from pydantic import ValidationError

    from cnnlab.insight.glass import Operation

    try:
        sizes = [round(len(plane) ** 0.5) for plane in planes]
        rows = [
            [plane[i * k : (i + 1) * k] for i in range(k)] for plane, k in zip(planes, sizes) if k * k == len(plane)
        ]
        typed = Operation.model_validate({"kernel": rows}).kernel
    except (TypeError, ValueError, ValidationError):
        return
    _store(layer, typed)


def _store(layer: int, planes: tuple[Plane, ...]) -> None:
    for channel, plane in enumerate(planes):
        _session.keep(_key(layer, f"kernel.{channel}"), tuple(weight for row in rounded(plane) for weight in row))
    _session.keep(_key(layer, "size"), len(planes[0]))
    _session.keep(_key(layer, "preset"), HAND)


def _typed(layer: int, channel: int) -> Plane | None:
    """Return the kept kernel of one plane, or None where there is none, or none that can be used."""
    flat = _session.kept(_key(layer, f"kernel.{channel}"), ())
    size = round(len(flat) ** 0.5) if isinstance(flat, (tuple, list)) else 0
    if not 1 <= size <= MAX_SIZE or size * size != len(flat):
        return None
    if not all(isinstance(w, (int, float)) and abs(w) <= 1000 for w in flat):
        return None
    return tuple(tuple(float(w) for w in flat[i * size : (i + 1) * size]) for i in range(size))


def _resize(layer: int, size: int) -> None:
    """Let the kernel of ``layer`` have another side: a preset's own where it has one, else cut around the middle."""
    preset = _preset(layer)
    if preset != HAND and size in KERNELS[preset].sizes:
        _session.keep(_key(layer, "size"), size)
        return
    now = _planes(layer, 3 if layer == 0 else 1)
    _store(layer, tuple(resized(plane, size) for plane in now))


def _preset(layer: int) -> str:
    kept = _session.kept(_key(layer, "preset"), _BEGIN[layer])
    return kept if kept in KERNELS or kept == HAND else _BEGIN[layer]


def _planes(layer: int, planes: int) -> tuple[Plane, ...]:
    preset, size = _preset(layer), _kept(layer, "size", 3)
    if preset == HAND:
        first = _typed(layer, 0) or kernel("identity", 3)
        own = [_typed(layer, channel) or first for channel in range(planes)]
        return tuple(plane if len(plane) == len(first) else first for plane in own)
    found = KERNELS[preset]
    return (kernel(preset, found.nearest(size), float(_kept(layer, "angle", 0))),) * planes


def _kernel(layer: int, planes: int, shown: bool) -> tuple[Plane, ...]:
    """Return the kernel of ``layer``, with the menu of presets, the side and the angle where it is ``shown``."""
    if not shown:
        return _planes(layer, planes)
    names = {**{id: preset.title for id, preset in KERNELS.items()}, HAND: N_("typed by hand")}
    before = _preset(layer)
    size = len(_planes(layer, planes)[0])
    chosen = _choices.menu(_key(layer, "preset"), _("Kernel"), list(names), before, lambda id: _(names[id]))
    if chosen == HAND and before != HAND:
        _store(layer, _planes_of(before, size, layer, planes))
    if chosen != HAND:
        _about(chosen)
    else:
        st.caption(_("Type weights into the kernel below the maps; fractions such as 1/9 are understood."))
    _side(layer, chosen)
    if chosen != HAND and KERNELS[chosen].turns:
        _choices.slider(_key(layer, "angle"), _("Angle in degrees"), 0, 165, 0, 15)
    return _planes(layer, planes)


def _planes_of(preset: str, size: int, layer: int, planes: int) -> tuple[Plane, ...]:
    angle = float(_kept(layer, "angle", 0))
    return (kernel(preset, KERNELS[preset].nearest(size), angle),) * planes


def _about(id: str) -> None:
    preset = KERNELS[id]
    st.caption(_(preset.does))
    text = f"$${preset.formula}$$"
    if preset.source:
        text += "\n\n" + _("Source: {source}", source=preset.source)
    text += "\n\n" + _("Weights are rounded to four decimals.")
    _widgets.what_is_this(text, _("Formula and source"))


def _side(layer: int, preset: str) -> None:
    """Draw the choice of the kernel's side among those that the preset has; a typed kernel has every side."""
    sizes = EVERY if preset == HAND else KERNELS[preset].sizes
    size = len(_planes(layer, 1)[0])
    if len(sizes) == 1:
        return
    key = f"{_key(layer, 'side')}.{preset}"
    chosen = _choices.seeded(
        st.segmented_control,
        _("Side of the window: *kernel_size*"),
        list(sizes),
        key=key,
        now=size,
        required=True,
        wrap=True,
    )
    if chosen is not None and chosen != size:
        _resize(layer, int(chosen))
        _session.settle(key, chosen)


def _slide(layer: int) -> dict[str, Any]:
    from cnnlab.insight.glass.operation import MAX_DILATION, MAX_PADDING, MAX_STRIDE

    values: dict[str, Any] = {}
    left, right = st.columns(2, gap="small")
    with left:
        values["stride"] = _whole(layer, "stride", _("Jump: *stride*"), 1, MAX_STRIDE)
        values["padding"] = _whole(layer, "padding", _("Rim: *padding*"), 0, MAX_PADDING)
    with right:
        values["dilation"] = _whole(layer, "dilation", _("Spread: *dilation*"), 1, MAX_DILATION)
        values["padding_mode"] = _menu(layer, "padding_mode", _("Rim made of"), RIMS)
    values["bias"] = _bias(layer)
    left, right = st.columns(2, gap="small")
    with left:
        values["activation"] = _menu(layer, "activation", _("Activation"), ACTIVATIONS)
    with right:
        values["pooling"] = _menu(layer, "pooling", _("Pooling"), POOLINGS)
    values["pool_size"] = _kept(layer, "pool_size", 2)
    if values["pooling"] != "none":
        values["pool_size"] = _choices.segments(
            _key(layer, "pool_size"), _("Side of what is pooled"), (2, 3, 4), 2
        )  # fmt: skip
    return values


def _whole(layer: int, name: str, label: str, low: int, high: int) -> int:
    key = _key(layer, name)
    now = _kept(layer, name, _DEFAULTS[name])
    value = _choices.seeded(st.number_input, label, low, high, step=1, key=key, now=now)
    _session.take(key, int(value))
    return int(value)


def _bias(layer: int) -> float:
    key = _key(layer, "bias")
    now = _kept(layer, "bias", 0.0)
    value = _choices.seeded(
        st.number_input, _("Constant: *bias*"), -1000.0, 1000.0, step=0.1, format="%.6g", key=key, now=now
    )
    value = round(float(value), 4)
    _session.take(key, value)
    return value


def _menu(layer: int, name: str, label: str, options: dict[str, str]) -> str:
    return str(_choices.menu(_key(layer, name), label, list(options), _DEFAULTS[name], lambda id: _(options[id])))
