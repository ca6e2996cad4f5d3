"""The doctor of networks: what is the matter with a run, or with a network before it; and each layer's charts."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING

import streamlit as st

from cnnlab.errors import CnnLabError
from cnnlab.home import ASSETS
from cnnlab.i18n import N_, _
from cnnlab.lessons import lesson
from pages import _choices, _fault, _hand, _mending, _session, _widgets

if TYPE_CHECKING:
    from cnnlab.architecture import Architecture
    from cnnlab.health.case import Finding
    from cnnlab.health.history import History
    from cnnlab.runs import Snapshot
    from cnnlab.runs.checkup import Checkup

ANCHOR = "findings"
OPEN = 2
"""How many findings stand open; the others are folded."""

LOOKS: dict[str, tuple[str, str, str]] = {
    "fault": (N_("fault"), ":material/error:", "red"),
    "warning": (N_("warning"), ":material/warning:", "orange"),
    "note": (N_("note"), ":material/info:", "blue"),
}
_OF_WEIGHTS = ("grad_norm", "update_ratio", "weight_norm", "mean", "std")
_OF_ACTIVATIONS = ("dead", "dead_window", "saturated")
_FIRST = ("grad_norm", "update_ratio", "dead", "saturated")


def of_run(run: Snapshot | None) -> None:
    """Draw what the rules say of a run and, folded, the charts of its layers; they follow a live one."""
    if run is None:
        return
    with st.container(key="health", gap="small"):
        st.fragment(_of_run, run_every=4 * _session.interval() if run.live else None)(run.id)


def line(run: Snapshot) -> None:
    """Draw in a line what stands out in a run, with the way to it, which may lie below what the screen shows.

    While it learns the line says what was found when the cards below were drawn last: it costs nothing.
    """
    from cnnlab.runs.checkup import checkup, last_checkup

    try:
        found = last_checkup(run.id) if run.live else checkup(run.id)
    except CnnLabError:
        return
    if found is None or _fault.hides(run):
        return
    if not found.findings:
        st.caption(_nothing(found.history, run.live), width="content")
        return
    worst, *more = _in_order(found)
    _word, icon, color = LOOKS[worst.severity]
    title = _widgets.plain(worst.title.text(_session.language()))
    said = title if not more else _("{title}, and {count} more", title=title, count=len(more))
    st.markdown(f":{color}[{icon}] [{said}](#{ANCHOR})", width="content")


def _of_run(id: str) -> None:
    from cnnlab.runs.checkup import checkup

    _session.enter()
    st.html(ASSETS / "css" / "health.css")
    try:
        found = checkup(id)
    except CnnLabError:
        return  # the view above says it
    if _fault.is_due(found.run):
        st.rerun()
    if _fault.hides(found.run):
        st.caption(_("What the rules say is hidden until you have named the fault."))
    else:
        _findings(found)
    _layer_charts(found)


def _findings(found: Checkup) -> None:
    if not found.findings:
        return  # the line below the numbers says it
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.subheader(_("What stands out in this run"), anchor=ANCHOR, width="content")
        _widgets.what_is_this(lesson("health"))
    if differs := _hand.at_branching(found.run):
        said = _("This run differs from its parent in: {changes}.", changes="; ".join(differs))
        st.markdown(_widgets.plain(said))  # the first thing to suspect
    for number, finding in enumerate(_in_order(found)):
        title = finding.title.text(_session.language())
        if number < OPEN:
            with st.container(border=True, key=f"health.{finding.rule}"):
                _card(finding, found, title)
        else:
            with st.expander(title, icon=LOOKS[finding.severity][1], key=f"health.{finding.rule}"):
                _card(finding, found, "")


def _in_order(found: Checkup) -> list[Finding]:
    """Return the findings, the worst first; before all others the one about the fault that is being mended."""
    first = _fault.looked_for(found.run)
    return sorted(found.findings, key=lambda finding: finding.rule != first)


def _nothing(history: History, live: bool) -> str:
    from cnnlab.health.case import MIN_STEPS
    from cnnlab.health.rules import RULES

    if history.steps < MIN_STEPS and live:
        return _("The rules begin to judge after {steps} steps.", steps=MIN_STEPS)
    return _("None of {count} rules has anything to say against this run.", count=len(RULES))


def _card(finding: Finding, found: Checkup, title: str) -> None:
    """Draw a finding: what, why with the run's numbers, what to do, and the picture that shows it."""
    from cnnlab.figures.health import evidence_html

    words, picture = st.columns([3, 2], gap="medium")
    with words:
        if title:
            _headline(finding, title)
        st.markdown(_widgets.plain(finding.why.text(_session.language())))
        _button(finding, found)
    picture.html(evidence_html(finding, found.history, found.architecture.names, found.image) or "<span></span>")


def _headline(finding: Finding, title: str) -> None:
    word, icon, color = LOOKS[finding.severity]
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.markdown(f"**{_widgets.plain(title)}**", width="content")
        st.badge(_(word), icon=icon, color=color)


