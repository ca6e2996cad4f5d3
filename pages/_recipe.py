"""What the next run trains: network, data, recipe; folded away while one runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import streamlit as st

from cnnlab.architecture import Architecture
from cnnlab.architecture.presets import PRESETS
from cnnlab.errors import CnnLabError
from cnnlab.i18n import Message, _
from pages import _accuracy, _begin, _choices, _lr, _rates, _session, _set_sizes
from pages._editor import spec_editor
from pages._links import go_to
from pages._looking import data_title
from pages._said import told

if TYPE_CHECKING:
    from cnnlab.data.dataset import DataSet
    from cnnlab.runs import Snapshot
    from cnnlab.training.recipe import Recipe
    from cnnlab.training.transfer import Start

FROM_BUILD = "recipe.from_build"
"""What Build leaves: that one comes from there."""
_FIRST = "recipe.first"
MAIN = ("epochs", "batch_size", "optimizer", "lr", "schedule", "seed")


def is_new(run: Snapshot | None) -> bool:
    """Return whether one comes from Build with another network than that of ``run``, which is over: it is what to go on with."""
    if _session.pick_up(FROM_BUILD) and run is not None and not run.live:
        _session.set_here(_FIRST, run.id if _session.architecture().key != run.architecture_key else "")
    return run is not None and _session.here(_FIRST) == run.id


def draw(run: Snapshot | None, first: bool = False) -> None:
    """Draw the choice of network, data and recipe, and the button that starts a run; open where it comes ``first``."""
    busy = run is not None and run.live and not first
    title = _("Recipe of the next run")
    with st.expander(title, expanded=not busy, key=f"train.recipe.{'busy' if busy else 'idle'}"):
        with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
            network = _network_choice()
            dataset = _data_choice()
            begin = _begin.choice(network)
            button, plan = st.container(width="content"), st.empty()
        held = dataset is None or _fit(network, dataset) is not None
        start_with = None
        if dataset is not None and not held:
            held = _begin.mend_head(network, dataset)
        if dataset is not None:
            start_with = _begin.draw(network, dataset, begin)
        why = st.container()
        finder = None if dataset is None else lambda edited: _lr.finder(network, dataset.name, edited)
        recipe, refused = edit(_session.recipe(), "train.recipe", network, finder)
        told_above = _session.recipe().layer_lr
        _session.set_recipe(recipe)
        if recipe.layer_lr != told_above:
            st.rerun()
        if refused:
            why.warning(told(refused[0]), icon=":material/pan_tool:")
        start = button.button(
            _("Start"), icon=":material/play_arrow:", type="primary", key="train.start", disabled=held or bool(refused)
        )
        if dataset is not None and start_with is not None and not held and not refused:
            _set_sizes.draw(network, dataset, recipe, start_with)
        if dataset is not None:
            plan.html(f'<p class="lab-facts">{_plan(network, dataset, recipe)}</p>', width="content")
            if start:
                _submit(network, dataset.name, recipe, start_with)


def _network_choice() -> Architecture:
    current = _session.architecture()
    mine = "·"
    preset = PRESETS.get(current.name)
    same = current.name if preset is not None and preset.architecture == current else mine
    kept = {f"mine:{name}": network for name, network in _session.workspace().networks.items() if network != current}
    trained = [name for name, one in PRESETS.items() if not one.full_size or name == same]
    options = [*([mine] if same == mine else []), *kept, *trained]

    def said(option: str) -> str:
        if option in PRESETS:
            return _(PRESETS[option].title)
        return _("{name}, yours", name=(kept[option] if option in kept else current).name or _("unnamed"))

    chosen = _choices.seeded(
        st.selectbox,
        _("Network"),
        options,
        key="train.network",
        now=same,
        labels={option: said(option) for option in options},
        format_func=said,
        help=_("Yours is the network of the Build page. A preset brings its own recipe and data."),
        width=300,
    )
    if chosen != same and chosen in kept:
        _session.open_network(kept[chosen])
        st.rerun()
    if chosen != same and chosen in PRESETS:
        _session.use_preset(chosen)
        st.rerun()
    return current


def _data_choice() -> DataSet | None:
    from cnnlab.data import loader

    here = list(_session.data_names())
    name = _session.data_name()
    if name not in here and here:
        name = next((one for one in loader.alike(name) if one in here), here[0])
    chosen = _choices.seeded(
        st.selectbox,
        _("Data"),
        here,
        key="train.data",
        now=name,
        width=240,
        format_func=data_title,
        help=_("What the network learns from. The Data page shows the images and gets others."),
    )
    _session.set_data_name(chosen)
    try:
        return loader.load(chosen)
    except CnnLabError as error:
        st.error(told(error), icon=":material/error:")
        return None


def _fit(network: Architecture, dataset: DataSet) -> CnnLabError | None:
    """Show why network and data cannot go together, with what would help; return it, or None."""
    from cnnlab.model import Preprocessing

    try:
        network.check()
        Preprocessing.of(network, dataset)
        return None
    except CnnLabError as error:
        st.warning(told(error), icon=":material/link_off:")
        adapted = network.with_input(dataset.image_shape)
        if adapted != network and network.trace().error is None and _runs(adapted):
            shape = "×".join(map(str, dataset.image_shape))
            if st.button(_("Set the network's input to {shape}", shape=shape), key="train.adapt"):
                _session.set_architecture(adapted)
                st.rerun()
        else:
            go_to("build", _("Mend it on the Build page"))
        return error


def _runs(network: Architecture) -> bool:
    try:
        network.check()
    except CnnLabError:
        return False
    return True


def edit(
    recipe: Recipe, key: str, network: Architecture, beside: Callable[[Recipe], None] | None = None
) -> tuple[Recipe, list[Message]]:
    """Draw the editor of a recipe, and ``beside`` it more; return what it holds, and the sentences of what is refused."""
    from cnnlab.training.recipe import LABELS, Recipe

    refused: list[Message] = []
    edited = spec_editor(Recipe, recipe, key, only=MAIN, columns=3, labels=LABELS, refused=refused)
    with st.container(gap="xsmall"):
        for _open in _choices.fold(
            _("More of the recipe"), f"{key}.more.open", icon=":material/tune:",
            help=_("Everything else that a run fixes: momentum, weight decay, the loss, precision, threads."),
        ):  # fmt: skip
            skip = (*MAIN, "augmentation", "layer_lr")
            edited = spec_editor(Recipe, edited, f"{key}.more", skip=skip, columns=3, labels=LABELS, refused=refused)
            if layers := _rates.learning(network):
                rates = _rates.choice(edited.layer_lr, layers, f"{key}.more.slow")
                edited = edited.changed(layer_lr=rates)
        for _open in _choices.fold(
            _("Vary the images"), f"{key}.augmentation.open", icon=":material/shuffle:",
            help=_("Shift, turn, scale or mirror the images anew at each step. The Data page shows what each does."),
        ):  # fmt: skip
            augmentation = spec_editor(
                type(edited.augmentation), edited.augmentation, f"{key}.augmentation", columns=3, refused=refused
            )
            edited = edited.changed(augmentation=augmentation)
        if beside is not None:
            beside(edited)
    return edited, refused


def _plan(network: Architecture, dataset: DataSet, recipe: Recipe) -> str:
    from cnnlab.training.loop import count_images, count_steps

    params, images, steps = network.trace().num_params, count_images(dataset, recipe), count_steps(dataset, recipe)
    plan = _("{params:,} parameters · {images:,} images · {steps:,} steps", params=params, images=images, steps=steps)
    if steps == 1:
        plan = _("{params:,} parameters · {images:,} images · one step", params=params, images=images)
    aside = len(dataset.test)
    if aside >= _accuracy.FEW:
        return plan
    if recipe.full_train or not len(dataset.val):
        return f"{plan} · {_('{count} set aside for the test', count=aside)}"
    said = _("set aside: {val} for validation, {count} for the test", val=len(dataset.val), count=aside)
    return f"{plan} · {said}"


def _submit(network: Architecture, data: str, recipe: Recipe, start: Start | None) -> None:
    from cnnlab import runs

    spec = runs.RunSpec(
        architecture=network,
        data=data,
        recipe=recipe,
        name=network.name or _("network"),
        owner=_session.workspace().owner,
        start=start,
    )
    try:
        id = runs.engine().submit(spec)
    except CnnLabError as error:
        st.error(told(error), icon=":material/error:")
        return
    _session.set_current_run(id)
    _session.set_model_ref(f"run:{id}")
    st.rerun()
