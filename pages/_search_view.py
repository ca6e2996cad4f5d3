"""The live view of a search: how far it is, its trials as points, what became of luck, and any point as a network."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

import streamlit as st

from cnnlab.errors import CnnLabError
from cnnlab.figures import live as words
from cnnlab.figures import theme
from cnnlab.i18n import Message, _
from pages import _choices, _run_line, _session, _widgets
from pages._said import told

if TYPE_CHECKING:
    from cnnlab.search import Search, Trial

_SHOWN = "search.shown"
_TRIAL = "search.trial"
_CHART = "search.chart"


def shown() -> Search | None:
    """Return the search that the page shows: the one chosen, the one at work, or the newest; None where there is none."""
    from cnnlab.search import jobs

    mine = jobs.mine(_session.workspace().owner)
    if not mine:
        return None
    kept = _session.kept(_SHOWN, "")
    found = next((one for one in mine if one.id == kept), mine[0])
    if len(mine) > 1:
        names = {one.id: _name(len(mine) - place, one) for place, one in enumerate(mine)}
        chosen = _choices.seeded(st.selectbox,
            _("Your searches"), list(names), key=_SHOWN, now=found.id, labels=names, width=420,
            format_func=lambda id: names.get(id, id),
        )  # fmt: skip
        _session.keep(_SHOWN, chosen)
        found = next((one for one in mine if one.id == chosen), found)
    return found


def show(id: str) -> None:
    """Let the page show search ``id`` from now on."""
    _session.keep(_SHOWN, id)


def _name(number: int, search: Search) -> str:
    best = search.best()
    result = _state(search) if best is None else f"{best.acc:.1%}"
    return _("search {number}: {name}, {result}", number=number, name=search.spec.name or _("unnamed"), result=result)


def _state(search: Search) -> str:
    said = {
        "running": _("at work"), "done": _("done"), "stopped": _("stopped"), "interrupted": _("interrupted"),
        "failed": _("failed"),
    }  # fmt: skip
    return said.get(search.state, search.state)


def pace(search: Search) -> float | None:
    """Return after how many seconds the view looks again; None where nothing moves."""
    return 2 * _session.interval() if search.live else None


def view(id: str, asked: float | None, state: str) -> None:
    """Draw search ``id`` as it stands; the page is drawn anew where it is no longer in ``state``."""
    from cnnlab.search import jobs

    _session.enter()
    try:
        search = jobs.get(_session.workspace().owner, id)
    except CnnLabError as error:
        _widgets.show_error(error)
        return
    if search.state != state or _run_line.is_another_pace(asked, pace(search)):
        st.rerun()
    _session.set_here(_SHOWN, id)
    _bar(search)
    _told(search)
    if not any(trial.acc is not None for trial in search.trials):
        st.html(
            f'<p class="lab-facts">{_("The first point appears when the first network has learned for a while.")}</p>'
        )
        return
    left, right = st.columns([1.7, 1], gap="medium")
    with left:
        _pareto(search)
    with right:
        _chosen(search)
    _grown(search)
    _mattered(search)
    _table(search)


# -- how far it is ------------------------------------------------------------------------------------------------


def _bar(search: Search) -> None:
    with st.container(key="search_bar", horizontal=True, vertical_alignment="center", gap="medium"):
        st.html(_numbers(search))
        with st.container(horizontal=True, width="content", gap="small", key="search_controls"):
            owner = _session.workspace().owner
            if search.live:
                st.button(_("Stop"), icon=":material/stop:", key="search.stop", on_click=_do, args=("stop", search.id))
            elif search.can_continue:
                st.button(
                    _("Continue"), icon=":material/play_arrow:", key="search.resume", on_click=_do,
                    args=("resume", search.id), help=_("It goes on where it was, with the same proposals."),
                )  # fmt: skip
            if not search.live:
                for _open in _choices.drawer(
                    _("Delete"), "search.delete.open", icon=":material/delete:", type="tertiary", width="content"
                ):
                    st.markdown(_("The search and the runs that it has kept are gone then."))
                    st.button(
                        _("Delete this search"), key="search.delete", type="primary", on_click=_do,
                        args=("delete", search.id),
                    )  # fmt: skip
    if (error := _session.pick_up("search.problem")) is not None and owner:
        _widgets.show_error(error)


def _do(what: str, id: str) -> None:
    from cnnlab.search import jobs

    try:
        {"stop": jobs.stop, "resume": jobs.resume, "delete": jobs.delete}[what](_session.workspace().owner, id)
    except CnnLabError as error:
        _session.leave("search.problem", error)


def _numbers(search: Search) -> str:
    from cnnlab.figures.search import LANES

    total = 1 + search.spec.trials * (len(search.spec.lanes) - 1)
    over = sum(trial.over for trial in search.trials)
    given_up = sum(trial.state == "pruned" for trial in search.trials)
    rows = [(_("trials"), f"{over}", _("of {total}; {count} given up early", total=total, count=given_up))]
    for lane, title in (("guided", _("best of the search")), ("random", _("best by luck"))):
        if lane not in search.spec.lanes:
            lane, title = "yours", _(LANES["yours"])
        best = search.best(lane)
        small = "" if best is None else _("{count} parameters", count=theme.number(best.num_params))
        rows.append((title, "–" if best is None or best.acc is None else words.percent(best.acc), small))
    rows.append((_("time"), words.seconds(search.spent_s), _state(search)))
    cells = "".join(f"<div><dt>{a}</dt><dd>{b}<small>{escape(c)}</small></dd></div>" for a, b, c in rows)
    bar = f'<div class="lab-bar lab-progress"><i style="width:{over / max(1, total):.1%}"></i></div>'
    return f'<dl class="lab-numbers">{cells}</dl>{bar}'


def _told(search: Search) -> None:
    """Say what the search is doing, and what becomes of it when nobody looks."""
    from cnnlab.figures.search import THROWN

    if search.note is not None:
        show = st.error if search.state == "failed" else st.info
        show(told(search.note), icon=":material/info:")
    if search.state == "interrupted":
        st.info(
            _("The program ended while this search was at work. *Continue* goes on where it was, with the same proposals."),
            icon=":material/power_off:",
        )  # fmt: skip
    said = []
    if search.live:
        said.append(
            _("It works in the background: leave the page, or close the browser. When the lab's program ends, it is interrupted and can be continued.")
        )  # fmt: skip
    if thrown := search.thrown_away:
        reasons = ", ".join(_(THROWN[why], count=f"{count:,}") for why, count in thrown.items() if why in THROWN)
        said.append(_("Thrown away before training: {reasons}.", reasons=reasons))
    if said:
        st.html(f'<p class="lab-facts">{escape(" ".join(said))}</p>')


# -- the points ---------------------------------------------------------------------------------------------------


def _pareto(search: Search) -> None:
    from cnnlab.figures import search as pictures

    _title(
        _("Accuracy against parameters"),
        _("Each point is a network that was trained. Up is better, left is smaller. Validation images choose; the test images have no say."),
    )  # fmt: skip
    st.html(pictures.key_html(search, _session.dark()))
    figure = pictures.pareto(search, _chosen_number(search), dark=_session.dark())
    _widgets.plot(
        figure, _CHART, pictures.HEIGHT_PX, pictures.pareto_alt(search), on_select=_picked, selection_mode="points"
    )


def _picked() -> None:
    """Take over the point that was tapped."""
    state: Any = st.session_state.get(_CHART)
    points = state.selection.points if state else []
    numbers = [point.get("customdata") for point in points]
    numbers = [one[0] if isinstance(one, (list, tuple)) else one for one in numbers]
    if numbers and isinstance(numbers[0], (int, float)):
        _session.keep(_TRIAL, (_session.here(_SHOWN, ""), int(numbers[0])))


def _looked() -> None:
    """Take over what was chosen in the menu; the picture, drawn before it, rings it at once."""
    _session.keep(_TRIAL, (_session.here(_SHOWN, ""), int(st.session_state["search.look"])))


def _chosen_number(search: Search) -> int | None:
    kept = _session.kept(_TRIAL, None)
    if isinstance(kept, (list, tuple)) and len(kept) == 2 and kept[0] == search.id:
        if any(trial.number == kept[1] and trial.acc is not None for trial in search.trials):
            return int(kept[1])
    best = search.best()
    return best.number if best is not None else None


def _chosen(search: Search) -> None:
    """Draw the chosen trial: what was drawn for it, and the way to its network."""
    from cnnlab.figures import search as pictures

    trials = {
        one.number: _("{trial}, {result}", trial=pictures.lane_text(one), result=words.percent(one.acc or 0.0))
        for one in sorted(search.trials, key=lambda one: (not one.counts, -(one.acc or 0.0)))
        if one.acc is not None
    }
    number = _chosen_number(search)
    if number is None or number not in trials:
        number = next(iter(trials))
    chosen = _choices.seeded(st.selectbox,
        _("Look at"), list(trials), key="search.look", now=number, labels=trials, on_change=_looked,
        format_func=lambda one: trials.get(one, str(one)), help=_("Tap a point in the picture, or choose here."),
    )  # fmt: skip
    trial = search.trial(chosen if chosen in trials else number)
    rows = [
        (_("validation accuracy"), f"{trial.acc:.2%}" if trial.acc is not None else "–"),
        *([(_("test accuracy"), f"{trial.test_acc:.2%}")] if trial.test_acc is not None and search.over else []),
        (_("parameters"), f"{trial.num_params:,}"),
        (_("multiply-adds"), f"{trial.macs:,}"),
        *((pictures.target_text(name), pictures.drawn_text(value)) for name, value in trial.values.items()),
    ]
    cells = "".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in rows)
    st.html(f'<dl class="lab-drawn">{cells}</dl>')
    _ways_out(search, trial)


def _ways_out(search: Search, trial: Trial) -> None:
    with st.container(horizontal=True, gap="small"):
        if st.button(
            _("Open on Build"), icon=":material/layers:", key="search.open", type="primary",
            help=_("Takes over this network, and what was drawn of the recipe. Undo brings yours back."),
        ):  # fmt: skip
            _open(search, trial)
            st.switch_page("pages/build.py")
        if trial.run is not None and trial.counts and st.button(
            _("Look inside"), icon=":material/search:", key="search.inside",
            help=_("The weights that it has learned here."),
        ):  # fmt: skip
            _session.set_model_ref(f"run:{trial.run}")
            st.switch_page("pages/explore.py")


def _open(search: Search, trial: Trial) -> None:
    """Make the network of ``trial`` the one being built, with what was drawn of its recipe."""
    from cnnlab.search.space import RECIPE_FIELDS

    architecture, recipe = search.network(trial)
    _session.open_network(architecture)
    drawn = {name: getattr(recipe, name) for name in (*RECIPE_FIELDS, "nesterov")}
    try:
        _session.set_recipe(_session.recipe().changed(**drawn))
    except CnnLabError:  # what else the learner's recipe says does not go with it: the search's own recipe then
        _session.set_recipe(recipe)


# -- what came of it ----------------------------------------------------------------------------------------------


def _grown(search: Search) -> None:
    from cnnlab.figures import search as pictures
    from cnnlab.search.report import pairs, val_images, verdict

    _title(
        _("Better than luck?"),
        _("The best so far after each trial: what the search proposes, beside as many networks drawn by dice from the same ranges."),
    )  # fmt: skip
    if not search.over:
        said = Message("What there is to say about luck is said when both have done all their trials.")
    else:
        try:
            said = verdict(search, val_images(search.spec.data))
        except CnnLabError:  # the data set was deleted since
            said = Message("The data of this search is no longer here.")
    more = pairs(search) if search.over else None
    st.markdown("\n\n".join(told(one) for one in (said, more) if one is not None))
    _widgets.plot(
        pictures.growth(search, dark=_session.dark()), "search.growth", pictures.SMALL_PX, pictures.growth_alt(search)
    )


def _mattered(search: Search) -> None:
    from cnnlab.figures import search as pictures
    from cnnlab.search.importance import NEEDED, importance

    _title(
        _("What mattered"),
        _("How differently a choice is spread among the best trials and among all of them (PED-ANOVA). The mark across a bar: what luck alone gives in one of twenty cases. A bar that does not reach past its mark says nothing."),
    )  # fmt: skip
    found = importance(search)
    if found is None:
        counted = sum(trial.state == "done" and bool(trial.values) for trial in search.trials)
        st.markdown(
            _("Too early to say: networks that have learned to their end: {count} of the {needed} that are needed.", count=counted, needed=NEEDED)
        )  # fmt: skip
        return
    st.markdown(
        _("From {count} networks that learned to their end; the best {top} of them against all.", count=found.trials, top=found.top)
    )  # fmt: skip
    figure = pictures.importances(found, dark=_session.dark())
    _widgets.plot(figure, "search.importance", int(figure.layout.height), pictures.importances_alt(found))


def _table(search: Search) -> None:
    from cnnlab.figures import search as pictures

    with st.expander(_("All trials"), key="search.trials"):
        st.html(pictures.trials_html(search))


def _title(text: str, help: str) -> None:
    st.markdown(f"**{text}**", help=help)
