"""The Runs page's table: which runs are shown, and which of them are chosen to be looked at together."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

import streamlit as st

from cnnlab.architecture import Architecture
from cnnlab.errors import CnnLabError
from cnnlab.figures import runs as figures
from cnnlab.figures.live import checked_on, seconds
from cnnlab.figures.theme import number
from cnnlab.home import ASSETS
from cnnlab.i18n import _
from cnnlab.runs.snapshot import LIVE, state_word
from pages import _choices, _names, _run_line, _session
from pages._looking import data_title

if TYPE_CHECKING:
    from cnnlab.runs import Snapshot

Numbered = dict[int, "Snapshot"]
KEY = "runs.table"
CHOSEN = "runs.chosen"
ROWS_AT_FIRST = 12
"""How many runs are shown before one asks for all; those that are chosen are shown wherever they stand."""
_TABLE = st.components.v2.component(
    "cnnlab_run_table",
    html='<div class="runs-root" tabindex="0"></div>',
    css=(ASSETS / "components" / "run_table.css").read_text(encoding="utf-8"),
    js=(ASSETS / "components" / "run_table.js").read_text(encoding="utf-8"),
)


def filters(mine: Numbered) -> Numbered:
    """Draw what the table can be narrowed by, and return the runs that are left."""
    states = {"": _("all states"), "live": _("not over yet"), "done": _("done"), "other": _("ended before its time")}
    nets = sorted({run.net for run in mine.values()})
    data = sorted({run.data for run in mine.values()})
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small", key="runs_filters"):
        state = _choices.menu("runs.state", _("State"), list(states), "", lambda one: states[one], width=170)
        net = _choices.menu("runs.net", _("Network"), ["", *nets], "", lambda n: n or _("all networks"), width=210)
        name = _choices.menu("runs.data", _("Data"), ["", *data], "", lambda n: _title(n) or _("all data"), width=190)
        text = _choices.seeded(st.text_input,
            _("Search"), key="runs.text", now=_session.kept("runs.text", ""), max_chars=80, width=210,
            placeholder=_("name, network, note"), help=_("Every word has to occur in the name, network, data, recipe or notes."),
        )  # fmt: skip
        _session.keep("runs.text", text)
    wanted = {"": lambda _r: True, "live": lambda r: r.live, "done": lambda r: r.state == "done"}
    right = wanted.get(state, lambda r: not r.live and r.state != "done")
    words = text.lower().split()
    return {
        n: run for n, run in mine.items()
        if right(run) and net in ("", run.net) and name in ("", run.data) and all(w in _searched(n, run) for w in words)
    }  # fmt: skip


def _searched(number: int, run: Snapshot) -> str:
    return f"{number} {run.name} {run.net} {run.data} {figures.recipe_text(run.recipe)} {run.notes}".lower()


def _title(name: str) -> str:
    return data_title(name)


def chosen(mine: Numbered) -> list[tuple[int, Snapshot]]:
    """Return the runs that are chosen, in the order in which they were; what is gone is left out."""
    by_id = {run.id: (number, run) for number, run in mine.items()}
    return [by_id[id] for id in _session.kept(CHOSEN, ()) if id in by_id][: figures.MOST]


def choose(ids: list[str] | tuple[str, ...]) -> None:
    """Choose these runs and no others."""
    _session.keep(CHOSEN, tuple(ids)[: figures.MOST])


def _taken() -> None:
    """Keep what was chosen in the browser, as far as it is a list of ids."""
    state: Any = st.session_state.get(KEY)
    ids = state.get("chosen") if state else None
    if isinstance(ids, (list, tuple)) and all(isinstance(id, str) and len(id) <= 40 for id in ids):
        choose(list(ids))


def draw(shown: Numbered, chosen: list[tuple[int, Snapshot]]) -> None:
    """Draw the table of the ``shown`` runs; while one of them is live it keeps up with it."""
    pace = 2 * _session.interval() if any(run.live for run in shown.values()) else None
    ids = tuple(run.id for _number, run in chosen)
    st.fragment(_table, run_every=pace)(tuple(shown), ids, tuple(run.state for run in shown.values()), pace)


def _table(numbers: tuple[int, ...], ids: tuple[str, ...], states: tuple[str, ...], pace: float | None) -> None:
    _session.enter()
    mine = _names.own_runs()
    shown = {number: mine[number] for number in numbers if number in mine}
    now = tuple(run.id for _number, run in chosen(mine))
    slower = pace is not None and _run_line.is_another_pace(pace, 2 * _session.interval())
    if now != ids or tuple(run.state for run in shown.values()) != states or slower:
        st.rerun()  # other parts of the page are out of date
    data = {
        "columns": columns(),
        "rows": [row(number, run, mine, now) for number, run in shown.items()],
        "most": figures.MOST,
        "rows_at_first": ROWS_AT_FIRST,
        "text": {
            "choose": _("Choose {name}", name="{name}"),
            "full": _("{most} runs are chosen; that is as many as can be compared.", most=figures.MOST),
            "sort": _("Sort by: {title}", title="{title}"),
            "sortBy": _("Sort by"),
            "all": _("Show all {count} runs", count=len(shown)),
            "fewer": _("Show fewer"),
        },
    }
    if shown:
        _TABLE(data=data, key=KEY, on_chosen_change=_taken)
    else:
        st.info(_("No run is like this. Choose less above to see more."))
    if mine:
        said = _("{shown} of {count} runs", shown=len(shown), count=len(mine))
        st.html(f'<p class="lab-facts">{said} · {_("tap one to look at it, several to compare them")}</p>')


def columns() -> list[dict[str, Any]]:
    """Return the table's columns; numbers are sorted by size, the largest first."""
    tested = _(
        "Measured on the test set after the last step; where the recipe stops early, at the step that the validation "
        "set chose. Until then: on the validation set. A run that learns from all training images has no validation "
        "set: what stands there until its test was measured on images it has seen."
    )
    named = (
        ("name", _("Name"), False, ""),
        ("net", _("Network"), False, ""),
        ("recipe", _("Recipe"), False, ""),
        ("params", _("Parameters"), True, ""),
        ("acc", _("Accuracy"), True, tested),
        ("time", _("Time"), True, _("Spent in steps: no pauses, no validation.")),
        ("state", _("State"), False, ""),
        (
            "parent",
            _("From"),
            False,
            _("The run that this one goes on from, and at which step; or the model whose weights it began with."),
        ),
    )
    return [{"name": name, "title": title, "number": count, "help": help} for name, title, count, help in named]


