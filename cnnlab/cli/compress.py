"""``python -m cnnlab compress``: a smaller model, and what was measured of it beside the original."""

from __future__ import annotations

import sys
from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from cnnlab.cli import emit, json_option, table
from cnnlab.cli.train import check_writable, recipe_flags, with_flags

if TYPE_CHECKING:
    from pydantic import BaseModel

    from cnnlab.architecture import Architecture
    from cnnlab.compress.compare import Comparison, Measured
    from cnnlab.compress.making import Made
    from cnnlab.data.dataset import DataSet
    from cnnlab.model import Model
    from cnnlab.training.events import Event
    from cnnlab.training.recipe import Recipe

    Settings = TypeVar("Settings", bound=BaseModel)


def register(group: click.Group) -> None:
    """Add ``compress`` to ``group``."""
    group.add_command(compress)


@click.command()
@click.option("--model", "model_name", required=True, help="A bundled model, a model file, or a run's id.")
@click.option("--data", metavar="NAME", help="A data set; left out: the one that the model learned from.")
@click.option("--prune", "share", type=float, metavar="SHARE", help="Take away this share of it, such as 0.5.")
@click.option("--per", type=click.Choice(("weight", "channel")), help="With --prune: what goes (default: weight).")
@click.option("--steps", type=int, help="With --prune: in how many steps (default: 1, all at once).")
@click.option("--int8", is_flag=True, help="Keep weights and activations as bytes.")
@click.option("--distil", "net", metavar="NET", help="Let this network (a preset or a JSON file) learn from MODEL.")
@click.option("--temperature", type=float, help="With --distil: how softly MODEL speaks (default: 4).")
@click.option("--soft", type=float, help="With --distil: how much MODEL counts beside the classes (default: 0.7).")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Where to write the smaller model.")
@recipe_flags
@json_option
def compress(
    model_name: str,
    data: str | None,
    share: float | None,
    per: str | None,
    steps: int | None,
    int8: bool,
    net: str | None,
    temperature: float | None,
    soft: float | None,
    out: Path | None,
    as_json: bool,
    **flags: Any,
) -> None:
    """Make MODEL smaller and measure it beside the original, on all test images and by the clock.

    One of --prune, --int8 and --distil. With --prune and --epochs it learns on after each step, at a tenth of the
    learning rate it was trained with. With --distil, NET also learns once without MODEL, with the same recipe, so that
    it shows what listening to MODEL was worth. The other flags change the recipe.
    """
    from cnnlab.errors import RecipeError
    from cnnlab.home import write_whole
    from cnnlab.runs import named

    if (share is not None) + int8 + (net is not None) != 1:
        raise RecipeError("say how the model is to become smaller: --prune SHARE, --int8 or --distil NET")
    if out is not None:
        check_writable(out)
    model = named(model_name)
    dataset = data_of(model, data)
    if share is not None:
        made = _pruned(model, dataset, {"share": share, "per": per, "steps": steps, "epochs": flags["epochs"]}, flags)
    elif net is not None:
        made = _distilled(model, dataset, net, {"temperature": temperature, "soft": soft}, flags)
    else:
        made = _in_int8(model, dataset)
    comparison, alone = made.measured(dataset)
    if out is not None:
        write_whole(out, made.after.file)
    result = {
        "how": made.how,
        **comparison.as_dict(),
        "alone": alone and alone.as_dict()["after"],
        "out": out and str(out),
    }
    emit(result, as_json, lambda: told(comparison, alone))


def _pruned(model: Model, dataset: DataSet, fields: dict[str, Any], flags: dict[str, Any]) -> Made:
    from cnnlab.compress.making import pruned
    from cnnlab.compress.pruning import Plan
    from cnnlab.compress.tuning import tuning_recipe

    plan = checked(Plan, fields)
    base = tuning_recipe(model, 1).model_dump()
    recipe = _recipe(base, {**flags, "epochs": plan.epochs or 1}, model.architecture)
    return follow(pruned(model, plan, dataset, recipe))


