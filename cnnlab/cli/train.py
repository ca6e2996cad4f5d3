"""``python -m cnnlab train``: one run from start to test, its flags made from the recipe's own fields."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import click
from pydantic.fields import FieldInfo

from cnnlab.cli import emit, json_option
from cnnlab.data.augmentation import Augmentation
from cnnlab.errors import RecipeError
from cnnlab.training.recipe import Recipe

if TYPE_CHECKING:
    from cnnlab.runs import EngineFace, RunSpec, Snapshot
    from cnnlab.training.transfer import Start

OWNER = "command line"
"""Whose the runs of the command line are."""


def register(group: click.Group) -> None:
    """Add ``train`` to ``group``."""
    group.add_command(train)


def recipe_flags(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give ``command`` a flag for each field of a recipe and of its augmentation, checked by the recipe itself."""
    fields = {name: info for name, info in Recipe.model_fields.items() if name != "augmentation"}
    for name, info in reversed([*fields.items(), *Augmentation.model_fields.items()]):
        command = _flag(name, info)(command)
    return command


def _flag(name: str, info: FieldInfo) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    flag, kind = name.replace("_", "-"), info.annotation
    if name == "layer_lr":
        return click.option(f"--{flag}", name, multiple=True, metavar="LAYER=FACTOR", help=info.description)
    if kind is bool:
        return click.option(f"--{flag}/--no-{flag}", name, default=None, help=info.description)
    choices = [choice for choice in get_args(kind) if isinstance(choice, str)]
    if choices:
        return click.option(f"--{flag}", name, type=click.Choice(choices), help=info.description)
    number = float if kind is float else int
    return click.option(f"--{flag}", name, type=number, help=info.description)


@click.command()
@click.option("--net", required=True, metavar="NET", help="A preset (see: net list) or an architecture's JSON file.")
@click.option("--data", metavar="NAME", help="A data set (see: data list); the preset's own if left out.")
@click.option("--name", "run_name", default="", help="What the run is called.")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Where to write the model as well.")
@click.option(
    "--half", is_flag=True, help="Keep the weights in FILE in float16: half the size; tested as they are kept."
)
@click.option(
    "--find-lr", "finding", is_flag=True, help="Train nothing: try growing learning rates on a copy, and suggest one."
)
@click.option(
    "--start",
    metavar="MODEL",
    help="Begin with the weights of a bundled model, a run's id, a file, or fetched weights (see: net weights), as far as they fit.",
)
@click.option("--fresh", multiple=True, metavar="LAYER", help="A layer that begins with new weights all the same.")
@click.option("--freeze", multiple=True, metavar="LAYER", help="A layer that stands still (with --start).")
@recipe_flags
@json_option
def train(
    net: str,
    data: str | None,
    run_name: str,
    out: Path | None,
    half: bool,
    finding: bool,
    start: str | None,
    fresh: tuple[str, ...],
    freeze: tuple[str, ...],
    as_json: bool,
    **flags: Any,
) -> None:
    """Train NET on a data set and test it; flags override the preset's own recipe."""
    from cnnlab.architecture.presets import PRESETS, load_network
    from cnnlab.runs import RunSpec, engine

    architecture = load_network(net)
    preset = PRESETS.get(net)
    recipe = Recipe.of(with_flags(dict(preset.recipe) if preset else {}, flags))
    spec = RunSpec(
        architecture=architecture,
        data=data or (preset.data if preset else "mnist"),
        recipe=recipe,
        name=run_name[:80],
        owner=OWNER,
        start=start_of(start, fresh, freeze),
    )
    if finding:
        return _find_lr(spec, as_json)
    if out is not None:
        check_writable(out)
    runs = engine()
    answer(runs, runs.submit(spec), out, half, as_json)


def start_of(model: str | None, fresh: tuple[str, ...], freeze: tuple[str, ...]) -> Start | None:
    """Return what ``--start``, ``--fresh`` and ``--freeze`` ask for; None where a run begins with new weights."""
    from cnnlab.runs.models import reference
    from cnnlab.training.transfer import Start
    from cnnlab.weights import NAMES, saved

    if model is None:
        if fresh or freeze:
            raise RecipeError("--fresh and --freeze go with --start MODEL: new weights have nothing to keep")
        return None
    ref = f"file:{saved(model)}" if model in NAMES and saved(model).is_file() else str(reference(model))
    return Start(model=ref, fresh=fresh, frozen=freeze)


def _find_lr(spec: RunSpec, as_json: bool) -> None:
    """Print what the learning-rate finder finds for ``spec``; no run comes of it."""
    from tqdm import tqdm  # type: ignore[import-untyped,unused-ignore]

    from cnnlab.data.loader import load
    from cnnlab.runs.machine import resolve_recipe
    from cnnlab.training.lr_finder import STEPS, find_lr
    from cnnlab.training.threads import own_threads

    recipe = resolve_recipe(spec.recipe, spec.architecture)
    own_threads(1)  # the training sees to those of its recipe
    search = find_lr(spec.architecture, load(spec.data), recipe)
    with tqdm(total=STEPS, unit="step", file=sys.stderr, desc="find-lr", mininterval=0.5) as bar:
        while True:
            try:
                trial = next(search)
            except StopIteration as end:
                found = end.value
                break
            bar.update()
            bar.set_postfix(lr=f"{trial.lr:.1e}", loss=f"{trial.loss:.4f}")
    result = {
        "suggested_lr": found.suggested,
        "edge_lr": found.edge,
        "curve": [
            {"lr": trial.lr, "loss": trial.loss, "smoothed": smoothed}
            for trial, smoothed in zip(found.trials, found.smoothed)
        ],
    }
    emit(result, as_json, lambda: _finding(result))


