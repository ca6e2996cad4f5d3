"""One run as a folder that anybody can read, and back again; what comes from elsewhere is checked."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from cnnlab.architecture import Architecture
from cnnlab.errors import CnnLabError, RunError
from cnnlab.home import write_whole
from cnnlab.runs.face import EngineFace
from cnnlab.runs.snapshot import LIVE, State
from cnnlab.runs.tensorboard import event_file
from cnnlab.training.change import Applied
from cnnlab.training.recipe import Recipe
from cnnlab.training.transfer import Started
from cnnlab.validation import first_finding

COLUMNS = ("kind", "step", "epoch", "loss", "acc", "lr", "whole", "split")
MOST_ROWS = 50_000
"""More than the longest run of this lab notes; all of them are written at once."""
_MOST_EPOCHS = 1_000_000
_MOST_BYTES = {"architecture.json": 4_000_000, "recipe.json": 1_000_000, "run.json": 4_000_000, "history.csv": 10**8}
_MODEL = "model.safetensors"

Count = Annotated[int, Field(ge=0, le=2**53)]
Number = Annotated[float, Field(allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, le=1)]


class Kept(BaseModel):
    """What ``run.json`` says of a run beside its network, recipe and history; what else it says is passed over."""

    model_config = ConfigDict(extra="ignore", allow_inf_nan=False)

    name: str = Field("", max_length=80)
    data: str = Field("", max_length=80)
    data_hash: str = Field("", max_length=128)
    state: State = "done"
    step: Count = 0
    steps: Count = 0
    epoch: Count = 0
    epochs: Count = 0
    train_s: Annotated[float, Field(ge=0)] = 0.0
    train_loss: Number | None = None
    train_acc: Share | None = None
    val_loss: Number | None = None
    val_acc: Share | None = None
    test_loss: Number | None = None
    test_acc: Share | None = None
    created: Annotated[float, Field(ge=0, le=1e11)] = 0.0
    notes: str = Field("", max_length=10_000)
    chosen_step: Count | None = None
    changes: tuple[Applied, ...] = Field((), max_length=10_000)
    start: Started | None = None


def export_run(lab: EngineFace, id: str, folder: Path, tensorboard: bool = False) -> list[str]:
    """Write run ``id`` to ``folder`` and return the names of the files.

    architecture.json, recipe.json (as it was begun), history.csv (a row for each train, val and test event), run.json
    (``Snapshot.as_dict()``) and, where there are weights, model.safetensors. With ``tensorboard``, an event file that
    TensorBoard opens.

    Raises:
        RunError: there is no such run, the folder has something in it, or it cannot be written.
    """
    run, events = lab.snapshot(id), lab.events(id)
    files = {
        "architecture.json": run.architecture.to_json().encode(),
        "recipe.json": run.recipe.model_dump_json(indent=2).encode(),
        "history.csv": _history(events).encode(),
        "run.json": json.dumps(run.as_dict(), indent=2).encode(),
    }
    if run.has_model:
        files[_MODEL] = lab.model(id)
    try:
        if tensorboard:
            name, data = event_file(run, events)
            files[name] = data
        if folder.is_dir() and any(folder.iterdir()):
            raise RunError("{name} exists and is not empty; choose another folder", name=str(folder))
        for name, data in files.items():
            write_whole(folder / name, data)
    except OSError as error:
        reason = error.strerror or str(error)
        raise RunError("{name}: cannot be written ({reason})", name=str(folder), reason=reason) from error
    return sorted(files)


def import_run(lab: EngineFace, folder: Path, owner: str = "") -> str:
    """Keep the run in ``folder``, which ``export_run`` wrote or anybody else, as one of ``owner``; return its id.

    What means something in the lab that it comes from only stays behind: its id and owner, its parent, why it failed,
    its speed. There are no checkpoints in the folder either, so that it can be looked at, not resumed or branched: one
    that was still live when it was exported is a stopped one here.

    Raises:
        RunError, ArchitectureError, RecipeError, ModelError: a file is absent, too large, damaged, or contradicts
            another.
    """
    architecture = Architecture.from_json(_text(folder, "architecture.json"))
    recipe = Recipe.from_json(_text(folder, "recipe.json"))
    kept = _kept(folder)
    changes = _changes(kept, architecture, recipe)
    events = list(_events(folder / "history.csv", _text(folder, "history.csv")))
    model = _model(folder, architecture)
    steps = [event["step"] for event in events]
    step = max([kept.step, *steps])
    record = {
        **kept.model_dump(), "start": _elsewhere(kept.start), "id": "", "owner": owner, "net": architecture.name,
        "name": kept.name or architecture.name, "architecture_key": architecture.key,
        "recipe": recipe.model_dump(mode="json"), "images_per_s": 0.0, "time_left_s": None, "error": None,
        "changes": changes, "step": step, "steps": max(kept.steps, step), "epochs": kept.epochs or recipe.epochs,
        "state": "stopped" if kept.state in LIVE else kept.state,
    }  # fmt: skip
    return lab.add(record, events, model, owner)


def _elsewhere(start: Started | None) -> dict[str, Any] | None:
    """Return what a run has begun with, without the place that the model has where it comes from."""
    if start is None or start.model.startswith("bundled:"):
        return None if start is None else start.model_dump(mode="json")
    return {**start.model_dump(mode="json"), "model": ""}


def _history(events: Iterable[Mapping[str, Any]]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(event for event in events if event["kind"] in ("train", "val", "test"))
    return text.getvalue()


def _text(folder: Path, name: str) -> str:
    path = folder / name
    try:
        if path.stat().st_size > _MOST_BYTES[name]:
            raise RunError("{name}: larger than {limit} MB", name=name, limit=_MOST_BYTES[name] // 1_000_000)
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise _no_run(folder, f"{name}: UTF-8") from error
    except OSError as error:
        raise _no_run(folder, f"{name}: {error.strerror}") from error


def _no_run(folder: Path, reason: str) -> RunError:
    return RunError(
        "{name}: no folder that a run was exported to ({reason})", name=folder.name or str(folder), reason=reason
    )


def _kept(folder: Path) -> Kept:
    if not (folder / "run.json").exists():
        return Kept()
    try:
        return Kept.model_validate_json(_text(folder, "run.json"))
    except ValidationError as error:
        raise _no_run(folder, f"run.json: {first_finding(error)}") from error


def _changes(kept: Kept, architecture: Architecture, recipe: Recipe) -> list[dict[str, Any]]:
    """Return the live changes as a record keeps them; raises RecipeError for one that this run cannot have made."""
    for made in kept.changes:
        made.change.check_layers(architecture)
        recipe = made.change.recipe(recipe)
    return [made.model_dump(mode="json", exclude_none=True) for made in kept.changes]


def _events(path: Path, text: str) -> Iterator[dict[str, Any]]:
    rows = csv.reader(io.StringIO(text), strict=True)
    line = 0
    try:
        for line, row in enumerate(rows, 1):
            if line == 1:
                if tuple(row) != COLUMNS:
                    raise ValueError
            elif row:
                yield _event(dict(zip(COLUMNS, row)), len(row))
            if line > MOST_ROWS + 1:
                raise RunError("{name}: more than {most:,} rows, which no run has", name=path.name, most=MOST_ROWS)
    except (ValueError, KeyError, csv.Error) as error:
        raise RunError(
            "{name}: line {line} is not understood; a row has {columns} columns: {names}",
            name=path.name,
            line=line,
            columns=len(COLUMNS),
            names=", ".join(COLUMNS),
        ) from error


def _event(row: dict[str, str], count: int) -> dict[str, Any]:
    if count != len(COLUMNS) or row["kind"] not in ("train", "val", "test") or not 0 <= int(row["step"]) <= 2**53:
        raise ValueError
    event: dict[str, Any] = {"kind": row["kind"], "step": int(row["step"])}
    for name in ("loss", "acc", *(["lr"] if row["kind"] == "train" else [])):
        event[name] = float(row[name]) if row[name] else None
        if not math.isfinite(event[name] or 0.0) or (event[name] is None and row["kind"] == "train"):
            raise ValueError
    if row["kind"] == "train":
        event["epoch"] = int(row["epoch"])
        if not 0 <= event["epoch"] <= _MOST_EPOCHS:
            raise ValueError
    if row["kind"] == "val":
        event |= {"whole": row["whole"] == "True", "split": "train" if row["split"] == "train" else "val"}
    return event


def _model(folder: Path, architecture: Architecture) -> bytes | None:
    path = folder / _MODEL
    if not path.exists():
        return None
    from cnnlab.model import Model

    model = Model.load(path)
    if model.architecture.key != architecture.key:
        raise RunError("{name}: its network is not the one in architecture.json", name=path.name)
    try:
        return model.to_bytes()
    except CnnLabError as error:
        raise _no_run(folder, str(error)) from error
