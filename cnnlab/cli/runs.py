"""``python -m cnnlab runs``: what was trained, here or in the app, and how to go on with it."""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cnnlab.cli import emit, json_option, table
from cnnlab.cli.train import OWNER, answer, check_writable, recipe_flags, with_flags
from cnnlab.training.recipe import Recipe

if TYPE_CHECKING:
    from cnnlab.runs import EngineFace, Snapshot

_SHORTEST_ID = 4
_WORKSPACE_SIGNS = 64
_ALWAYS_TOLD = ("epochs", "batch_size", "optimizer", "lr", "schedule", "loss", "seed")
_NEAREST = 5

out_option = click.option(
    "--out", type=click.Path(dir_okay=False, path_type=Path), help="Where to write the model as well."
)


def register(group: click.Group) -> None:
    """Add ``runs`` to ``group``."""
    group.add_command(runs)


@click.group()
def runs() -> None:
    """List, show, resume, branch, export, import and delete runs. RUN is an id, or how one begins."""


@runs.command("list")
@json_option
def list_runs(as_json: bool) -> None:
    """List all runs, the newest first; those of other programs that are learning now, too."""
    from cnnlab.runs import engine

    rows = [_row(run) for run in engine().list()]
    shown = ("run", "name", "state", "net", "data", "step", "epoch", "val_acc", "test_acc", "parent", "created")
    emit(rows, as_json, lambda: table([[_cell(row[name]) for name in shown] for row in rows], shown))


@runs.command()
@click.argument("run")
@json_option
def show(run: str, as_json: bool) -> None:
    """Show all that is known of RUN."""
    from cnnlab.runs import engine

    lab = engine()
    found = _find(lab, run)
    path = lab.model_path(found.id)
    more = {
        **_row(found), "owner": found.owner, "steps": found.steps, "epochs": found.epochs, "train_s": found.train_s,
        "images_per_s": found.images_per_s, "train_loss": found.train_loss, "train_acc": found.train_acc,
        "val_loss": found.val_loss, "test_loss": found.test_loss, "chosen_step": found.chosen_step,
        "error": found.error and str(found.error), "warning": found.warning and str(found.warning),
        "parent_step": found.parent_step, "notes": found.notes, "resumed": found.resumed,
        "recipe": found.recipe.model_dump(mode="json"), "changes": [*found.changes],
        "checkpoints": [kept.as_dict() for kept in lab.checkpoints(found.id)], "model": str(path) if path else None,
    }  # fmt: skip
    emit(more, as_json, lambda: _told(found, more))


def _told(run: Snapshot, more: dict[str, Any]) -> str:
    """Return all that is known of ``run`` as lines; its recipe and the live changes have a line for each field."""
    text = {
        **more, "owner": _owner(run.owner), "recipe": "",
        "checkpoints": ", ".join(f"{kept['step']:,}" for kept in more["checkpoints"]) or None,
        "changes": "" if run.changes else None, "start": "" if run.start else None,
    }  # fmt: skip
    usual, recipe = Recipe(), run.recipe.model_dump(mode="json")
    below = {
        "recipe": {
            name: value for name, value in recipe.items()
            if name in _ALWAYS_TOLD or getattr(run.recipe, name) != getattr(usual, name)
        },
        "start": {} if run.start is None else {
            name: ", ".join(value) if isinstance(value, list) else value
            for name, value in run.start.model_dump(mode="json").items() if value
        },
        "changes": {f"at step {made['step']:,}": made["change"] for made in run.changes},
    }  # fmt: skip
    lines: list[tuple[str, str]] = []
    for name, value in text.items():
        lines.append((name, _cell(value)))
        lines += [(f"  {part}", _fields(told)) for part, told in below.get(name, {}).items()]
    head, *rest = lines
    return table(rest, head)


def _owner(owner: str) -> str:
    """Return whose a run is: the name and the first signs of a workspace in the app, else what stands there."""
    from cnnlab.workspace import name_of

    short = f"workspace {owner[:8]}…"
    if len(owner) != _WORKSPACE_SIGNS:
        return owner
    return f"{name_of(owner)} ({short})" if name_of(owner) else short