def _button(finding: Finding, found: Checkup) -> None:
    if finding.remedy is None or finding.change is None or _fault.mends_by_hand(found.run):
        return
    done = _mending.is_done(finding.rule)
    said = "; ".join(_mending.in_words((found.recipe, found.architecture), finding.change))
    if st.button(
        finding.remedy.text(_session.language()), icon=":material/check:" if done else ":material/healing:",
        key=f"health.apply.{finding.rule}", disabled=done, help=_("For the next run: {changes}", changes=said),
    ):  # fmt: skip
        _mending.apply(finding, found.recipe, found.architecture, f"health.{finding.rule}")
        st.rerun()
    _mending.done_line(f"health.{finding.rule}")


# -------------------------------------------------------------------- each layer
def _layer_charts(found: Checkup) -> None:
    if not found.history.looks:
        return
    folded = st.expander(_("Layer by layer"), icon=":material/monitoring:", key="health.layers", on_change="rerun")
    if not folded.open:
        return
    from cnnlab.health.series import SERIES

    there = {name for look in found.history.looks for figures in look.layers.values() for name in figures}
    with folded:
        shown = _choices.pills(
            "train.health.series", _("What to show of each layer"),
            [name for name in (*_OF_WEIGHTS, *_OF_ACTIVATIONS) if name in there], _FIRST, lambda name: _(SERIES[name]),
        )  # fmt: skip
        _widgets.what_is_this(_explained(), _("What the charts show"))
        st.html(_charts_html(found.history, found.architecture, shown) or "<span></span>")


def _explained() -> str:
    from cnnlab.health.series import EXPLAINED, SERIES

    lines = [f"**{_(SERIES[name])}**: {_(EXPLAINED[name])}" for name in (*_OF_WEIGHTS, *_OF_ACTIVATIONS)]
    return "\n\n".join([*lines, _("Gradient, weights, update and spread are drawn by powers of ten.")])


def _charts_html(history: History, architecture: Architecture, shown: Sequence[str]) -> str:
    from cnnlab.figures.health import layer_html

    rows = []
    for name, followers in _groups(architecture, history):
        charts = layer_html(history, name, [series for series in _OF_WEIGHTS if series in shown])
        of_activations = [series for series in _OF_ACTIVATIONS if series in shown]
        charts += "".join(layer_html(history, follower, of_activations) for follower in followers)
        title = " · ".join([name, *followers])
        if charts:
            rows.append(f"<section><h4>{escape(title)}</h4><div>{charts}</div></section>")
    return f'<div class="lab-layers">{"".join(rows)}</div>'


def _groups(architecture: Architecture, history: History) -> list[tuple[str, list[str]]]:
    """Return each layer that was looked at, with the activations right behind it that have charts of their own."""
    groups: list[tuple[str, list[str]]] = []
    for name in architecture.names:
        if any(history.series(name, series) for series in _OF_ACTIVATIONS) and groups:
            groups[-1][1].append(name)
        elif history.series(name, "grad_norm"):
            groups.append((name, []))
    return groups


# -------------------------------------------------------------------- before a run
def of_network(architecture: Architecture) -> None:
    """Draw, for the Build page, what the rules say of the network as it stands."""
    _mending.done_line("build.health")
    _rows(_before(architecture, of_recipe=False), "build.health", architecture)


def of_recipe(run: Snapshot | None) -> None:
    """Draw, for the Train page, what the rules say of the recipe and data of the next run."""
    architecture = _session.architecture()
    if run is None or not run.live:
        _mending.done_line("train.health")
        _rows(_before(architecture, of_recipe=True), "train.health", architecture)


def _before(architecture: Architecture, of_recipe: bool) -> list[Finding]:
    """Return the findings about the recipe and the data, or about the network itself."""
    from cnnlab.runs.checkup import before

    if _fault.goes_on():
        return []
    recipe = _session.recipe()
    found = before(architecture, _session.data_name(), recipe)
    return [f for f in found if (f.change is not None and f.change[0] != recipe) == of_recipe]


def _rows(findings: Sequence[Finding], key: str, architecture: Architecture) -> None:
    """Draw one line for each finding: what, why on demand, what to do."""
    from cnnlab.figures.health import evidence_html
    from cnnlab.health.history import History

    if findings:
        st.html(ASSETS / "css" / "health.css")
    for finding in findings:
        _word, icon, color = LOOKS[finding.severity]
        with st.container(horizontal=True, vertical_alignment="center", gap="small", key=f"{key}.{finding.rule}"):
            st.markdown(
                f":{color}[{icon}] **{_widgets.plain(finding.title.text(_session.language()))}**", width="content"
            )
            with st.popover(_("Why?"), type="tertiary", key=f"{key}.why.{finding.rule}"):
                st.markdown(_widgets.plain(finding.why.text(_session.language())))
                if picture := evidence_html(finding, History(), architecture.names):
                    st.html(picture)
            if finding.remedy is not None and finding.change is not None:
                said = "; ".join(_mending.in_words((_session.recipe(), architecture), finding.change))
                st.button(
                    finding.remedy.text(_session.language()), icon=":material/healing:", help=said,
                    key=f"{key}.apply.{finding.rule}", on_click=_mending.apply,
                    args=(finding, _session.recipe(), architecture, key),
                )  # fmt: skip
