"""The time slider: which moment of a run is looked into, the same on every page that shows a model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import streamlit as st

from cnnlab.description import ModelRef
from cnnlab.errors import CnnLabError
from cnnlab.i18n import _
from pages import _choices, _session

if TYPE_CHECKING:
    from cnnlab.runs import Snapshot
    from cnnlab.runs.keeping import CheckpointInfo

NOW = -1
"""The slider's last place: the newest weights of a run that goes on, what came of one that is over."""

EVERY_S = 4.0
"""After how many seconds the slider of a live run offers what was kept meanwhile."""


def line(ref: ModelRef) -> None:
    """Draw the slider over the kept moments of the run ``ref``; where it is moved, the page is drawn anew."""
    if ref.kind != "run":
        return
    from cnnlab import runs

    try:
        live = runs.engine().snapshot(ref.value).live
    except CnnLabError:
        return
    pace = max(EVERY_S, _session.interval()) if live else None
    st.fragment(_slider, run_every=pace)(ref)


def _slider(ref: ModelRef) -> None:
    _session.enter()
    try:
        labels, stands_for = moments(ref.value)
    except CnnLabError:
        return  # deleted meanwhile: the page says so
    if len(labels) < 2:
        return
    place = at(ref.step, labels, stands_for)
    with st.container(key="time_line"):  # a line of its own: nothing that appears beside it may move it
        chosen = _choices.seeded(
            st.select_slider,
            _("Moment"),
            list(labels),
            key=f"time.{ref.value}",
            now=place,
            labels=labels,
            format_func=lambda step: labels.get(step, str(step)),
            help=_(
                "Each moment of this run that was kept: move it to see what the network was like then. All pages "
                "follow."
            ),
        )
    if chosen != (NOW if ref.step is None else ref.step):
        _session.set_model_ref(ModelRef(ref.source, None if chosen == NOW else chosen))
        st.rerun()


def at(step: int | None, labels: Mapping[int, str], stands_for: int | None) -> int:
    """Return the place on the slider where ``step`` is looked at (None: the newest): its own, else the nearest.

    Args:
        labels, stands_for: what ``moments`` returns. Once a run is over, its last step is ``NOW`` and no other place.
    """
    if step is None:
        return NOW
    if step in labels:
        return step
    steps = {place: place for place in labels if place != NOW}
    if stands_for is not None:
        steps[NOW] = stands_for
    return min(steps, key=lambda place: abs(steps[place] - step), default=NOW)


def moments(id: str) -> tuple[dict[int, str], int | None]:
    """Return what each kept moment of run ``id`` is called, by its step, in order; the last is ``NOW``.

    With it comes the step whose weights ``NOW`` stands for; None while the run goes on.

    Raises:
        RunError: there is no such run.
    """
    from cnnlab import runs

    run = runs.engine().snapshot(id)
    kept = runs.engine().checkpoints(id)
    labels = {info.step: _label(info) for info in kept}
    if 0 in labels and (model := _taken_from(run)):
        labels[0] = _("step 0: weights taken from {model}", model=model)
    if run.live:
        return {**labels, NOW: _("now")}, None
    try:
        last = runs.engine().model_step(id)
    except CnnLabError:
        return {}, None
    if kept and kept[-1].step == last:
        labels.pop(last)
    chosen = kept and kept[-1].step > last
    said = _("best by validation: step {step:,}", step=last) if chosen else _("end: step {step:,}", step=last)
    if run.state == "interrupted":
        said = _("latest: step {step:,}", step=last)
    return {**labels, NOW: said}, last


def _taken_from(run: Snapshot) -> str:
    """Return whose weights ``run`` had at step 0, or those that it goes back to as their branch; empty for new ones."""
    from cnnlab import runs

    while run.start is None and run.parent is not None:
        try:
            run = runs.engine().snapshot(run.parent)
        except CnnLabError:
            return ""  # deleted: nobody knows
    return run.start.title if run.start else ""


def _label(info: CheckpointInfo) -> str:
    if info.step == 0:
        return _("step 0: nothing learned yet")
    if info.whole:
        return _("step {step:,}: end of epoch {epoch}", step=info.step, epoch=info.epoch)
    return _("step {step:,}", step=info.step)


def kept(ref: ModelRef) -> ModelRef:
    """Return ``ref``, at the nearest moment that is still kept where the run has given up the one that it names."""
    if ref.kind != "run" or ref.step is None:
        return ref
    from cnnlab import runs

    steps = [info.step for info in runs.engine().checkpoints(ref.value)]
    if ref.step in steps:
        return ref
    return ModelRef(ref.source, min(steps, key=lambda step: abs(step - (ref.step or 0))) if steps else None)


def of_run(id: str) -> ModelRef:
    """Return the moment of run ``id`` that is looked at: the one on the slider, else its newest."""
    ref = _session.model_ref()
    return ref if ref.source == f"run:{id}" else ModelRef(f"run:{id}")


def place(id: str) -> int | None:
    """Return the kept step from which one would go on: the one on the slider, else the last; None without any.

    Raises:
        RunError: there is no such run.
    """
    from cnnlab import runs

    steps = [info.step for info in runs.engine().checkpoints(id)]
    step = of_run(id).step
    return step if step in steps else max(steps, default=None)
