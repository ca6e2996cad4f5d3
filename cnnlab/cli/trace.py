"""``trace``: any number inside a model, or its gradient, explained by its own arithmetic."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cnnlab.cli import emit, json_option, table

if TYPE_CHECKING:
    from torch import Tensor

    from cnnlab.description import ModelRef
    from cnnlab.insight.arithmetic import Pass
    from cnnlab.model import Model


def register(group: click.Group) -> None:
    """Add ``trace`` to ``group``."""
    group.add_command(trace)


@click.command()
@click.option("--model", "model_name", required=True, help="A bundled model, a model file, or a run's id.")
@click.option("--unit", default=None, help="Which number: conv2[3,4,5], fc1[7], probs[3]; else the predicted class's.")
@click.option("--top", type=click.IntRange(min=0), default=10, show_default=True, help="How many terms are shown.")
@click.option("--trail", "down", is_flag=True, help="Go on from the largest term, hop by hop, down to a pixel.")
@click.option(
    "--gradient",
    is_flag=True,
    help="How the loss depends on it; for a weight (conv1.weight[0,0,1,1]) with the optimizer's step.",
)
@click.option(
    "--target",
    type=click.IntRange(0),
    default=None,
    help="With --gradient: the class IMAGE should be; else the predicted one.",
)
@click.option(
    "--steps",
    type=click.IntRange(0, 1000),
    default=0,
    show_default=True,
    help="With --gradient: after so many steps on the same batch.",
)
@click.option(
    "--afresh",
    is_flag=True,
    help="With --gradient, for a run: the optimizer begins with nothing remembered, at the recipe's learning rate.",
)
@click.option("--training", is_flag=True, help="BatchNorm and dropout as in training, among a batch of the data set.")
@click.option(
    "--batch", type=click.IntRange(1, 1024), default=None, help="How many images: 32 with --training, else 1."
)
@click.option("--seed", type=int, default=0, show_default=True, help="With --training: what dropout draws from.")
@click.argument("image", type=click.Path(path_type=Path))
@json_option
def trace(
    model_name: str, unit: str | None, top: int, down: bool, gradient: bool, target: int | None, steps: int,
    afresh: bool, training: bool, batch: int | None, seed: int, image: Path, as_json: bool,
) -> None:  # fmt: skip
    """Say of which terms a number inside the model is the sum, for IMAGE.

    value = bias + the terms' products + the rest. What is not shown of the terms is added up as the rest. In training
    mode, and for the gradient of a batch, IMAGE stands first and behind it the first images of the training set of the
    model's data.
    """
    from cnnlab.data.prepare import file_to_input
    from cnnlab.insight.arithmetic.terms import finite
    from cnnlab.runs.models import named, reference

    model = named(model_name)
    ref = None if afresh else reference(model_name)
    picture = file_to_input(image, model)
    size = batch or (32 if training else 1)
    if gradient:
        value = _gradient(model, ref, picture, unit, top, target, steps, training, size, seed)
    else:
        value = _forward(model, picture, unit, top, down, size if training else 0, seed)
    emit(finite(value) if as_json else value, as_json, lambda: _written(value))


def _forward(
    model: Model, picture: Tensor, unit: str | None, top: int, down: bool, batch: int, seed: int
) -> dict[str, Any]:
    from cnnlab.insight.arithmetic import explain, trail

    passed, among = _pass(model, picture, batch, seed)
    unit = unit or f"probs[{int(passed.look.probs.argmax())}]"
    told = explain(passed, unit, top)
    value: dict[str, Any] = {**told.to_json(), "mode": "training" if batch else "evaluation"}
    if down:
        value["trail"] = [hop.to_json() for hop in trail(passed, unit, top)]
    return {**value, "batch": among} if among else value


def _pass(model: Model, picture: Tensor, batch: int, seed: int) -> tuple[Pass, dict[str, Any]]:
    """Return the picture's pass and, in training mode, what it went through together with."""
    from cnnlab.insight.arithmetic import batch_around, pass_of, training_pass

    if not batch:
        return pass_of(model, picture), {}
    around = batch_around(model, picture, batch)
    return training_pass(model, around.images, 0, seed), {**around.to_json(), "seed": seed}


def _gradient(
    model: Model, ref: ModelRef | None, picture: Tensor, unit: str | None, top: int, target: int | None, steps: int, training: bool,
    batch: int, seed: int,
) -> dict[str, Any]:  # fmt: skip
    from cnnlab.architecture import Address
    from cnnlab.insight.arithmetic import batch_around
    from cnnlab.insight.backwards import explain_gradient, memory_of, walk

    target = int(model.logits(picture.unsqueeze(0))[0].argmax()) if target is None else target
    around = batch_around(model, picture, batch, target)
    here = walk(model, around.images, around.targets, None, steps, training=training, seed=seed,
                memory=memory_of(ref, model) if ref else None)  # fmt: skip
    at = Address.parse(unit or f"{here.back.logits_layer}[{target}]")
    told = explain_gradient(here.back, at, 0, top)
    value = {
        **told.to_json(),
        "mode": "training" if training else "evaluation",
        "loss": here.back.loss,
        "target": target,
        "after_steps": steps,
        "optimizer_from_step": here.before or None,
        "batch": {**around.to_json(), "seed": seed},
    }
    return {**value, "step": here.next_step(at).to_json()} if at.tensor else value


def _written(value: dict[str, Any]) -> str:
    hops = value.get("trail", [value])
    parts = ["\n\n".join(_hop(hop) for hop in hops)]
    if "step" in value:
        step = value["step"]
        lines = [(line["name"], line["says"]) for line in step["lines"]]
        parts.append(f"\nstep {step['number']} of {step['optimizer']}, from the weight {step['before']:.6g}:")
        parts.append(table(lines, ("what", "how")))
    if value.get("batch", {}).get("first"):
        among = value["batch"]
        first, data = among["first"], among["data"]
        parts.append(f"in a batch of {among['size']}: this image and the first {first} training images of {data}")
    return "\n".join(parts)


def _hop(value: dict[str, Any]) -> str:
    """Return one number as a sentence and the table of its terms."""
    rows: list[tuple[str, ...]] = [
        (_input(term), _entering(term), term["weight"] or "", f"{term['factor']:.6g}", f"{term['product']:.6g}")
        for term in value["terms"]
    ]
    if value["rest_count"]:
        rows.append((f"the rest ({value['rest_count']})", "", "", "", f"{value['rest']:.6g}"))
    rows.append(("bias", "", "", "", f"{value['bias']:.6g}"))
    rows.append(("sum", "", "", "", f"{value['sum']:.6g}"))
    return "\n".join([value["says"], table(rows, ("input", "value", "weight", "factor", "product"))])


def _input(term: dict[str, Any]) -> str:
    return f"image {term['image']}: {term['input']}" if "image" in term else str(term["input"])


def _entering(term: dict[str, Any]) -> str:
    """Return the number that comes in, and what it becomes before it is multiplied."""
    became = f" -> {term['amount']:.6g}" if "amount" in term else ""
    return f"{term['input_value']:.6g}{became}"
