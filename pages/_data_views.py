"""The Data page's parts: the classes, and one image as training sees it."""

from __future__ import annotations

import streamlit as st

from cnnlab.data.augmentation import Augmentation
from cnnlab.data.dataset import DataSet
from cnnlab.data.views import class_means, normalised, strip
from cnnlab.figures import data as figures
from cnnlab.figures import tiles
from cnnlab.figures.heat import colour_bar_html
from cnnlab.figures.theme import number, signed_limit
from cnnlab.i18n import N_, _
from pages import _choices, _session, _widgets

_AMOUNTS: dict[str, tuple[float, float, float, float, str, float]] = {
    "shift": (0, 8, 2, 1, N_("±%d px"), 1),
    "crop_padding": (0, 8, 4, 1, N_("%d px"), 1),
    "rotate": (0, 45, 15, 1, N_("±%d°"), 1),
    "scale": (0, 50, 20, 5, N_("±%d %%"), 100),
    "shear": (0, 45, 20, 1, N_("±%d°"), 1),
    "cutout": (0, 16, 8, 1, N_("%d px"), 1),
    "noise": (0, 50, 10, 5, N_("%d %%"), 100),
}
"""Each amount's lowest and highest value, where it begins, its step, how it is written, and by what it is divided."""
_MORE = {
    "crop_padding": N_(
        "The border is a mirror image, so that nothing black enters a photograph. A digit gets stray strokes at its edge "
        "by it: for digits, Shift is the better choice."
    )
}


def classes(dataset: DataSet, split: str) -> None:
    """Draw how many images each class has, and the mean image of each."""
    names = [_(name) for name in dataset.class_names]
    counts = dataset.split(split).counts(len(names))
    st.subheader(
        _("How many of each class"),
        anchor=False,
        help=_(
            "In the part that is shown. Where one class has far more images than another, a network can look good by "
            "guessing it more often."
        ),
    )
    figure = figures.balance(counts, names, dark=_session.dark())
    alt = "; ".join(f"{name}: {count}" for name, count in zip(names, counts))
    _widgets.plot(figure, "data.balance", figures.balance_height(len(names)), alt=alt)
    st.subheader(
        _("The mean of each class"),
        anchor=False,
        help=_(
            "Every pixel is the mean of that pixel over all images of the class. Where it is sharp, the images agree; "
            "where it is a blur, they differ. A network has to do better than compare with these."
        ),
    )
    pictures = [tiles.image_png(image) for image in class_means(dataset.name, split)]
    alts = [_("mean image of {name}", name=name) for name in names]
    st.html(tiles.tiles_html(pictures, alts, names, size=_whole(dataset.image_shape[2], 64)))


@st.fragment
def one_image(dataset: DataSet, split: str, position: int) -> None:
    """Draw the chosen image as it is stored, normalised, and varied nine times by each augmentation."""
    _session.enter()
    part = dataset.split(split)
    image = part.images[position].numpy()
    name = _(dataset.class_names[int(part.targets[position])])
    st.subheader(
        _("One image, as training sees it"),
        anchor=False,
        help=_("What is stored is never changed: images are normalised and varied anew at each step of training."),
    )
    left, right = st.columns([2, 8], gap="large")
    with left:
        st.markdown(_("**{name}**, number {number}. Choose another on the wall.", name=name, number=position))
        alt = _("{name}, number {number}, as it is stored", name=name, number=position)
        st.html(tiles.hard_img(tiles.image_png(image), alt, width=_whole(image.shape[2], 196)))
        _normalised(dataset, image)
    with right:
        _variations(image)


def _whole(side: int, room: int) -> int:
    return side * (room // side) if side <= room else room


def _normalised(dataset: DataSet, image) -> None:
    values = normalised(image, dataset)
    dark, limit = _session.dark(), signed_limit(values)
    mean, std = (", ".join(f"{one:.4f}" for one in numbers) for numbers in (dataset.mean, dataset.std))
    st.markdown(
        _("**Normalised**: from {low} to {high}", low=number(float(values.min())), high=number(float(values.max()))),
        help=_(
            "A network learns faster from numbers around zero. Each channel becomes (x / 255 − mean) / std, with the mean "
            "({mean}) and the standard deviation ({std}) of all training images. Blue is below the mean, red above.",
            mean=mean,
            std=std,
        ),
    )
    sheet = tiles.tile_png(values, "signed", scale=(-limit, limit), columns=len(values), dark=dark)
    width = _whole(image.shape[2], 196) if len(values) == 1 else len(values) * _whole(image.shape[2], 64) + 4
    st.html(tiles.hard_img(sheet, _("the same image after normalisation, one picture a channel"), width=width))
    st.html(f'<div style="max-width:{width}px">{colour_bar_html(-limit, limit, "signed", dark=dark)}</div>')


def _variations(image) -> None:
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.markdown(_("**Varied nine times**, each as a step of training might do"))
        if st.button(_("Nine others"), icon=":material/casino:", key="data.again", type="tertiary"):
            _session.keep("data.seed", _session.kept("data.seed", 0) + 1)
    seed = _session.kept("data.seed", 0)
    for name, field in Augmentation.model_fields.items():
        control, shown = st.columns([1, 4], gap="small", vertical_alignment="center")
        with control:
            amount = _amount(name, _(field.title or name), _(field.description or ""))
        with shown:
            pictures = [tiles.image_png(one) for one in strip(image, Augmentation(**{name: amount}), seed)]
            alts = [
                _("{name}, {place} of nine", name=_(field.title or name), place=place + 1)
                for place in range(len(pictures))
            ]
            st.html(tiles.tiles_html(pictures, alts, size=_whole(image.shape[2], 64), gap=2))
    used = _session.recipe().augmentation
    active = [_(field.title or name) for name, field in Augmentation.model_fields.items() if getattr(used, name)]
    st.caption(
        _("Your recipe on the Train page uses: {names}.", names=_(", ").join(active))
        if active
        else _("Your recipe on the Train page varies nothing yet.")
    )


def _amount(name: str, label: str, help: str) -> int | float | bool:
    key = f"data.{name}"
    if name in _MORE:
        help += "\n\n" + _(_MORE[name])
    if name not in _AMOUNTS:
        return _choices.toggle(key, label, True, help=help)
    low, high, begin, step, written, part = _AMOUNTS[name]
    value = _choices.slider(key, label, low, high, begin, step, help=help, format=_(written))
    return value if part == 1 else value / part
