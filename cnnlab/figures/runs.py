"""Runs beside each other: their curves in one chart, a recipe in a few words, what differs as a small table."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any, Literal

import numpy as np
import plotly.graph_objects as go

from cnnlab.architecture.layers import LayerSpec
from cnnlab.figures import theme
from cnnlab.figures.live import percent
from cnnlab.i18n import N_, _
from cnnlab.runs.compare import Difference, LayerDifference, Seeds, layer_fields
from cnnlab.training.recipe import HAS_MOMENTUM, LABELS, Recipe

RUN_COLOURS = {
    False: ("#0072B2", "#BF4F00", "#00795A", "#A83A7C", "#806500", "#6633FF", "#C0143C", "#4A5866"),
    True: ("#56B4E9", "#F08A4B", "#35C79A", "#E59AC4", "#E6C229", "#A58BFF", "#FF6B7D", "#B6C2CE"),
}
"""The colour of the first, second, ... of the runs that are compared, by ``dark``; each is told from the ground."""
MOST = len(RUN_COLOURS[False])
"""How many runs are compared at most."""
HEIGHT_PX = 300
Axis = Literal["steps", "epochs", "time"]
AXES: dict[str, str] = {"steps": N_("steps"), "epochs": N_("epochs"), "time": N_("seconds of training")}
"""What runs can be laid side by side along, as marked ids."""
_RATES_TOLD = 2
_PARTS = {
    "batch_size": N_("batch {value:,}"),
    "epoch": N_("{value} epoch"),
    "epochs": N_("{value} epochs"),
    "seed": N_("seed {value}"),
    "momentum": N_("momentum {value}"),
    "weight_decay": N_("weight decay {value}"),
    "l1": N_("L1 {value}"),
    "clip_norm": N_("gradient clipped at {value}"),
    "label_smoothing": N_("label smoothing {value}"),
    "mixup": N_("mixup {value}"),
}
_IF_NOT_0 = ("weight_decay", "l1", "clip_norm", "label_smoothing", "mixup")


@dataclass(frozen=True)
class RunCurves:
    """The curves of one run, to be drawn in the colour of its ``place`` among those compared.

    Shape:
        train: (points, 5): step, loss, acc, smoothed loss, smoothed acc
        val: step, loss, acc, whole
    """

    label: str
    place: int
    train: np.ndarray
    val: Sequence[tuple[int, float, float, bool]]
    per_step: float
    live: bool = False


def curves(
    runs: Sequence[RunCurves], what: Literal["loss", "acc"], axis: Axis, *, dark: bool = False, zoomed: bool = True
) -> go.Figure:
    """Return the curves of all ``runs``: validation bold with its label at the end, training thin and faint.

    Args:
        what: which of the two is drawn.
        axis: what lies along the horizontal axis; each run's ``per_step`` of it makes one step.
        zoomed: whether the vertical axis is cut to where the curves end: accuracy begins where the later half of the
            validation curves lies (while a run still learns, at 0), loss leaves out the first steps' peaks. Otherwise
            all of each curve is inside.
    """
    figure = go.Figure(layout={"template": theme.template(dark), "height": HEIGHT_PX})
    column = 1 if what == "loss" else 2
    shown = "%{y:.1%}" if what == "acc" else "%{y:.4g}"
    ends: list[tuple[float, float, RunCurves]] = []
    for run in runs:
        colour = RUN_COLOURS[dark][run.place % MOST]
        val = np.array([[point[0], point[column]] for point in run.val], dtype=float).reshape(-1, 2)
        common = {
            "hovertemplate": f"{escape(run.label)}: {shown}<extra></extra>",
            "mode": "lines" if len(val) > 30 else "lines+markers",
        }
        figure.add_scatter(
            x=run.train[:, 0] * run.per_step, y=run.train[:, column + 2], line={"color": colour, "width": 1}, opacity=0.5,
            hoverinfo="skip", mode="lines",
        )  # fmt: skip
        figure.add_scatter(
            x=val[:, 0] * run.per_step, y=val[:, 1], line={"color": colour, "width": 2.5}, marker={"size": 6}, **common
        )
        last = val[-1] if len(val) else (run.train[-1, [0, column + 2]] if len(run.train) else None)
        if last is not None:
            ends.append((float(last[0]) * run.per_step, float(last[1]), run))
    low, high = _limits(runs, what) if zoomed else _whole(runs, what)
    figure.update_layout(
        margin={"l": 52, "r": 34, "t": 8, "b": 40},
        xaxis={
            "title": {"text": _(AXES[axis])},
            "rangemode": "tozero",
            "showgrid": False,
            "nticks": 6,
            "tickformat": ",~f",
        },
        yaxis={
            "range": [low, high],
            "nticks": 6,
            **({"tickformat": ".0%" if low < 0.9 else ".1%"} if what == "acc" else {}),
        },
    )
    for x, y, run in _apart(ends, low, high):
        figure.add_annotation(
            x=x, y=y, text=f"<b>{escape(run.label)}</b>", showarrow=False, xanchor="left", xshift=4,
            font={"color": RUN_COLOURS[dark][run.place % MOST], "size": 12},
        )  # fmt: skip
    return figure


def _limits(runs: Sequence[RunCurves], what: str) -> tuple[float, float]:
    """Return the ends of the vertical axis: all of what matters, none of the first steps' peaks."""
    column = 1 if what == "loss" else 2
    late = [point[column] for run in runs for point in run.val[len(run.val) // 2 :]]
    if what == "acc":
        low = min(late, default=0.0)
        if any(run.live for run in runs) or not late:
            return 0.0, 1.0
        return max(0.0, low - max(0.01, 0.6 * (1 - low))), 1.0
    every = [point[column] for run in runs for point in run.val]
    smooth = [float(np.quantile(run.train[:, 3], 0.95)) for run in runs if len(run.train)]
    finite = [value for value in (*every, *smooth) if np.isfinite(value)]
    top = float(np.quantile(finite, 0.9)) if finite else 1.0
    return 0.0, 1.1 * max(top, *(late or [0.0]), 1e-3)


def _whole(runs: Sequence[RunCurves], what: str) -> tuple[float, float]:
    """Return the ends of a vertical axis that leaves out no point of any curve."""
    if what == "acc":
        return 0.0, 1.0
    every = [point[1] for run in runs for point in run.val]
    every += [float(value) for run in runs for value in run.train[:, 3]]
    return 0.0, 1.05 * max((value for value in every if np.isfinite(value)), default=1.0)


def cut_text(runs: Sequence[RunCurves], what: Literal["loss", "acc"]) -> str:
    """Return in words what of the axis :func:`curves` shows where that is not all; empty where it is."""
    (low, high), (least, most) = _limits(runs, what), _whole(runs, what)
    if what == "acc":
        return _("zoomed in: from {low} up", low=percent(low)) if low > least else ""
    return _("zoomed in: up to {high}", high=theme.number(high)) if high < most else ""


def _apart(ends: list[tuple[float, float, RunCurves]], low: float, high: float) -> list[tuple[float, float, RunCurves]]:
    """Return the labels' places inside the axis, moved up where two would lie over each other."""
    least = 0.065 * (high - low)
    placed: list[tuple[float, float, RunCurves]] = []
    for x, y, run in sorted(ends, key=lambda end: end[1]):
        y = min(max(y, low), high)
        if placed and y - placed[-1][1] < least:
            y = placed[-1][1] + least
        placed.append((x, y, run))
    over = placed[-1][1] - high if placed else 0.0
    return [(x, y - over, run) for x, y, run in placed] if over > 0 else placed


def curves_alt(runs: Sequence[RunCurves], what: Literal["loss", "acc"]) -> str:
    """Return in words what :func:`curves` shows: the last validation value of each run."""
    column = 1 if what == "loss" else 2
    write = theme.number if what == "loss" else percent
    title = _("Loss") if what == "loss" else _("Accuracy")
    return f"{title}: " + "; ".join(f"{run.label} {write(run.val[-1][column]) if run.val else '–'}" for run in runs)


def recipe_text(recipe: Recipe, seed: bool = True) -> str:
    """Return a recipe in a few words: optimizer and learning rate, schedule, batch size, epochs, what else is on, ``seed``."""
    said = [f"{_(LABELS[recipe.optimizer])} {theme.number(recipe.lr)}"]
    if recipe.momentum and recipe.optimizer in HAS_MOMENTUM:
        said.append(_(_PARTS["momentum"], value=theme.number(recipe.momentum)))
    if recipe.schedule != "constant":
        said.append(_(LABELS[recipe.schedule]))
    said.append(_(_PARTS["batch_size"], value=recipe.batch_size))
    said.append(_(_PARTS["epoch" if recipe.epochs == 1 else "epochs"], value=recipe.epochs))
    if recipe.layer_lr:
        rates = list(recipe.layer_lr.items())
        said.append(value_text(dict(rates[:_RATES_TOLD])) + (", …" if len(rates) > _RATES_TOLD else ""))
    if recipe.loss != "cross_entropy":
        said.append(_(LABELS[recipe.loss]))
    said += [_(_PARTS[name], value=theme.number(value)) for name in _IF_NOT_0 if (value := getattr(recipe, name))]
    if recipe.augmentation != type(recipe.augmentation)():
        said.append(_("varied images"))
    if recipe.limit_train is not None:
        said.append(_("{count:,} images", count=recipe.limit_train))
    if recipe.limit_per_class is not None:
        said.append(_("{count:,} images a class", count=recipe.limit_per_class))
    if seed:
        said.append(_(_PARTS["seed"], value=recipe.seed))
    return " · ".join(said)


def value_text(value: Any) -> str:
    """Return one value of a recipe or a layer as a person reads it."""
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    if value is None:
        return "–"
    if isinstance(value, (int, float)):
        return f"{value:,}" if isinstance(value, int) and abs(value) < 10**7 else theme.number(float(value))
    if isinstance(value, str):
        return _(LABELS[value]) if value in LABELS else value
    if isinstance(value, dict):
        return ", ".join(f"{name} ×{theme.number(factor)}" for name, factor in value.items()) or "–"
    return json.dumps(value)


def differences_html(labels: Sequence[str], rows: Sequence[Difference], places: Sequence[int]) -> str:
    """Return the recipes' differences: a row for each field, a column for each run, in the colour of its place."""
    body = [[escape(_(row.title)), *(escape(value_text(value)) for value in row.values)] for row in rows]
    return _table([_("Recipe"), *_heads(labels, places)], body)


def networks_html(labels: Sequence[str], rows: Sequence[LayerDifference], places: Sequence[int]) -> str:
    """Return the differences of two networks: a row for each place, the layer that each has there."""
    body = []
    for row in rows:
        said = layer_fields(row)
        names = [name or "" for name in row.names]
        where = names[0] if names[0] == names[1] else " / ".join(name or "–" for name in names)
        body.append([escape(where), *(_layer(row.layers[side], said[side]) for side in (0, 1))])
    return _table([_("Network"), *_heads(labels, places)], body)


def _layer(layer: LayerSpec | None, fields: Mapping[str, Any]) -> str:
    if layer is None:
        return "–"
    said = ", ".join(f"{name}={value_text(value)}" for name, value in fields.items() if value is not None)
    return f"<b>{layer.kind}</b>" + (f"<small>{escape(said)}</small>" if said else "")


def _heads(labels: Sequence[str], places: Sequence[int]) -> list[str]:
    return [f'<i class="lab-swatch lab-run-{place % MOST}"></i>{escape(text)}' for text, place in zip(labels, places)]


def seeds_html(groups: Sequence[tuple[str, str, Seeds]]) -> str:
    """Return what each recipe reached over seeds: a row of its network, recipe, mean, spread, and a dot for each seed.

    Args:
        groups: each with the name of its network and its recipe in words.
    """
    low = min((group.low for _n, _r, group in groups), default=0.0)
    high = max((group.high for _n, _r, group in groups), default=1.0)
    width = max(high - low, 1e-9)
    body = []
    for net, recipe, group in groups:
        dots = "".join(
            f'<i style="left:{((run.test_acc or 0.0) - low) / width:.1%}" title="{_dot_title(run)}"></i>'
            for run in group.runs
        )
        said = _("seeds {seeds}: {values}", seeds=", ".join(str(run.recipe.seed) for run in group.runs),
                 values=", ".join(percent2(run.test_acc or 0.0) for run in group.runs))  # fmt: skip
        strip = f'<span class="lab-seeds" role="img" aria-label="{escape(said)}">{dots}<b style="left:{(group.mean - low) / width:.1%}"></b></span>'
        body.append(
            [
                f"<b>{escape(net)}</b><small>{escape(recipe)}</small>",
                str(group.count),
                f"<b>{percent2(group.mean)}</b>",
                f"± {100 * group.spread:.2f}",
                f"{percent2(group.low)} – {percent2(group.high)}",
                strip,
            ]
        )
    heads = [_("Network and recipe"), _("Seeds"), _("Mean"), _("Spread, points"), _("From – to"), _("Each seed")]
    return _table(heads, body, stacked=True)


def percent2(value: float) -> str:
    """Return a share in [0, 1] as percent with two decimals: what seeds differ by is often less than a tenth."""
    return f"{value:.2%}"


def _dot_title(run: Any) -> str:
    return escape(_("seed {seed}: {value}", seed=run.recipe.seed, value=percent2(run.test_acc or 0.0)), quote=True)


def _table(heads: Sequence[str], body: Sequence[Sequence[str]], stacked: bool = False) -> str:
    """Return a table; one that is ``stacked`` lays the cells of a row below each other where the window is narrow."""
    head = "".join(f'<th scope="col">{cell}</th>' for cell in heads)
    rows = ""
    for first, *rest in body:
        titles = [f' data-title="{escape(title)}"' if stacked else "" for title in heads[1:]]
        cells = "".join(f"<td{title}>{cell}</td>" for title, cell in zip(titles, rest))
        rows += f'<tr><th scope="row">{first}</th>{cells}</tr>'
    style = "lab-compare lab-compare-stacked" if stacked else "lab-compare"
    return f'<div class="{style}" tabindex="0"><table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>'


def style(dark: bool) -> str:
    """Return the style of the tables, once for a page."""
    colours = "".join(f".lab-run-{n}{{background:{colour}}}" for n, colour in enumerate(RUN_COLOURS[dark]))
    return (
        "<style>.lab-compare{overflow-x:auto;margin-bottom:.75rem}"
        ".lab-compare table{border-collapse:collapse;font-size:.875rem;max-width:100%}"
        ".lab-compare :is(td,th){padding:.4rem 1.5rem .4rem 0;border-bottom:1px solid var(--line);text-align:left;vertical-align:top}"
        ".lab-compare thead th{color:var(--soft);font-weight:600;white-space:nowrap}"
        ".lab-compare tbody th{font-weight:500}.lab-compare tbody th:has(small){min-width:11rem}.lab-compare small{display:block;color:var(--soft);font-weight:400;font-size:.8125rem}"
        ".lab-swatch{display:inline-block;width:.65rem;height:.65rem;border-radius:50%;margin-right:.4rem}"
        ".lab-seeds{display:inline-block;position:relative;width:180px;height:1rem;margin-inline:6px}"
        ".lab-seeds::before{content:'';position:absolute;left:0;right:0;top:50%;border-top:1px solid var(--line)}"
        ".lab-seeds i{position:absolute;top:calc(50% - 4px);width:9px;height:9px;margin-left:-4.5px;border-radius:50%;background:var(--accent);opacity:.55}"
        ".lab-seeds b{position:absolute;top:0;bottom:0;width:2px;margin-left:-1px;background:var(--ink)}"
        "@media(max-width:640px){.st-key-runs_filters{display:grid;grid-template-columns:1fr 1fr}"
        ".st-key-runs_filters>*{width:auto!important}"
        ".lab-compare-stacked :is(table,tbody,tr,tbody th){display:block}.lab-compare-stacked thead{display:none}"
        ".lab-compare-stacked tr{padding-block:.4rem;border-bottom:1px solid var(--line)}"
        ".lab-compare-stacked tbody :is(th,td){padding:.1rem 0;border:0}"
        ".lab-compare-stacked td{display:grid;grid-template-columns:8.5rem 1fr;align-items:center}"
        ".lab-compare-stacked td::before{content:attr(data-title);color:var(--soft);font-size:.8125rem}"
        ".lab-compare-stacked .lab-seeds{margin-inline:5px}}"
        ".lab-compare{scrollbar-width:thin;scrollbar-color:var(--soft) transparent}"
        f"{colours}</style>"
    )
