"""``surgery`` and ``lesions``: what hangs on single channels and connections of a model."""

from __future__ import annotations

from pathlib import Path

import click

from cnnlab.cli import emit, json_option, table
from cnnlab.cli.train import check_writable


def register(group: click.Group) -> None:
    """Add ``surgery`` and ``lesions`` to ``group``."""
    group.add_command(surgery)
    group.add_command(lesions)


@click.command()
@click.option("--model", "model_name", required=True, help="A bundled model, a model file, or a run's id.")
@click.option(
    "--do", "wanted", nargs=2, multiple=True, metavar="OPERATION ADDRESS",
    help="silence, scale=0.5, flip=rows, rotate=1, shuffle=7, sobel=columns or initial, on a channel such as conv1[3] "
    "or a connection such as conv2.weight[3,1]; several, one after the other.",
)  # fmt: skip
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Where to write the changed model.")
@json_option
def surgery(model_name: str, wanted: tuple[tuple[str, str], ...], out: Path | None, as_json: bool) -> None:
    """Operate on channels and connections of a copy of MODEL, and say what that does to its answers on test images."""
    from cnnlab.errors import ModelError
    from cnnlab.insight.surgery import Edit, first_weights, table_for
    from cnnlab.insight.surgery.edits import named as renamed
    from cnnlab.runs.models import reference, resolve

    if not wanted:
        raise ModelError("say what is to be done: --do OPERATION ADDRESS")
    if out is not None:
        check_writable(out)
    ref = reference(model_name)
    model = resolve(ref)
    edits = [Edit.parse(what, where) for what, where in wanted]
    initial = first_weights(ref, model) if any(edit.do == "initial" for edit in edits) else None
    changed, effect = table_for(model).operate(edits, initial)
    if out is not None:
        renamed(changed, changed.about.name, effect).save(out)
    value = {
        "images": effect.images,
        "acc_before": effect.acc_before,
        "acc_after": effect.acc_after,
        "changed_answers": len(effect.changed),
        "classes": [
            {"name": name, "images": count, "right_before": before, "right_after": after}
            for name, count, before, after in zip(model.class_names, effect.counts, effect.before, effect.after)
        ],
        "out": out and str(out),
    }
    head = ("class", "images", "right before", "right after")
    rows = list(zip(model.class_names, effect.counts, effect.before, effect.after))
    said = f"{effect.acc_before:.2%} -> {effect.acc_after:.2%} of {effect.images} test images, {len(effect.changed)} other answers"
    emit(value, as_json, lambda: f"{said}\n{table(rows, head)}")


@click.command()
@click.option("--model", "model_name", required=True, help="A bundled model, a model file, or a run's id.")
@click.argument("layer")
@json_option
def lesions(model_name: str, layer: str, as_json: bool) -> None:
    """Silence each channel of LAYER alone and say what that costs each class, in points of accuracy."""
    from cnnlab.insight.surgery.lesions import found_for, searched
    from cnnlab.runs import named

    model = named(model_name)
    count = (model.architecture.trace().row(layer).output_shape or (1,))[0]
    for step in searched(model, layer):
        click.echo(f"{layer}: {step.done / count:.0%}", err=True)
    found = found_for(model, layer)
    if found is None:
        return
    change = found.change
    value = {
        "layer": layer,
        "images": int(found.counts.sum()),
        "acc": int(found.before.sum()) / int(found.counts.sum()),
        "channels": [
            {"channel": unit, "cost": cost, "change": dict(zip(model.class_names, row))}
            for unit, cost, row in zip(found.units, found.cost.tolist(), change.tolist())
        ],
    }
    rows = [
        (unit, f"{-100 * cost:+.2f}", *(f"{100 * one:+.1f}" for one in row))
        for unit, cost, row in zip(found.units, found.cost.tolist(), change.tolist())
    ]
    emit(value, as_json, lambda: table(rows, ("channel", "all", *model.class_names)))
