"""A run in the learner's hand: how fast it goes, how far, and what is changed while it learns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import streamlit as st

from cnnlab.architecture.layers import Dropout, Dropout2d
from cnnlab.errors import CnnLabError
from cnnlab.i18n import Message, _
from cnnlab.training.change import LIVE_FIELDS, Change
from cnnlab.training.recipe import HAS_MOMENTUM, LABELS, Recipe
from pages import _choices, _rates, _run_line, _session, _widgets
from pages._editor import field_label, spec_editor
from pages._links import go_to
from pages._said import told

if TYPE_CHECKING:
    from cnnlab.runs import Snapshot

RATES = (1, 2, 5, 10, 25, 50)
_CHANGED = "train.change"
_SENT = "train.change.sent"


# -------------------------------------------------------------------- the bar of controls
def controls(run: Snapshot) -> None:
    """Draw what can be done with the run now: move it by hand while it lives, take it up again, use it."""
    if run.live:
        _drive(run)
        panel(run)
        _command(run, _("Stop"), "stop", "stop")
        return
    if _run_line.can_go_on(run):
        st.button(
            _("Resume"), icon=":material/play_arrow:", type="primary", key="train.again",
            on_click=_run_line.go_on, args=(run.id,),
            help=_("Goes on from the last moment that was kept, as if it had never ended."),
        )  # fmt: skip
    if run.has_model:
        go_to("draw", _("Draw for it"))
        go_to("explore", _("Look inside it"))


def _drive(run: Snapshot) -> None:
    if run.state == "running":
        _command(run, _("Pause"), "pause", "pause", type="primary")
    elif run.state == "paused":
        _command(run, _("Resume"), "play_arrow", "resume", type="primary")
    else:
        return  # it waits for its turn
    _command(run, _("One step"), "skip_next", "step", help=_("Learns from one batch, then pauses."))
    _command(run, _("One epoch"), "fast_forward", "epoch", help=_("Goes to the end of this epoch, then pauses."))
    for _open in _choices.drawer(
        _("{rate:g} a second", rate=run.rate) if run.rate else _("Slow motion"), "train.slow",
        icon=":material/slow_motion_video:", help=_("So many steps a second that each can be seen."),
    ):  # fmt: skip
        now = int(run.rate) if run.rate in RATES else _session.kept("train.rate", RATES[1])
        rate = st.segmented_control(
            _("Steps a second"),
            RATES,
            default=now,
            key=f"train.rate.{now}",
            format_func=lambda rate: f"{rate:g}",
            required=True,
        )
        with st.container(horizontal=True):
            if st.button(_("Go at this pace"), icon=":material/slow_motion_video:", key="train.slow.go"):
                _session.keep("train.rate", rate)
                _run_line.command(run.id, "slow", rate=rate)
            if run.rate:
                st.button(
                    _("Full speed"), icon=":material/speed:", key="train.slow.end",
                    on_click=_run_line.command, args=(run.id, "resume"),
                )  # fmt: skip


def _command(run: Snapshot, label: str, icon: str, do: str, **more: Any) -> None:
    st.button(
        label, icon=f":material/{icon}:", key=f"train.{do}", on_click=_run_line.command, args=(run.id, do), **more
    )


# -------------------------------------------------------------------- what is changed while it learns
def panel(run: Snapshot) -> None:
    """Draw what can be changed between two steps; nothing is changed before it is sent off as a whole."""
    if run.state not in ("running", "paused"):
        return
    for _open in _choices.drawer(
        _("Change it"), "train.change_it", icon=":material/tune:",
        help=_("Change how it learns, from its next step on. Each change is marked on the curves."),
    ):  # fmt: skip
        with st.form("train.change.form", border=False):
            _form(run)


def _form(run: Snapshot) -> None:
    refused: list[Message] = []
    values = _wanted(run, refused)
    for said in refused:
        st.error(told(said), icon=":material/error:")
    sent = st.form_submit_button(_("Change it from the next step on"), type="primary", key="train.change.send")
    if sent and not refused:
        _send(run, values)


def _wanted(run: Snapshot, refused: list[Message]) -> dict[str, Any]:
    """Draw the fields that apply to this run; return those that differ from what is in force."""
    now = run.recipe_now
    fields, key = simple_fields(now), _form_key(run)
    edited = spec_editor(Recipe, now, key, only=fields, columns=2, labels=LABELS, refused=refused, fresh=True)
    values = {name: getattr(edited, name) for name in fields if getattr(edited, name) != getattr(now, name)}
    values |= _wanted_of_layers(run)
    with st.expander(_("Vary the images"), icon=":material/shuffle:"):
        varied = spec_editor(
            type(now.augmentation), now.augmentation, f"{key}.augmentation", columns=2, refused=refused, fresh=True
        )
    if varied != now.augmentation:
        values["augmentation"] = varied.model_dump(mode="json")
    return values


def _form_key(run: Snapshot) -> str:
    """Return the key of the form's fields: others for each run and after each change, so that they begin with what is."""
    return f"{_CHANGED}.{run.id}.{len(run.changes)}"


