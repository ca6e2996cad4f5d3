"""What a new search is asked for: what may vary, from what to what, and the budgets."""

from __future__ import annotations

from html import escape
from typing import Any

import streamlit as st

from cnnlab.architecture import Architecture
from cnnlab.errors import CnnLabError
from cnnlab.figures.runs import recipe_text
from cnnlab.i18n import _
from cnnlab.search import SearchSpec
from cnnlab.training.recipe import Recipe
from pages import _choices, _search_ranges, _search_view, _session, _widgets
from pages._links import go_to
from pages._looking import data_title

_STARTED = "search.started"


@st.fragment
def draw(owner: str, busy: bool) -> None:
    """Draw the form of a new search; folded away while one is at work."""
    _session.enter()
    if _session.pick_up(_STARTED):
        st.rerun()  # the page shows it from now on
    network, recipe = _session.architecture(), _session.recipe()
    with st.expander(_("New search"), expanded=not busy, key=f"search.ask.{'busy' if busy else 'idle'}"):
        if not _base(network, recipe):
            return
        choices = _search_ranges.draw(network, recipe)
        st.html(f'<p class="lab-facts"><b>{_("How much")}</b></p>')
        fields = _budgets(recipe)
        start = st.container(horizontal=True, vertical_alignment="center", gap="medium")
        if problem := _session.pick_up("search.refused"):
            _widgets.show_error(problem)
        spec = {
            "architecture": network, "data": _session.data_name(), "choices": choices, "name": network.name,
            "owner": owner, **fields,
        }  # fmt: skip
        start.button(
            _("Start the search"), icon=":material/play_arrow:", type="primary", key="search.start",
            disabled=busy or not choices, on_click=_start, args=(owner, spec),
        )  # fmt: skip
        runs = 1 + fields["trials"] * (2 if fields["baseline"] else 1)
        start.html(f'<p class="lab-facts">{_("{count} networks are trained, yours among them.", count=runs)}</p>')


def _base(network: Architecture, recipe: Recipe) -> bool:
    """Say what the search begins with; return whether that can run."""
    error = network.trace().error
    if error is not None or not network.layers:
        st.warning(_("The network of the Build page cannot run yet. Mend it first."), icon=":material/link_off:")
        go_to("build", _("Mend it on the Build page"))
        return False
    said = _(
        "{name}, {params:,} parameters, on {data}. {recipe}",
        name=network.name or _("unnamed"), params=network.trace().num_params, data=data_title(_session.data_name()),
        recipe=recipe_text(recipe, seed=False),
    )  # fmt: skip
    with st.container(gap=None):
        st.html(f'<p class="lab-facts">{escape(said)}</p>')
        with st.container(horizontal=True, gap="small", key="search_base"):
            go_to("build", _("Another network"))
            go_to("train", _("Other data or recipe"))
    return True


# -- how much -----------------------------------------------------------------------------------------------------


def _budgets(recipe: Recipe) -> dict[str, Any]:
    """Draw the budgets; return the fields of a search that they stand for, the recipe of a trial among them."""
    columns = st.columns(3, gap="medium")
    with columns[0]:
        trials = _kept_number(
            "trials", _("Trials"), 12, 1, 500, help=_("How many networks the search tries, and luck as many.")
        )
        epochs = _kept_number("epochs", _("Epochs for each"), min(recipe.epochs, 2), 1, 200)
        seed = _kept_number(
            "seed", _("Seed"), recipe.seed, 0, 2**31 - 1,
            help=_("The number that all chance is drawn from: what is proposed, and how each network begins."),
        )  # fmt: skip
    with columns[1]:
        params = _kept_number(
            "params", _("Parameters at most"), None, 1, None,
            help=_("A network with more is thrown away before it trains. Empty: no limit."),
        )  # fmt: skip
        images = _kept_number(
            "images", _("Training images at most"), 5000, 1, None,
            help=_("Fewer images, faster trials, and a ranking that may not hold for all of them. Empty: all."),
        )  # fmt: skip
    with columns[2]:
        macs = _kept_number(
            "macs", _("Multiply-adds at most"), None, 1, None,
            help=_("For one image. A network with more is thrown away before it trains. Empty: no limit."),
        )  # fmt: skip
        seconds = _kept_number(
            "seconds", _("Seconds at most"), None, 1, None,
            help=_("For the whole search: what is at work then is stopped. Empty: no limit."),
        )  # fmt: skip
    with st.container(horizontal=True, gap="medium"):
        luck = _choices.toggle(
            "search.baseline", _("As many by luck"), True,
            help=_("Draws as many networks by dice from the same ranges. Without it nobody can tell wisdom from luck."),
        )  # fmt: skip
        prune = _choices.toggle(
            "search.prune", _("Give up early on bad ones"), True,
            help=_("After a half and after three quarters of its run, a network in the lowest quarter is stopped."),
        )  # fmt: skip
        keep = _choices.toggle(
            "search.keep", _("Keep every run"), False,
            help=_("Otherwise only the runs of networks that no other beats stay on the Runs page, and the best of each."),
        )  # fmt: skip
    return {
        "trials": trials or 1, "max_params": params, "max_macs": macs, "seconds": seconds, "baseline": luck,
        "prune": prune, "keep_runs": keep, "recipe": recipe.changed(epochs=epochs or 1, limit_train=images, seed=seed or 0),
    }  # fmt: skip


def _kept_number(name: str, label: str, default: int | None, low: int, high: int | None, **more: Any) -> int | None:
    key = f"search.budget.{name}"
    now = _session.kept(key, default)
    value = _choices.seeded(st.number_input, label, low, high, key=key, now=now, step=1, **more)
    _session.keep(key, value)
    return value


def _start(owner: str, values: dict[str, Any]) -> None:
    from cnnlab.search import jobs

    try:
        _search_view.show(jobs.start(SearchSpec.of(values)))
        _session.leave(_STARTED, True)
    except CnnLabError as error:
        _session.leave("search.refused", error)
