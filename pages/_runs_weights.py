"""The Runs page's histograms: how the weights of a layer are spread in each of the chosen runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from cnnlab.errors import CnnLabError
from cnnlab.figures.runs import value_text
from cnnlab.home import ASSETS
from cnnlab.i18n import _
from pages import _choices, _session, _widgets

if TYPE_CHECKING:
    from cnnlab.figures.weights import RunWeights
    from cnnlab.runs import Snapshot

_PULLS = ("l1", "weight_decay")


def draw(chosen: list[tuple[int, Snapshot]]) -> None:
    """Offer the histograms of the ``chosen`` runs that have weights; nothing is read before they are asked for."""
    runs = [(place, number, run) for place, (number, run) in enumerate(chosen) if run.has_model]
    layers = _layers([run for _place, _number, run in runs])
    if not layers:
        return
    folded = st.expander(_("How the weights are spread"), icon=":material/bar_chart:", key="runs.weights",
                         on_change="rerun")  # fmt: skip
    if not folded.open:
        return
    st.html(ASSETS / "css" / "weights.css")
    with folded:
        with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
            largest = max(layers, key=layers.__getitem__)
            layer = _choices.segments("runs.weights.layer", _("Layer"), list(layers), largest, wrap=True)
            _widgets.what_is_this(_about())
        rows = [row for one in runs if (row := _row(*one, layer)) is not None]
        st.html(_html(rows, layer))


def _layers(runs: list[Snapshot]) -> dict[str, int]:
    """Return the layers with weights of any of ``runs``, in their order, with how many parameters they have at most."""
    found: dict[str, int] = {}
    for run in runs:
        for row in run.architecture.trace().rows:
            if row.layer.kind in ("Conv2d", "Linear"):
                found[row.name] = max(found.get(row.name, 0), row.num_params or 0)
    return found


def _row(place: int, number: int, run: Snapshot, layer: str) -> RunWeights | None:
    from cnnlab import runs
    from cnnlab.description import ModelRef
    from cnnlab.figures.weights import RunWeights
    from cnnlab.insight import filters

    try:
        found = filters(runs.resolve(ModelRef(f"run:{run.id}"), stays=False), layer)
    except CnnLabError:
        return None  # it has no such layer, or was deleted meanwhile
    label = _("run {number}", number=number)
    if run.name != run.net:
        label += f" · {run.name if len(run.name) <= 40 else run.name[:39] + '…'}"
    return RunWeights(label, _pulls(run), place, found.weight.numpy())


def _pulls(run: Snapshot) -> str:
    """Return what pulls the weights of ``run`` towards zero, in words."""
    fields = type(run.recipe).model_fields
    values = ((name, getattr(run.recipe_now, name)) for name in _PULLS)
    return " · ".join(f"{_(str(fields[name].title))} {value_text(value)}" for name, value in values if value)


def _html(rows: list[RunWeights], layer: str) -> str:
    from cnnlab.figures.weights import weights_html

    return weights_html(rows, layer, dark=_session.dark()) if rows else "<span></span>"


def _about() -> str:
    return _(
        "Each bar is the share of the layer's weights (no biases) that lie where it stands; all runs have the same two "
        "axes. A bar at 0 that would be higher than the rest is cut, and its share stands beside it.\n\n"
        "Train the same network three times, with the same seed, to see what the two penalties do. **Weight decay** "
        "(L2) pulls a weight the harder the larger it is: all become smaller, few become 0. An **L1 penalty** pulls "
        "all equally hard: most end at 0, and the few that matter stay large."
    )
