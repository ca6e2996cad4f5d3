"""Home's picture and its five steps, gathered from the learner's own state; never empty, and there before torch is."""

from __future__ import annotations

import sys

import numpy as np
import streamlit as st

from cnnlab.architecture import Architecture
from cnnlab.data.glance import mnist_test_image
from cnnlab.description import ModelDescription, ModelRef, bundled_models, bundled_path, read_description
from cnnlab.errors import CnnLabError
from cnnlab.figures import chain
from cnnlab.i18n import N_, _
from cnnlab.workspace import ImageRef, open_image
from pages import _accuracy, _registry, _run_line, _session
from pages._links import go_to
from pages._looking import data_title

WAY: tuple[tuple[str, str], ...] = (
    ("build", N_("Stack layers and see each shape.")),
    ("train", N_("Watch it learn from real images.")),
    ("draw", N_("Write a digit and see ten bars move.")),
    ("explore", N_("See what each filter finds in it.")),
    ("explain", N_("Ask which pixels decided.")),
)
FURTHER: tuple[tuple[str, str], ...] = (
    ("magnifier", N_("Follow one number back to the pixels it is made of.")),
    ("convolution", N_("Slide a filter yourself, and predict what it gives.")),
    ("surgery", N_("Cut a part out, and see what the network loses.")),
)
WARMING_S = 1.0
"""Pause between two looks while torch is not there yet, in seconds."""


def warm() -> bool:
    """Return whether torch is loaded, so that asking a network costs no wait.

    The warm-up imports torch first and then the training loop; what it times after that is nothing to wait for.
    """
    from cnnlab import runs

    return not runs.warm_up().is_alive() or "cnnlab.training.loop" in sys.modules


def _moving() -> bool:
    run = _run_line.snapshot()
    return run is not None and run.live


def draw() -> None:
    """Draw the picture: at once, again when torch is there to ask the network, and with a run while it learns."""
    ready = warm()
    pace = _pace(ready)
    st.fragment(_draw, run_every=pace)(ready, pace)


def _pace(ready: bool) -> float | None:
    if not ready:
        return max(WARMING_S, _session.interval())
    return 2 * _session.interval() if _moving() else None


def _draw(ready: bool, asked: float | None) -> None:
    _session.enter()
    if warm() != ready or _run_line.is_another_pace(asked, _pace(ready)):
        st.rerun()
    ref, pixels, source = _image()
    network, name, learning = _network()
    answer = _answer(ref) if ready and ref is not None else None
    said = _("asking the network …")
    if answer is not None:
        best = max(range(len(answer.probs)), key=answer.probs.__getitem__)
        label = _(answer.class_names[best])
        said = _("It says: {label}", label=label)
        if _session.current_run() is None and _session.has_network():
            said = _("Yours has not learned yet; {name} says: {label}", name=_session.DEFAULT_PRESET, label=label)
    st.html(
        chain.chain_html(
            chain.part(_("What goes in"), chain.image_html(pixels, source), source),
            chain.part(_("The network"), chain.network_html(network), name),
            learning,
            chain.part(_("Its answer"), chain.answer_html(answer), said),
        )
    )


def _image() -> tuple[ImageRef | None, np.ndarray, str]:
    """Return the learner's newest drawing, else the first test image."""
    drawings = _session.workspace().drawings()
    if drawings:
        return ImageRef(kind="drawing", id=drawings[0].id), drawings[0].pixels, _("your drawing, 28×28 pixels")
    pixels = mnist_test_image(0)
    if pixels is None:
        return None, np.zeros((28, 28), np.uint8), _("no image here")
    return ImageRef(), pixels, _("an image of the test set, 28×28 pixels")


