"""The drawings and pictures that the learner keeps."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image, PngImagePlugin

from cnnlab.errors import PictureError
from cnnlab.home import write_whole
from cnnlab.workspace.base import FILE_ID, Folder, check_room, file_id

DRAWING_PX = 28
MAX_DRAWINGS = 500
MAX_UPLOADS = 50
UPLOAD_PX = 512


@dataclass(frozen=True)
class Drawing:
    """A kept drawing: ``pixels`` is uint8 (28, 28) with bright ink, ``label`` what the learner says it is.

    ``class_name`` is a class of the learner's own that it was drawn for; empty where it was drawn for none.
    """

    id: str
    label: int | None
    pixels: np.ndarray
    class_name: str = ""


class Drawings(Folder):
    """A workspace's drawings."""

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
        check_room(self.folder / "drawings", "*.png", MAX_DRAWINGS)
        info = PngImagePlugin.PngInfo()
        if label is not None:
            info.add_text("label", str(int(label)))
        if class_name:
            info.add_itxt("class", class_name_of(class_name))
        buffer = io.BytesIO()
        Image.fromarray(array).save(buffer, "PNG", pnginfo=info)
        id = file_id()
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
        if not FILE_ID.fullmatch(id):
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
        if FILE_ID.fullmatch(id):
            (self.folder / "drawings" / f"{id}.png").unlink(missing_ok=True)


class Uploads(Folder):
    """A workspace's pictures that the learner brought."""

    def save_upload(self, picture: Image.Image) -> str:
        """Keep a picture that was already opened safely, at most 512 px a side, and return its id.

        Beyond ``MAX_UPLOADS`` the oldest ones go: nobody manages uploads by hand, and each is on its device still.
        """
        small = picture.convert("RGB" if picture.mode != "L" else "L")
        small.thumbnail((UPLOAD_PX, UPLOAD_PX))
        buffer = io.BytesIO()
        small.save(buffer, "PNG")
        id = file_id()
        write_whole(self.folder / "uploads" / f"{id}.png", buffer.getvalue())
        for old in sorted((self.folder / "uploads").glob("*.png"))[:-MAX_UPLOADS]:
            old.unlink(missing_ok=True)
        return id

    def upload(self, id: str) -> bytes | None:
        """Return the kept upload ``id`` as PNG bytes, or None where there is none (any more)."""
        path = self.folder / "uploads" / f"{id}.png"
        return path.read_bytes() if FILE_ID.fullmatch(id) and path.is_file() else None


def class_name_of(text: str) -> str:
    """Return ``text`` as the name of a class: at most 40 printable characters, single spaces."""
    return " ".join("".join(ch if ch.isprintable() else " " for ch in text).split())[:40].strip()