def _fields(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {_fields(one)}" for name, one in value.items())
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "-" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


@runs.command()
@click.argument("run")
@out_option
@json_option
def resume(run: str, out: Path | None, as_json: bool) -> None:
    """Let RUN, which was interrupted or stopped, go on where it was; wait for it and answer as train does."""
    from cnnlab.runs import engine

    if out is not None:
        check_writable(out)
    lab = engine()
    id = _find(lab, run).id
    lab.resume(id)
    answer(lab, id, out, False, as_json)


@runs.command()
@click.argument("run")
@click.option("--step", required=True, type=click.IntRange(min=0), help="A checkpoint of RUN (see: runs show).")
@click.option("--name", default="", help="What the new run is called.")
@out_option
@recipe_flags
@json_option
def branch(run: str, step: int, name: str, out: Path | None, as_json: bool, **flags: Any) -> None:
    """Train a new run that goes on from RUN at a step, with what the flags say done differently from there on."""
    from cnnlab.runs import engine

    if out is not None:
        check_writable(out)
    lab = engine()
    parent = _find(lab, run)
    _check_kept(lab, parent.id, step)
    before = parent.recipe_at(step).augmentation.model_dump()
    changes = with_flags({"augmentation": before}, flags)
    if changes["augmentation"] == before:
        del changes["augmentation"]
    answer(lab, lab.branch(parent.id, step, changes, name), out, False, as_json)


def _check_kept(lab: EngineFace, id: str, step: int) -> None:
    """Raise RunError, which names the kept steps that are nearest, where ``step`` is none of them."""
    from cnnlab.errors import RunError

    steps = [kept.step for kept in lab.checkpoints(id)]
    if step in steps:
        return
    if not steps:
        raise RunError("run {id} has kept no checkpoint to branch from", id=id)
    nearest = sorted(sorted(steps, key=lambda kept: abs(kept - step))[:_NEAREST])
    raise RunError(
        "run {id} has no checkpoint of step {step}; of its {count}, the nearest: {steps}",
        id=id, step=step, count=len(steps), steps=", ".join(map(str, nearest)),
    )  # fmt: skip


@runs.command("export")
@click.argument("run")
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@click.option("--tensorboard", is_flag=True, help="Write an event file that TensorBoard opens, too.")
@json_option
def export(run: str, folder: Path, tensorboard: bool, as_json: bool) -> None:
    """Write RUN to FOLDER: architecture, recipe, history, model."""
    from cnnlab.runs import engine
    from cnnlab.runs.folders import export_run

    lab = engine()
    id = _find(lab, run).id
    files = export_run(lab, id, folder, tensorboard)
    emit({"run": id, "folder": str(folder), "files": files}, as_json, f"{folder}: {', '.join(files)}")


@runs.command("import")
@click.argument("folder", type=click.Path(path_type=Path))
@json_option
def bring(folder: Path, as_json: bool) -> None:
    """Keep the run that was exported to FOLDER as one of this lab."""
    from cnnlab.runs import engine
    from cnnlab.runs.folders import import_run

    lab = engine()
    id = import_run(lab, folder, OWNER)
    emit(_row(lab.snapshot(id)), as_json, f"run {id}")


@runs.command()
@click.argument("run", nargs=-1, required=True)
@json_option
def delete(run: tuple[str, ...], as_json: bool) -> None:
    """Delete each RUN and all that is kept of it; one that is learning is stopped first."""
    from cnnlab.runs import engine

    lab = engine()
    ids = [_find(lab, one).id for one in run]
    for id in ids:
        lab.delete(id)
    emit({"deleted": ids}, as_json, f"deleted: {', '.join(ids)}")


def _find(lab: EngineFace, text: str) -> Snapshot:
    """Return the run whose id is ``text``, or the one whose id begins with it."""
    from cnnlab.errors import RunError

    if len(text) < _SHORTEST_ID or not text.isalnum() or len(text) >= 16:
        return lab.snapshot(text)
    found = [run for run in lab.list() if run.id.startswith(text)]
    if len(found) > 1:
        raise RunError("{count} runs begin with {text}; write more of the id", count=len(found), text=text)
    return found[0] if found else lab.snapshot(text)


def _row(run: Snapshot) -> dict[str, Any]:
    return {
        "run": run.id, "name": run.name, "state": run.state, "net": run.net, "data": run.data, "step": run.step,
        "epoch": run.epoch, "val_acc": run.val_acc, "test_acc": run.test_acc, "parent": run.parent,
        "start": run.start and run.start.model_dump(mode="json"),
        "created": datetime.fromtimestamp(run.created, timezone.utc).isoformat(timespec="seconds"),
    }  # fmt: skip


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    return f"{value:.4f}" if isinstance(value, float) else str(value)
