"""A notebook that loads the same data, builds the network, trains by the same recipe and seed, and tests.

Its code is plain torch and does, on the same machine, what the lab's loop does, to the bit: the same generators for the
same purposes, the same order of images, the same operations in the same memory format, precision and number of threads.
"""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from cnnlab.description import Preprocessing
from cnnlab.errors import DataError
from cnnlab.export import notebook_code as code
from cnnlab.export import notebook_loop as loop
from cnnlab.export.notebook_changes import changes
from cnnlab.export.notebook_code import Plan
from cnnlab.export.notebook_data import TORCHVISION, data_cell
from cnnlab.export.subject import Subject
from cnnlab.i18n import Message, _

if TYPE_CHECKING:
    from cnnlab.training.recipe import Recipe


def to_notebook(subject: Subject) -> tuple[bytes, tuple[Message, ...]]:
    """Return the notebook's file (nbformat 4.5, its text in the current language), and why it may end differently.

    Raises:
        RecipeError: nobody said by which recipe, or on which data.
        DataError: the data set is not here, or is another one by now.
        ShapeError, ArchitectureError, BudgetError: the network cannot be trained on it.
    """
    plan = make_plan(subject)
    notes = remarks(subject, plan)
    first, *later = plan.line
    cells = [
        _text(_head(subject, plan, notes)),
        _code(code.imports(first)),
        _text(
            _(
                "## The images\n\nFrom a file beside this notebook, from CNN Lab, or fetched by torchvision; then compared with "
                "the ones that the network learned from in the lab."
            )
        ),  # fmt: skip
        _code(data_cell(plan)),
        _text(_("## The network")),
        _code(code.network(plan)),
        _text(_beginning(first)),
        _code(code.first_weights(first)),
        *_run(first, subject),
        *(cell for one in later for cell in _run(one, subject)),
        _text(_("## The test\n\nOnce, at the end, on images that nothing has looked at before.")),
        _code(loop.test(plan)),
    ]
    document = {
        "cells": [{"id": f"cell-{number:02}", **cell} for number, cell in enumerate(cells, 1)],
        "metadata": {
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
        },
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    return (json.dumps(document, ensure_ascii=False, indent=1) + "\n").encode(), notes


def make_plan(subject: Subject) -> Plan:
    """Return the numbers of the notebook; raises as ``to_notebook``."""
    from cnnlab.runs.machine import resolve_recipe
    from cnnlab.training.checks import part_size

    if subject.recipe is None or not subject.data:
        from cnnlab.export.choices import no_recipe

        raise no_recipe()
    recipe = resolve_recipe(subject.recipe, subject.architecture)
    preprocessing, data_hash = _seen(subject, recipe)
    plan = Plan(
        architecture=subject.architecture,
        preprocessing=preprocessing,
        recipe=recipe,
        data=subject.data,
        data_hash=data_hash,
        part=part_size(subject.architecture, recipe.batch_size + 1),
        halved=subject.model is not None and _halved(subject),
        test_acc=subject.test_acc,
        changes=subject.changes,
        borrowed=subject.borrowed,
    )
    earlier: Plan | None = None
    for one in subject.past:
        earlier = replace(
            plan,
            recipe=one.recipe,
            part=part_size(subject.architecture, one.recipe.batch_size + 1),
            changes=one.changes,
            earlier=earlier,
            until=one.until,
            judged=one.judged,
        )
    return replace(plan, earlier=earlier)


def _seen(subject: Subject, recipe: Recipe) -> tuple[Preprocessing, str]:
    """Return how the network sees the images, and their hash: a model says so itself, wherever the images are."""
    from cnnlab.data.loader import is_present, load
    from cnnlab.training.checks import check_trainable

    model = subject.model
    if model is not None and _published(subject) and not is_present(subject.data):
        return model.preprocessing, subject.data_hash
    dataset = load(subject.data)
    if model is None:
        check_trainable(subject.architecture, dataset, recipe)
        return Preprocessing.of(subject.architecture, dataset), dataset.hash
    if subject.data_hash not in ("", dataset.hash):
        raise DataError(
            "{name}: the images here are not those that this model learned from; the notebook could not end as it did",
            name=subject.data,
        )
    return model.preprocessing, dataset.hash


def _published(subject: Subject) -> bool:
    """Return whether the notebook can fetch the images by itself; the model's file, which says so, may come from anyone."""
    return subject.data in TORCHVISION and re.fullmatch("[0-9a-f]{64}", subject.data_hash) is not None


def _run(plan: Plan, subject: Subject) -> list[dict[str, Any]]:
    """Return the cells of one run's batches, optimizer, changes and training; a branch has a heading of its own."""
    cells: list[dict[str, Any]] = []
    if plan.chained:
        cells.append(_text(_chapter(plan, subject)))
    if plan.earlier is not None:
        cells.append(_code(code.numbers_of_branch(plan, plan.earlier)))
    return [
        *cells,
        _text(_("## Batches")),
        _code(code.batches(plan)),
        _text(_("## Optimizer, learning rate and loss")),
        _code(code.learning_rate(plan)),
        *_changes(plan),
        _text(_("## Training")),
        _code(loop.training(plan)),
    ]


def _chapter(plan: Plan, subject: Subject) -> str:
    """Return what stands above one of several runs: up to which step it goes, or from where on, and its recipe."""
    place = len(plan.line) - 1
    name = subject.past[place].name if place < len(subject.past) else ""
    name = json.dumps(name, ensure_ascii=False)[1:-1]
    if plan.earlier is None:
        text = _(
            "# The first run, up to step {step}\n\n{name}: the run that was branched from.",
            step=plan.until or 0,
            name=name,
        )
    elif plan.until is not None:
        text = _("# Its branch, from step {start} to step {step}\n\n{name}: it goes on with the same weights, at the same place.",
                 start=plan.earlier.until or 0, step=plan.until, name=name)  # fmt: skip
    else:
        text = _("# The branch, from step {start} on\n\nIt goes on with the same weights, at the same place in the order of images.",
                 start=plan.earlier.until or 0)  # fmt: skip
    return f"{text}\n\n{_recipe(plan)}"


def _beginning(plan: Plan) -> str:
    if not plan.borrowed:
        return _("## Its first weights\n\nFrom the seed: the same as in the lab.")
    layers = ", ".join(dict.fromkeys(name.rpartition(".")[0] for name in plan.borrowed))
    return _(
        "## Its first weights\n\nThose of {layers} are what another model has learned; they stand in the cell below, as "
        "text. All others come from the seed: the same as in the lab.",
        layers=layers,
    )


def _changes(plan: Plan) -> list[dict[str, Any]]:
    if plan.chained and not plan.changes:
        return [_code(changes(plan))]
    if not plan.changes:
        return []
    return [_text(_("## Changes by hand\n\nAs they were made while the run learned.")), _code(changes(plan))]


def _halved(subject: Subject) -> bool:
    """Return whether the weights of the model were rounded to float16 when it was written."""
    import torch

    state = subject.model.state if subject.model is not None else {}
    weights = [tensor for tensor in state.values() if tensor.dim() > 1]
    return bool(weights) and all(torch.equal(tensor.half().float(), tensor) for tensor in weights)


KNOWN_FIELDS = frozenset(
    """epochs batch_size optimizer lr momentum nesterov weight_decay l1 clip_norm schedule step_epochs step_factor warmup
    warmup_epochs plateau_factor plateau_patience early_stopping loss label_smoothing augmentation mixup whiten mirror seed
    precision memory_format threads limit_train
    limit_per_class layer_lr full_train shift crop_padding rotate scale shear flip cutout noise""".split()
)
"""The fields of a recipe and of its augmentation that the notebook's code carries out."""


def unknown_fields(recipe: Recipe) -> list[str]:
    """Return the fields that ``recipe`` makes use of and the notebook does not carry out; empty as long as both agree."""
    used = recipe.model_dump(exclude_defaults=True)
    return sorted((used.keys() | used.get("augmentation", {}).keys()) - KNOWN_FIELDS)


def remarks(subject: Subject, plan: Plan) -> tuple[Message, ...]:
    """Return why the notebook may end with another accuracy than the lab, in sentences; empty where it does not."""
    found = list(subject.unlike)
    if unknown := sorted({name for one in plan.line for name in unknown_fields(one.recipe)}):
        found.append(
            Message(
                "The notebook passes over what it does not know of the recipe: {fields}.", fields=", ".join(unknown)
            )
        )
    if subject.recipe is not None and subject.recipe != plan.recipe:
        found.append(
            Message(
                "The recipe leaves {fields} to the machine; the notebook has what this one chooses.",
                fields=", ".join(
                    n
                    for n in ("precision", "memory_format", "threads")
                    if getattr(subject.recipe, n) != getattr(plan.recipe, n)
                ),  # fmt: skip
            )
        )
    return tuple(found)


def _head(subject: Subject, plan: Plan, notes: tuple[Message, ...]) -> str:
    import torch

    name = (subject.model.about.name if subject.model is not None else "") or subject.architecture.name
    parts = ["# " + json.dumps(name or _("network"), ensure_ascii=False)[1:-1]]
    if plan.test_acc is None:
        parts.append(_("This notebook trains the network on {data} and tests it. Made by CNN Lab.", data=plan.data))
    else:
        parts.append(
            _("This notebook trains the network on {data} and tests it, as CNN Lab did: there {acc} of the test images were "
              "right.", data=plan.data, acc=f"{plan.test_acc:.2%}")
        )  # fmt: skip
    parts += [f"**{note.text()}**" for note in notes]
    parts.append(
        _("On the same kind of processor, with the same version of PyTorch (here {torch}) and as many threads ({threads}), all "
          "digits are the same as in the lab. Elsewhere numbers are rounded in another order, and after many steps a few test "
          "images are judged differently.", torch=torch.__version__.split("+")[0], threads=plan.recipe.threads)
    )  # fmt: skip
    if plan.recipe.precision == "bfloat16":
        parts.append(
            _("It computes in bfloat16, as the lab did: on a processor without instructions for that it is slow, and rounds "
              "differently.")
        )  # fmt: skip
    if plan.earlier is not None:
        parts.append(_("It is a branch: below stands first what it went on from, then the branch itself."))
    else:
        parts.append(_recipe(plan))
    return "\n\n".join(parts)


def _recipe(plan: Plan) -> str:
    recipe = json.dumps(_told(plan.recipe.model_dump(mode="json")), ensure_ascii=False, indent=1)
    return _("The recipe:") + f"\n\n```json\n{recipe}\n```"


def _told(values: dict[str, Any]) -> dict[str, Any]:
    """Return the fields of a recipe that are not at their defaults, and those that everybody asks for."""
    from cnnlab.training.recipe import Recipe

    usual = Recipe().model_dump(mode="json")
    always = ("epochs", "batch_size", "optimizer", "lr", "seed", "precision", "threads")
    told = {name: value for name, value in values.items() if name in always or value != usual[name]}
    if "augmentation" in told:
        plain = usual["augmentation"]
        told["augmentation"] = {name: value for name, value in told["augmentation"].items() if value != plain[name]}
    return told


def _text(source: str) -> dict[str, Any]:
    return {"cell_type": "markdown", "metadata": {}, "source": source.splitlines(keepends=True)}


def _code(source: str) -> dict[str, Any]:
    lines = source.strip("\n").splitlines(keepends=True)
    return {"cell_type": "code", "execution_count": None, "metadata": {}, "outputs": [], "source": lines}
