"""Data: the pictures themselves, before any network sees them."""

from __future__ import annotations

import streamlit as st

from cnnlab.data import loader
from cnnlab.data.catalog import ORIGINS, DataInfo, catalog
from cnnlab.data.views import WALL, wall
from cnnlab.errors import CnnLabError
from cnnlab.figures import data as figures
from cnnlab.home import ASSETS
from cnnlab.i18n import N_, _
from cnnlab.workspace import ImageRef
from pages import _data_sets, _data_views, _session, _widgets

_WALL = st.components.v2.component(
    "cnnlab_image_wall",
    html='<div class="wall" role="group"></div>',
    css=(ASSETS / "components" / "image_wall.css").read_text(encoding="utf-8"),
    js=(ASSETS / "components" / "image_wall.js").read_text(encoding="utf-8"),
)


def _data_line() -> str:
    """Draw the choice of a data set and what it is; return its name."""
    names = loader.present()
    current = _session.data_name() if _session.data_name() in names else names[0]
    with st.container(key="data_line", horizontal=True, vertical_alignment="bottom", gap="medium"):
        rows = {row.name: row for row in catalog()}
        name = st.selectbox(
            _("Data set"),
            names,
            key=_session.seed("data.name", current),
            format_func=lambda name: _(rows[name].title),
            width=280,
        )
        st.html(f'<p class="lab-facts">{_facts(rows[name])}</p>', width="content")
    _session.set_data_name(name)
    return name


def _facts(row: DataInfo) -> str:
    return _(
        "{train:,} to learn from, {test:,} to test on · {shape} · {classes} classes · {origin}",
        train=row.splits.get("train", 0),
        test=row.splits.get("test", 0),
        shape="×".join(map(str, row.image_shape)),
        classes=len(row.classes),
        origin=_(ORIGINS[row.origin]),
    )


def _draw_wall(dataset: loader.DataSet) -> tuple[str, int | None]:
    """Draw the wall with its filters; return the split and the place in it of the chosen image, if there is any."""
    splits = {"train": _("Training set"), "val": _("Validation set"), "test": _("Test set")}
    every = len(dataset.class_names)
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        split = st.segmented_control(
            _("Part"),
            list(splits),
            key=_session.seed(f"data.{dataset.name}.split", "train"),
            format_func=splits.get,
            required=True,
            help=_(
                "The validation set is the last tenth of the training set: held back to judge while a network learns."
            ),
        )
        target = st.selectbox(
            _("Class"),
            [every, *range(every)],
            key=f"data.{dataset.name}.class",
            format_func=lambda k: _("all classes") if k == every else _(dataset.class_names[k]),
            width=140,
        )
        first = _paging(dataset, split, None if target == every else target)
    page = wall(dataset, split, None if target == every else target, first)
    key = f"data.{dataset.name}.{split}.wall"
    state = st.session_state.get(key)
    chosen = state.get("position") if state else None
    if not page.positions:
        st.info(_("There is no image of this class in this part."))
        return split, None
    if chosen is None or not 0 <= int(chosen) < len(dataset.split(split)):  # the set may be a newer one
        chosen = page.positions[0]
    chosen = int(chosen)
    labels = [
        _("number {number}: {name}", number=position, name=_(dataset.class_names[kind]))
        for position, kind in zip(page.positions, page.targets)
    ]
    text = _(
        "Images {first:,} to {last:,} of {count:,}",
        first=page.first,
        last=page.first + len(labels) - 1,
        count=page.count,
    )
    _WALL(data=figures.wall_data(page, labels, chosen, text), key=key, on_position_change=lambda: None)
    st.html(f'<p class="lab-facts">{text}</p>')
    if split == "test" and state:
        _session.set_image_ref(ImageRef(kind="test", data=dataset.name, index=chosen))
    return split, chosen


def _paging(dataset: loader.DataSet, split: str, target: int | None) -> int:
    part = dataset.split(split)
    count = len(part) if target is None else part.counts(len(dataset.class_names))[target]
    first = st.number_input(
        _("From number, of {count:,}", count=count),
        0,
        max(0, count - 1),
        step=WALL,
        key=f"data.{dataset.name}.{split}.{target}.first",
        width=165,
    )
    return int(first)


_widgets.begin_page(
    N_("Data"),
    N_("Look at the pictures before a network does: what they show, how many there are, how training varies them."),
)
try:
    dataset = loader.load(_data_line())
except CnnLabError as error:
    _widgets.show_error(error)
else:
    left, right = st.columns([2, 1], gap="large")
    with left:
        st.subheader(_("The pictures"), anchor=False)
        split, chosen = _draw_wall(dataset)
    with right:
        _data_views.classes(dataset, split)
    if chosen is not None:
        _data_views.one_image(dataset, split, chosen)
_data_sets.draw()
