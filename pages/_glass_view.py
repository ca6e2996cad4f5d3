"""The Convolution page's parts below the settings: the glass itself, and what the layer saves."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from cnnlab.errors import CnnLabError
from cnnlab.figures import glass
from cnnlab.home import ASSETS
from cnnlab.i18n import _
from cnnlab.workspace import DRAWING_PX, ImageRef
from pages import _glass_settings, _session, _widgets

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cnnlab.insight.glass import Stage
    from pages._glass_predict import Veil

_KEY = "convolution.glass"
_COMPONENT = st.components.v2.component(
    "cnnlab_glass",
    html='<div class="glass-root"></div>',
    css=(ASSETS / "components" / "glass.css").read_text(encoding="utf-8"),
    js=(ASSETS / "components" / "glass.js").read_text(encoding="utf-8"),
)


def take_typed() -> None:
    """Keep the kernel that was typed in the browser, if that is why the page runs; before its controls are drawn."""
    state = st.session_state.get(_KEY) or {}
    told = state.get("typed")
    if isinstance(told, dict) and told.get("layer") in (0, 1):
        _glass_settings.keep_kernel(int(told["layer"]), told.get("kernel"))


def took_painting() -> bool:
    """Keep the picture that was drawn in the browser, if that is why the page runs, and return whether it was.

    It is kept as a drawing; while one goes on drawing, the same one.
    """
    from cnnlab.insight.glass import painted

    told = (st.session_state.get(_KEY) or {}).get("painted")
    if not isinstance(told, dict) or told.get("n") == _session.here("convolution.painted_n"):
        return False
    _session.set_here("convolution.painted_n", told.get("n"))
    space, before = _session.workspace(), _session.image_ref()
    try:
        id = space.save_drawing(painted(told.get("side"), told.get("ink")))
    except CnnLabError as error:
        _widgets.show_error(error)
        return False
    if before.kind == "drawing" and before.id == _session.here("convolution.painted") != id:
        space.delete_drawing(before.id)
    _session.set_here("convolution.painted", id)
    _session.set_image_ref(ImageRef(kind="drawing", data=before.data, id=id))
    return True


def _paintable(stages: Sequence[Stage]) -> bool:
    """Return whether one can draw on the input: it is, or is made of, a drawing's 28 x 28 grey pixels."""
    channels, height, width = stages[0].values.shape
    return channels == 1 and height == width and DRAWING_PX % height == 0


def draw_glass(stages: Sequence[Stage], veil: Veil) -> None:
    """Draw all stages, the window on one of them, and the arithmetic of the number that is pointed at."""
    data = glass.glass_data(stages, hidden=veil.stages, asked=veil.number, dark=_session.dark())
    planes = [_("red"), _("green"), _("blue")] if stages[0].values.shape[0] == 3 else [""]
    _COMPONENT(
        data={
            **data,
            "titles": _titles(stages),
            "planes": planes,
            "paintable": _paintable(stages),
            "answered": _session.here("convolution.painted_n"),
            "text": _texts(),
        },
        key=_KEY,
        on_typed_change=lambda: None,
        on_painted_change=lambda: None,
    )


def _titles(stages: Sequence[Stage]) -> dict[str, str]:
    names = {
        "input": _("Input"), "conv": _("Convolution"), "max": _("Max pooling"), "avg": _("Average pooling"),
        "relu": "ReLU", "leaky_relu": "LeakyReLU", "sigmoid": "Sigmoid", "tanh": "Tanh",
    }  # fmt: skip
    two = any(stage.layer for stage in stages)
    return {
        stage.name: f"{names[stage.kind]} {stage.layer + 1}" if two and stage.kind != "input" else names[stage.kind]
        for stage in stages
    }


