"""One run as a zip of its folder, out and in; a zip that comes from elsewhere is not trusted in anything."""

from __future__ import annotations

import io
import re
import tempfile
import zipfile
import zlib
from pathlib import Path, PurePosixPath
from typing import IO

from cnnlab.errors import RunError
from cnnlab.runs.face import EngineFace
from cnnlab.runs.folders import export_run, import_run

MOST_BYTES = 1_000_000_000
"""A zip that unpacks to more is refused."""
MOST_MEMBERS = 1_000
_NAMES = ("architecture.json", "recipe.json", "history.csv", "run.json", "model.safetensors")
_CHUNK = 1 << 20


def pack_run(lab: EngineFace, id: str, tensorboard: bool = False) -> bytes:
    """Return run ``id`` as a zip of what ``export_run`` writes.

    Raises:
        RunError: there is no such run, or it cannot be written.
    """
    with tempfile.TemporaryDirectory(prefix="cnnlab-") as place:
        folder = Path(place) / "run"
        names = export_run(lab, id, folder, tensorboard)
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
            for name in names:
                archive.write(folder / name, name)
    return packed.getvalue()


def unpack_run(lab: EngineFace, packed: IO[bytes], name: str, owner: str = "") -> str:
    """Keep the run in the zip ``packed``, called ``name``, as one of ``owner``; return its id.

    Only the five files of a run are read, from one folder of the zip; whatever else it holds is passed over.

    Raises:
        RunError, ArchitectureError, RecipeError, ModelError: it is no zip of a run, damaged, or too large.
    """
    called = PurePosixPath(name.replace("\\", "/")).name[:80] or "run.zip"
    with tempfile.TemporaryDirectory(prefix="cnnlab-") as place:
        folder = Path(place) / (
            re.sub(r"[^\w-]+", "_", PurePosixPath(called).stem)[:40] or "run"
        )  # a sentence may name it
        folder.mkdir()
        try:
            with zipfile.ZipFile(packed) as archive:
                _unpack(archive, folder, called)
        except (OSError, EOFError, zipfile.BadZipFile, zlib.error, RuntimeError, NotImplementedError, ValueError) as e:
            raise RunError(
                "{name} cannot be read: it is no zip, or it is damaged, cut short or locked with a password",
                name=called,
            ) from e
        return import_run(lab, folder, owner)


def _unpack(archive: zipfile.ZipFile, folder: Path, called: str) -> None:
    members = archive.infolist()
    if len(members) > MOST_MEMBERS:
        raise RunError(
            "{name} holds {count:,} files; a run has {most}", name=called, count=len(members), most=len(_NAMES)
        )
    places = [PurePosixPath(member.filename) for member in members]
    inside = [place.parent for place in places if place.name == "architecture.json"]
    if not inside:
        raise RunError("{name} is no exported run: there is no architecture.json in it", name=called)
    room = MOST_BYTES
    for member, place in zip(members, places):
        if place.parent == inside[0] and place.name in _NAMES:
            if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                raise NotImplementedError
            with archive.open(member) as source, (folder / place.name).open("wb") as target:
                while chunk := source.read(_CHUNK):
                    room -= len(chunk)
                    if room < 0:
                        raise RunError(
                            "{name} unpacks to more than {limit:,} MB", name=called, limit=MOST_BYTES // 1_000_000
                        )
                    target.write(chunk)
