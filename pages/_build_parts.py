"""The left side of the Build page: the drawing, what does not fit and how to mend it, the totals."""

from __future__ import annotations

import streamlit as st

from cnnlab.architecture import Architecture, check_budget
from cnnlab.architecture.network import MAX_LAYERS
from cnnlab.architecture.repair import Suggestion, suggest, suggest_head
from cnnlab.errors import BudgetError, CnnLabError
from cnnlab.figures import network as drawing
from cnnlab.figures.network import shape_text
from cnnlab.figures.numbers import bytes_text, count_text
from cnnlab.i18n import Message, _
from pages import _build_state as state
from pages import _choices, _session, _widgets
from pages._network import NETWORK, crumbs
from pages._said import told

_SPELT_OUT = 2
"""Up to how many further edits a suggestion names each."""


def draw_network(architecture: Architecture) -> None:
    """Draw the network, or the block that is open, to scale; what is drawn are buttons."""
    now = state.here()
    crumbs(architecture, now.place, state.go_inside, "build.crumb")
    data = {
        "blocks": drawing.to_data(architecture, _session.language(), now.place),
        "joins": drawing.joins_data(architecture, _session.language(), now.place),
        "parallel": now.parallel,
        "selected": state.selected(),
        "reveal": state.reveal(),
        "panel": ".st-key-build_panel",
        "text": {
            "label": _("The network, from the input on the left to the output"),
            "open": _("Look inside"),
        },
    }
    NETWORK(data=data, key=state.DRAWING, on_action_change=state.on_drawing)


def show_problem(architecture: Architecture) -> None:
    """Say what does not fit and offer edits that work, each one click."""
    error: CnnLabError | None = None
    try:
        architecture.check()
    except CnnLabError as found:
        error = found
    if error is None:
        _offer_head(architecture)
        return
    _widgets.show_error(error)
    suggestions = suggest(architecture)
    if suggestions:
        _offer(suggestions, _("Each of these makes it run:"))


def _offer_head(architecture: Architecture) -> None:
    """A network that ends in maps runs, but cannot name a class yet: offer what is missing."""
    if len(architecture.output_shape) == 1:
        return
    st.info(
        _("The network ends in maps of {shape}. To name a class it needs one number for each class.",
          shape=shape_text(architecture.output_shape))
    )  # fmt: skip
    if len(architecture.layers) + 2 <= MAX_LAYERS:
        _offer((suggest_head(architecture),), "")


def _offer(suggestions: tuple[Suggestion, ...], caption: str) -> None:
    with st.container(gap="xsmall", key="build_suggestions"):
        if caption:
            st.caption(caption)
        with st.container(horizontal=True, gap="small"):
            for number, suggestion in enumerate(suggestions):
                st.button(
                    _in_words(suggestion), key=f"build.suggestion.{number}", icon=":material/build:", wrap=True,
                    help=_listed(suggestion.further) if len(suggestion.further) > _SPELT_OUT else None,
                    on_click=state.change, args=(lambda _network, s=suggestion: s.architecture,),
                )  # fmt: skip


def _in_words(suggestion: Suggestion) -> str:
    """Return what a suggestion does, the edits below that it takes too: a phone shows no more than the button."""
    edit = suggestion.label.text(_session.language())
    if not suggestion.further:
        return edit
    if len(suggestion.further) <= _SPELT_OUT:
        return _("{edit}, then {further}", edit=edit, further=_listed(suggestion.further))
    return _("{edit}, then {count} more changes below", edit=edit, count=len(suggestion.further))


def _listed(edits: tuple[Message, ...]) -> str:
    return "; ".join(edit.text(_session.language()) for edit in edits)


def totals(architecture: Architecture) -> None:
    """Show output, parameters, multiply-adds and memory at the chosen batch size."""
    trace = architecture.trace()
    batch = _session.recipe().batch_size
    last = trace.rows[-1].output_shape if trace.rows else None
    stored = 4 * (batch * trace.activation_elements + trace.num_params)

    def least(value: int, text: str) -> str:
        """Return what is known of a sum: what stands below a break is not."""
        return text if trace.error is None else f"≥ {text}" if value else "?"

    with st.container(key="build_totals", horizontal=True, vertical_alignment="bottom", gap="medium"):
        st.metric(
            _("Output"), shape_text(last) or "?", width="content",
            help=_("What leaves the last layer for one picture: to name a class, one number for each class."),
        )  # fmt: skip
        st.metric(
            _("Parameters"), least(trace.num_params, count_text(trace.num_params)), width="content",
            help=_("Numbers that are learned: {count:,}.", count=trace.num_params),
        )  # fmt: skip
        st.metric(
            _("Multiply-adds"), least(trace.macs, count_text(trace.macs)), width="content",
            help=_("Multiplications with an addition for one picture, in convolutions and dense layers: {count:,}.", count=trace.macs),
        )  # fmt: skip
        st.metric(
            _("Memory"), least(stored, bytes_text(stored)), width="content",
            help=_("Outputs of all layers for one batch and the weights, at 4 bytes a number. Training needs about twice "
                   "as much, for the gradients."),
        )  # fmt: skip
        _choices.seeded(st.number_input,
            _("Batch size"), 1, 4096, step=1, key="build.batch", now=batch, width=140, on_change=_take_batch,
            help=_("How many pictures the network sees at once; part of the recipe."),
        )  # fmt: skip
    try:
        if trace.error is None and architecture.layers:
            check_budget(architecture, batch)
    except BudgetError as error:
        st.warning(told(error), icon=":material/warning:")


def _take_batch() -> None:
    size = st.session_state.get("build.batch")
    if size is not None:
        _session.set_recipe(_session.recipe().changed(batch_size=int(size)))
