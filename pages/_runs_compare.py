"""The Runs page's comparison: curves over each other, what recipes and networks differ in, means over seeds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import streamlit as st

from cnnlab.errors import CnnLabError
from cnnlab.figures import runs as figures
from cnnlab.i18n import _
from pages import _choices, _run_line, _runs_table, _session, _widgets

if TYPE_CHECKING:
    from cnnlab.runs import Snapshot
    from cnnlab.runs.compare import Seeds
    from cnnlab.runs.watch import Curves

Chosen = list[tuple[int, "Snapshot"]]


def draw(chosen: Chosen) -> None:
    """Draw the curves of the ``chosen`` runs and, of several, what they differ in."""
    if not chosen:
        return
    st.subheader(
        _("Curves"),
        anchor=False,
        help=_(
            "Bold: on the validation set. Thin: on the training batches, averaged. The number at the end of a line is "
            "the run's. Test images play no part here: what is compared must not be chosen by them."
        ),
    )
    axis = _choices.segments("runs.axis", _("Along"), list(figures.AXES), "steps", lambda one: _(figures.AXES[one]))
    pace = 2 * _session.interval() if any(run.live for _number, run in chosen) else None
    st.fragment(_curves, run_every=pace)(tuple((number, run.id) for number, run in chosen), axis, pace)
    if len(chosen) > 1:
        _differences(chosen)


def _curves(chosen: tuple[tuple[int, str], ...], axis: Any, pace: float | None) -> None:
    from cnnlab import runs

    _session.enter()
    lab, owner = runs.engine(), _session.workspace().owner
    lines = []
    for place, (number, id) in enumerate(chosen):
        try:
            run = lab.snapshot(id)
        except CnnLabError:
            continue  # deleted in another window; the next look at the whole page leaves it out
        if run.owner == owner:
            found = _curves_of(id, run.steps) if run.live else _kept_curves(id, run.resumed, run.events, run.steps)
            own = run.step - (run.parent_step or 0)  # a branch has spent time on its own steps only
            per_step = {"steps": 1.0, "epochs": run.epochs / max(1, run.steps), "time": run.train_s / max(1, own)}
            lines.append(figures.RunCurves(str(number), place, found.train(), found.val, per_step[axis], run.live))
    if pace is not None and _run_line.is_another_pace(pace, 2 * _session.interval()):
        st.rerun()
    both: tuple[Literal["acc", "loss"], ...] = ("acc", "loss")
    for column, what in zip(st.columns(2, gap="medium"), both):
        with column:
            st.markdown("**" + (_("Accuracy") if what == "acc" else _("Loss")) + "**")
            figure = figures.curves(lines, what, axis, dark=_session.dark())
            _widgets.plot(figure, f"runs.{what}", figures.HEIGHT_PX, alt=figures.curves_alt(lines, what))


@st.cache_resource(max_entries=64, show_spinner=False)
def _kept_curves(id: str, resumed: int, count: int, steps: int) -> Curves:
    """Return the curves of a run that is over, read once; nobody changes them."""
    return _curves_of(id, steps)


def _curves_of(id: str, steps: int) -> Curves:
    from cnnlab import runs
    from cnnlab.runs.watch import Curves

    found = Curves(steps)
    found.extend(runs.engine().events(id))
    return found


def _differences(chosen: Chosen) -> None:
    from cnnlab.runs.compare import network_differences, recipe_differences

    st.subheader(_("What is different"), anchor=False)
    labels = [_("run {number}", number=number) for number, _run in chosen]
    places = list(range(len(chosen)))
    snapshots = [run for _number, run in chosen]
    recipes, networks = st.columns([1, 1.2], gap="medium")
    rows = recipe_differences([run.recipe for run in snapshots])
    with recipes:
        if rows:
            st.html(figures.differences_html(labels, rows, places))
        else:
            st.markdown(_("The recipes are the same."))
        changed = [label for label, run in zip(labels, snapshots) if run.changes]
        if changed:
            st.markdown(_("Changed by hand while learning: {runs}.", runs=", ".join(changed)))
        if len({run.data_hash or run.data for run in snapshots}) > 1:
            st.markdown(_("They learn from different data: {data}.", data=", ".join(run.data for run in snapshots)))
    found = [network_differences(snapshots[0].architecture, run.architecture) for run in snapshots]
    with networks:
        if not any(found):
            st.markdown(_("The networks are the same."))
        for place, differing in enumerate(found):
            if differing:
                st.html(figures.networks_html([labels[0], labels[place]], differing, [0, place]))


def seeds(shown: dict[int, Snapshot]) -> None:
    """Draw what each recipe reached that was run with several seeds, among the ``shown`` runs."""
    from cnnlab.runs.compare import over_seeds

    groups = over_seeds(shown.values())
    if not groups:
        return
    st.subheader(
        _("Over several seeds"),
        anchor=False,
        help=_(
            "Runs that differ in nothing but the seed. The spread is the sample standard deviation of their test "
            "accuracy, in percentage points: a difference between two recipes that is smaller than this may be chance."
        ),
    )
    st.html(figures.seeds_html([(g.runs[0].net, _without_seed(g), g) for g in groups]))
    if len(groups) == 1:
        _choose_button(groups[0], _("Compare these {count} runs", count=min(groups[0].count, figures.MOST)))
        return
    with st.popover(_("Compare the runs of one row"), icon=":material/stacked_line_chart:", type="tertiary"):
        for group in groups[:12]:
            _choose_button(group, f"{_widgets.plain(group.runs[0].net)}: {_without_seed(group)}")


def _choose_button(group: Seeds, label: str) -> None:
    st.button(
        label, key=f"runs.seeds.{group.runs[0].id}", type="tertiary",
        on_click=_runs_table.choose, args=([run.id for run in group.runs],),
    )  # fmt: skip


def _without_seed(group: Seeds) -> str:
    return figures.recipe_text(group.runs[0].recipe, seed=False)
