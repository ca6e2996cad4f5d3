"""``predict``: what a model makes of pictures, prepared as the canvas prepares a drawing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from cnnlab.cli import emit, json_option, table


def register(group: click.Group) -> None:
    """Add ``predict`` to ``group``."""
    group.add_command(predict)


@click.command()
@click.option("--model", "model_name", required=True, help="A bundled model, a model file, or a run's id.")
@click.argument("images", metavar="IMAGE...", nargs=-1, required=True, type=click.Path(path_type=Path))
@json_option
def predict(model_name: str, images: tuple[Path, ...], as_json: bool) -> None:
    """Say which class each IMAGE is.

    A digit may have any size, and be dark on light or light on dark; it is cut out and centred as on the canvas.
    MODEL may be an int8 file of "compress". A model of anything but handwriting looks at the middle of the picture.
    """
    import torch

    from cnnlab.compress.answering import answering_named
    from cnnlab.data.prepare import file_to_input

    model = answering_named(model_name)
    inputs = torch.stack([file_to_input(path, model) for path in images])
    answers = [
        {"image": str(path), "label": model.class_names[max(range(len(probs)), key=probs.__getitem__)], "probs": probs}
        for path, probs in zip(images, model.probs(inputs).tolist())
    ]
    emit(answers, as_json, lambda: table([_row(answer) for answer in answers], ("image", "label", "prob")))


def _row(answer: dict[str, Any]) -> tuple[str, str, str]:
    return answer["image"], answer["label"], f"{max(answer['probs']):.1%}"