def _distilled(model: Model, dataset: DataSet, net: str, fields: dict[str, Any], flags: dict[str, Any]) -> Made:
    from cnnlab.architecture.presets import PRESETS, load_network
    from cnnlab.compress.distil import Lesson
    from cnnlab.compress.making import distilled

    lesson, architecture = checked(Lesson, fields), load_network(net)
    recipe = _recipe(dict(PRESETS[net].recipe) if net in PRESETS else {}, flags, architecture)
    return follow(distilled(model, architecture, lesson, dataset, recipe))


def _in_int8(model: Model, dataset: DataSet) -> Made:
    from cnnlab.compress.making import in_int8
    from cnnlab.training.threads import own_threads

    own_threads(1)
    return in_int8(model, dataset)


def checked(kind: type[Settings], fields: dict[str, Any]) -> Settings:
    """Return the ``kind`` with ``fields``, those that are None left out; raises RecipeError where one is out of range."""
    from pydantic import ValidationError

    from cnnlab.errors import RecipeError
    from cnnlab.validation import first_finding

    try:
        return kind.model_validate({name: value for name, value in fields.items() if value is not None})
    except ValidationError as error:
        raise RecipeError("compress: {finding}", finding=first_finding(error)) from error


def data_of(model: Model, name: str | None) -> DataSet:
    """Return the data set ``name``, else the one that belongs to ``model``; says so where that is a smaller one."""
    from cnnlab.compress.making import data_for
    from cnnlab.data.loader import load

    own, chosen = model.about.data, name or data_for(model)
    if name is None and chosen != own:
        click.echo(f"{own} is not on this machine; measured with {chosen}", err=True)
    return load(chosen)


def _recipe(base: dict[str, Any], flags: dict[str, Any], architecture: Architecture) -> Recipe:
    from cnnlab.runs.machine import resolve_recipe
    from cnnlab.training.recipe import Recipe
    from cnnlab.training.threads import own_threads

    recipe = resolve_recipe(Recipe.of(with_flags(base, flags)), architecture)
    own_threads(1)  # the training sees to those of its recipe
    return recipe


def follow(work: Generator[Event, None, Made]) -> Made:
    """Return what ``work`` returns, with its progress on standard error."""
    from tqdm import tqdm  # type: ignore[import-untyped,unused-ignore]

    from cnnlab.training.events import TrainEvent, ValEvent

    with tqdm(unit="step", file=sys.stderr, desc="compress", mininterval=0.5, delay=0.5) as bar:
        while True:
            try:
                event = next(work)
            except StopIteration as end:
                made: Made = end.value
                return made
            if isinstance(event, TrainEvent):
                bar.update()
                bar.set_postfix(loss=f"{event.loss:.4f}", refresh=False)
            elif isinstance(event, ValEvent):
                bar.set_postfix(val=f"{event.acc:.4f}", refresh=False)


def told(comparison: Comparison, alone: Comparison | None = None) -> str:
    """Return what was measured, before and after, for a person."""
    all_of_them = [comparison.before, comparison.after, *([alone.after] if alone else [])]
    rows = [(what, *(show(one) for one in all_of_them)) for what, show in _ROWS]
    changed = (
        f"{len(comparison.changed)} of {comparison.after.images} test images of {comparison.data} changed their answer: "
        f"{comparison.became_wrong} became wrong, {comparison.became_right} right"
    )
    return f"{table(rows, ('', *(one.name for one in all_of_them)))}\n{changed}"


def _time(batch: int) -> Any:
    return lambda one: f"{one.latency_s[batch] * 1000:.3f} ms ({one.fastest_s[batch] * 1000:.3f})"


def _nonzero(one: Measured) -> str:
    return f"{one.num_weights - one.zero_weights:,}"


_ROWS: list[tuple[str, Any]] = [
    ("test accuracy", lambda one: f"{one.test_acc:.2%}"),
    ("file", lambda one: f"{one.file_bytes:,} bytes"),
    ("file, zipped", lambda one: f"{one.zip_bytes:,} bytes"),
    ("parameters", lambda one: f"{one.num_params:,}"),
    ("weights that are not 0", _nonzero),
    ("multiply-adds", lambda one: f"{one.macs:,}"),
    ("with a weight that is not 0", lambda one: f"{one.macs_nonzero:,}"),
    ("time for 1 image (fastest)", _time(1)),
    ("time for 64 images (fastest)", _time(64)),
]
