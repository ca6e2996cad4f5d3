"""What one learner has made and chosen, kept so that a reload or another page brings everything back.

A workspace is reached by an unguessable id that only the learner's browser knows; its folder is named by the id's
SHA-256, so that a listing of the disk gives no workspace away. Everything read is checked, everything written is
written whole.

    home()/workspaces/<sha256 of the id>/
        workspace.json      name and choices
        networks/NAME.json  architectures
        drawings/ID.png     28x28 grey, ink bright, the label or the learner's own class as a PNG text
        uploads/ID.png      pictures the learner brought
        predictions.json    how often a prediction was right
        models/ID.safetensors   models the learner has changed by hand
"""

from __future__ import annotations

import hashlib
import io
import re
import secrets
import shutil
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from PIL import Image, PngImagePlugin
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from cnnlab.errors import BudgetError, DataError, PictureError
from cnnlab.home import home, write_whole

if TYPE_CHECKING:
    from torch import Tensor

    from cnnlab.architecture import Architecture
    from cnnlab.data.prepare import Asked

DRAWING_PX = 28
MAX_DRAWINGS = 500
MAX_UPLOADS = 50
MAX_NETWORKS = 100
MAX_MODELS = 20
MAX_WIDGETS = 200
MAX_PAST = 30
MAX_BIN = 50
MAX_PAST_CHARS = 20_000
MAX_KINDS = 20
MAX_SETTLED = 300
UPLOAD_PX = 512
_MAX_JSON_BYTES = 2_000_000
_ID = re.compile(r"[A-Za-z0-9_-]{40,128}")
_FILE_ID = re.compile(r"[0-9a-f]{16,40}")
_OWNER = re.compile(r"[0-9a-f]{64}")
_lock = threading.Lock()


Name = Annotated[str, Field(max_length=80)]
Scalar = bool | int | float | Annotated[str, Field(max_length=200)] | None
Plain = Scalar | Annotated[tuple[Scalar, ...], Field(max_length=100)]
"""What a control's choice can be: a plain value, or a few of them."""
Document = Annotated[str, Field(max_length=MAX_PAST_CHARS)]
Count = Annotated[int, Field(ge=0, le=10_000_000)]


class ImageRef(BaseModel):
    """Which image is looked at: one of a data set's test split, a kept drawing, or an upload."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["test", "drawing", "upload"] = "test"
    data: str = Field(default="mnist", max_length=100)
    index: int = Field(default=0, ge=0)
    id: str = Field(default="", pattern=r"^[0-9a-f]{0,40}$")


class Choices(BaseModel):
    """What the learner last chose, as plain values; whoever reads one checks that it still exists.

    ``widgets`` are choices of single controls, by the control's own key (the newest ``MAX_WIDGETS``); ``past`` the
    networks before the present one, as JSON, the newest last; ``bin`` the runs that were thrown away and not yet deleted.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    language: str | None = Field(default=None, max_length=20)
    architecture: str | None = Field(default=None, max_length=1_000_000)
    recipe: str | None = Field(default=None, max_length=20_000)
    data: str | None = Field(default=None, max_length=100)
    model: str | None = Field(default=None, max_length=500)
    image: ImageRef | None = None
    run: str | None = Field(default=None, max_length=100)
    visited: tuple[str, ...] = Field(default=(), max_length=50)
    widgets: dict[Name, Plain] = Field(default={}, max_length=MAX_WIDGETS)
    past: tuple[Document, ...] = Field(default=(), max_length=MAX_PAST)
    bin: tuple[Name, ...] = Field(default=(), max_length=MAX_BIN)


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")

    format: Literal[1] = 1
    name: str = Field(default="", max_length=40)
    choices: Choices = Choices()


