"""The shift tester: push the picture around, watch the maps move along, and see where they do not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import streamlit as st

from cnnlab.description import ModelRef
from cnnlab.errors import CnnLabError
from cnnlab.figures import sheets
from cnnlab.figures import shift as pictures
from cnnlab.home import ASSETS
from cnnlab.i18n import _
from cnnlab.lessons import lesson
from pages import _choices, _draw_choices, _names, _session, _widgets

if TYPE_CHECKING:
    from cnnlab.data.dataset import DataSet
    from cnnlab.insight.shift import Slide
    from cnnlab.model import Model, Tensor
    from cnnlab.runs.snapshot import Snapshot

IMAGES = 16
"""Test images over which distances are averaged, at most."""
KNOWN_IMAGES = 300
"""Test images of which it is counted how many are still known, at most."""
_MACS = 20_000_000_000  # multiply-adds for one curve: about a second
KNOWN_SHIFTS = tuple(range(-8, 9, 2))
_KEY = "magnifier.shift"
_NONE = ""

_COMPONENT = st.components.v2.component(
    "cnnlab_shift",
    html='<div class="shift-root"></div>',
    css=(ASSETS / "components" / "shift.css").read_text(encoding="utf-8"),
    js=(ASSETS / "components" / "shift.js").read_text(encoding="utf-8"),
)


def pushed(model: Model, image: Tensor) -> Tensor:
    """Draw the picture to be pushed around and return it as it lies now.

    Shape:
        image, returned: (C, h, w) uint8
    """
    from cnnlab.insight.shift import FURTHEST, shifted

    by = _by(FURTHEST)
    texts = {
        "picture": _("The picture: drag it, or press the arrow keys"),
        "back": _("Back to its place"),
        "keys": _("Drag it, or press the arrow keys."),
    }
    data = {"picture": sheets.picture_data(image.numpy()), "by": by, "furthest": FURTHEST, "text": texts}
    _COMPONENT(data=data, key=_KEY, on_by_change=lambda: None)
    return shifted(image, *by)


def _by(furthest: int) -> list[int]:
    """Return how far the picture is pushed, to the right and down, in pixels."""
    state: Any = st.session_state.get(_KEY)
    told = state.get("by") if state else None
    if isinstance(told, list) and len(told) == 2 and all(type(one) is int and abs(one) <= furthest for one in told):
        return list(told)
    return [0, 0]


def curves(ref: ModelRef, model: Model) -> None:
    """Draw how far layers are from moving along and the answer from staying, and which shifts a dense network survives."""
    from cnnlab.attribution import fingerprint
    from cnnlab.insight.shift import FURTHEST
    from pages._looking import tests_of

    right = _by(FURTHEST)[0]
    try:
        dataset = tests_of(model)
        left, other = st.columns(2, gap="medium", vertical_alignment="bottom")
        with left:
            count = _affordable(model, IMAGES, 2 * FURTHEST + 1)
            st.markdown(_("**Do the maps move along?** Distance on {count} test images", count=count))
            _widgets.what_is_this(lesson("shift", _session.language()))
            with st.spinner(_("Pushing {count} test images around", count=count)):
                found = _slide(fingerprint(model), dataset.name, model, dataset.test.images[:count])
            figure = pictures.apart_figure(found.shifts, found.layers, found.answer, right, dark=_session.dark())
            _widgets.plot(figure, "magnifier.apart", pictures.HEIGHT_PX, alt=_apart_alt(found))
        with other:
            _answers_kept(ref, model, dataset, right)
    except CnnLabError as error:
        _widgets.show_error(error)


def _answers_kept(ref: ModelRef, model: Model, dataset: DataSet, right: int) -> None:
    """Draw which share of the test images is still known after each shift, for the model and one beside it."""
    from cnnlab.attribution import fingerprint

    head = st.container()
    compared = _compared(ref, model)
    count = min(_affordable(one, KNOWN_IMAGES, len(KNOWN_SHIFTS)) for one in compared.values())
    head.markdown(_("**Does the answer stay right?** Share of {count} test images", count=count))
    images, targets = dataset.test.images[:count], dataset.test.targets[:count]
    with st.spinner(_("Pushing {count} test images around", count=count)):
        known = {
            name: _known(fingerprint(one), dataset.name, count, one, images, targets) for name, one in compared.items()
        }
    said = [
        _("{name}: {first:.0%} unmoved, {last:.0%} at the far right",
          name=name, first=shares[len(shares) // 2], last=shares[-1])
        for name, shares in known.items()
    ]  # fmt: skip
    figure = pictures.right_figure(KNOWN_SHIFTS, known, right, dark=_session.dark())
    _widgets.plot(figure, "magnifier.known", pictures.HEIGHT_PX, alt="; ".join(said))


def _affordable(model: Model, most: int, shifts: int) -> int:
    """Return how many images are pushed by so many shifts: fewer where the network is large."""
    passes = 2 if model.about.mirror else 1
    return max(8, min(most, _MACS // max(1, shifts * passes * model.architecture.trace().macs)))


def _apart_alt(found: Slide) -> str:
    parts = [f"{name}: {max(values):.2f}" for name, values in (*found.layers.items(), (_("answer"), found.answer))]
    return _("Largest distance: {list}", list=", ".join(parts))


@st.cache_data(max_entries=50, show_spinner=False)
def _slide(print_: str, data: str, _model: Model, _images: Tensor) -> Slide:
    from cnnlab.insight.shift import slide

    return slide(_model, _images)


@st.cache_data(max_entries=50, show_spinner=False)
def _known(print_: str, data: str, count: int, _model: Model, _images: Tensor, _targets: Tensor) -> tuple[float, ...]:
    from cnnlab.insight.shift import right_answers

    return right_answers(_model, _images, _targets, KNOWN_SHIFTS)


def _compared(ref: ModelRef, model: Model) -> dict[str, Model]:
    """Draw the choice of a second model, or the way to a dense one with as many parameters; return both by name."""
    from cnnlab import runs

    learning = {f"run:{run.id}" for run in _names.own_runs().values() if run.live}  # they join when they have learned
    others = {
        source: name
        for source, name in _draw_choices.comparable(model).items()
        if source != ref.source and source not in learning
    }
    names = {_NONE: _("no other"), **others}
    like = next((source for source, name in others.items() if name.startswith(_dense_name(model))), _NONE)
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        chosen = _choices.menu(
            f"magnifier.shift.with.{like}", _("Beside it"), list(names), like, names.__getitem__, width=300
        )
        dense = waited_for(model)
        if dense is not None:
            st.caption(
                _("The dense network is learning, step {step:,} of {steps:,}; it joins here when it has learned.",
                  step=dense.step, steps=dense.steps)
            )  # fmt: skip
        elif not like:
            st.button(
                _("Train a dense network with as many parameters"), icon=":material/add:", key="magnifier.dense",
                on_click=_train_dense, args=(model,),
                help=_("A run of its own on the same data, three epochs; it joins here when it has learned."),
            )  # fmt: skip
    refs = (ref, *([ModelRef(chosen)] if chosen else []))
    return dict(zip(_names.short_names(refs), [model, *(runs.resolve(one) for one in refs[1:])]))


def _dense_name(model: Model) -> str:
    from cnnlab.insight.shift import dense_like

    return dense_like(model.architecture).name


def waited_for(model: Model) -> Snapshot | None:
    """Return the run of the dense network beside ``model`` while it still learns; None where none does."""
    name = _dense_name(model)
    return next((run for run in _names.own_runs().values() if run.live and run.name == name), None)


def _train_dense(model: Model) -> None:
    """Begin a run of a dense network with as many parameters; the model that is looked into stays."""
    from cnnlab import runs
    from cnnlab.insight.shift import dense_like
    from cnnlab.training.recipe import Recipe
    from pages._looking import tests_of

    network = dense_like(model.architecture)
    try:
        spec = runs.RunSpec(
            architecture=network, data=tests_of(model).name, recipe=Recipe(epochs=3), name=network.name,
            owner=_session.workspace().owner,
        )  # fmt: skip
        _session.set_current_run(runs.engine().submit(spec))
    except CnnLabError as error:
        _widgets.show_error(error)
