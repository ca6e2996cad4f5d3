"""The model line and the image line: which model is looked into, at which image; the same on every page."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from cnnlab.data.known import KNOWN
from cnnlab.description import ModelRef, bundled_models
from cnnlab.errors import CnnLabError
from cnnlab.i18n import _
from cnnlab.workspace import ImageRef, open_image
from pages import _session
from pages._links import go_to

if TYPE_CHECKING:
    from torch import Tensor

    from cnnlab.data.dataset import DataSet
    from cnnlab.model import Model


def model_line() -> tuple[ModelRef, Model]:
    """Draw the choice of a model (bundled ones and the learner's own runs) and return it with its reference.

    A model that cannot be read any more is named, and the bundled one takes its place.
    """
    labels = _model_labels()
    current = ModelRef(_session.model_ref().source)
    if str(current) not in labels:
        labels[str(current)] = current.value
    with st.container(key="model_line", horizontal=True, vertical_alignment="bottom", gap="medium"):
        chosen = st.selectbox(
            _("Model"),
            list(labels),
            key=_session.seed("model_line.ref", str(current)),
            format_func=lambda ref: labels.get(ref, ref),
            width=360,
        )
        if chosen != str(current):
            _session.set_model_ref(chosen)
        ref, model = _resolved(_session.model_ref())
        st.html(f'<p class="lab-facts">{_model_facts(model)}</p>', width="content")
    return ref, model


def _resolved(ref: ModelRef) -> tuple[ModelRef, Model]:
    from cnnlab import runs

    try:
        return ref, runs.resolve(ref)
    except CnnLabError as error:
        if str(ref) == _session.DEFAULT_MODEL:
            raise
        st.error(error.text(_session.language()), icon=":material/error:")
        fallback = ModelRef.parse(_session.DEFAULT_MODEL)
        return fallback, runs.resolve(fallback)


def _model_labels() -> dict[str, str]:
    from cnnlab import runs

    labels = {}
    for snapshot in runs.engine().list(owner=_session.workspace().owner):
        if snapshot.step > 0:
            labels[f"run:{snapshot.id}"] = _("{name}: your run", name=snapshot.name)
    for name in bundled_models():
        labels[f"bundled:{name}"] = _("{name}: comes with the lab", name=name)
    return labels


def _model_facts(model: Model) -> str:
    accuracy = model.about.result.get("test_acc")
    facts = {
        "shape": "×".join(map(str, model.architecture.input_shape)),
        "params": model.architecture.trace().num_params,
    }
    if isinstance(accuracy, (int, float)):
        return _(
            "takes {shape} · {params:,} parameters · {acc:.1%} on the test set of {data}",
            **facts,
            acc=accuracy,
            data=data_title(model.about.data),
        )
    return _("takes {shape} · {params:,} parameters", **facts)


def data_title(name: str) -> str:
    """Return what people call the data set ``name``."""
    return _(KNOWN[name].title) if name in KNOWN else name


def image_line(model: Model) -> Tensor:
    """Draw the choice of an image that ``model`` can take and return it.

    Shape:
        returns (C, h, w) uint8, before any padding, as ``model.preprocessing`` expects it
    """
    ref = _session.image_ref()
    kinds = {"test": _("Test image"), "upload": _("Your picture")}
    if model.preprocessing.data_shape[0] == 1:
        kinds["drawing"] = _("Your drawing")
    with st.container(key="image_line", horizontal=True, vertical_alignment="bottom", gap="medium"):
        kind = st.segmented_control(
            _("Image"),
            list(kinds),
            key=_session.seed("image_line.kind", ref.kind if ref.kind in kinds else "test"),
            format_func=lambda k: kinds[k],
            required=True,
        )
        chosen = {"drawing": _drawing, "upload": _upload}.get(kind, _test_image)(model, ref)
    if chosen is not None:
        try:
            image = open_image(chosen, _session.workspace(), model.preprocessing)
            _session.set_image_ref(chosen)
            return image
        except CnnLabError as error:
            st.error(error.text(_session.language()), icon=":material/error:")
    return _data_for(model).test.images[0]


def _data_for(model: Model) -> DataSet:
    """Return a data set that is here and whose images the model takes: its own, else the one in use."""
    from cnnlab.data import loader

    wanted = [model.about.data, f"{model.about.data}-sample", _session.data_name(), *loader.present()]
    fitting = (
        loader.load(name)
        for name in wanted
        if loader.is_present(name) and loader.load(name).image_shape == model.preprocessing.data_shape
    )
    return next(fitting)


def _test_image(model: Model, ref: ImageRef) -> ImageRef:
    dataset = _data_for(model)
    index = ref.index if ref.kind == "test" and ref.data == dataset.name else 0
    index = min(index, len(dataset.test) - 1)
    every = len(dataset.class_names)
    key = f"image_line.{dataset.name}"
    wanted = st.selectbox(
        _("Class"),
        [every, *range(every)],
        key=f"{key}.class",
        format_func=lambda k: _("all classes") if k == every else _(dataset.class_names[k]),
        width=150,
    )
    indices = list(range(len(dataset.test))) if wanted == every else dataset.test.of_class(wanted).tolist()
    place = indices.index(index) if index in indices else 0
    number = st.number_input(
        _("Number, 0 to {last:,}", last=len(indices) - 1),
        0,
        len(indices) - 1,
        step=1,
        key=_session.seed(f"{key}.place", place),
        width=150,
    )
    return ImageRef(kind="test", data=dataset.name, index=indices[int(number)])


def _drawing(model: Model, ref: ImageRef) -> ImageRef | None:
    drawings = _session.workspace().drawings()
    if not drawings:
        go_to("draw", _("Nothing kept yet: draw a digit"))
        return None
    ids = [drawing.id for drawing in drawings]
    names = {
        d.id: _("drawing {number}: {label}", number=len(ids) - i, label="?" if d.label is None else d.label)
        for i, d in enumerate(drawings)
    }
    chosen = st.selectbox(
        _("Drawing"),
        ids,
        key=_session.seed("image_line.drawing", ref.id if ref.id in names else ids[0]),
        format_func=lambda id: names.get(id, id),
        width=220,
    )
    return ImageRef(kind="drawing", id=chosen)


def _upload(model: Model, ref: ImageRef) -> ImageRef | None:
    from cnnlab.data.pictures import open_picture

    file = st.file_uploader(
        _("Picture"),
        type=["png", "jpg", "jpeg", "webp", "bmp", "gif"],
        key="image_line.upload",
        width=320,
    )
    if file is None:
        return ref if ref.kind == "upload" else None
    kept = _session.upload_id(file.file_id)
    if kept is None:
        try:
            kept = _session.workspace().save_upload(open_picture(file.getvalue()))
        except CnnLabError as error:
            st.error(error.text(_session.language()), icon=":material/error:")
            return None
        _session.set_upload_id(file.file_id, kept)
    return ImageRef(kind="upload", id=kept)
