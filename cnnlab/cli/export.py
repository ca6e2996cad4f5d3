"""``export``: a network or a model as source, notebook, ONNX, model file or link."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from cnnlab.cli import emit, json_option
from cnnlab.errors import ModelError
from cnnlab.export.choices import EXPORTS

if TYPE_CHECKING:
    from cnnlab.export.subject import Subject


def register(group: click.Group) -> None:
    """Add ``export`` to ``group``."""
    group.add_command(export)


@click.command()
@click.option("--model", "model_name", metavar="MODEL", help="A bundled model, a model file, or a run's id.")
@click.option("--net", metavar="NET", help="Or a preset (see: net list), or an architecture's JSON file.")
@click.option("--to", "to", required=True, type=click.Choice(tuple(EXPORTS)), help="What to write.")
@click.option("--out", required=True, type=click.Path(dir_okay=False, path_type=Path), help="Where to write it.")
@json_option
def export(model_name: str | None, net: str | None, to: str, out: Path, as_json: bool) -> None:
    """Write a model, or a network without weights, as something that other programs open."""
    from cnnlab.cli.train import check_writable
    from cnnlab.home import write_whole

    choice, subject = EXPORTS[to], _subject(model_name, net)
    if lacking := choice.lacks(subject):
        raise lacking
    check_writable(out)
    made = choice.make(subject)
    try:
        write_whole(out, made.data)
    except OSError as error:
        raise ModelError(
            "{name}: cannot be written ({reason})", name=str(out), reason=error.strerror or error
        ) from error
    notes = [str(note) for note in made.notes]
    value = {"to": to, "out": str(out), "bytes": len(made.data), "notes": notes}
    emit(value, as_json, lambda: "\n".join([f"{out}: {len(made.data):,} bytes", *notes]))


def _subject(model_name: str | None, net: str | None) -> Subject:
    from cnnlab.architecture.presets import PRESETS, load_network
    from cnnlab.export.subject import of_model, of_network
    from cnnlab.training.recipe import Recipe

    if (model_name is None) == (net is None):
        raise ModelError("name what to export by one of two: --model MODEL (trained), or --net NET (without weights)")
    if net is not None:
        preset = PRESETS.get(net)
        recipe = Recipe.of(preset.recipe) if preset else None
        return of_network(load_network(net), recipe, preset.data if preset else "")
    from cnnlab.runs import named
    from cnnlab.runs.models import reference

    return of_model(named(str(model_name)), reference(str(model_name)))
