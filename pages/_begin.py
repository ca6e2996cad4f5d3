"""Train's "Begin with": new weights, or those of a model that has learned something else, layer by layer in the picture."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import streamlit as st

from cnnlab.architecture import Architecture
from cnnlab.architecture.head import fitting, with_head
from cnnlab.errors import ArchitectureError, CnnLabError
from cnnlab.figures.borrow import RATES, borrow_data
from cnnlab.home import ASSETS
from cnnlab.i18n import _
from cnnlab.lessons import lesson
from pages import _begin_state as state
from pages import _choices, _session, _widgets

if TYPE_CHECKING:
    from cnnlab.data.dataset import DataSet
    from cnnlab.model import Model
    from cnnlab.training.transfer import Borrowed, Start


def _style(name: str) -> str:
    return (ASSETS / "components" / f"{name}.css").read_text(encoding="utf-8")


_PICTURE = st.components.v2.component(
    "cnnlab_borrow",
    html='<div class="network-root borrow-root"></div>',
    css=_style("network") + _style("borrow"),
    js=(ASSETS / "components" / "borrow.js").read_text(encoding="utf-8"),
)


def choice(network: Architecture) -> str:
    """Draw the choice of what the next run begins with; return it."""
    labels = state.models()
    counts = {option: state.fits(network, option) for option in labels}
    options = [state.NEW, *sorted(labels, key=lambda option: -counts[option][0])]

    def said(option: str) -> str:
        if option == state.NEW:
            return _("new weights")
        taken, every = counts.get(option, (0, 0))
        label = labels.get(option, option)
        if not taken:
            return _("{model} · another network", model=label)
        return _("{model} · {taken} of {every} learning layers fit", model=label, taken=taken, every=every)

    now = state.source()
    chosen = _choices.seeded(st.selectbox,
        _("Begin with"), options, key="train.begin", now=now, labels={one: said(one) for one in options}, width=420,
        format_func=said,
        help=_("What another model has learned can be a better beginning than chance, above all with few images."),
    )  # fmt: skip
    if chosen != now:
        state.choose(chosen)
        st.rerun()
    return now


def mend_head(network: Architecture, dataset: DataSet) -> bool:
    """Offer a new last layer where the network has another number of outputs than there are classes; return whether so."""
    classes, given = len(dataset.class_names), network.output_shape
    if given == (classes,):
        return False
    shape = "×".join(map(str, given))
    st.warning(
        _("The network has {given} outputs, but {data} has {classes} classes.",
          given=shape, data=_widgets.plain(_(dataset.title)), classes=classes),
        icon=":material/link_off:",
    )  # fmt: skip
    try:
        mended = with_head(network, classes)
    except ArchitectureError as error:
        _widgets.show_error(error)
        return True
    st.button(
        _("Replace the last layer: {classes} outputs", classes=classes), icon=":material/build:", key="train.head",
        type="primary", on_click=_session.set_architecture, args=(mended,),
    )  # fmt: skip
    return True


def draw(network: Architecture, dataset: DataSet, chosen: str) -> Start | None:
    """Draw, for a model that was chosen, how each layer begins; return what is asked of the run (None: new weights)."""
    if chosen == state.NEW:
        _told_rates(network)
        return None
    from cnnlab import runs

    try:
        model = runs.resolve(state.reference(chosen))
        _offer_network(network, dataset, model)
        if network.trace().error is not None:
            return None
        now = state.layers(network, model, chosen, dataset.class_names)
        borrowed = state.planned(network, model, dataset.class_names, now.fresh)
    except CnnLabError as error:
        _widgets.show_error(error)
        return None
    _settle_rates({one.layer for one in borrowed.layers})
    if any(one.reason in (None, "asked") for one in borrowed.layers):
        _picture(network, borrowed, now)
    if borrowed.taken:
        return state.start(chosen, now, borrowed)
    st.info(_("No layer takes weights of this model: the run would begin with new ones."), icon=":material/info:")
    return None


def _offer_network(network: Architecture, dataset: DataSet, model: Model) -> None:
    """Offer the model's own network with a new last layer, where more layers of it could take its weights."""
    from cnnlab.training.transfer import plan

    classes = len(dataset.class_names)
    try:
        made = fitting(model.architecture, dataset.image_shape, classes)
        taken = 0 if network.trace().error else len(plan(network, model.architecture).taken)
        more = len(plan(made, model.architecture).taken) > taken
    except CnnLabError as error:
        _widgets.show_error(error)
        return
    if not more:
        return
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="train_fitting"):
        st.markdown(_("More of this model fits its own network."), width="content")
        st.button(
            _("Make the fitting network: {name}, {classes} outputs", name=_widgets.plain(model.architecture.name) or _("unnamed"),
              classes=classes),
            icon=":material/auto_fix_high:", key="train.fitting", type="primary", on_click=_session.open_network,
            args=(made,), help=_("The same layers as the model's, with a last layer for these classes. Your present "
                                 "network is kept if there is room for it; undo brings it back, too."),
        )  # fmt: skip