def simple_fields(now: Recipe) -> list[str]:
    """Return the fields that can change live and are one value each, without those that this optimizer has not."""
    none = {"augmentation", "layer_lr"}  # several values: they have a part of the form to themselves
    none |= set() if now.optimizer in HAS_MOMENTUM else {"momentum"}
    none |= set() if now.optimizer == "sgd" else {"nesterov"}
    return [name for name in LIVE_FIELDS if name not in none]


def _wanted_of_layers(run: Snapshot) -> dict[str, Any]:
    shares, frozen = in_force(run)
    values: dict[str, Any] = {}
    wanted = {}
    for name, share in shares.items():
        said = _("Share that {layer} switches off", layer=name)
        wanted[name] = st.number_input(
            said, 0.0, 0.99, float(share), step=0.05, format="%.3g", key=f"{_form_key(run)}.dropout.{name}"
        )
    if moved := {name: share for name, share in wanted.items() if share != float(shares[name])}:
        values["dropout"] = moved
    learning = _rates.learning(run.architecture)
    chosen = _rates.some(
        _("Frozen layers"), learning, frozen, f"{_form_key(run)}.frozen", fresh=True,
        help=_("Layers whose weights stay as they are while the others learn."),
    )  # fmt: skip
    if set(chosen) != set(frozen):
        values["frozen"] = [name for name in learning if name in chosen]
    factors = run.recipe_now.layer_lr
    rates = _rates.choice(factors, learning, f"{_form_key(run)}.slow", fresh=True)
    return values if rates == factors else {**values, "layer_lr": rates}


def _send(run: Snapshot, values: dict[str, Any]) -> None:
    """Send the change off; what is said of it must outlive this view, which is drawn anew in a moment."""
    from cnnlab import runs

    if not values:
        st.toast(_("Nothing was changed."), icon=":material/info:")
        return
    try:
        runs.engine().command(run.id, {"do": "change", **values}, owner=_session.workspace().owner)
    except CnnLabError as error:
        st.error(told(error), icon=":material/error:")  # the entries stay, to be mended
        return
    _session.set_here(_SENT, (run.id, len(run.changes), "; ".join(_in_words(run, values))))


def _in_words(run: Snapshot, values: dict[str, Any]) -> list[str]:
    """Return what ``values`` change in ``run`` as it stands."""
    change, (shares, frozen) = Change.of(values), in_force(run)
    return [*differences(run.recipe_now, change.recipe(run.recipe_now)), *_of_layers(change, shares, frozen)]


def told_sent(run: Snapshot) -> None:
    """Say in a line what was sent off last on this page, and how many steps the run has since."""
    sent = _session.here(_SENT)
    if sent is None or sent[0] != run.id:
        return
    _id, before, what = sent
    if len(run.changes) > before:
        made = run.changes[before]["step"]
        said = _("Changed after step {step:,}: {what}. The run now has {steps:,} steps.",
                 step=made, what=what, steps=run.steps)  # fmt: skip
        st.success(_widgets.plain(said), icon=":material/check:")
    elif run.live:
        said = _("From its next step on: {what}.", what=what)
        st.info(_widgets.plain(said), icon=":material/schedule:")


