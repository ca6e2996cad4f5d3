"""``export``: a network or a model as source, notebook, ONNX, model file or link."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from cnnlab.cli import emit, json_option
from cnnlab.errors import ModelError, RecipeError
from cnnlab.export.choices import EXPORTS

if TYPE_CHECKING:
    from cnnlab.export.subject import Subject
    from cnnlab.training.recipe import Recipe


def register(group: click.Group) -> None:
    """Add ``export`` to ``group``."""
    group.add_command(export)


@click.command()
@click.option("--model", "model_name", metavar="MODEL", help="A bundled model, a model file, or a run's id.")
@click.option("--net", metavar="NET", help="Or a preset (see: net list), or an architecture's JSON file.")
@click.option("--to", "to", required=True, type=click.Choice(tuple(EXPORTS)), help="What to write.")
@click.option("--out", required=True, type=click.Path(dir_okay=False, path_type=Path), help="Where to write it.")
@click.option(
    "--recipe",
    "recipe_file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="With --net: how to train it, as JSON; the preset's own if left out.",
)
@click.option("--data", metavar="NAME", help="With --net: what it learns from; the preset's own if left out.")
@click.option("--with-data", is_flag=True, help="Write the images that a notebook needs into a file beside it.")
@json_option
def export(
    model_name: str | None,
    net: str | None,
    to: str,
    out: Path,
    recipe_file: Path | None,
    data: str | None,
    with_data: bool,
    as_json: bool,
) -> None:
    """Write a model, or a network without weights, as something that other programs open."""
    from cnnlab.cli.train import check_writable

    choice, subject = EXPORTS[to], _subject(model_name, net, recipe_file, data)
    if lacking := choice.lacks(subject):
        raise lacking
    if with_data and to != "notebook":
        raise ModelError("`--with-data` goes with `--to notebook`; nothing else needs the images")
    check_writable(out)
    made = choice.make(subject)
    files = {str(out): made.data}
    if with_data:
        from cnnlab.export.notebook_data import data_file, data_name

        files[str(out.parent / data_name(subject.data))] = data_file(subject.data)
    for name, content in files.items():
        _write(Path(name), content)
    notes = [str(note) for note in made.notes]
    value = {"to": to, "out": str(out), "bytes": len(made.data), "files": list(files), "notes": notes}
    written = [f"{name}: {len(content):,} bytes" for name, content in files.items()]
    emit(value, as_json, lambda: "\n".join([*written, *notes]))


def _write(path: Path, content: bytes) -> None:
    from cnnlab.home import write_whole

    try:
        write_whole(path, content)
    except OSError as error:
        raise ModelError(
            "{name}: cannot be written ({reason})", name=str(path), reason=error.strerror or error
        ) from error


def _subject(model_name: str | None, net: str | None, recipe_file: Path | None, data: str | None) -> Subject:
    from cnnlab.architecture.presets import PRESETS, load_network
    from cnnlab.export.subject import of_model, of_network
    from cnnlab.training.recipe import Recipe

    if (model_name is None) == (net is None):
        raise ModelError("name what to export by one of two: --model MODEL (trained), or --net NET (without weights)")
    if net is not None:
        preset = PRESETS.get(net)
        recipe = Recipe.of(preset.recipe) if preset else None
        return of_network(
            load_network(net), _read(recipe_file) if recipe_file else recipe, data or (preset.data if preset else "")
        )
    if recipe_file is not None or data is not None:
        raise RecipeError("a model brings its own recipe and data; --recipe and --data go with --net")
    from cnnlab.runs import named
    from cnnlab.runs.models import reference

    return of_model(named(str(model_name)), reference(str(model_name)))


_MAX_RECIPE_BYTES = 100_000


def _read(path: Path) -> Recipe:
    from cnnlab.training.recipe import Recipe

    try:
        with path.open("rb") as file:
            text = file.read(_MAX_RECIPE_BYTES).decode()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "not a text"
        raise RecipeError("{name}: cannot be read ({reason})", name=str(path), reason=reason) from error
    return Recipe.from_json(text)
