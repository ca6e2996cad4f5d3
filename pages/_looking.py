"""The model line and the image line: which model is looked into, at which image; the same on every page."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Literal

import streamlit as st

from cnnlab.data.known import KNOWN
from cnnlab.description import ModelRef
from cnnlab.errors import CnnLabError, DataError, ModelError, RunError
from cnnlab.i18n import _
from cnnlab.workspace import ImageRef, open_image
from pages import _accuracy, _choices, _names, _session, _time
from pages._links import go_to
from pages._said import plain, show_error

if TYPE_CHECKING:
    from cnnlab.data.dataset import DataSet
    from cnnlab.insight import Look
    from cnnlab.model import Model, Tensor

MAX_UPLOAD_MB = 20
"""The largest picture that is taken; a photo from a phone has 3 to 8 MB."""


def model_line() -> tuple[ModelRef, Model]:
    """Draw the choice of a model (bundled ones and the learner's own runs) and return it with its reference.

    A model that cannot be opened is said, and the bundled one takes its place.
    """
    ref, model, problem = _resolved(_time.kept(_session.model_ref()))
    current = ref.source
    labels = _names.model_labels()
    labels.setdefault(current, ref.value)  # weights that are just being laid out
    with st.container(key="model_line", horizontal=True, vertical_alignment="bottom", gap="medium"):
        chosen = _choices.seeded(
            st.selectbox,
            _("Model"),
            list(labels),
            key="model_line.ref",
            now=current,
            labels=labels,
            format_func=lambda ref: labels.get(ref, ref),
            width=360,
        )
        if chosen != current and chosen in labels:
            _session.set_model_ref(chosen)
            ref, model, problem = _resolved(ModelRef.parse(chosen))
        _time.line(ref)
        st.html(f'<p class="lab-facts">{escape(_model_facts(model))}</p>', width="content")
    if problem is not None:
        show_error(problem)
    return ref, model


def _resolved(ref: ModelRef) -> tuple[ModelRef, Model, CnnLabError | None]:
    """Return ``ref`` and its model, or the bundled one and what is wrong with ``ref``."""
    from cnnlab import runs

    try:
        _check_own(ref)
        return ref, runs.resolve(ref), None
    except CnnLabError as error:
        fallback = ModelRef.parse(_session.DEFAULT_MODEL)
        if ref == fallback:
            raise
        if not _may_come(ref):
            _session.set_model_ref(fallback)  # said once
        return fallback, runs.resolve(fallback), error


def _check_own(ref: ModelRef) -> None:
    """Raise where a browser may not open ``ref``: runs are their owner's, and so are kept models; no other files."""
    from cnnlab import runs

    if ref.kind == "run":
        if runs.engine().snapshot(ref.value).owner != _session.workspace().owner:
            raise RunError("there is no run {id}", id=ref.value[:40])
    elif ref.kind != "bundled" and not _session.workspace().has_model(ref.source):
        raise ModelError("A model in a file can be opened on the command line only.")


def _may_come(ref: ModelRef) -> bool:
    """Return whether ``ref`` is the learner's run that has no weights yet, but goes on."""
    return any(ref.source == f"run:{run.id}" and run.live for run in _names.own_runs().values())


def _model_facts(model: Model) -> str:
    accuracy = model.about.result.get("test_acc")
    facts = {
        "shape": "×".join(map(str, model.architecture.input_shape)),
        "params": model.architecture.trace().num_params,
    }
    if isinstance(accuracy, (int, float)) and (few := _accuracy.few_tests(model.about.data)) is not None:
        return _(
            "takes {shape} · {params:,} parameters · {right} of {count} test images of {data} right; too few to judge",
            **facts,
            right=round(accuracy * few),
            count=few,
            data=data_title(model.about.data),
        )
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
    if name in KNOWN:
        return _(KNOWN[name].title)
    return _drawn_title(name) if name.startswith("drawn-") else name


def _drawn_title(name: str) -> str:
    from cnnlab.data import store

    try:
        return _("drawn: {classes}", classes=store.describe(name).title)
    except CnnLabError:
        return _("drawings that are gone")


def image_line(model: Model) -> Tensor | None:
    """Draw the choice of an image that ``model`` can take and return it; None where there is none (yet).

    The page then ends by itself, not by ``st.stop``: a stopped page's controls are forgotten by the browser but not by
    Streamlit, and would come back empty.

    Shape:
        returns (C, h, w) uint8, before any padding, as ``model.preprocessing`` expects it
    """
    ref = _session.image_ref()
    kinds = {"test": _("Test image"), "upload": _("Your picture")}
    if model.preprocessing.data_shape[0] == 1:
        kinds["drawing"] = _("Your drawing")
    problem: CnnLabError | None = None
    image = None
    with st.container(key="image_line", horizontal=True, vertical_alignment="bottom", gap="medium"):
        kind = _choices.seeded(
            st.segmented_control,
            _("Image"),
            list(kinds),
            key="image_line.kind",
            now=ref.kind if ref.kind in kinds else "test",
            format_func=lambda k: kinds[k],
            required=True,
        )
        try:
            chosen = {"drawing": _drawing, "upload": _upload}.get(kind, _test_image)(model, ref)
            if chosen is not None:
                image = open_image(chosen, _session.workspace(), model)
                _session.set_image_ref(chosen)
        except CnnLabError as error:
            problem = error
    if problem is not None:
        show_error(problem)
    return image


def verdict(model: Model, seen: Look, known: bool = True) -> str:
    """Return what the network says of the image that is looked at, and what it is where that is ``known`` (markdown)."""
    best = int(seen.probs.argmax())
    says = _(
        "It says **{name}**, {share:.1%} sure.", name=plain(_(model.class_names[best])), share=float(seen.probs[best])
    )
    if known and (truth := truth_of_image(model)) is not None:
        says += " " + _("It is **{name}**.", name=plain(_(truth)))
    return says


def truth_of_image(model: Model) -> str | None:
    """Return the class of the image that is looked at, as its data set or the one who drew it says; None if unknown."""
    from cnnlab.data import loader

    ref = _session.image_ref()
    if ref.kind == "test" and loader.is_present(ref.data):
        dataset = loader.load(ref.data)
        return dataset.class_names[int(dataset.test.targets[ref.index])] if ref.index < len(dataset.test) else None
    drawing = _session.workspace().drawing(ref.id) if ref.kind == "drawing" else None
    label = None if drawing is None else drawing.label
    return model.class_names[label] if label is not None and label < len(model.class_names) else None


def tests_of(model: Model) -> DataSet:
    """Return a data set here whose test images ``model`` takes: its own, else the one in use, else any.

    Raises:
        DataError: no data set here has such images.
    """
    return _data_for(model)[0]


def _data_for(model: Model) -> tuple[DataSet, DataError | None]:
    """Return a data set whose images the model takes (its own, else the one in use), and what is wrong with a better.

    Raises:
        DataError: no data set here has such images, or those that may have are damaged.
    """
    from cnnlab.data import loader

    shape = model.preprocessing.data_shape
    damage: DataError | None = None
    for name in (*loader.alike(model.about.data), _session.data_name(), *_session.data_names()):
        try:
            if loader.is_present(name) and (dataset := loader.load(name)).image_shape == shape:
                return dataset, damage
        except DataError as error:
            damage = damage or error
    if damage is not None:
        raise damage
    raise DataError(
        "No data set here has images of {shape}, which this model takes: choose a picture of your own, or let the "
        "teacher import the data set it has learned from.",
        shape="×".join(map(str, shape)),
    )


def _test_image(model: Model, ref: ImageRef) -> ImageRef:
    dataset, damage = _data_for(model)
    if damage is not None:
        show_error(damage)
    index = ref.index if ref.kind == "test" and ref.data == dataset.name else 0
    index = min(index, len(dataset.test) - 1)
    every = len(dataset.class_names)
    key = f"image_line.{dataset.name}"
    among = _session.kept(f"{key}.class", every)
    if among != int(dataset.test.targets[index]):  # another page chose this image
        _session.keep(f"{key}.class", every)
    wanted = _choices.menu(
        f"{key}.class",
        _("Class"),
        [every, *range(every)],
        every,
        lambda k: _("all classes") if k == every else _(dataset.class_names[k]),
        width=150,
    )
    indices = list(range(len(dataset.test))) if wanted == every else dataset.test.of_class(wanted).tolist()
    place = indices.index(index) if index in indices else 0
    number = _choices.seeded(
        st.number_input,
        _("Number, 0 to {last:,}", last=len(indices) - 1),
        0,
        len(indices) - 1,
        step=1,
        key=f"{key}.place",
        now=place,
        width=150,
    )
    return ImageRef(kind="test", data=dataset.name, index=indices[int(number)])


def _drawing(model: Model, ref: ImageRef) -> ImageRef | None:
    drawings = _session.workspace().drawings()
    if not drawings:
        go_to("draw", _("Nothing kept yet: draw a digit"))
        return None
    ids = [drawing.id for drawing in drawings]
    numbers = _names.drawing_numbers(drawings)
    names = {
        d.id: _("drawing {number}: {label}", number=numbers[d.id], label="?" if d.label is None else d.label)
        for d in drawings
    }
    chosen = _choices.seeded(
        st.selectbox,
        _("Drawing"),
        ids,
        key="image_line.drawing",
        now=ref.id if ref.id in names else ids[0],
        format_func=lambda id: names.get(id, id),
        width=220,
    )
    return ImageRef(kind="drawing", id=chosen)


def _upload(model: Model, ref: ImageRef) -> ImageRef | None:
    return picture_input("image_line.upload", _("Picture"), width=320)


def picture_input(key: str, label: str, width: Literal["stretch"] | int = "stretch") -> ImageRef | None:
    """Draw the file input ``key`` (a phone offers its camera) and return the picture, kept in the workspace.

    Without a new one it is the picture that is looked at already, if any; one that cannot be read is said.
    """
    from cnnlab.data.pictures import open_picture

    file = st.file_uploader(
        label,
        type=["png", "jpg", "jpeg", "webp", "bmp", "gif"],
        key=key,
        max_upload_size=MAX_UPLOAD_MB,
        width=width,
    )
    ref = _session.image_ref()
    if file is None:
        return ref if ref.kind == "upload" else None
    kept = _session.upload_id(file.file_id)
    if kept is None:
        try:
            kept = _session.workspace().save_upload(open_picture(file.getvalue()))
        except CnnLabError as error:
            show_error(error)
            return None
        _session.set_upload_id(file.file_id, kept)
    return ImageRef(kind="upload", id=kept)