def in_force(run: Snapshot, changes: int | None = None) -> tuple[dict[str, float], tuple[str, ...]]:
    """Return the share of each dropout layer, and the frozen layers, after the first ``changes`` (None: all)."""
    rows = run.architecture.trace().rows
    shares = {row.name: row.layer.p for row in rows if isinstance(row.layer, (Dropout, Dropout2d))}
    frozen: tuple[str, ...] = ()
    for made in run.changes[:changes]:
        shares |= made["change"].get("dropout") or {}
        frozen = tuple(made["change"].get("frozen", frozen))
    return shares, frozen


# -------------------------------------------------------------------- what was changed
def told_changes(run: Snapshot) -> None:
    """List the live changes of a run, by the numbers that stand over its curves."""
    recipe, lines = run.recipe, []
    for number, made in enumerate(run.changes, 1):
        change = Change.of(made["change"])
        if made.get("inherited"):
            parts = [*_from_parent(change), *at_branching(run)]
            said = _("step {step:,}", step=made["step"])
            lines.append(f"{number}. {said}: " + "; ".join(parts or [_("as it was")]))
            continue
        after = change.recipe(recipe)
        parts = differences(recipe, after)
        shares, frozen = in_force(run, number - 1)
        parts += _of_layers(change, shares, frozen)
        said = _("step {step:,}", step=made["step"])
        lines.append(f"{number}. {said}: " + "; ".join(parts or [_("as it was")]))
        recipe = after
    if lines:
        st.markdown("\n".join(lines))


def _of_layers(change: Change, shares: dict[str, float], frozen: tuple[str, ...]) -> list[str]:
    parts = []
    for name, share in (change.dropout or {}).items():
        parts.append(_arrow(_("share that {layer} switches off", layer=name), shares.get(name), share))
    if change.frozen is not None:
        none = _("none")
        parts.append(_arrow(_("Frozen layers"), ", ".join(frozen) or none, ", ".join(change.frozen) or none))
    return parts


def _from_parent(change: Change) -> list[str]:
    """Return what a branch has of its parent, besides the recipe, in words."""
    parts = []
    if change.frozen:
        parts.append(_("{layers} frozen, from its parent", layers=", ".join(change.frozen)))
    for name, share in (change.dropout or {}).items():
        parts.append(_("share that {layer} switches off: {share}, from its parent", layer=name, share=_value(share)))
    return parts


def at_branching(run: Snapshot) -> list[str]:
    """Return what the recipe of a branch has other than its parent had there; nothing where the parent is gone."""
    parent = _parent(run)
    return [] if parent is None else differences(parent.recipe_at(run.parent_step or 0), run.recipe)


def _parent(run: Snapshot) -> Snapshot | None:
    from cnnlab import runs

    if run.parent is None:
        return None
    try:
        found = runs.engine().snapshot(run.parent)
    except CnnLabError:
        return None
    return found if found.owner == run.owner else None


def differences(before: Recipe, after: Recipe) -> list[str]:
    """Return what differs between two recipes, a line for each setting: its name, before, after."""
    found = []
    for name, info in Recipe.model_fields.items():
        old, new = getattr(before, name), getattr(after, name)
        if old == new:
            continue
        if name != "augmentation":
            found.append(_arrow(field_label(name, info), old, new))
            continue
        for part, about in type(old).model_fields.items():
            if getattr(old, part) != getattr(new, part):
                found.append(_arrow(field_label(part, about), getattr(old, part), getattr(new, part)))
    return found


def _arrow(name: str, before: Any, after: Any) -> str:
    return f"{name} {_value(before)} → {_value(after)}"


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return _("on") if value else _("off")
    if value is None:
        return _("automatic")
    if isinstance(value, dict):
        return ", ".join(f"{name} ×{factor:g}" for name, factor in value.items()) or _("none")
    return f"{value:g}" if isinstance(value, float) else _(LABELS.get(str(value), str(value)))
