"""The Surgery page's left half: what is operated on, how, and what was done so far."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import streamlit as st

from cnnlab.errors import CnnLabError
from cnnlab.i18n import _
from pages import _choices, _session

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from cnnlab.description import ModelRef
    from cnnlab.insight.surgery import Edit
    from cnnlab.model import Model, Tensor

WHOLE = -1
"""What stands for the whole channel in the choice of a connection."""


def layers_of(model: Model) -> tuple[str, ...]:
    """Return the layers that have filters or dense weights."""
    rows = model.architecture.trace().rows
    return tuple(row.name for row in rows if row.layer.kind in ("Conv2d", "Linear"))


def edits(ref: ModelRef) -> tuple[Edit, ...]:
    """Return what was done to the copy of ``ref``, before a reload too."""
    from cnnlab.insight.surgery import Edit

    try:
        return tuple(Edit.model_validate(one) for one in _session.operations(str(ref)))
    except ValueError:
        return ()  # written by another version of the lab


def initial(ref: ModelRef, model: Model, done: tuple[Edit, ...]) -> Mapping[str, Tensor] | None:
    """Return the weights with which the training of ``model`` began, where ``done`` asks for them.

    Raises:
        CnnLabError: nobody knows them.
    """
    from cnnlab.insight.surgery import first_weights

    return first_weights(ref, model) if any(one.do == "initial" for one in done) else None


def _set(ref: ModelRef, done: tuple[Edit, ...], undone: tuple[Edit, ...] = ()) -> None:
    _session.set_operations(str(ref), [one.model_dump(mode="json", exclude_defaults=True) for one in done])
    _session.set_here("surgery.undone", undone)


def ask(
    ref: ModelRef, model: Model, layers: tuple[str, ...], done: tuple[Edit, ...], copy: Callable[[], Model]
) -> tuple[str, int]:
    """Draw the choice of a channel and of an operation, and what was done; return the layer and the channel.

    Args:
        copy: gives the copy as it is now; raises CnnLabError where what was done cannot be done.
    """
    from cnnlab.insight import filters

    layer = _choices.segments("surgery.layer", _("Layer"), layers, layers[0], wrap=True)
    found = filters(model, layer)
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        unit = channel("surgery", layer, len(found.weight))
        channels = found.channels_of(unit)
        names = {WHOLE: _("the whole channel")}
        names |= {place: _("only from input {index}", index=index) for place, index in enumerate(channels)}
        source = _choices.menu(
            f"surgery.source.{layer}", _("What of it"), list(names), WHOLE, names.__getitem__, width=210
        )
    wanted = _how(layer, unit, None if source == WHOLE else source, model, done, copy, inputs=len(channels))
    with st.container(horizontal=True, gap="small"):
        full = len(done) >= _most()
        st.button(
            _("Operate"), icon=":material/content_cut:", type="primary", key="surgery.operate",
            disabled=wanted is None or full, on_click=_set, args=(ref, (*done, wanted) if wanted else done),
        )  # fmt: skip
        undone = _session.here("surgery.undone", ())
        st.button(
            _("Undo"), icon=":material/undo:", key="surgery.undo", disabled=not done,
            on_click=_set, args=(ref, done[:-1], (*done[-1:], *undone)),
        )  # fmt: skip
        st.button(
            _("Redo"), icon=":material/redo:", key="surgery.redo", disabled=not undone or full,
            on_click=_set, args=(ref, (*done, *undone[:1]), undone[1:]),
        )  # fmt: skip
    _history(ref, done)
    return layer, unit


def channel(page: str, layer: str, count: int) -> int:
    """Draw the choice of one of the ``count`` channels of ``layer`` and return it, the one chosen before at first."""
    key = f"units.unit.{layer}"
    now = min(int(_session.kept(key, 0)), count - 1)
    value = _choices.seeded(st.number_input,
        _("Channel, 0 to {last:,}", last=count - 1), 0, count - 1, step=1, key=f"{page}.unit.{layer}", now=now,
        width=150,
    )  # fmt: skip
    _session.keep(key, int(value))
    return int(value)


def _most() -> int:
    from cnnlab.insight.surgery.edits import MOST_EDITS

    return MOST_EDITS


def _names() -> dict[str, str]:
    return {
        "silence": _("silence"),
        "scale": _("scale"),
        "flip": _("flip"),
        "rotate": _("rotate"),
        "shuffle": _("shuffle"),
        "write": _("by hand"),
        "sobel": _("Sobel"),
        "initial": _("untrained"),
    }


def _how(
    layer: str,
    unit: int,
    source: int | None,
    model: Model,
    done: tuple[Edit, ...],
    copy: Callable[[], Model],
    inputs: int,
) -> Edit | None:
    """Draw the choice of an operation with its settings; return it, None where it makes no sense there."""
    from cnnlab.insight.surgery import OPERATIONS, Edit
    from cnnlab.insight.surgery.edits import KERNELS_ONLY

    conv = model.architecture.trace().row(layer).layer.kind == "Conv2d"
    offered = [do for do in OPERATIONS if conv or do not in KERNELS_ONLY]
    names = _names()
    do = _choices.segments("surgery.do", _("Operation"), offered, "silence", names.__getitem__, wrap=True)
    settings: dict[str, Any] = {}
    if do == "scale":
        settings["factor"] = _choices.slider("surgery.factor", _("Times"), -2.0, 4.0, 0.5, 0.1)
    elif do in ("flip", "sobel"):
        flips = {"columns": _("left and right"), "rows": _("top and bottom")}
        settings["axis"] = _choices.segments("surgery.axis", _("Direction"), list(flips), "columns", flips.__getitem__)
    elif do == "rotate":
        settings["turns"] = _choices.segments(
            "surgery.turns", _("To the left by"), [1, 2, 3], 1, lambda n: f"{90 * n}°"
        )
    elif do == "shuffle":
        settings["seed"] = sum(one.do == "shuffle" for one in done)
    elif do == "write":
        source = 0 if source is None and inputs == 1 else source
        if source is None:
            st.caption(_("One kernel at a time is written by hand: choose above from which input."))
            return None
        values = _written(layer, unit, source, len(done), copy)
        if values is None:
            return None
        settings["values"] = values
    if do not in ("silence", "write", "initial") and _is_silent(done, layer, unit, source):
        st.caption(_("It is silenced already: of nothing but zeros this makes zeros. Take the silence back first."))
    try:
        return Edit(do=do, layer=layer, unit=unit, source=source, **settings)
    except ValueError:  # a number beyond all reason, or a kernel larger than any that is written by hand
        st.caption(
            _("These numbers cannot be written: each lies between −1,000,000 and 1,000,000, in at most 64 rows.")
        )
        return None


def _is_silent(done: tuple[Edit, ...], layer: str, unit: int, source: int | None) -> bool:
    """Return whether ``done`` has silenced what is to be operated on, and nothing has given it weights again."""
    silent = False
    for one in done:
        if (one.layer, one.unit) == (layer, unit) and one.source in (None, source):
            silent = one.do == "silence" or (silent and one.do not in ("write", "initial"))
    return silent


def _written(layer: str, unit: int, source: int, count: int, copy: Callable[[], Model]) -> Any:
    """Draw the kernel as it is now as a table of numbers to write in; return what stands there, None where a cell is empty."""
    from cnnlab.insight import filters

    try:
        now = filters(copy(), layer)
    except CnnLabError:
        return None  # what was done before cannot be done: the result says why
    kernel = now.weight[unit, source]
    rows = kernel.reshape(1, 1).tolist() if kernel.dim() == 0 else kernel.tolist()
    columns = {str(place): [round(row[place], 4) for row in rows] for place in range(len(rows[0]))}
    st.caption(_("The kernel, row by row; type into it."))
    edited = st.data_editor(
        columns, key=f"surgery.write.{layer}.{unit}.{source}.{count}", hide_index=True, width=min(420, 76 * len(columns) + 4),
        column_config={name: st.column_config.NumberColumn(name, format="%.3g", width=70) for name in columns},
    )  # fmt: skip
    cells = [[edited[name][row] for name in columns] for row in range(len(rows))]
    if any(cell is None or cell != cell for row in cells for cell in row):
        return None
    return tuple(tuple(float(cell) for cell in row) for row in cells)


def _history(ref: ModelRef, done: tuple[Edit, ...]) -> None:
    """Draw what was done so far, the last first."""
    if not done:
        st.caption(_("Nothing done yet: the copy is as the model is."))
        return
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.markdown(_("**{count} done**, the last first", count=len(done)))
        st.button(_("Take all back"), key="surgery.clear", type="tertiary", on_click=_set, args=(ref, (), done))
    lines = [f"{len(done) - place} · `{one.where}` {one.said.text()}" for place, one in enumerate(reversed(done))]
    box = st.container(height=180 if len(lines) > 6 else "content", border=False)
    box.markdown("  \n".join(lines))