class Score(BaseModel):
    """How well the learner predicts: for each kind of question how many were answered, and how many right.

    ``settled`` are the keys of the questions that were answered or shown, the newest last: none of them counts again.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    asked: dict[Name, Count] = Field(default={}, max_length=MAX_KINDS)
    right: dict[Name, Count] = Field(default={}, max_length=MAX_KINDS)
    settled: tuple[Name, ...] = Field(default=(), max_length=MAX_SETTLED)

    @model_validator(mode="after")
    def _no_more_right_than_asked(self) -> Score:
        if any(count > self.asked.get(kind, 0) for kind, count in self.right.items()):
            raise ValueError("more right answers than answers")
        return self

    def of(self, kind: str) -> tuple[int, int]:
        """Return how many answers to questions of ``kind`` were right, and how many were given."""
        return self.right.get(kind, 0), self.asked.get(kind, 0)


@dataclass(frozen=True)
class Drawing:
    """A kept drawing: ``pixels`` is uint8 (28, 28) with bright ink, ``label`` what the learner says it is.

    ``class_name`` is a class of the learner's own that it was drawn for; empty where it was drawn for none.
    """

    id: str
    label: int | None
    pixels: np.ndarray
    class_name: str = ""


def new_id() -> str:
    """Return a fresh workspace id: 256 random bits, as text that a cookie can carry."""
    return secrets.token_urlsafe(32)


def is_id(text: object) -> bool:
    """Return whether ``text`` could be a workspace id (long enough that nobody guesses it)."""
    return isinstance(text, str) and _ID.fullmatch(text) is not None


class Workspace:
    """One learner's networks, drawings and choices.

    Raises:
        DataError: ``id`` is no workspace id.
    """

    def __init__(self, id: str) -> None:
        if not is_id(id):
            raise DataError("This is not a workspace id.")
        self.id = id
        self.owner = hashlib.sha256(id.encode()).hexdigest()
        self.folder = home() / "workspaces" / self.owner

    # ---------------------------------------------------------------- name and choices
    @property
    def name(self) -> str:
        """Return what the learner calls this workspace; empty until they do."""
        return self._record().name

    def rename(self, name: str) -> None:
        """Call the workspace ``name``: at most 40 printable characters are kept."""
        clean = "".join(ch for ch in name if ch.isprintable()).strip()[:40]
        self._update(name=clean)

    @property
    def choices(self) -> Choices:
        """Return what was last chosen; defaults where nothing, or nothing readable, is kept."""
        return self._record().choices

    def choose(self, **changes: Any) -> Choices:
        """Keep ``changes`` to the choices and return them all.

        Raises:
            DataError: a value is not one that can be kept.
        """
        try:
            checked = Choices.model_validate(changes)
        except ValidationError as error:
            raise DataError("This choice cannot be kept.") from error
        return self._update(choices={name: getattr(checked, name) for name in changes}).choices

    def choose_widget(self, key: str, value: Plain) -> None:
        """Keep ``value`` as the choice of the control ``key``.

        Raises:
            DataError: a value is not one that can be kept.
        """
        others = {name: kept for name, kept in self.choices.widgets.items() if name != key}
        newest = list(others.items())[-(MAX_WIDGETS - 1) :]
        self.choose(widgets={**dict(newest), key: value})

    def _record(self) -> _Record:
        text = _read_text(self.folder / "workspace.json")
        try:
            return _Record.model_validate_json(text) if text else _Record()
        except ValidationError:
            return _Record()

    def _update(self, choices: dict[str, Any] | None = None, **changes: Any) -> _Record:
        """Merge into what is on the disk now: another tab, or a fragment, may have written since."""
        with _lock:
            old = self._record()
            new = old.model_copy(update={**changes, "choices": old.choices.model_copy(update=choices or {})})
            if new != old:
                write_whole(self.folder / "workspace.json", new.model_dump_json().encode())
            return new

    # ---------------------------------------------------------------- predictions
    @property
    def score(self) -> Score:
        """Return how well the learner predicts; a fresh score where none, or none that can be read, is kept."""
        text = _read_text(self.folder / "predictions.json")
        try:
            return Score.model_validate_json(text) if text else Score()
        except ValidationError:
            return Score()

    def settle(self, kind: str, key: str, right: bool | None = None) -> Score:
        """Keep that the question ``key`` was answered, rightly or not, and return the score; None: it was only shown.

        A question that is settled already changes nothing: only the first answer counts.

        Raises:
            DataError: ``kind`` or ``key`` is not one that can be kept.
        """
        with _lock:
            old = self.score
            if key in old.settled:
                return old
            asked, won = dict(old.asked), dict(old.right)
            if right is not None:
                asked[kind] = asked.get(kind, 0) + 1
                won[kind] = won.get(kind, 0) + int(right)
            values = {"asked": asked, "right": won, "settled": (*old.settled[-(MAX_SETTLED - 1) :], key)}
            try:
                new = Score.model_validate(values)
            except ValidationError as error:
                raise DataError("This choice cannot be kept.") from error
            write_whole(self.folder / "predictions.json", new.model_dump_json().encode())
            return new

    # ---------------------------------------------------------------- networks
    @property
    def networks(self) -> dict[str, Architecture]:
        """Return the kept networks by name, in alphabetical order; files that are none are left out."""
        from cnnlab.architecture import Architecture
        from cnnlab.errors import ArchitectureError

        kept = {}
        for path in sorted((self.folder / "networks").glob("*.json")):
            try:
                architecture = Architecture.from_json(_read_text(path))
            except ArchitectureError:
                continue
            kept[architecture.name] = architecture
        return dict(sorted(kept.items()))

    def network(self, name: str) -> Architecture | None:
        """Return the kept network ``name``, or None where there is none, or none that can be read."""
        from cnnlab.architecture import Architecture
        from cnnlab.errors import ArchitectureError

        try:
            return Architecture.from_json(_read_text(self._network_path(name)))
        except ArchitectureError:
            return None

    def save_network(self, architecture: Architecture) -> None:
        """Keep ``architecture`` under its name; an older one of that name is replaced.

        Raises:
            BudgetError: the workspace holds as many networks as it may.
        """
        path = self._network_path(architecture.name)
        if not path.exists():
            _check_room(self.folder / "networks", "*.json", MAX_NETWORKS)
        write_whole(path, architecture.to_json().encode())

    def delete_network(self, name: str) -> None:
        """Forget the network ``name``; nothing happens when there is none."""
        self._network_path(name).unlink(missing_ok=True)

    def _network_path(self, name: str) -> Path:
        return self.folder / "networks" / f"{hashlib.sha256(name.encode()).hexdigest()[:24]}.json"

    # ---------------------------------------------------------------- models
    def models(self) -> dict[str, str]:
        """Return the names of the kept models by their sources (``file:PATH``), oldest first; never two alike."""
        from cnnlab.description import read_description
        from cnnlab.errors import ModelError

        found: dict[str, str] = {}
        for path in sorted((self.folder / "models").glob("*.safetensors")):
            try:
                name = read_description(path).about.name
            except ModelError:
                continue
            again = sum(1 for kept in found.values() if kept == name or kept.startswith(f"{name} ("))
            found[f"file:{path}"] = f"{name} ({again + 1})" if again else name
        return found

    def save_model(self, file: bytes) -> str:
        """Keep the model whose file is ``file`` and return its source (``file:PATH``), which every page can look into.

        Raises:
            BudgetError: the workspace holds as many models as it may.
        """
        _check_room(self.folder / "models", "*.safetensors", MAX_MODELS)
        path = self.folder / "models" / f"{_file_id()}.safetensors"
        write_whole(path, file)
        return f"file:{path}"

    def has_model(self, source: str) -> bool:
        """Return whether ``source`` is a model of this workspace, and no other file of the machine."""
        kind, _colon, value = source.partition(":")
        path = Path(value)
        named = path.suffix == ".safetensors" and _FILE_ID.fullmatch(path.stem) is not None
        return kind == "file" and path.parent == self.folder / "models" and named and path.is_file()

    def delete_model(self, source: str) -> None:
        """Forget the model ``source``; nothing happens where it is none of this workspace."""
        if self.has_model(source):
            Path(source.partition(":")[2]).unlink(missing_ok=True)

    # ---------------------------------------------------------------- drawings
    def save_drawing(self, pixels: Any, label: int | None = None, class_name: str = "") -> str:
        """Keep a drawing and return its id; the newest one kept again, with nothing new to say of it, stays one.

        Shape:
            pixels: (28, 28) uint8, 0 is paper and 255 is ink

        Raises:
            PictureError: another shape or another kind of numbers.
            BudgetError: the workspace holds as many drawings as it may.
        """
        array = np.asarray(pixels)
        if array.shape != (DRAWING_PX, DRAWING_PX) or array.dtype != np.uint8:
            raise PictureError(
                "A drawing is {size}x{size} pixels of 0 to 255; this one is {shape} of {kind}.",
                size=DRAWING_PX,
                shape="x".join(map(str, array.shape)),
                kind=str(array.dtype),
            )
        newest = self.newest_drawing()
        said = label in (None, newest.label) and class_name in ("", newest.class_name) if newest is not None else False
        if newest is not None and said and np.array_equal(newest.pixels, array):
            return newest.id
        _check_room(self.folder / "drawings", "*.png", MAX_DRAWINGS)
        info = PngImagePlugin.PngInfo()
        if label is not None:
            info.add_text("label", str(int(label)))
        if class_name:
            info.add_itxt("class", class_name_of(class_name))
        buffer = io.BytesIO()
        Image.fromarray(array).save(buffer, "PNG", pnginfo=info)
        id = _file_id()
        write_whole(self.folder / "drawings" / f"{id}.png", buffer.getvalue())
        return id

    def drawings(self) -> tuple[Drawing, ...]:
        """Return the kept drawings, newest first; files that are none are left out."""
        paths = sorted((self.folder / "drawings").glob("*.png"), reverse=True)
        read = (self.drawing(path.stem) for path in paths)
        return tuple(drawing for drawing in read if drawing is not None)

    def newest_drawing(self) -> Drawing | None:
        """Return the drawing that was kept last, or None."""
        paths = sorted((self.folder / "drawings").glob("*.png"), reverse=True)
        return next((found for path in paths if (found := self.drawing(path.stem)) is not None), None)

    def drawing(self, id: str) -> Drawing | None:
        """Return the kept drawing ``id``, or None where there is none (any more)."""
        if not _FILE_ID.fullmatch(id):
            return None
        try:
            with Image.open(self.folder / "drawings" / f"{id}.png", formats=["PNG"]) as image:
                if image.size != (DRAWING_PX, DRAWING_PX) or image.mode != "L":
                    return None
                label, class_name = image.info.get("label", ""), str(image.info.get("class", ""))
                pixels = np.array(image)
        except (OSError, SyntaxError, ValueError):
            return None
        return Drawing(
            id, int(label) if label.isdecimal() and len(label) < 4 else None, pixels, class_name_of(class_name)
        )

    def delete_drawing(self, id: str) -> None:
        """Forget the drawing ``id``; nothing happens when there is none."""
        if _FILE_ID.fullmatch(id):
            (self.folder / "drawings" / f"{id}.png").unlink(missing_ok=True)

    # ---------------------------------------------------------------- uploads
    def save_upload(self, picture: Image.Image) -> str:
        """Keep a picture that was already opened safely, at most 512 px a side, and return its id.

        Beyond ``MAX_UPLOADS`` the oldest ones go: nobody manages uploads by hand, and each is on its device still.
        """
        small = picture.convert("RGB" if picture.mode != "L" else "L")
        small.thumbnail((UPLOAD_PX, UPLOAD_PX))
        buffer = io.BytesIO()
        small.save(buffer, "PNG")
        id = _file_id()
        write_whole(self.folder / "uploads" / f"{id}.png", buffer.getvalue())
        for old in sorted((self.folder / "uploads").glob("*.png"))[:-MAX_UPLOADS]:
            old.unlink(missing_ok=True)
        return id

    def upload(self, id: str) -> bytes | None:
        """Return the kept upload ``id`` as PNG bytes, or None where there is none (any more)."""
        path = self.folder / "uploads" / f"{id}.png"
        return path.read_bytes() if _FILE_ID.fullmatch(id) and path.is_file() else None

    def delete(self) -> None:
        """Remove the workspace, everything in it and the data sets drawn in it. Runs belong to the engine and stay."""
        from cnnlab.data import drawn

        drawn.delete_all(self.owner)
        shutil.rmtree(self.folder, ignore_errors=True)


def class_name_of(text: str) -> str:
    """Return ``text`` as the name of a class: at most 40 printable characters, single spaces."""
    return " ".join("".join(ch if ch.isprintable() else " " for ch in text).split())[:40].strip()


def name_of(owner: str) -> str:
    """Return what the learner ``owner`` (a workspace's, as runs know it) calls the workspace; empty where nothing."""
    if not _OWNER.fullmatch(owner):
        return ""
    text = _read_text(home() / "workspaces" / owner / "workspace.json")
    try:
        return _Record.model_validate_json(text).name if text else ""
    except ValidationError:
        return ""


def _file_id() -> str:
    return f"{time.time_ns():016x}{secrets.token_hex(4)}"


def _read_text(path: Path) -> str:
    try:
        if path.stat().st_size > _MAX_JSON_BYTES:
            return ""
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return ""


def _check_room(folder: Path, pattern: str, limit: int) -> None:
    if sum(1 for _path in folder.glob(pattern)) >= limit:
        raise BudgetError("This workspace already keeps {limit}, which is all it can; delete some first.", limit=limit)


def open_image(ref: ImageRef, workspace: Workspace, model: Asked) -> Tensor:
    """Return the image that ``ref`` names, as ``model`` takes it.

    Shape:
        returns (C, h, w) uint8, before padding and normalisation

    Raises:
        DataError: the data set is not here, the image is gone, or it does not fit the model.
        PictureError: an upload that a model of this kind cannot use.
    """
    import torch

    from cnnlab.data import loader
    from cnnlab.data.prepare import picture_to_input

    shape = model.preprocessing.data_shape
    if ref.kind == "test":
        images = loader.load(ref.data).test.images
        if ref.index < len(images) and tuple(images.shape[1:]) == shape:
            return images[ref.index]
    elif ref.kind == "drawing" and (drawing := workspace.drawing(ref.id)) is not None:
        if shape == (1, DRAWING_PX, DRAWING_PX):
            return torch.from_numpy(drawing.pixels.copy())[None]
        if shape[0] == 1:
            return picture_to_input(drawing.pixels, model)
    elif ref.kind == "upload" and (png := workspace.upload(ref.id)) is not None:
        return picture_to_input(png, model)
    raise DataError("This image is gone, or is not one that this model takes; choose another.")


__all__ = [
    "MAX_BIN",
    "MAX_PAST",
    "MAX_PAST_CHARS",
    "Choices",
    "Drawing",
    "ImageRef",
    "Score",
    "Workspace",
    "class_name_of",
    "is_id",
    "name_of",
    "new_id",
    "open_image",
]
