"""What a finding's button does: change the next run's recipe and network, say what was changed, and take it back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import streamlit as st

from cnnlab.errors import CnnLabError
from cnnlab.i18n import _
from pages import _session

if TYPE_CHECKING:
    from cnnlab.architecture import Architecture
    from cnnlab.architecture.layers import LayerSpec
    from cnnlab.health.case import Finding
    from cnnlab.training.recipe import Recipe

_DONE = "health.done"


def apply(finding: Finding, recipe: Recipe, architecture: Architecture, place: str = "") -> None:
    """Change what the next run trains as ``finding`` says, which was found in ``recipe`` and ``architecture``.

    Only what the finding changes is taken over: what the learner has changed since stays.

    Args:
        finding: what is the matter, with what to change.
        recipe, architecture: what it was found in.
        place: where the button stands: there ``done_line`` says what was changed.
    """
    if finding.change is None:
        return
    mended = finding.change[1]
    before = (_session.recipe(), _session.architecture())
    changed = {
        name: _as_far(getattr(recipe, name), value, getattr(before[0], name))
        for name, value in finding.change[0]
        if value != getattr(recipe, name)
    }
    try:
        _session.set_recipe(before[0].changed(**changed))
    except CnnLabError:  # what is left of the learner's own recipe does not go with it
        _session.set_recipe(finding.change[0])
    if mended.layers != architecture.layers:
        if before[1].layers == architecture.layers:
            _session.set_architecture(mended)
        elif (own := _refound(finding.rule, before[1])) is not None:
            _session.set_architecture(own)
        else:
            _session.open_network(mended)  # another one than the learner builds now: that one is kept
    _session.unseed("build.field")
    after = (_session.recipe(), _session.architecture())
    st.session_state[_DONE] = (before, after, finding.rule, place)


def _as_far(found: Any, mended: Any, own: Any) -> Any:
    """Return ``mended``, or the learner's ``own`` value where that already goes further from what was ``found``."""
    if not all(type(value) in (int, float) for value in (found, mended, own)):
        return mended
    return min(mended, own) if mended < found else max(mended, own)


def _refound(id: str, network: Architecture) -> Architecture | None:
    """Return the learner's own network with the finding mended, where the description of that one has it, too."""
    from cnnlab.health.case import Case
    from cnnlab.health.rules import RULES
    from cnnlab.runs.checkup import expected

    rule, facts = RULES[id], expected(_session.data_name(), _session.recipe())
    if facts is None or rule.from_run or network.trace().error is not None:
        return None
    try:
        case = Case(network, _session.recipe(), facts)
        change = rule.apply(case) if rule.find(case) else None
        if change is not None:
            change[1].check()
    except CnnLabError:
        return None
    return change[1] if change is not None else None


def undo() -> None:
    """Take back what ``apply`` did last."""
    before, *_rest = st.session_state.pop(_DONE)
    _session.set_recipe(before[0])
    _session.set_architecture(before[1])
    _session.unseed("build.field")


def is_done(rule: str) -> bool:
    """Return whether the last button pressed was that of ``rule``, and nothing was changed since."""
    done = _done()
    return done is not None and done[2] == rule


def done_line(place: str) -> None:
    """Say what a button at ``place`` changed last, and offer to take it back; nothing once something else has changed."""
    done = _done()
    if done is None or done[3] != place:
        return
    before, after, rule, _place = done
    key = place.removesuffix(f".{rule}")
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key=f"{key}.done"):
        changes = "; ".join(in_words(before, after))
        said = _("Changed for the next run: {changes}", changes=changes)
        st.success(said if changes else _("The next run has that already."), icon=":material/build:")
        if st.button(_("Undo"), icon=":material/undo:", key=f"{key}.undo"):
            undo()
            st.rerun()


def _done() -> Any:
    done = st.session_state.get(_DONE)
    return done if done and done[1] == (_session.recipe(), _session.architecture()) else None


def in_words(before: tuple[Recipe, Architecture], after: tuple[Recipe, Architecture]) -> list[str]:
    """Return what differs between two pairs of recipe and network, each difference in a few words."""
    from cnnlab.runs.compare import network_differences, recipe_differences

    told = [
        f"{_(one.title)} {_value(one.values[0])} → {_value(one.values[1])}"
        for one in recipe_differences([before[0], after[0]])
    ]
    for place in network_differences(before[1], after[1]):
        (old, new), (was, now) = place.names, place.layers
        if old is None or was is None:
            told.append(_("{layer} is put in", layer=f"{new} = {_layer(now)}"))
        elif now is None:
            told.append(_("{name} is taken out", name=old))
        else:
            told.append(_("{name} becomes {layer}", name=old, layer=_layer(now, was)))
    return told


def _value(value: Any) -> str:
    from cnnlab.training.recipe import LABELS

    if isinstance(value, bool):
        return _("yes") if value else _("no")
    if isinstance(value, (int, float)):
        return f"{value:,.6g}"
    return _("automatic") if value is None else _(LABELS.get(str(value), str(value)))


def _layer(layer: LayerSpec | None, before: LayerSpec | None = None) -> str:
    """Return a layer as torch would write it: fields that are not their default, or that differ from ``before``."""
    if layer is None:
        return ""
    fields = layer.model_dump(exclude={"kind"}, exclude_defaults=True)
    if before is not None and before.kind == layer.kind:
        fields = {name: value for name, value in layer if name != "kind" and value != getattr(before, name)}
    return f"{layer.kind}({', '.join(f'{name}={value}' for name, value in fields.items())})"
