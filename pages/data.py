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
from pages import _choices, _data_sets, _data_views, _session, _widgets

_WALL = st.components.v2.component(
    "cnnlab_image_wall",
    html='<div class="wall" role="group"></div>',
    css=(ASSETS / "components" / "image_wall.css").read_text(encoding="utf-8"),
    js=(ASSETS / "components" / "image_wall.js").read_text(encoding="utf-8"),
)


def _data_line() -> str:
    """Draw the choice of a data set and what it is; return its name."""
    names = _session.data_names()
    current = _session.data_name() if _session.data_name() in names else names[0]
    with st.container(key="data_line", horizontal=True, vertical_alignment="bottom", gap="medium"):
        rows = {row.name: row for row in catalog()}
        name = _choices.seeded(
            st.selectbox,
            _("Data set"),
            names,
            key="data.name",
            now=current,
            format_func=lambda name: _(rows[name].title),
            width=280,
            help=_("What is on this computer. The list at the foot of the page says how to get the others."),
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
        split = _choices.segments(
            "data.part",
            _("Part"),
            list(splits),
            "train",
            lambda part: splits[part],
            help=_(
                "The validation set is the last tenth of the training set: held back to judge while a network learns."
            ),
        )
        target = _choices.menu(
            f"data.{dataset.name}.class",
            _("Class"),
            [every, *range(every)],
            every,
            lambda k: _("all classes") if k == every else _(dataset.class_names[k]),
            width=150,
        )
        page = wall(dataset, split, None if target == every else target, _first(dataset, split, target))
    if not page.positions:
        st.info(_("There is no image of this class in this part."))
        return split, None
    chosen = _chosen(dataset, split, page.positions[0])
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
    _WALL(
        data=figures.wall_data(page, labels, chosen, text),
        key=_wall_key(dataset, split),
        on_position_change=lambda: None,
    )
    st.html(f'<p class="lab-facts">{text}</p>')
    return split, chosen


def _first(dataset: loader.DataSet, split: str, target: int) -> int:
    """Draw where the wall begins, among the images of the chosen class, and return it."""
    names = len(dataset.class_names)
    part = dataset.split(split)
    count = len(part) if target == names else part.counts(names)[target]
    *place, kept = _session.kept("data.first", (dataset.name, split, target, 0))
    begin = int(kept) if place == [dataset.name, split, target] else 0
    first = _choices.seeded(
        st.number_input,
        _("From number, of {count:,}", count=count),
        0,
        max(0, count - 1),
        step=WALL,
        key=f"data.{dataset.name}.{split}.{target}.first",
        now=min(begin, max(0, count - 1)),
        width=165,
    )
    _session.keep("data.first", (dataset.name, split, target, int(first)))
    return int(first)


def _wall_key(dataset: loader.DataSet, split: str) -> str:
    return f"data.{dataset.name}.{split}.wall"


def _chosen(dataset: loader.DataSet, split: str, default: int) -> int:
    """Return the image that was tapped on the wall, before a reload too; ``default`` where there is none (any more)."""
    state = st.session_state.get(_wall_key(dataset, split))
    tapped = state.get("position") if state else None
    *place, kept = _session.kept("data.chosen", (dataset.name, split, default))
    if tapped is None:
        tapped = kept if place == [dataset.name, split] else default
    if not 0 <= int(tapped) < len(dataset.split(split)):  # the set may be a newer one
        return default
    if state:
        _session.keep("data.chosen", (dataset.name, split, int(tapped)))
        if split == "test":
            _session.set_image_ref(ImageRef(kind="test", data=dataset.name, index=int(tapped)))
    return int(tapped)


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
        st.subheader(
            _("The pictures"),
            anchor=False,
            help=_("Real images of the set, in its own order. Tap one to see below what training makes of it."),
        )
        split, chosen = _draw_wall(dataset)
    with right:
        _data_views.classes(dataset, split)
    if chosen is not None:
        _data_views.one_image(dataset, split, chosen)
_data_sets.draw()