def _finding(result: dict[str, Any]) -> str:
    suggested, edge = result["suggested_lr"], result["edge_lr"]
    if suggested is None:
        first = "the loss hardly fell at any learning rate"
    else:
        first = f"suggested learning rate {suggested:.2g}: there the loss fell most steeply"
    return first + (f"; from {edge:.2g} on it rises again" if edge is not None else "; it never rose again")


def answer(runs: EngineFace, id: str, out: Path | None, half: bool, as_json: bool) -> None:
    """Wait until run ``id`` is over, write its model to ``out`` as well, and print what came of it."""
    from cnnlab.errors import RunError

    snapshot = _follow(runs, id)
    if snapshot.state in ("failed", "interrupted") and snapshot.error is not None:
        raise RunError(snapshot.error.template, **snapshot.error.values)
    path, test_acc = runs.model_path(id), snapshot.test_acc
    if out is not None:
        path, test_acc = out, _write(runs.model(id), out, half)
    result = {
        "run": id,
        "test_acc": test_acc,
        "train_s": round(snapshot.train_s, 3),
        "images_per_s": round(snapshot.images_per_s, 1),
        "model": str(path) if path else None,
        "findings": _say_findings(runs, id),
    }
    emit(result, as_json, lambda: _sentence(snapshot, result))


def _say_findings(runs: EngineFace, id: str) -> list[str]:
    """Say on standard error what is the matter with run ``id``; return the rules that found something."""
    from cnnlab.runs.checkup import examined

    found = examined(runs, runs.snapshot(id)).findings
    for finding in found:
        first, _rest = (*str(finding.why).split(". ", 1), "")[:2]
        click.echo(f"{finding.severity}: {finding.title}. {first.rstrip('.')}.", err=True)
    return [finding.rule for finding in found]


def with_flags(fields: dict[str, Any], flags: dict[str, Any]) -> dict[str, Any]:
    """Return the fields of a recipe with those that were given as flags in place of the others."""
    given = {name: value for name, value in flags.items() if value is not None and value != ()}
    if "layer_lr" in given:
        given["layer_lr"] = dict(_factor(text) for text in given["layer_lr"])
    changes = {name: given.pop(name) for name in Augmentation.model_fields if name in given}
    return {**fields, **given, "augmentation": {**dict(fields.get("augmentation", {})), **changes}}


def _factor(text: str) -> tuple[str, float]:
    """Return the layer and its factor in ``conv1=0.1``."""
    layer, _equals, factor = text.partition("=")
    try:
        return layer.strip(), float(factor)
    except ValueError as error:
        raise RecipeError(
            "--layer-lr {given}: write a layer and a factor above 0, for example conv1=0.1", given=text[:80]
        ) from error


def _follow(runs: EngineFace, id: str) -> Snapshot:
    """Show the run's progress on standard error until it is over; Ctrl-C stops it and keeps its weights."""
    from tqdm import tqdm  # type: ignore[import-untyped,unused-ignore]

    first = runs.snapshot(id)
    with tqdm(total=first.steps, unit="step", file=sys.stderr, desc=first.name, mininterval=0.5) as bar:
        while True:
            try:
                now = runs.wait(id, 0.25)
            except KeyboardInterrupt:
                runs.command(id, {"do": "stop"})
                continue
            bar.n, bar.total = now.step, now.steps
            bar.set_postfix(_figures(now))
            if not now.live:
                return now


def _figures(now: Snapshot) -> dict[str, str]:
    shown = {"loss": now.train_loss, "acc": now.train_acc, "val": now.val_acc, "test": now.test_acc}
    figures = {name: f"{value:.4f}" for name, value in shown.items() if value is not None}
    return {**figures, "img/s": f"{now.images_per_s:.0f}"}


def check_writable(out: Path) -> None:
    """Say now, not after the training, that the model cannot be written there."""
    from cnnlab.errors import ModelError

    folder = next((parent for parent in out.absolute().parents if parent.exists()), out)
    if not folder.is_dir() or not os.access(folder, os.W_OK):
        raise ModelError("{name}: cannot be written; choose a folder that is yours", name=str(out))


def _write(data: bytes, out: Path, half: bool = False) -> float | None:
    """Write the model to ``out``, with the command that made it among what came of the run; return its test accuracy.

    With ``half``, filters and dense weights are rounded to float16 and the accuracy is measured again.
    """
    import safetensors.torch

    from cnnlab.data.loader import load
    from cnnlab.description import FORMAT
    from cnnlab.home import write_whole
    from cnnlab.model import Model

    model = Model.from_bytes(data)
    result = {**model.about.result, "command": shlex.join(["python", "-m", "cnnlab", *sys.argv[1:]])}
    state = dict(model.state)
    if half:
        state = {name: tensor.half() if tensor.dim() > 1 else tensor for name, tensor in state.items()}
        test = load(model.about.data).test
        right = Model(model.description, state).logits(test.images).argmax(1) == test.targets
        result["test_acc"] = right.double().mean().item()
    about = model.about.model_copy(update={"result": result})
    description = model.description.model_copy(update={"about": about})
    write_whole(out, safetensors.torch.save(state, {FORMAT: description.model_dump_json()}))
    return result.get("test_acc")


def _sentence(snapshot: Snapshot, result: dict[str, Any]) -> str:
    if result["test_acc"] is None:
        return f"run {snapshot.id} was stopped at step {snapshot.step} of {snapshot.steps}; model: {result['model']}"
    return (
        f"run {snapshot.id}: {result['test_acc']:.2%} of the test images, {snapshot.train_s:.1f} s in steps, "
        f"{snapshot.images_per_s:,.0f} images/s; model: {result['model']}"
    )