def _told_rates(network: Architecture) -> None:
    """Say which layers the recipe gives a learning rate of their own, where no picture of them does."""
    learning = [row.name for row in network.trace().rows if row.num_params]
    _settle_rates(set(learning))
    if factors := _session.recipe().layer_lr:
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            told = ", ".join(f"{name} ×{factor:g}" for name, factor in factors.items())
            st.caption(_widgets.plain(_("Slower or faster: {layers}.", layers=told)), width="content")
            st.button(
                _("All learn alike"), key="train.begin.all", type="tertiary", on_click=_learn, args=(learning, (), "1")
            )


def _settle_rates(names: set[str]) -> None:
    """Forget learning rates of layers that are not among ``names``, those of this network."""
    recipe = _session.recipe()
    known = {name: factor for name, factor in recipe.layer_lr.items() if name in names}
    if known != recipe.layer_lr:
        _session.set_recipe(recipe.changed(layer_lr=known))


def _picture(network: Architecture, borrowed: Borrowed, now: state.Layers) -> None:
    factors = _session.recipe().layer_lr
    with st.container(border=True, key="train_begin"):
        _shortcuts(borrowed, now, factors)
        data = {
            "blocks": borrow_data(network, borrowed, now.frozen, factors, _session.language()),
            "rates": [[rate, _(said)] for rate, said in RATES.items()],
            "text": {
                "label": _("How each layer begins, from the input on the left to the output"),
                "taken": _("taken"), "fresh": _("new"), "mixed": _("mixed"), "take": _("take the model's weights"),
                "learn": _("how fast it learns"), "inside": _("{count} layers inside", count="{count}"),
            },
        }  # fmt: skip
        _PICTURE(data=data, key=state.NET, on_action_change=state.on_picture)
        st.caption(_in_words(borrowed, now, factors))


def _in_force(taken: tuple[str, ...], now: state.Layers, factors: dict[str, float]) -> str:
    """Return which shortcut gives what is chosen now; empty where it was chosen layer by layer."""
    if not now.frozen and not factors:
        return "all"
    if not factors and set(now.frozen) == set(taken):
        return "freeze"
    return "slow" if not now.frozen and factors == dict.fromkeys(taken, 0.1) else ""


def _shortcuts(borrowed: Borrowed, now: state.Layers, factors: dict[str, float]) -> None:
    taken, every = borrowed.taken, [one.layer for one in borrowed.layers]
    chosen = _in_force(taken, now, factors)
    looks: dict[str, Literal["primary", "secondary"]] = dict.fromkeys(("freeze", "slow", "all"), "secondary")
    if chosen:
        looks[chosen] = "primary"
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.button(
            _("Only what is new learns"), key="train.begin.freeze", on_click=_learn, args=(every, taken, "0"),
            icon=":material/ac_unit:", type=looks["freeze"], disabled=len(taken) == len(every),
            help=_("What is taken stands still: the quickest way, and the safest with very few images."),
        )  # fmt: skip
        st.button(
            _("What is taken learns slowly"), key="train.begin.slow", on_click=_learn, args=(every, taken, "0.1"),
            icon=":material/speed:", type=looks["slow"], help=_("At a tenth of the learning rate: it adapts without being washed out."),
        )  # fmt: skip
        st.button(
            _("All learn alike"), key="train.begin.all", on_click=_learn, args=(every, (), "1"),
            icon=":material/all_inclusive:", type=looks["all"],
        )  # fmt: skip
        _widgets.what_is_this(lesson("transfer"), _("What is this good for?"))


def _learn(every: list[str], some: tuple[str, ...], rate: str) -> None:
    state.learn(every, "1")
    state.learn(some, rate)


def _in_words(borrowed: Borrowed, now: state.Layers, factors: dict[str, float]) -> str:
    parts = [_("Taken: {layers}.", layers=_(", ").join(borrowed.taken) or _("none"))]
    new = [
        _("{layer} ({why})", layer=one.layer, why=one.why.text(_session.language()))
        for one in borrowed.layers
        if one.why
    ]
    if new:
        parts.append(_("New: {layers}.", layers=_(", ").join(new)))
    if now.frozen:
        parts.append(_("Frozen: {layers}.", layers=_(", ").join(now.frozen)))
    if factors:
        parts.append(_("Slower or faster: {layers}.", layers=_(", ").join(f"{a} ×{b:g}" for a, b in factors.items())))
    return _widgets.plain(" ".join(parts))
