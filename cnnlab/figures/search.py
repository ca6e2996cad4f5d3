"""A search as pictures: accuracy against parameters, how the best grew, what mattered; and its trials as a table."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING

import plotly.graph_objects as go

from cnnlab.figures import theme
from cnnlab.figures.runs import value_text
from cnnlab.i18n import N_, _
from cnnlab.search.asked import Search, Trial, trial_word
from cnnlab.search.front import best_so_far, front
from cnnlab.search.space import ACTIVATION, Value
from cnnlab.training.recipe import Recipe

if TYPE_CHECKING:
    from cnnlab.search.importance import Importance  # brings Optuna, which a page that shows no search does without

HEIGHT_PX = 380
SMALL_PX = 260
COLOURS = {
    "guided": {False: "#3D5AFE", True: "#8C9EFF"},
    "random": {False: "#BF4F00", True: "#F08A4B"},
    "yours": {False: "#1B2733", True: "#E6EDF3"},
}
"""The colour of each lane, by ``dark``; the marks differ in shape as well."""
_SYMBOLS = {"guided": "circle", "random": "diamond", "yours": "star"}
LANES: dict[str, str] = {"guided": N_("search"), "random": N_("luck"), "yours": N_("your network")}
"""What a person reads for each lane, as marked ids."""
_FIELDS: dict[str, str] = {
    "out_channels": N_("{name}: filters"),
    "kernel_size": N_("{name}: kernel size"),
    "out_features": N_("{name}: units"),
    "p": N_("{name}: share switched off"),
    "repeat": N_("{name}: copies"),
    "kind": N_("{name}: kind"),
}
_FLOORS = (0.98, 0.95, 0.9, 0.8, 0.6, 0.4, 0.0)
THROWN: dict[str, str] = {
    "params": N_("{count} with too many parameters"),
    "macs": N_("{count} with too many multiply-adds"),
    "memory": N_("{count} too large for this machine"),
    "shape": N_("{count} whose layers do not fit"),
}
"""What is said of draws that were thrown away, by reason."""


def target_text(target: str) -> str:
    """Return in words what a choice is about: ``conv1: filters``, ``Learning rate``."""
    if target in Recipe.model_fields:
        return _(Recipe.model_fields[target].title or target)
    if target == ACTIVATION:
        return _("all activations")
    name, _dot, field = target.rpartition(".")
    if field in _FIELDS:
        return _(_FIELDS[field], name=name)
    if not name or field[-1:].isdigit():
        return _("{name}: in or out", name=target)
    return target


def drawn_text(value: Value) -> str:
    """Return a value that was drawn as a person reads it."""
    if value in ("in", "out"):
        return _("in the network") if value == "in" else _("left out")
    return theme.number(value) if isinstance(value, float) else value_text(value)


def lane_text(trial: Trial) -> str:
    """Return who proposed ``trial`` and its number, as one name."""
    return _("{lane}, trial {number}", lane=_(LANES[trial.lane]), number=trial.number)


# -- accuracy against parameters ----------------------------------------------------------------------------------


def pareto(search: Search, chosen: int | None = None, *, dark: bool = False) -> go.Figure:
    """Return every trial as a point, validation accuracy over parameters; a line joins those that no other beats.

    Filled: learned to its end. Hollow: given up early, at what it had then. Triangles at the foot lie below the axis.
    Each point carries its trial's number as ``customdata``; ``chosen`` is ringed.
    """
    figure = go.Figure(layout={"template": theme.template(dark), "height": HEIGHT_PX})
    shown = [trial for trial in search.trials if trial.acc is not None]
    floor = _floor([trial.acc or 0.0 for trial in shown if trial.counts])
    ahead = front(search.trials)
    figure.add_scatter(
        x=[trial.num_params for trial in ahead], y=[max(floor, trial.acc or 0.0) for trial in ahead], mode="lines",
        line={"color": theme.QUIET[dark], "width": 1.5, "shape": "hv", "dash": "dot"}, hoverinfo="skip",
    )  # fmt: skip
    for lane in ("random", "guided", "yours"):
        mine = [trial for trial in shown if trial.lane == lane]
        figure.add_scatter(**_points(mine, lane, floor, dark))
    picked = [trial for trial in shown if trial.number == chosen]
    figure.add_scatter(
        x=[trial.num_params for trial in picked], y=[max(floor, trial.acc or 0.0) for trial in picked], mode="markers",
        marker={"size": 22, "symbol": "circle-open", "color": theme.INK[dark], "line": {"width": 2}}, hoverinfo="skip",
    )  # fmt: skip
    low, high = _params_range(search)
    top = _top([trial.acc or 0.0 for trial in shown])
    room = 0.04 * (top - floor)
    figure.update_layout(
        margin={"l": 56, "r": 16, "t": 8, "b": 44},
        xaxis={
            "title": {"text": _("parameters")}, "type": "log", "range": [math.log10(low), math.log10(high)],
            "showgrid": False, **_ticks(low, high),
        },
        yaxis={
            "title": {"text": _("validation accuracy")}, "range": [floor - room, top + room / 2], "nticks": 7,
            "tickformat": ".0%" if floor < 0.9 else ".1%",
        },
        clickmode="event+select",
    )  # fmt: skip
    return figure


def _points(mine: Sequence[Trial], lane: str, floor: float, dark: bool) -> dict[str, object]:
    colour = COLOURS[lane][dark]
    below = [(trial.acc or 0.0) < floor for trial in mine]
    symbols = [
        "triangle-down" if under else _SYMBOLS[lane] + ("" if trial.counts else "-open")
        for trial, under in zip(mine, below)
    ]
    return {
        "x": [trial.num_params for trial in mine],
        "y": [max(floor, trial.acc or 0.0) for trial in mine],
        "mode": "markers",
        "customdata": [trial.number for trial in mine],
        "text": [_hover(trial) for trial in mine],
        "hovertemplate": "%{text}<extra></extra>",
        "marker": {
            "symbol": symbols,
            "size": [17 if lane == "yours" else 12 if trial.counts else 9 for trial in mine],
            "color": colour,
            "opacity": [1.0 if trial.counts else 0.6 for trial in mine],
            "line": {"width": 1.5, "color": colour},
        },
        "selected": {"marker": {"opacity": 1.0}},
        "unselected": {"marker": {"opacity": 0.75}},
    }


def _hover(trial: Trial) -> str:
    lines = [
        f"<b>{escape(lane_text(trial))}</b>: {trial_word(trial.state).text()}",
        _("{acc:.2%} of the validation images, {params:,} parameters", acc=trial.acc or 0.0, params=trial.num_params),
        *(f"{escape(target_text(name))}: {escape(drawn_text(value))}" for name, value in trial.values.items()),
    ]
    return "<br>".join(lines[:12])


def _floor(accs: Sequence[float]) -> float:
    """Return where the accuracy axis begins: below three quarters of what is shown, at a round number."""
    if len(accs) < 4:
        return 0.0
    low = sorted(accs)[len(accs) // 4]
    return next(floor for floor in _FLOORS if floor < low - 0.01 or floor == 0.0)


def _top(accs: Sequence[float]) -> float:
    """Return where the accuracy axis ends: above all that is shown, at a tenth, so that it moves seldom."""
    return min(1.0, math.ceil(10 * (max(accs, default=1.0) + 0.02)) / 10)


def _params_range(search: Search) -> tuple[float, float]:
    """Return the ends of the parameter axis, which stay while the search goes on: those of the space's corners."""
    counts = [trial.num_params for trial in search.trials]
    counts += search.spec.space.corner_params
    if search.spec.max_params is not None:
        counts = [count for count in counts if count <= 1.2 * search.spec.max_params] or [search.spec.max_params]
    low, high = min(counts, default=1), max(counts, default=1)
    wide = max(1.12, (high / max(1, low)) ** 0.06)
    return max(1, low) / wide, high * wide


