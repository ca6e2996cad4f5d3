"""The Runs page's comparison: curves over each other, what recipes and networks differ in, means over seeds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import streamlit as st

from cnnlab.errors import CnnLabError
from cnnlab.figures import runs as figures
from cnnlab.i18n import _
from pages import _choices, _hand, _run_line, _runs_table, _session, _started, _widgets

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
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium", key="runs_axes"):
        axis = _choices.segments("runs.axis", _("Along"), list(figures.AXES), "steps", lambda one: _(figures.AXES[one]))
        zoomed = _choices.toggle(
            "runs.zoomed", _("Zoom in on where they end"), True,
            help=_("Cuts the axes, so that runs which end close together can be told apart. Off: the whole curves."),
        )  # fmt: skip
    pace = 2 * _session.interval() if any(run.live for _number, run in chosen) else None
    st.fragment(_curves, run_every=pace)(tuple((number, run.id) for number, run in chosen), axis, pace, zoomed)
    _seen_line(chosen)
    if len(chosen) > 1:
        _differences(chosen)


def _seen_line(chosen: Chosen) -> None:
    """Say whose bold line was measured on images that the run learns from."""
    seen = ", ".join(_("run {number}", number=number) for number, run in chosen if run.recipe.full_train)
    if seen:
        st.caption(
            _("{runs}: learns from all training images. The bold line is measured on images it has seen, not on a "
              "validation set, and lies too high for a comparison.", runs=seen)
        )  # fmt: skip


def _curves(chosen: tuple[tuple[int, str], ...], axis: Any, pace: float | None, zoomed: bool) -> None:
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
            title = "**" + (_("Accuracy") if what == "acc" else _("Loss")) + "**"
            cut = figures.cut_text(lines, what) if zoomed else ""
            st.markdown(f"{title} · {cut}" if cut else title)
            figure = figures.curves(lines, what, axis, dark=_session.dark(), zoomed=zoomed)
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
    _family(chosen)
    _beginnings(chosen)
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
        _live_changes(chosen)
        if len({run.data_hash or run.data for run in snapshots}) > 1:
            st.markdown(_("They learn from different data: {data}.", data=", ".join(run.data for run in snapshots)))
    found = [network_differences(snapshots[0].architecture, run.architecture) for run in snapshots]
    with networks:
        if not any(found):
            st.markdown(_("The networks are the same."))
        for place, differing in enumerate(found):
            if differing:
                st.html(figures.networks_html([labels[0], labels[place]], differing, [0, place]))


def _family(chosen: Chosen) -> None:
    """Say of each chosen run that branched from another one: from where, what was changed there, and what later."""
    numbers = {run.id: (number, run) for number, run in chosen}
    for number, run in chosen:
        if run.parent not in numbers:
            continue
        first, parent = numbers[run.parent]
        step = run.parent_step or 0
        st.markdown(
            ":material/alt_route: "
            + _("Run {number} is a branch of run {parent}: up to step {step:,} they are one and the same.",
                number=number, parent=first, step=step)
        )  # fmt: skip
        found = _hand.differences(parent.recipe_at(step), run.recipe)
        st.markdown(_("Changed at step {step:,}: {what}", step=step, what="; ".join(found) or _("nothing")))


def _beginnings(chosen: Chosen) -> None:
    """Say what each run has begun with, where one of them has borrowed weights."""
    if all(run.start is None for _number, run in chosen):
        return
    for number, run in chosen:
        said = _started.words(run) or (_("Began with new weights.") if run.parent is None else "")
        if said:
            st.markdown(_widgets.plain(_("Run {number}: {said}", number=number, said=said)))


def _live_changes(chosen: Chosen) -> None:
    for number, run in chosen:
        if run.changes and not (run.start is not None and _started.only_frozen(run)):
            st.markdown(_("Run {number}, changed by hand while learning:", number=number))
            _hand.told_changes(run)


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
    first = group.runs[0]
    return " · ".join(part for part in (figures.recipe_text(first.recipe, seed=False), _started.short(first)) if part)
