"""Train's comparison: is borrowing worth it? New weights against borrowed ones, over set sizes and seeds, in one chart."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from cnnlab.errors import CnnLabError
from cnnlab.i18n import _
from pages import _choices, _run_line, _session, _widgets

if TYPE_CHECKING:
    from cnnlab.architecture import Architecture
    from cnnlab.data.dataset import DataSet
    from cnnlab.runs.comparing import Progress
    from cnnlab.runs.set_sizes import SizesSpec
    from cnnlab.training.recipe import Recipe
    from cnnlab.training.transfer import Start

_STEPS = (50, 100, 200, 400)
_OPEN = "train.sizes.open"


def draw(network: Architecture, dataset: DataSet, recipe: Recipe, start: Start) -> None:
    """Draw the comparison for what the panel holds now: what is done of it, and the button that does the rest."""
    from cnnlab.runs import comparing
    from cnnlab.runs.set_sizes import SizesSpec, sizes_for
    from cnnlab.runs.snapshot import RunSpec

    owner = _session.workspace().owner
    title = _("Is borrowing worth it? Compare with training from scratch")
    with st.expander(
        title, expanded=bool(_session.kept(_OPEN, False)), icon=":material/query_stats:", key="train_sizes"
    ):
        sizes = sizes_for(dataset)
        if not sizes:
            st.caption(_("Every class needs an image to learn from."))
            return
        with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
            seeds = _choices.segments("train.sizes.seeds", _("Seeds"), (1, 2, 3, 5), 3)
            steps = _choices.segments("train.sizes.steps", _("Steps, about"), _STEPS, 200)
        spec = RunSpec(
            architecture=network, data=dataset.name, recipe=recipe, name=network.name or _("network"), owner=owner,
            start=start,
        )  # fmt: skip
        asked = SizesSpec(spec=spec, sizes=sizes, seeds=seeds, steps=steps)
        try:
            live = comparing.look(asked).live
        except CnnLabError as error:
            _widgets.show_error(error)
            return
        pace = 2 * _session.interval() if live else None
        st.fragment(_view, run_every=pace)(asked, pace, live)


def _view(asked: SizesSpec, pace: float | None, live: bool) -> None:
    from cnnlab.runs import comparing

    _session.enter()
    try:
        now = comparing.look(asked)
    except CnnLabError as error:
        _widgets.show_error(error)
        return
    if now.live != live or _run_line.is_another_pace(pace, 2 * _session.interval() if now.live else None):
        st.rerun()
    _bar(asked, now)
    if problem := _session.pick_up("train.sizes.problem"):
        _widgets.show_error(problem)
    if now.note is not None:
        _widgets.show_error(now.note)
    if any(point.values for point in now.points):
        _chart(now)


def _bar(asked: SizesSpec, now: Progress) -> None:
    sizes = ", ".join(f"{size:,}" for size in asked.sizes)
    st.caption(
        _("{total} short runs, each kept on the Runs page: with new weights and with borrowed ones, {sizes} images of each "
          "class, {seeds} seeds each. All else is the same: network, recipe, images, number of steps.",
          total=now.total, sizes=sizes, seeds=asked.seeds)
    )  # fmt: skip
    if now.live:
        st.progress(now.done / max(1, now.total), text=_("{done} of {total} runs", done=now.done, total=now.total))
        st.button(_("Stop"), icon=":material/stop:", key="train.sizes.stop", on_click=_stop)
    elif now.done < now.total:
        label = _("Compare") if not now.done else _("Do the other {count} runs", count=now.total - now.done)
        st.button(label, icon=":material/play_arrow:", key="train.sizes.begin", on_click=_begin, args=(asked,))


def _begin(asked: SizesSpec) -> None:
    from cnnlab.runs import comparing

    _session.keep(_OPEN, True)
    try:
        comparing.begin(asked)
    except CnnLabError as error:
        _session.leave("train.sizes.problem", error)


def _stop() -> None:
    from cnnlab.runs import comparing

    comparing.stop(_session.workspace().owner)


def _chart(now: Progress) -> None:
    from cnnlab.figures import set_sizes as figures

    _widgets.plot(
        figures.sizes(now.points, dark=_session.dark()), "train.sizes.chart", figures.HEIGHT_PX,
        alt=figures.sizes_alt(now.points),
    )  # fmt: skip
    counts = sorted({len(point.values) for point in now.points if point.values})
    said = _("{low} to {high} seeds", low=counts[0], high=counts[-1]) if len(counts) > 1 else str(counts[0])
    st.caption(
        _("Line: the mean over the seeds (so many: {seeds}). Bar: one sample standard deviation up and down. Small marks: "
          "each seed. {steps} A difference that is smaller than the bars may be chance.",
          seeds=said, steps=figures.steps_text(now.points))
    )  # fmt: skip
