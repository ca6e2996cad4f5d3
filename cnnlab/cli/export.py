"""``export``: a network or a model as source, notebook, ONNX, model file or link."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from cnnlab.cli import emit, json_option
from cnnlab.errors import ModelError, RecipeError
from cnnlab.export.choices import EXPORTS

if TYPE_CHECKING:
    from cnnlab.architecture.share import Shared
    from cnnlab.export.subject import Subject
    from cnnlab.training.recipe import Recipe


def register(group: click.Group) -> None:
    """Add ``export`` to ``group``."""
    group.add_command(export)


@click.command()
@click.option("--model", "model_name", metavar="MODEL", help="A bundled model, a model file, or a run's id.")
@click.option("--net", metavar="NET", help="Or a preset (see: net list), or a JSON file that the lab wrote.")
@click.option("--to", "to", required=True, type=click.Choice(tuple(EXPORTS)), help="What to write.")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Where to write it; a link is printed.")
@click.option(
    "--recipe",
    "recipe_file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="With --net: how to train it, as JSON; the preset's own if left out.",
)
@click.option("--data", metavar="NAME", help="With --net: what it learns from; the preset's own if left out.")
@click.option("--with-data", is_flag=True, help="Write the images that a notebook needs into a file beside it.")
@click.option(
    "--address", default="http://localhost:8501", show_default=True, help="Of the lab that a link is to open."
)
@json_option
def export(
    model_name: str | None,
    net: str | None,
    to: str,
    out: Path | None,
    recipe_file: Path | None,
    data: str | None,
    with_data: bool,
    address: str,
    as_json: bool,
) -> None:
    """Write a model, or a network without weights, as something that other programs open."""
    from cnnlab.cli.train import check_writable

    choice, subject = EXPORTS[to], _subject(model_name, net, recipe_file, data)
    if lacking := choice.lacks(subject):
        raise lacking
    if with_data and to != "notebook":
        raise ModelError("`--with-data` goes with `--to notebook`; nothing else needs the images")
    if out is None and to != "link":
        raise ModelError("say where to write it: --out FILE{suffix}", suffix=choice.suffix)
    if out is not None:
        check_writable(out)
    made = choice.make(subject)
    content, address_text = made.data, None
    if to == "link" and not made.suffix:
        address_text = address.rstrip("/") + content.decode()
        content = f"{address_text}\n".encode()
    elif out is None:
        out = Path(f"{subject.file_name}{made.suffix}")
        check_writable(out)
    files = {} if out is None else {str(out): content}
    if with_data and out is not None:
        from cnnlab.export.notebook_data import data_file, data_name

        files[str(out.parent / data_name(subject.data))] = data_file(subject.data)
    for name, data_bytes in files.items():
        _write(Path(name), data_bytes)
    notes = [str(note) for note in made.notes]
    value = {"to": to, "out": str(out) if out else None, "files": list(files), "link": address_text, "notes": notes}
    written = [f"{name}: {len(data_bytes):,} bytes" for name, data_bytes in files.items()]
    emit(value, as_json, lambda: "\n".join([*filter(None, [address_text]), *written, *notes]))


def _write(path: Path, content: bytes) -> None:
    from cnnlab.home import write_whole

    try:
        write_whole(path, content)
    except OSError as error:
        raise ModelError(
            "{name}: cannot be written ({reason})", name=str(path), reason=error.strerror or error
        ) from error


def _subject(model_name: str | None, net: str | None, recipe_file: Path | None, data: str | None) -> Subject:
    from cnnlab.export.subject import of_model

    if (model_name is None) == (net is None):
        raise ModelError("name what to export by one of two: --model MODEL (trained), or --net NET (without weights)")
    if net is not None:
        return _network(net, recipe_file, data)
    if recipe_file is not None or data is not None:
        raise RecipeError("a model brings its own recipe and data; --recipe and --data go with --net")
    from cnnlab.runs import named
    from cnnlab.runs.models import reference

    return of_model(named(str(model_name)), reference(str(model_name)))


def _network(net: str, recipe_file: Path | None, data: str | None) -> Subject:
    """Return the network that ``net`` names, with the recipe and data that it brings or that are given with it."""
    from cnnlab.architecture.presets import PRESETS, load_network
    from cnnlab.export.link import recipe_of
    from cnnlab.export.subject import of_network
    from cnnlab.training.recipe import Recipe

    recipe: Recipe | None
    if preset := PRESETS.get(net):
        architecture, recipe, own_data = preset.architecture, Recipe.of(preset.recipe), preset.data
    elif (shared := _shared(net)) is not None:
        architecture, recipe, own_data = shared.architecture, recipe_of(shared), shared.data
    else:
        architecture, recipe, own_data = load_network(net), None, ""
    return of_network(architecture, _recipe(recipe_file) if recipe_file else recipe, data or own_data)


def _shared(net: str) -> Shared | None:
    """Return what the file ``net`` passes on, or None where there is no such file."""
    from cnnlab.architecture.share import MAX_FILE_BYTES, Shared

    try:
        with Path(net).expanduser().open("rb") as file:
            document = file.read(MAX_FILE_BYTES + 1)
    except (OSError, ValueError):
        return None
    return Shared.from_json(document)


_MAX_RECIPE_BYTES = 100_000


def _recipe(path: Path) -> Recipe:
    from cnnlab.training.recipe import Recipe

    try:
        with path.open("rb") as file:
            text = file.read(_MAX_RECIPE_BYTES).decode()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "not a text"
        raise RecipeError("{name}: cannot be read ({reason})", name=str(path), reason=reason) from error
    return Recipe.from_json(text)
