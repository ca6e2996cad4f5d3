"""The Smaller page's parts: how a model is to become smaller, how far that is, and what was measured of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import streamlit as st

from cnnlab.architecture import Architecture
from cnnlab.architecture.presets import PRESETS
from cnnlab.description import Preprocessing
from cnnlab.errors import CnnLabError
from cnnlab.i18n import N_, _
from pages import _choices, _kept_models, _session, _widgets
from pages._looking import data_title

if TYPE_CHECKING:
    from cnnlab.compress.work import Wish, Work
    from cnnlab.data.dataset import DataSet
    from cnnlab.model import Model

LOOK_S = 0.5
"""How often a page looks how far the work is, in seconds."""

_THINNER = {
    "half": (0.5, N_("the same network, half as many channels")),
    "quarter": (0.25, N_("the same network, a quarter of the channels")),
}

KEPT, _KEPT_FILE = "smaller.kept", "smaller.kept.file"
"""The source of the model that was kept last on this page, and its bytes."""

MOST_TILES = 24
"""How many of the images whose answer changed are shown."""


def ask(model: Model, owner: str, busy: bool) -> None:
    """Draw how ``model`` is to become smaller, and the button that begins it."""
    from cnnlab.compress import work

    ways = {"prune": _("Prune"), "int8": _("Keep as bytes"), "distil": _("Teach a small network")}
    way = _choices.segments("smaller.way", _("How"), list(ways), "prune", ways.__getitem__)
    try:
        dataset = _data(model)
        wish = {"prune": _prune, "int8": _int8, "distil": _distil}[way](model, dataset)
        plan = _plan(wish) if wish else ""
    except CnnLabError as error:
        _widgets.show_error(error)
        return
    if wish is None:
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        pressed = st.button(
            _("Make it smaller"), icon=":material/compress:", type="primary", key="smaller.start", disabled=busy
        )
        st.html(f'<p class="lab-facts">{plan}</p>', width="content")
    if pressed:
        work.start(owner, wish)
        st.rerun()


def _data(model: Model) -> DataSet:
    from cnnlab.compress.making import data_for
    from cnnlab.data.loader import load

    return load(data_for(model))


def _prune(model: Model, dataset: DataSet) -> Wish:
    from cnnlab.compress.pruning import Plan
    from cnnlab.compress.work import Wish

    kinds = {"weight": _("single weights"), "channel": _("whole channels")}
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        per = _choices.segments("smaller.per", _("What goes"), list(kinds), "weight", kinds.__getitem__)
        share = _choices.slider("smaller.share", _("Pruned share"), 5, 95, 50, 5, format="%d %%", width=220)
        steps = _choices.slider(
            "smaller.steps", _("Steps"), 1, 8, 1, 1, help=_("1: all at once; more: bit by bit."), width=160
        )
        key, usual = ("smaller.epochs", 0) if per == "weight" else ("smaller.epochs.channel", 1)  # whole ones cost more
        epochs = _choices.slider(
            key,
            _("Epochs after each step"),
            0,
            5,
            usual,
            1,
            help=_("How long it learns on after each step."),
            width=200,
        )
    if per == "channel":
        st.caption(
            _("A kernel joins one channel that arrives with one that leaves: where half of both go, a quarter of the kernels "
              "is left. The first layer keeps its input and the last its classes, so the parameters left of the whole "
              "lie between.")
        )  # fmt: skip
    return Wish(model, dataset, plan=Plan(share=share / 100, per=per, steps=steps, epochs=epochs))


def _int8(model: Model, dataset: DataSet) -> Wish:
    from cnnlab.compress.work import Wish

    st.markdown(
        _("Every weight, and every number that flows between layers, becomes one byte instead of four. Which range of numbers "
          "the bytes stand for is read off 256 training images; nothing is learned.")
    )  # fmt: skip
    return Wish(model, dataset)


def _distil(model: Model, dataset: DataSet) -> Wish | None:
    from cnnlab.compress.distil import Lesson
    from cnnlab.compress.work import Wish
    from cnnlab.training.recipe import Recipe

    pupils = _pupils(model, dataset)
    if not pupils:
        st.info(_("No network here is smaller than this model and fits its pictures and classes; build one first."))
        return None
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        name = _choices.menu(
            "smaller.pupil", _("The small network"), list(pupils), next(iter(pupils)), _pupil_label(pupils), width=320
        )
        temperature = _choices.slider("smaller.temperature", _("Temperature"), 1, 10, 4, 1, width=160)
        soft = _choices.slider("smaller.soft", _("Weight of the teacher"), 0, 100, 70, 10, format="%d %%", width=200)
        epochs = _choices.slider("smaller.lessons", _("Epochs"), 1, 10, 1, 1, width=160)
    pupil = pupils[name]
    preset = PRESETS.get(model.architecture.name if name in _THINNER else pupil.name)
    base = Recipe.of(preset.recipe) if preset else Recipe()
    recipe = base.changed(epochs=epochs, mixup=0, early_stopping=0)
    return Wish(model, dataset, pupil=pupil, lesson=Lesson(temperature=temperature, soft=soft / 100), recipe=recipe)


def _pupils(model: Model, dataset: DataSet) -> dict[str, Architecture]:
    """Return the networks that could learn from ``model``: itself with fewer channels, the one in Build, presets."""
    from cnnlab.compress.channels import thinner

    mine = model.architecture
    offered = {key: thinner(mine, share).renamed(f"{mine.name[:70]}-{key}") for key, (share, _name) in _THINNER.items()}
    offered |= {"·": _session.architecture(), **{name: preset.architecture for name, preset in PRESETS.items()}}
    limit = mine.trace().num_params
    return {name: network for name, network in offered.items() if _fits(network, dataset, limit)}


def _fits(network: Architecture, dataset: DataSet, limit: int) -> bool:
    try:
        Preprocessing.of(network, dataset)
        return network.output_shape == (len(dataset.class_names),) and network.trace().num_params < limit
    except CnnLabError:
        return False


def _pupil_label(pupils: dict[str, Architecture]) -> Callable[[str], str]:
    def label(name: str) -> str:
        said = _(_THINNER[name][1]) if name in _THINNER else _("the network in Build") if name == "·" else name
        return _("{name} · {params:,} parameters", name=said, params=pupils[name].trace().num_params)

    return label


def _plan(wish: Wish) -> str:
    steps = wish.steps()
    measured = _(
        "measured on {count:,} test images of {data}", count=len(wish.data.test), data=data_title(wish.data.name)
    )
    return f"{_('{count:,} steps of learning', count=steps)} · {measured}" if steps else measured


def view(owner: str, live: bool) -> None:
    """Draw how far the work of ``owner`` is, or what came of it."""
    from cnnlab.compress import work

    _session.enter()
    now = work.current(owner)
    if now is None or now.state == "cancelled":
        if live:
            st.rerun()
        return
    if now.live != live:
        st.rerun()
    if now.error is not None:
        _widgets.show_error(now.error)
    elif now.live:
        _progress(owner, now)
    else:
        _result(now)


def _progress(owner: str, now: Work) -> None:
    from cnnlab.compress import work

    told = {
        "waiting": _("Another model is being made smaller first."),
        "learning": _("learning: step {step:,} of {steps:,}", step=now.step, steps=now.steps)
        if now.steps
        else _("at work"),
        "measuring": _("measuring"),
    }
    with st.container(horizontal=True, vertical_alignment="center"):
        share = now.step / now.steps if now.steps else 0.0
        st.progress(1.0 if now.state == "measuring" else min(1.0, share), text=told[now.state])
        st.button(_("Cancel"), icon=":material/close:", key="smaller.cancel", on_click=work.cancel, args=(owner,))


def _result(now: Work) -> None:
    from cnnlab.compress.compare import BUSY
    from cnnlab.figures import compress as figures

    found, made = now.comparison, now.made
    if found is None or made is None:
        return
    names = [_("before"), _("after")]
    measured = [found.before, found.after]
    if now.alone is not None:
        names = [_("the teacher"), _("taught by it"), _("learned alone")]
        measured.append(now.alone.after)
    st.subheader(_("{name}: what was measured", name=_widgets.plain(found.after.name)), anchor=False)
    st.html(figures.STYLE + figures.table_html(measured, names))
    st.html(
        '<p class="lab-facts">'
        + _("Times are medians of {one:,} and {many:,} calls, both networks in turn, on {threads} thread.",
            one=found.rounds[1], many=found.rounds[64], threads=found.threads)
        + "</p>"
    )  # fmt: skip
    if found.unrest >= BUSY:
        st.warning(
            _("The computer had other things to do: the call in the middle took up to {times} times as long as the fastest. "
              "Trust the times only after measuring again in a quieter moment.", times=f"{found.unrest:.1f}"),
            icon=":material/timer:",
        )  # fmt: skip
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.download_button(
            _("Download the smaller model"), made.after.file, f"{found.after.name}.safetensors", "application/octet-stream",
            icon=":material/download:", key="smaller.download", on_click="ignore",
        )  # fmt: skip
        _keep(made.after.file)
    _changed(now)
    layers = {one.layer: one for one in found.histograms}
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.subheader(_("The weights"), anchor=False)
        chosen = _choices.menu(
            "smaller.layer", _("Layer"), list(layers), "", lambda name: name or _("all of them"), width=200
        )
    figure = figures.weights_figure(layers[chosen], (names[0], names[1]), dark=_session.dark())
    _widgets.plot(figure, "smaller.weights", figures.HEIGHT, figures.weights_text(layers[chosen]))


def _keep(file: bytes) -> None:
    """Draw the button that keeps the smaller model among the learner's own, once."""
    if _session.here(_KEPT_FILE) == file:
        st.caption(_("It is kept: see your own models below."), width="content")
    elif st.button(_("Keep it here"), icon=":material/bookmark_add:", key="smaller.keep"):
        source = _kept_models.keep(file)
        if source is not None:
            _session.set_here(KEPT, source)
            _session.set_here(_KEPT_FILE, file)
            st.rerun()


def _changed(now: Work) -> None:
    from cnnlab.figures.compress import changed_html

    found = now.comparison
    if found is None:
        return
    st.subheader(_("Images whose answer changed"), anchor=False)
    st.markdown(
        _("**{count:,}** of {images:,}: {wrong:,} became wrong (✗), {right:,} became right (✓).",
          count=len(found.changed), images=found.after.images, wrong=found.became_wrong, right=found.became_right)
    )  # fmt: skip
    other = len(found.changed) - found.became_wrong - found.became_right
    if other:
        st.markdown(_("The other {other:,} were wrong before and are wrong now, but otherwise.", other=other))
    shown = found.changed[:MOST_TILES]
    if shown:
        dataset = now.wish.data
        images = dataset.test.images[[one.image for one in shown]].numpy()
        st.html(changed_html(images, shown, [_(name) for name in dataset.class_names]))
    if len(found.changed) > len(shown):
        st.html(f'<p class="lab-facts">{_("The first {count} are shown.", count=len(shown))}</p>')