def _network() -> tuple[Architecture, str, str]:
    """Return the network, its caption and how it learned: the current run's, else the learner's, else a bundled one."""
    run = _run_line.snapshot()
    if run is not None:
        from cnnlab.figures.live import sparkline_html
        from cnnlab.runs.watch import watch

        view = watch(run.id).look()
        accuracy = run.test_acc if run.test_acc is not None else run.val_acc
        shown = "–" if accuracy is None else f"{accuracy:.1%}"
        if run.test_acc is not None:
            shown = _accuracy.short(run.test_acc, run.data)
        caption = _("learned for {step:,} steps: {acc}", step=run.step, acc=shown)
        picture = view.shared(
            ("sparkline", _session.language()), lambda: sparkline_html(view.train, view.val, view.steps)
        )
        return run.architecture, _caption(run.architecture), chain.part(_("How it learned"), picture, caption)
    bundled = _bundled()
    if bundled is None or _session.has_network():
        network = _session.architecture()
        return network, _caption(network), chain.part(_("How it learned"), "", _("not trained yet"))
    accuracy = float(bundled.about.result.get("test_acc", 0.0))
    picture = chain.accuracy_html(accuracy, len(bundled.class_names))
    caption = _("of {data}'s test images right; trained before you came", data=data_title(bundled.about.data))
    return (bundled.architecture, _caption(bundled.architecture), chain.part(_("How it learned"), picture, caption))


def _caption(network: Architecture) -> str:
    return _(
        "{name}: {layers} layers, {learn} of which learn, {params:,} parameters",
        name=network.name,
        layers=len(network.names),
        learn=sum(bool(row.num_params) for row in network.trace().rows),
        params=network.trace().num_params,
    )


def _bundled() -> ModelDescription | None:
    name = _session.DEFAULT_MODEL.partition(":")[2]
    if name not in bundled_models():
        return None
    try:
        return read_description(bundled_path(name))
    except CnnLabError:
        return None


def _answer(ref: ImageRef) -> chain.Answer | None:
    """Return what the learner's run says to the image; without one, what the bundled model says."""
    run = _run_line.snapshot()
    if run is not None and run.has_model:
        from cnnlab import runs

        try:
            step = runs.engine().model_step(run.id)  # of the weights that are laid out, not of the run
            return _asked(ref, ModelRef(f"run:{run.id}", step))
        except CnnLabError:
            pass  # its weights went, or it takes other images: the bundled model answers
    try:
        return _asked(ref, ModelRef.parse(_session.DEFAULT_MODEL))
    except CnnLabError:
        return None


@st.cache_data(max_entries=256, show_spinner=False, hash_funcs={ImageRef: lambda ref: ref.model_dump_json()})
def _asked(ref: ImageRef, model_ref: ModelRef) -> chain.Answer:
    from cnnlab import runs

    model = runs.resolve(model_ref, stays=False)
    image = open_image(ref, _session.workspace(), model)
    return chain.Answer(model.class_names, tuple(model.probs(image[None])[0].tolist()))


def steps() -> None:
    """Draw the five steps as cards, the next one marked, each a link to its page."""
    done = {
        "build": (_session.has_network() or _session.current_run() is not None)
        and _session.architecture().trace().error is None,
        "train": _session.current_run() is not None,
        "draw": bool(_session.workspace().drawings()) or "draw" in _session.visited(),
    }
    present = {page.name for page in _registry.present()}
    way = [(name, sentence) for name, sentence in WAY if name in present]
    following = next((n for n, _s in way if not done.get(n, n in _session.visited())), None)
    for place, (number, (name, sentence)) in zip(st.columns(max(len(way), 1)), enumerate(way, 1)):
        state = "next" if name == following else "done" if done.get(name, name in _session.visited()) else "todo"
        with place, st.container(key=f"step_{state}_{name}", gap=None, height="stretch"):
            mark = {"next": _("next"), "done": _("done"), "todo": ""}[state]
            mark = _("ready-made") if name == "build" and state == "done" and _is_ready_made() else mark
            st.html(f'<p class="lab-step"><b>{number}</b><span>{mark}</span></p>')
            go_to(name)
            st.caption(_(sentence))
    if following is None:
        _further(present)


def _is_ready_made() -> bool:
    from cnnlab.architecture.presets import PRESETS

    network = _session.architecture()
    return network.name in PRESETS and PRESETS[network.name].architecture == network


def _further(present: set[str]) -> None:
    """Lead on from the five steps to the pages that look closer."""
    way = [(name, sentence) for name, sentence in FURTHER if name in present]
    if not way:
        return
    st.markdown(_("You have been all the way from pixels to an answer and back. Look closer:"))
    for place, (name, sentence) in zip(st.columns(len(way)), way):
        with place, st.container(key=f"step_todo_{name}", gap=None, height="stretch"):
            go_to(name)
            st.caption(_(sentence))