def _ticks(low: float, high: float) -> dict[str, object]:
    """Return ticks at 1, 2 and 5 times powers of ten, written short."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    values = [base * 10**power for power in powers for base in (1, 2, 5)]
    values = [value for value in values if low <= value <= high]
    if len(values) > 8:
        values = [value for value in values if str(value)[0] == "1"]
    if len(values) < 2:
        step = 10 ** math.floor(math.log10(max(1.0, high - low)))
        values = [value for value in range(0, int(high) + 1, max(1, int(step))) if low <= value]
    return {"tickvals": values, "ticktext": [theme.number(float(value)) for value in values]}


def pareto_alt(search: Search) -> str:
    """Return in words what :func:`pareto` shows: the trials that no other beats."""
    said = "; ".join(f"{lane_text(one)} {one.acc or 0:.1%}, {one.num_params:,}" for one in front(search.trials))
    return _("Validation accuracy over parameters. No other beats: {front}", front=said or "–")


def key_html(search: Search, dark: bool) -> str:
    """Return what the marks of :func:`pareto` mean, as one line."""
    marks = {"guided": "●", "random": "◆", "yours": "★"}
    lanes = "".join(
        f'<span><b style="color:{COLOURS[lane][dark]}" aria-hidden="true">{marks[lane]}</b> {_(LANES[lane])}</span>'
        for lane in search.spec.lanes[::-1]
    )
    more = f"<span>○ {_('given up early')}</span><span>▾ {_('below the axis')}</span><span>┈ {_('no other beats these')}</span>"
    return f'<p class="lab-facts lab-key">{lanes}{more}</p>'


# -- how the best grew --------------------------------------------------------------------------------------------


def growth(search: Search, *, dark: bool = False) -> go.Figure:
    """Return the best validation accuracy after each trial, of the search and of luck; your own network as a line."""
    figure = go.Figure(layout={"template": theme.template(dark), "height": SMALL_PX})
    ends: list[tuple[str, float, float]] = []
    for lane in ("random", "guided"):
        best = best_so_far([trial for trial in search.of(lane) if trial.over])
        points = [(number, acc) for number, acc in enumerate(best, 1) if acc is not None]
        if points:
            figure.add_scatter(
                x=[x for x, _y in points], y=[y for _x, y in points], mode="lines+markers",
                line={"color": COLOURS[lane][dark], "width": 2.5, "shape": "hv"}, marker={"size": 5},
                hovertemplate="%{y:.2%}<extra></extra>",
            )  # fmt: skip
            ends.append((lane, points[-1][0], points[-1][1]))
    yours = search.best("yours")
    if yours is not None and yours.acc is not None:
        figure.add_hline(y=yours.acc, line={"color": COLOURS["yours"][dark], "width": 1, "dash": "dash"})
        ends.append(("yours", 1, yours.acc))
    values = [end[2] for end in ends] + [
        acc for lane in ("random", "guided") for acc in best_so_far(search.of(lane)) if acc is not None
    ]
    low = min(values, default=0.0)
    low = max(0.0, low - max(0.01, 0.25 * (1 - low))) if values else 0.0
    figure.update_layout(
        margin={"l": 56, "r": 112, "t": 8, "b": 44},
        xaxis={
            "title": {"text": _("trials each")}, "range": [0.5, search.spec.trials + 0.5], "showgrid": False, "nticks": 8,
            "tickformat": "d",
        },
        yaxis={"range": [low, max([*values, low + 0.02]) + 0.1 * (max([*values, low + 0.02]) - low)], "tickformat": ".1%", "nticks": 5},
    )  # fmt: skip
    for lane, _x, y in _apart(ends, 0.09 * (max([*values, low + 0.02]) - low)):
        figure.add_annotation(
            x=1, xref="paper", y=y, text=f"<b>{_(LANES[lane])}</b>", showarrow=False, xanchor="left", xshift=4,
            font={"color": COLOURS[lane][dark], "size": 12},
        )  # fmt: skip
    return figure


def _apart(ends: list[tuple[str, float, float]], least: float) -> list[tuple[str, float, float]]:
    placed: list[tuple[str, float, float]] = []
    for lane, x, y in sorted(ends, key=lambda end: end[2]):
        placed.append((lane, x, max(y, placed[-1][2] + least) if placed else y))
    return placed


def growth_alt(search: Search) -> str:
    """Return in words what :func:`growth` shows."""
    said = []
    for lane in search.spec.lanes:
        best = search.best(lane)
        said.append(f"{_(LANES[lane])} {'–' if best is None else format(best.acc or 0, '.1%')}")
    return _("Best validation accuracy so far: {said}", said="; ".join(said))


# -- what mattered ------------------------------------------------------------------------------------------------


def importances(found: Importance, *, dark: bool = False) -> go.Figure:
    """Return the share of each choice as a bar; a line across it marks what luck alone would give."""
    names = list(found.shares)[::-1]
    labels = [f"{target_text(name)}  {found.shares[name]:.0%}" for name in names]
    figure = go.Figure(layout={"template": theme.template(dark), "height": max(120, 40 + 30 * len(names))})
    colours = [COLOURS["guided"][dark] if found.told(name) else theme.QUIET[dark] for name in names]
    figure.add_bar(
        x=[found.shares[name] for name in names], y=labels, orientation="h", marker={"color": colours}, width=0.55,
        hovertemplate="%{x:.0%}<extra></extra>",
    )  # fmt: skip
    figure.add_scatter(
        x=[min(1.04, found.noise[name]) for name in names], y=labels, mode="markers",
        marker={"symbol": "line-ns-open", "size": 20, "color": theme.INK[dark], "line": {"width": 2}},
        hovertemplate=_("luck: {share}", share="%{x:.0%}") + "<extra></extra>",
    )  # fmt: skip
    figure.update_layout(
        margin={"l": 10, "r": 16, "t": 4, "b": 30},
        xaxis={"range": [0, 1.05], "tickformat": ".0%", "nticks": 5},
        yaxis={"showgrid": False},
    )
    return figure


def importances_alt(found: Importance) -> str:
    """Return in words what :func:`importances` shows."""
    said = "; ".join(f"{target_text(name)} {share:.0%}" for name, share in found.shares.items())
    return _("Importance of each choice: {said}", said=said)


# -- the trials ---------------------------------------------------------------------------------------------------


def trials_html(search: Search) -> str:
    """Return all trials as a table, the best first, then those that were given up."""
    ahead = {trial.number for trial in front(search.trials)}
    over = search.over
    heads = [_("Trial"), _("By"), _("Validation accuracy"), _("Parameters"), _("Multiply-adds"), _("State")]
    heads += [_("Test accuracy")] if over else []
    heads += [escape(target_text(choice.target)) for choice in search.spec.choices]
    rows = []
    for trial in sorted(search.trials, key=lambda one: (not one.counts, -(one.acc or 0.0), one.number)):
        state = trial_word(trial.state).text()
        if trial.state == "training" and not search.live:
            state = _("broken off")
        cells = [
            f"{trial.number}{' ◂' if trial.number in ahead else ''}", _(LANES[trial.lane]),
            "–" if trial.acc is None else f"{trial.acc:.2%}", theme.number(trial.num_params), theme.number(trial.macs),
            escape(state + (f" ({trial.same_as})" if trial.same_as else "")),
        ]  # fmt: skip
        cells += ["–" if trial.test_acc is None else f"{trial.test_acc:.2%}"] if over else []
        cells += [
            escape(drawn_text(trial.values[choice.target])) if choice.target in trial.values else "–"
            for choice in search.spec.choices
        ]
        rows.append(cells)
    head = "".join(f'<th scope="col">{cell}</th>' for cell in heads)
    body = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
    return (
        f'<div class="lab-trials" tabindex="0"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'
    )


STYLE = """<style>
.lab-key{display:flex;flex-wrap:wrap;gap:.15rem 1.1rem}
.lab-key b{font-size:1.05em}
.lab-trials{overflow-x:auto;max-height:420px;border:1px solid var(--line);border-radius:8px}
.lab-trials table{border-collapse:collapse;font-size:.8125rem;width:100%;margin:0}
.lab-trials th{position:sticky;top:0;background:var(--quiet);text-align:left;font-weight:600;color:var(--soft);white-space:nowrap}
.lab-trials :is(th,td){padding:.35rem .7rem;border-bottom:1px solid var(--line);white-space:nowrap}
.stApp .lab-drawn{padding:0;display:grid;grid-template-columns:auto 1fr;gap:.2rem .9rem;margin:0;font-size:.875rem}
.lab-drawn dt{color:var(--soft)}
.lab-drawn dd{margin:0;font-weight:600;overflow-wrap:anywhere}
.st-key-search_drawing{padding:.5rem .75rem .6rem;background:var(--panel)}
.st-key-search_panel{scroll-margin-top:35vh}
@media(min-width:769px){[data-testid="stColumn"]:has(.st-key-search_panel){position:sticky;top:4.5rem;align-self:flex-start}}
@media(max-width:640px){
.stApp .st-key-search_bench>*>.stHorizontalBlock{flex-flow:column nowrap}
.stApp .st-key-search_bench>*>.stHorizontalBlock>.stColumn,
.stApp .st-key-search_bench>*>.stHorizontalBlock>.stColumn>.stVerticalBlock{display:contents}
.st-key-search_bench :has(>.st-key-search_panel){order:1}
.st-key-search_bench>*>.stHorizontalBlock>.stColumn>.stVerticalBlock>:has(>.st-key-search_recipe){order:2}
}
</style>"""
"""The style of what this module writes, once for a page."""
