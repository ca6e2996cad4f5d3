"""The Descent page's choice of a plane: two directions, two weights, or the path of the run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from cnnlab.description import ModelRef
from cnnlab.errors import CnnLabError
from cnnlab.i18n import _
from pages import _choices, _session

if TYPE_CHECKING:
    from cnnlab.insight.landscape import Ask
    from cnnlab.model import Model
    from cnnlab.runs.jobs import Job

MOST_SEED = 999


def standing(ref: ModelRef, model: Model) -> tuple[ModelRef, Model]:
    """Return the model to stand at: of a run that goes on a kept moment, the same one until the page is left."""
    from cnnlab import runs

    if ref.kind != "run" or ref.step is not None or not runs.engine().snapshot(ref.value).live:
        return ref, model
    noted = f"descent.stand.{ref.value}"
    kept = [info.step for info in runs.engine().checkpoints(ref.value)]
    if not kept:
        return ref, model
    step = _session.here(noted)
    if step not in kept:
        step = kept[-1]
        _session.set_here(noted, step)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(_("This run goes on; you stand at step {step:,}.", step=step))
        if kept[-1] > step and st.button(_("To its newest moment"), icon=":material/update:", key="descent.newest"):
            _session.set_here(noted, kept[-1])
            st.rerun()
    stands = ModelRef(ref.source, step)
    return stands, runs.resolve(stands)


def ask(ref: ModelRef, model: Model) -> Ask:
    """Draw the choice of a plane and return it.

    Raises:
        RunError: there is no such run.
    """
    from cnnlab.insight.landscape import Ask

    steps = _steps(ref)
    kinds = {"random": _("two directions"), "weights": _("two weights")}
    if len(steps) > 2:
        kinds["path"] = _("the path of the run")
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium", key="descent_plane"):
        kind = _choices.segments("descent.kind", _("Plane"), list(kinds), "random", kinds.__getitem__)
        seed, weights = 0, ("", "")
        if kind == "random":
            seed = _seed()
        elif kind == "weights":
            weights = _weights(model)
        reach = _choices.menu(
            "descent.reach", _("How far"), (0.25, 0.5, 1.0, 2.0, 4.0), 1.0, lambda one: f"× {one:g}", width=110
        )
    run = ref.value if steps else ""
    return Ask(kind, weights, seed, reach, run, steps)


def _steps(ref: ModelRef) -> tuple[int, ...]:
    """Return the moments of the run that are laid on the plane; while it goes on, those up to where one stands."""
    from cnnlab import runs
    from cnnlab.insight.landscape import chosen_steps

    if ref.kind != "run":
        return ()
    kept = runs.engine().checkpoints(ref.value)
    live = runs.engine().snapshot(ref.value).live
    return chosen_steps([info for info in kept if not live or ref.step is None or info.step <= ref.step])


def _seed() -> int:
    noted = "descent.seed"
    value = _choices.seeded(st.number_input,
        _("Directions drawn with the seed"), 0, MOST_SEED, step=1, width=190,
        key="descent.draw", now=int(_session.kept(noted, 0)),
    )  # fmt: skip
    _session.keep(noted, int(value))
    return int(value)


def _weights(model: Model) -> tuple[str, str]:
    """Draw two fields for addresses; what they say last is kept."""
    defaults = example(model)
    chosen = []
    for number, label in enumerate((_("First weight"), _("Second weight"))):
        noted = f"descent.weight.{number}.{model.architecture.name}"
        value = _choices.seeded(st.text_input,
            label, key=f"descent.weight.{number}", now=str(_session.kept(noted, defaults[number])), width=230,
            max_chars=80, help=_("An address such as {example}.", example=f"`{defaults[number]}`"),
        )  # fmt: skip
        value = value.strip() or defaults[number]
        _session.keep(noted, value)
        chosen.append(value)
    return chosen[0], chosen[1]


def example(model: Model) -> tuple[str, str]:
    """Return two weights of the first layer that has some: two corners of the middle of its first kernel.

    Raises:
        CnnLabError: the network has no weights.
    """
    for name in (f"{layer}.weight" for layer in model.architecture.names):
        tensor = model.state.get(name)
        if tensor is not None and tensor.dim() > 1 and tensor.numel() > 1:
            last = [0] * (tensor.dim() - 1) + [min(2, tensor.shape[-1] - 1)]
            return f"{name}[{','.join('0' * tensor.dim())}]", f"{name}[{','.join(map(str, last))}]"
    raise CnnLabError("This network has no filters and no dense weights to operate on.")


def told(job: Job) -> str:
    """Return how far the survey is."""
    return _("point {done} of {total}", done=job.done, total=job.total)
