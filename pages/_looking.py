"""The model line and the image line: which model is looked into, at which image; the same on every page."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from cnnlab.errors import CnnLabError
from cnnlab.i18n import _
from cnnlab.workspace import ImageRef
from pages import _session

if TYPE_CHECKING:
    from torch import Tensor

    from cnnlab.model import Model, ModelRef


def model_line() -> tuple[ModelRef, Model]:
    """Draw the choice of a model (bundled ones and the learner's own runs) and return it with its reference."""
    from cnnlab import runs
    from cnnlab.model import ModelRef

    labels = _model_labels()
    current = str(_session.model_ref())
    if current not in labels:
        labels[current] = current
    options = list(labels)
    chosen = st.selectbox(
        _("Model"), options, options.index(current), format_func=lambda ref: labels[ref], key="model_line",
    )
    _session.set_model_ref(chosen)
    ref = ModelRef.parse(chosen)
    try:
        return ref, runs.resolve(ref)
    except CnnLabError as error:
        st.error(error.text(_session.language()), icon=":material/error:")
        _session.set_model_ref(_session.DEFAULT_MODEL)
        fallback = ModelRef.parse(_session.DEFAULT_MODEL)
        return fallback, runs.resolve(fallback)


def _model_labels() -> dict[str, str]:
    from cnnlab import runs
    from cnnlab.model import bundled_models

    labels = {f"bundled:{name}": _("{name} (comes with the lab)", name=name) for name in bundled_models()}
    for snapshot in runs.engine().list(owner=_session.workspace().owner):
        if snapshot.step > 0 and snapshot.state != "failed":
            labels[f"run:{snapshot.id}"] = _("{name} (your run)", name=snapshot.name)
    return labels


def image_line(model: Model) -> Tensor:
    """Draw the choice of an image that ``model`` can take and return it.

    Shape:
        returns (C, h, w) uint8, before any padding, as ``model.preprocessing`` expects it
    """
    from cnnlab.data import loader

    ref = _session.image_ref()
    dataset = loader.load(model.about.data)
    places = st.columns([2, 1])
    names = dataset.class_names
    kind = _("any class")
    wanted = places[0].selectbox(_("Test image of"), [kind, *names], key=f"image_line.class.{dataset.name}")
    indices = range(len(dataset.test.targets))
    if wanted != kind:
        target = names.index(wanted)
        indices = [i for i, t in enumerate(dataset.test.targets.tolist()) if t == target]
    start = indices.index(ref.index) if ref.data == dataset.name and ref.index in indices else 0
    place = places[1].number_input(
        _("Number"), 0, len(indices) - 1, start, key=f"image_line.index.{dataset.name}.{wanted}",
    )
    ref = ImageRef(kind="test", data=dataset.name, index=indices[int(place)])
    _session.set_image_ref(ref)
    return dataset.test.images[ref.index]