def row(number_: int, run: Snapshot, mine: Numbered, chosen: tuple[str, ...]) -> dict[str, Any]:
    """Return one row of the table, as the component draws it."""
    place = chosen.index(run.id) if run.id in chosen else None
    params = _params(run.architecture_key)
    acc = run.val_acc if run.test_acc is None else run.test_acc
    # what was measured on seen images is in no order with the rest: it stands last, as if there were none
    ranked = None if run.test_acc is None and run.recipe.full_train else acc
    state = state_word(run.state).text()
    done = run.step / run.steps if run.steps else 0.0
    parent = next((n for n, other in mine.items() if other.id == run.parent), None)
    cells: dict[str, Any] = {
        "name": {"text": run.name, "small": _("run {number}", number=number_) + _note(run), "sort": number_},
        "net": {"text": run.net or "–", "small": _title(run.data), "sort": run.net},
        "recipe": {"text": figures.recipe_text(run.recipe), "small": _changed(run), "sort": figures.recipe_text(run.recipe)},
        "params": {"text": "–" if params is None else number(params), "sort": params},
        "acc": {"text": "–" if acc is None else figures.percent2(acc), "small": measured_on(run), "sort": ranked},
        "time": {"text": seconds(run.train_s), "sort": run.train_s},
        "state": {
            "text": state, "state": run.state, "sort": state,
            "small": f"{done:.0%}" if run.state in LIVE or run.step < run.steps else "",
        },
        "parent": {"text": "–", "sort": None},
    }  # fmt: skip
    if run.start is not None:
        cells["parent"] = {
            "text": run.start.title,
            "small": _("{count} layers", count=len(run.start.taken)),
            "sort": None,
        }
    if run.parent is not None:
        said = _("run {number}", number=parent) if parent is not None else _("a run that is gone")
        cells["parent"] = {"text": said, "small": _("step {step:,}", step=run.parent_step or 0), "sort": parent or 0}
    colour = None if place is None else figures.RUN_COLOURS[_session.dark()][place]
    return {"id": run.id, "colour": colour, "chosen": place, "cells": cells}


def measured_on(run: Snapshot) -> str:
    """Return what the accuracy of ``run`` was measured on: test, validation, or images that it learns from."""
    if run.test_acc is None:
        return "" if run.val_acc is None else checked_on(run.recipe.full_train)
    if run.chosen_step is None:
        return _("test set")
    return _("test set; step {step:,}, chosen by validation", step=run.chosen_step)


def _note(run: Snapshot) -> str:
    first = " ".join(run.notes.split())
    return "" if not first else " · " + (first if len(first) <= 40 else first[:39] + "…")


def _changed(run: Snapshot) -> str:
    begun = run.start is not None and bool(run.start.frozen)  # what it began with frozen: said with its beginning
    made = sum(not change.get("inherited") for change in run.changes) - begun
    return _("live changes: {count}", count=made) if made else ""


@lru_cache(maxsize=512)
def _params(key: str) -> int | None:
    try:
        return Architecture.from_json(key).trace().num_params
    except CnnLabError:
        return None