def _texts() -> dict[str, str]:
    """Return the component's words with their places left open; the browser fills them."""
    return {
        "stages": _("The way of the picture; choose which step to look at"),
        "fromKeys": _("What arrives; move over it, or press the arrow keys, to see which outputs a number reaches"),
        "paintKeys": _("What arrives; draw on it, or go with the arrow keys and press Enter: a black pixel becomes white, a white one black"),
        "toKeys": _("What comes out; move over it, or press the arrow keys, to move the window; space plays"),
        "tools": _("Let the window slide"), "play": _("Play"), "pause": _("Pause"), "first": _("Back to the first place"),
        "back": _("One place back"), "step": _("One place on"), "slower": _("Slower"), "faster": _("Faster"),
        "paint": _("Draw on it"), "sheet": _("Empty sheet"),
        "still": _("This device asks for less motion: go on place by place."),
        "pace": _("{count} a second", count="{count}"),
        "where": _("place {place} of {all}", place="{place}", all="{all}"),
        "rim": _("rim of {rim}", rim="{rim}"),
        "patch": _("Under the window"), "kernel": _("Kernel: type here"), "products": _("Products"), "sum": _("Sum"),
        "max": _("Largest"), "avg": _("Mean"), "meets": _("The weight it meets, in each output that it reaches"),
        "weight": _("Weight in row {row}, column {col} {plane}", row="{row}", col="{col}", plane="{plane}"),
        "invalid": _("Not a number from −1000 to 1000"),
        "notRead": _(
            "“{typed}” is no number from −1000 to 1000 (fractions such as 1/9 are). The weight stays {old}.",
            typed="{typed}", old="{old}",
        ),
        "rest": _("{others} from {count} smaller products", others="{others}", count="{count}"),
        "bias": _("{bias} of bias", bias="{bias}"),
        "asked": _("{unit} = ? Multiply each number under the window by the weight on it, then add up.", unit="{unit}"),
        "nothing": _("{unit} = 0: every product is 0.", unit="{unit}"),
        "hidden": _("How large will this be? Answer the question, or have it shown."),
        "activation": _("{unit}: {formula} makes {x} into {y}.", unit="{unit}", formula="{formula}", x="{x}", y="{y}"),
        "maxSays": _(
            "{unit} = {value}: the largest of {count} numbers, from {from}.",
            unit="{unit}", value="{value}", count="{count}", **{"from": "{from}"},
        ),
        "avgSays": _(
            "{unit} = {value}: the mean of {count} numbers.", unit="{unit}", value="{value}", count="{count}"
        ),
        "sees": _(
            "Through the layers before it sees rows {top} to {bottom} and columns {left} to {right} of the input: {rows} × {cols}.",
            top="{top}", bottom="{bottom}", left="{left}", right="{right}", rows="{rows}", cols="{cols}",
        ),
        "used": _(
            "{unit} = {value} reaches {count} of the {all} numbers of {stage}: rows {top} to {bottom}, columns {left} to {right}.",
            unit="{unit}", value="{value}", count="{count}", all="{all}", stage="{stage}",
            top="{top}", bottom="{bottom}", left="{left}", right="{right}",
        ),
        "usedOnce": _(
            "{unit} = {value} reaches one of the {all} numbers of {stage}: row {top}, column {left}.",
            unit="{unit}", value="{value}", all="{all}", stage="{stage}", top="{top}", left="{left}",
        ),
        "unused": _("{unit} = {value} reaches no number of {stage}: the window jumps over it.",
                    unit="{unit}", value="{value}", stage="{stage}"),
    }  # fmt: skip


def draw_counts(stages: Sequence[Stage], layer: int, veil: Veil) -> None:
    """Draw what layer ``layer`` saves against a dense layer from the same numbers to the same numbers."""
    from cnnlab.insight.glass import counts

    place = next(place for place, stage in enumerate(stages) if stage.kind == "conv" and stage.layer == layer)
    stage, before = stages[place], stages[place - 1]
    operation = stage.operation
    if operation is None or stage.name in veil.stages:
        return
    _channels, height, width = before.values.shape
    found = counts(operation, height, width)
    title = _("What the small window saves")
    if any(one.layer for one in stages):  # of two layers it is the one that is set up, whichever is looked at
        title += " · " + (_("Layer 1"), _("Layer 2"))[layer]
    st.subheader(title, anchor=False)
    facts = {"inputs": found.inputs, "outputs": found.outputs, "seen": found.seen}
    rows = (
        (_("Dense layer"), _("each of {outputs:,} outputs has a weight for each of {inputs:,} inputs, and a bias", **facts)),
        (_("Local connection"), _("each of {outputs:,} outputs sees only {seen} inputs, with weights of its own", **facts)),
        (_("Weight sharing: the convolution"), _("all {outputs:,} outputs use the same {seen} weights and one bias", **facts)),
    )  # fmt: skip
    st.html(glass.counts_html(found, rows, hidden=veil.params))
    st.caption(_("The bars count digits: a number ten times as large is one step longer."))
    if not veil.params:
        st.markdown(_(
            "Looking only nearby takes **{near:,.0f} times** fewer parameters, the shared kernel another "
            "**{shared:,.0f} times** fewer. Multiply-adds: {dense:,} for the dense layer, {conv:,} here.",
            near=found.dense / found.local, shared=found.local / found.shared, dense=found.dense_macs, conv=found.macs,
        ))  # fmt: skip
