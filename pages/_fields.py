"""What a unit sees: the pixels that can reach it beside those that do, of a model and of a network being built."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from cnnlab.architecture.tape import Row
from cnnlab.errors import CnnLabError
from cnnlab.figures import fields, tiles
from cnnlab.i18n import _
from pages import _build_state, _choices, _session
from pages._said import show_error

if TYPE_CHECKING:
    from cnnlab.architecture import Address, Architecture
    from cnnlab.insight import Look
    from cnnlab.insight.receptive_field import Field
    from cnnlab.model import Model, Tensor

IMAGES = 32
"""Test images over which the effect of each pixel is averaged."""
_START_PX = 180


# -------------------------------------------------------------------- of a model
def of_unit(model: Model, seen: Look, picture: Tensor, at: Address) -> None:
    """Draw what unit ``at``, or the one in the middle of its map, can see, and which pixels move it on average.

    Args:
        picture: the input as bytes, with its border. Shape: (C, H, W) uint8
        at: a number of a layer.
    """
    st.subheader(_("What this unit sees"), anchor=False)
    layer, index, values = at.layer, at.index, seen.maps[at.layer]
    if values.dim() == 3:
        names = {"above": _("the one of the way down"), "middle": _("in the middle of its map")}
        place = _choices.segments("magnifier.place", _("The unit"), list(names), "above", names.__getitem__)
        if place == "middle":
            index = (index[0], values.shape[1] // 2, values.shape[2] // 2)
    try:
        found = _of_unit(model, layer, index)
    except CnnLabError as error:
        show_error(error)
        return
    unit = f"{layer}[{','.join(map(str, index))}]"
    with st.container(horizontal=True, gap="medium", vertical_alignment="top", key="magnifier_fields"):
        _figure(fields.framed_png(picture.numpy(), found.box), _("What can reach {unit}", unit=unit), _box_text(found))
        _figure(
            fields.effect_png(found.effect.numpy(), found.box, dark=_session.dark()),
            _("What does, on {count} test images", count=found.images), _effect_text(found),
        )  # fmt: skip


def _of_unit(model: Model, layer: str, index: tuple[int, ...]) -> Field:
    from cnnlab.attribution import fingerprint
    from pages._looking import tests_of

    dataset = tests_of(model)
    return _kept_field(fingerprint(model), dataset.name, layer, index, model, dataset.test.images[:IMAGES])


@st.cache_data(max_entries=200, show_spinner=False)
def _kept_field(print_: str, data: str, layer: str, index: tuple[int, ...], _model: Model, _images: Tensor) -> Field:
    """Return the field of a unit, worked out once for all who look at this model."""
    from cnnlab.insight.receptive_field import field

    return field(_model, _images, layer, index)


def _figure(picture: bytes, title: str, text: str) -> None:
    with st.container(width=fields.SIDE_PX + 16, gap="xsmall"):
        st.markdown(f"**{title}**")
        st.html(tiles.hard_img(picture, f"{title}: {text}"))
        st.markdown(f":small[{text}]")


def _box_text(found: Field) -> str:
    if found.box is None:
        return _("Only padding reaches it: no pixel of the picture does.")
    (top, bottom), (left, right) = found.box
    return _(
        "Its *receptive field*: {height}×{width} pixels, rows {top} to {bottom}, columns {left} to {right}. No other "
        "pixel can change it.",
        height=bottom - top + 1, width=right - left + 1, top=top, bottom=bottom, left=left, right=right,
    )  # fmt: skip


def _effect_text(found: Field) -> str:
    core = found.core()
    if not core:
        return _("Nothing moves it: it is silent on all of these images.")
    text = _(
        "Its *effective* receptive field: bright pixels move it most (mean size of the gradient). {core:,} of the {all:,} "
        "pixels in the frame make nine tenths of the effect.",
        core=core, all=found.pixels,
    )  # fmt: skip
    if found.silent:
        text += " " + _("On {silent} of {count} images it is silent.", silent=found.silent, count=found.images)
    return text


# -------------------------------------------------------------------- of a network being built
def at_start(architecture: Architecture) -> None:
    """Say what the middle unit of the layer that is edited can see and, where asked for, draw what does move it."""
    row = _edited_row(architecture)
    if row is None or row.output_shape is None or row.receptive_field is None:
        return
    with st.container(horizontal=True, gap="medium", vertical_alignment="center", key="build_field"):
        st.markdown(_("One unit of **{layer}** sees {text}.", layer=row.name, text=_size_text(row)), width="content")
        if not _choices.toggle("build.field_shown", _("Show which of them count"), False):
            return
    try:
        found = _at_start(architecture.key, row.name, architecture)
    except CnnLabError:
        st.caption(_("It is drawn again as soon as the network runs."))  # what is wrong with it is said above
        return
    with st.container(horizontal=True, gap="medium", vertical_alignment="center", key="build_effect"):
        if found is None:
            st.markdown(_("The network is too large to try that out while it is edited."))
            return
        picture = fields.effect_png(found.effect.numpy(), found.box, room=_START_PX, dark=_session.dark())
        alt = _("Effect of each pixel on the middle unit of {layer}", layer=row.name)
        st.html(tiles.hard_img(picture, alt), width="content")
        with st.container(gap="xsmall", width=420):
            st.markdown(_start_text(row, found, _windows(architecture, row)))


def _windows(architecture: Architecture, row: Row) -> int:
    """Return how many layers up to ``row`` look at more than one pixel at once."""
    sizes = [getattr(one.layer, "kernel_size", 1) for one in architecture.trace().rows[: row.index + 1]]
    return sum(max(size) > 1 if isinstance(size, tuple) else size > 1 for size in sizes)


def _start_text(row: Row, found: Field, windows: int) -> str:
    core = found.core()
    text = _(
        "**Frame**: its *receptive field*, {text}: the pixels that can reach the unit in the middle.",
        text=_size_text(row),
    )
    if core:
        text += "\n\n" + _(
            "**Colour**: how much each pixel moves it before anything is learned, the *effective* receptive field (mean "
            "size of the gradient on noise). {core:,} of {all:,} pixels make nine tenths of the effect.",
            core=core, all=found.pixels,
        )  # fmt: skip
        text += " " + (
            _("Windows overlap most in the middle, so most ways lead from there.")
            if windows > 1
            else _("One window alone is at work so far: its weights, drawn at random, say which pixel counts how much.")
        )
    return text


def _size_text(row: Row) -> str:
    height, width = row.receptive_field.size if row.receptive_field else (0, 0)
    return _("{height}×{width} pixels, padding included", height=height, width=width)


@st.cache_data(max_entries=200, show_spinner=False)
def _at_start(key: str, layer: str, _architecture: Architecture) -> Field | None:
    from cnnlab.insight.receptive_field import field_at_start

    return field_at_start(_architecture, layer)


def _edited_row(architecture: Architecture) -> Row | None:
    """Return the row of the layer that is edited; of a block the last of its rows; None for the input."""
    chosen, here = _build_state.selected(), _build_state.here()
    if chosen < 0 or not here.rows:
        return None
    place, rows = here.at(chosen), architecture.trace().rows
    inside = [row for row in rows if row.place[: len(place)] == place]
    return inside[-1] if inside else None
