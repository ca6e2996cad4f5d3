"""The Convolution page's picture: of a data set, drawn or brought, whole or made smaller."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import streamlit as st

from cnnlab.errors import CnnLabError
from cnnlab.i18n import _
from cnnlab.lessons import lesson
from pages import _choices, _looking, _session, _widgets

if TYPE_CHECKING:
    from cnnlab.data.dataset import DataSet
    from cnnlab.model import Tensor

_SHRINK = (1, 2, 4)


@dataclass(frozen=True)
class _About:
    data: str


@dataclass(frozen=True)
class _Shape:
    data_shape: tuple[int, ...]


class _Taker:
    """What the image line needs to know of a model: here a data set's pictures are all there is."""

    def __init__(self, dataset: DataSet) -> None:
        self.preprocessing, self.about = _Shape(tuple(dataset.image_shape)), _About(dataset.name)
        self.class_names = dataset.class_names


def picture() -> Tensor | None:
    """Draw the choice of a picture and return it as numbers of brightness; None where there is none (yet).

    Shape:
        returns (C, H, W) float64 in [0, 1]
    """
    from cnnlab.insight.glass import brightness

    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium", key="glass_picture"):
        dataset = _dataset()
        if dataset is None:
            return None
        times = _shrink(dataset.image_shape[1])
        _widgets.what_is_this(lesson("convolution", _session.language()), _("What is a convolution?"))
    image = _looking.image_line(_Taker(dataset))  # type: ignore[arg-type]
    return None if image is None else brightness(image, times)


def _dataset() -> DataSet | None:
    from cnnlab.data import loader

    names = [name for name in _session.data_names() if _is_small(name)]
    first = _session.image_ref().data
    try:
        name = _choices.segments(
            "convolution.data",
            _("Pictures from"),
            names,
            first if first in names else names[0],
            lambda name: _widgets.plain(_looking.data_title(name)),
            wrap=True,
        )
        return loader.load(name)
    except CnnLabError as error:
        _widgets.show_error(error)
        return None


def _is_small(name: str) -> bool:
    """Return whether every pixel of the set's pictures can be pointed at."""
    from cnnlab.data.catalog import catalog

    info = next((info for info in catalog() if info.name == name), None)
    return info is not None and max(info.image_shape) <= 64


def _shrink(side: int) -> int:
    return int(
        _choices.segments(
            "convolution.shrink", _("Side in pixels"), _SHRINK, 1, lambda times: str(side // times),
            help=_("In a smaller picture each number fits into its pixel. A pixel of it is the mean of those it replaces."),
        )
    )  # fmt: skip
