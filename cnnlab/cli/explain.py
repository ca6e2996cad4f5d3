"""``explain``: which pixels decided, by one of the attribution methods."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from cnnlab.cli import emit, json_option

if TYPE_CHECKING:
    from torch import Tensor

    from cnnlab.attribution import Attribution
    from cnnlab.model import Model

METHOD_IDS = (
    "saliency, input_x_gradient, integrated_gradients, guided_backprop, deep_lift, occlusion, grad_cam, guided_grad_cam"
)
"""Written out, for the registry itself would bring torch into every command's start."""


def register(group: click.Group) -> None:
    """Add ``explain`` to ``group``."""
    group.add_command(explain)


@click.command()
@click.option("--model", "model_name", required=True, help="A bundled model, a model file, or a run's id.")
@click.option("--method", required=True, metavar="METHOD", help=f"One of: {METHOD_IDS}.")
@click.option("--target", type=int, default=None, help="Class index; without it, the predicted class.")
@click.option(
    "--out", type=click.Path(dir_okay=False, path_type=Path), default=None, help="Write a picture (PNG) here."
)
@click.argument("image", type=click.Path(path_type=Path))
@json_option
def explain(model_name: str, method: str, target: int | None, out: Path | None, image: Path, as_json: bool) -> None:
    """Say which pixels of IMAGE decided for (or against) a class.

    The sum is in logits; integrated_gradients and deep_lift also give delta, the logit of the image minus the logit
    of a black picture, to which their sum comes close.
    """
    from cnnlab.attribution import attribute
    from cnnlab.data.prepare import file_to_input
    from cnnlab.runs import named

    model = named(model_name)
    picture = file_to_input(image, model)
    answer = attribute(model, picture, method, target)
    if out is not None:
        _write(out, model, picture, answer)
    value: dict[str, object] = {
        "method": answer.method,
        "target": answer.target,
        "class_name": model.class_names[answer.target],
        "attribution_sum": answer.sum,
    }
    if answer.delta is not None:
        value["delta"] = answer.delta
    if answer.layer is not None:
        value["layer"] = answer.layer
    if out is not None:
        value["out"] = str(out)
    emit(value, as_json, lambda: "\n".join(f"{name}: {part}" for name, part in value.items()))


def _write(out: Path, model: Model, picture: Tensor, answer: Attribution) -> None:
    from cnnlab.attribution import METHODS
    from cnnlab.errors import PictureError
    from cnnlab.figures.heat import sheet_png
    from cnnlab.home import write_whole
    from cnnlab.insight import padded

    signed = METHODS[answer.method].signed
    sheet = sheet_png(padded(model, picture).numpy(), answer.heat.numpy(), signed=signed)
    try:
        write_whole(out, sheet)
    except OSError as error:
        raise PictureError("{name}: cannot be written ({reason})", name=out, reason=error.strerror) from error
