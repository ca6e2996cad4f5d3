"""``python -m cnnlab compress``: a smaller model, and what was measured of it beside the original."""

from __future__ import annotations

import sys
from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cnnlab.cli import emit, json_option, table
from cnnlab.cli.train import check_writable, recipe_flags, with_flags

if TYPE_CHECKING:
    from cnnlab.compress.compare import Comparison, Measured
    from cnnlab.data.dataset import DataSet
    from cnnlab.model import Model
    from cnnlab.training.events import Event
    from cnnlab.training.recipe import Recipe


def register(group: click.Group) -> None:
    """Add ``compress`` to ``group``."""
    group.add_command(compress)


@click.command()
@click.option("--model", "model_name", required=True, help="A bundled model, a model file, or a run's id.")
@click.option("--data", metavar="NAME", help="A data set; left out: the one that the model learned from.")
@click.option("--prune", "share", type=float, metavar="SHARE", help="Take away this share, such as 0.5.")
@click.option("--per", type=click.Choice(("weight", "channel")), default="weight", show_default=True)
@click.option("--steps", type=int, default=1, show_default=True, help="In how many steps; 1: all at once.")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Where to write the smaller model.")
@recipe_flags
@json_option
def compress(
    model_name: str,
    data: str | None,
    share: float | None,
    per: str,
    steps: int,
    out: Path | None,
    as_json: bool,
    **flags: Any,
) -> None:
    """Make MODEL smaller and measure it beside the original, on all test images and by the clock.

    With --epochs it learns on after each step, at a tenth of the learning rate it was trained with; the other flags
    change that.
    """
    from cnnlab.compress.compare import compare, subject_of
    from cnnlab.compress.pruning import Plan, labelled, prune
    from cnnlab.errors import RecipeError
    from cnnlab.runs import named

    if out is not None:
        check_writable(out)
    model = named(model_name)
    dataset = data_of(model, data)
    if share is None:
        raise RecipeError("say how: --prune SHARE")
    plan = Plan(share=share, per=per, steps=steps, epochs=flags["epochs"] or 0)
    recipe = _recipe(model, flags)
    smaller = follow(prune(model, plan, dataset, recipe))
    smaller = labelled(smaller, model, prune=plan.model_dump(mode="json"))
    comparison = compare(subject_of(model), subject_of(smaller), dataset.test, dataset.name)
    if out is not None:
        labelled(smaller, model, **smaller.about.result["compressed"], test_acc=comparison.after.test_acc).save(out)
    result = {**comparison.as_dict(), "out": str(out) if out else None}
    emit(result, as_json, lambda: told(comparison))


def data_of(model: Model, name: str | None) -> DataSet:
    """Return the data set ``name``, or the one that ``model`` learned from, or the smaller one with its classes."""
    from cnnlab.data.known import KNOWN
    from cnnlab.data.loader import is_present, load

    own = model.about.data
    if name is None and own in KNOWN and not is_present(own) and is_present(KNOWN[own].relative):
        name = KNOWN[own].relative
        click.echo(f"{own} is not on this machine; measured with {name}", err=True)
    return load(name or own)


def _recipe(model: Model, flags: dict[str, Any]) -> Recipe:
    import torch

    from cnnlab.compress.tuning import tuning_recipe
    from cnnlab.runs.machine import resolve_recipe
    from cnnlab.training.recipe import Recipe

    base, given = tuning_recipe(model, 1).model_dump(), {**flags, "epochs": flags["epochs"] or 1}
    recipe = resolve_recipe(Recipe.of(with_flags(base, given)), model.architecture)
    torch.set_num_threads(recipe.threads)
    return recipe


def follow(work: Generator[Event, None, Model]) -> Model:
    """Return what ``work`` returns, with its progress on standard error."""
    from tqdm import tqdm  # type: ignore[import-untyped,unused-ignore]

    from cnnlab.training.events import TrainEvent, ValEvent

    with tqdm(unit="step", file=sys.stderr, desc="compress", mininterval=0.5, delay=0.5) as bar:
        while True:
            try:
                event = next(work)
            except StopIteration as end:
                model: Model = end.value
                return model
            if isinstance(event, TrainEvent):
                bar.update()
                bar.set_postfix(loss=f"{event.loss:.4f}")
            elif isinstance(event, ValEvent):
                bar.set_postfix(val=f"{event.acc:.4f}")


def told(comparison: Comparison) -> str:
    """Return what was measured, before and after, for a person."""
    before, after = comparison.before, comparison.after
    rows = [(what, *(show(one) for one in (before, after))) for what, show in _ROWS]
    changed = (
        f"{len(comparison.changed)} of {after.images} test images of {comparison.data} changed their answer: "
        f"{comparison.became_wrong} became wrong, {comparison.became_right} right"
    )
    return f"{table(rows, ('', before.name, after.name + ' (smaller)'))}\n{changed}"


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
