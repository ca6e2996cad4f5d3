"""What a run has begun with, in words: on Train, on the Runs page, and where runs are compared."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from cnnlab.i18n import _
from pages import _widgets

if TYPE_CHECKING:
    from cnnlab.runs import Snapshot


def words(run: Snapshot) -> str:
    """Return whose weights ``run`` has begun with, which layers they are, and which were new; empty for new ones."""
    start = run.start
    if start is None:
        return ""
    names = dict.fromkeys(row.name for row in run.architecture.trace().rows if row.num_params)
    new = [name for name in names if name not in start.taken]
    values = {"model": start.title, "layers": ", ".join(start.taken)}
    if not new:
        parts = [_("Began with all weights of {model}.", **values)]
    elif len(new) < len(start.taken):
        parts = [_("Began with weights of {model} in all layers but {new}.", **values, new=", ".join(new))]
    else:
        parts = [_("Began with weights of {model}: {layers}.", **values)]
    if start.frozen and set(start.frozen) == set(start.taken):
        parts.append(_("What was taken is frozen."))
    elif start.frozen:
        parts.append(_("Frozen: {layers}.", layers=", ".join(start.frozen)))
    return " ".join(parts)


def short(run: Snapshot) -> str:
    """Return the same in a few words for a table, or where it has new weights, nothing."""
    start = run.start
    if start is None:
        return ""
    return _("from {model}, {count} layers", model=start.title, count=len(start.taken))


def line(run: Snapshot) -> None:
    """Draw the words as a line; nothing for a run that began with new weights."""
    if run.start is not None:
        st.caption(f":material/account_tree: {_widgets.plain(words(run))}")


def only_frozen(run: Snapshot) -> bool:
    """Return whether all that was changed in ``run`` is what it began with frozen: ``words`` says that already."""
    return all(made["step"] == 0 and made["change"].keys() == {"frozen"} for made in run.changes)
