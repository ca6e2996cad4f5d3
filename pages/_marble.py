"""The Descent page's map, and the marbles on it: where they are set down, how they roll, the numbers of each step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import streamlit as st

from cnnlab.i18n import _
from pages import _choices, _looks, _marble_numbers, _session, _widgets

if TYPE_CHECKING:
    from cnnlab.description import ModelRef
    from cnnlab.insight.landscape import Landscape, Pair, Rolled
    from cnnlab.model import Model
    from cnnlab.runs.jobs import Job

KIND = "marble"
_MAP = "descent.map"


def so_far(found: Landscape) -> None:
    """Draw what is known of a landscape that is still being measured."""
    _picture("", found, (), None)


def bench(ref: ModelRef, model: Model, found: Landscape) -> None:
    """Draw the landscape, where the marble lies, and what has rolled."""
    from cnnlab.insight.landscape import STEPS, WAYS, Throw, roll
    from cnnlab.runs import jobs

    mark = f"{ref} {found.ask}"
    ground, settings = st.columns([5, 2], gap="medium")
    with settings, st.container(key="descent_marble"):
        place = _place(mark, found)
        lr, adam_lr = _rates(mark, found)
        throw = Throw(place, lr, adam_lr)
        prefix = f"{ref} {id(model)} {found.ask}"
        key = f"{prefix} {throw}"
        if st.button(
            _("Let it roll"), icon=":material/play_arrow:", type="primary", key="descent.roll", width="stretch",
            disabled=_looks.is_live(KIND, key),
        ):  # fmt: skip
            _looks.begin(KIND, key, STEPS * len(WAYS), lambda: roll(model, found.plane, throw))
            st.rerun()
        st.caption(_("Five marbles roll from the same place, {steps} steps each.", steps=STEPS))
    job = jobs.current(_session.workspace().owner, KIND)
    mine = job if job is not None and job.key.startswith(prefix) else None
    begun = mine is not None and mine.found is not None
    with ground:
        _said(found)
        if mine is not None:
            _looks.view(KIND, mine.key, lambda rolled: _rolled(mark, found, rolled, place, begun), _told)
        if not begun:
            _picture(mark, found, (), place)
    if mine is not None and begun and not mine.live:
        _marble_numbers.numbers(found, mine.found)


def _told(job: Job) -> str:
    return _("step {done} of {total}", done=job.done, total=job.total)


def _place(mark: str, found: Landscape) -> Pair:
    """Draw where the marble is set down; a tap on the map, or numbers. Each model and plane (``mark``) has its own."""
    noted = f"descent.place {mark}"
    place = _session.here(noted, found.start)
    from cnnlab.figures.landscape import axis_short

    st.markdown(_("**Set the marble down**: tap the map, or write where."))
    written = []
    for axis, name in enumerate(("u", "v")):
        low, high = found.plane.reach[axis]
        at = min(max(place[axis], low), high)
        written.append(
            _choices.seeded(st.number_input,
                axis_short(found)[axis], low, high, step=(high - low) / 24,
                key=f"descent.{name}", now=at, format="%.4f",
            )
        )  # fmt: skip
    place = (float(written[0]), float(written[1]))
    _session.set_here(noted, place)
    return place


def _rates(mark: str, found: Landscape) -> tuple[float, float]:
    """Draw the two learning rates; they begin with what suits the map."""
    labels = {"sgd": _("Learning rate of descent and momentum"), "adam": _("Learning rate of Adam")}
    suits = {"sgd": found.rate, "adam": found.span / 40}
    rates = []
    for name, label in labels.items():
        noted = f"descent.lr.{name} {mark}"
        begun = float(f"{suits[name]:.1g}")
        value = _choices.seeded(st.number_input,
            label, 1e-9, 1e6, step=begun / 2, format="%.6g",
            key=f"descent.lr.{name}", now=float(_session.here(noted, begun)),
        )  # fmt: skip
        _session.set_here(noted, float(value))
        rates.append(float(value))
    return rates[0], rates[1]


def _said(found: Landscape) -> None:
    """Say what the picture is made of, and what it leaves out."""
    plane = found.plane
    said = [_("The loss of {images} training images, the same for every point.", images=found.images)]
    if plane.kind == "path":
        said.append(
            _(
                "This plane holds {share:.1%} of the variance of the run's path; the rest is not to be seen here.",
                share=sum(plane.held),
            )
        )
    if found.path:
        far = max(found.path, key=lambda one: one.away)
        said.append(
            _(
                "Step {step:,} is {away:.3g} away from the model and lies {off:.3g} beside this plane: its own loss is "
                "{loss:.3g}, that of the ground below it {below:.3g}.",
                step=far.step, away=far.away, off=far.off, loss=far.loss, below=far.below,
            )
        )  # fmt: skip
    st.markdown(" ".join(said))


def _rolled(mark: str, found: Landscape, rolled: Sequence[Rolled], place: Pair, begun: bool) -> None:
    """Draw the marbles where they are; the page without them stands until they have ``begun``."""
    if not begun:
        st.rerun()
    from cnnlab.figures.landscape import legend_html

    _picture(mark, found, rolled, place)
    st.html(legend_html(found, rolled, dark=_session.dark()))


def _picture(mark: str, found: Landscape, rolled: Sequence[Rolled], place: Pair | None) -> None:
    """Draw the landscape from above or from a side; a tap on the map sets the marble down."""
    from cnnlab.figures import landscape as figures

    views = {"map": _("from above"), "side": _("from a side")}
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        view = _choices.segments("descent.view", _("Seen"), list(views), "map", views.__getitem__)
        if view == "side":
            turn = _choices.slider("descent.turn", _("Turned by"), -180, 180, 30, 5, format="%d°", width=260)
    if view == "side":
        from cnnlab.figures.landscape_surface import surface_html

        st.html(surface_html(found, rolled, place, turn=turn))
        return
    figure = figures.landscape_map(found, rolled, place, dark=_session.dark())
    picked: dict[str, Any] = {} if place is None else {"on_select": "rerun", "selection_mode": "points"}
    key = _MAP if picked else f"{_MAP}.coarse"
    state = _widgets.plot(figure, key, figures.HEIGHT_PX, figures.landscape_text(found, rolled), **picked)
    if picked:
        _take(mark, state)


def _take(mark: str, state: Any) -> None:
    """Set the marble down where the map was tapped."""
    points = state.selection.points if state else []
    tapped = (float(points[0]["x"]), float(points[0]["y"])) if points else None
    if tapped is not None and tapped != _session.here("descent.tapped"):
        _session.set_here("descent.tapped", tapped)
        _session.set_here(f"descent.place {mark}", tapped)
        st.rerun()
