"""What is looked at before a run begins or changes: can this network learn this data, as the recipe says?"""

from __future__ import annotations

from cnnlab.architecture import Architecture, Row, check_budget
from cnnlab.architecture.layers import BatchNorm2d, Dropout, Dropout2d
from cnnlab.data.dataset import DataSet
from cnnlab.description import Preprocessing
from cnnlab.errors import ArchitectureError, RecipeError
from cnnlab.training.checkpoint import Standing
from cnnlab.training.images import count_images
from cnnlab.training.recipe import Recipe, check_layer_rates

PART_BYTES = 128_000_000
"""How much memory the activations of one part of a batch may take."""


LEAST_SHARE = 8
"""Images below which a share of a batch is not worth a thread of its own."""


def part_size(architecture: Architecture, batch_size: int) -> int:
    """Return how many images of a batch are looked at together.

    A batch whose activations are larger than ``PART_BYTES`` is taken in parts, and their gradients are added up: the
    same step, whatever the size of the batch. Batch normalisation looks at a whole batch and cannot be taken in parts.
    """
    if any(isinstance(row.layer, BatchNorm2d) for row in architecture.trace().rows):
        return batch_size
    return max(1, min(batch_size, PART_BYTES // (4 * max(1, architecture.trace().activation_elements))))


def shares(architecture: Architecture, images: int, threads: int) -> int:
    """Return into how many shares a batch of ``images`` is cut, each for a thread of its own; 1: it stays whole.

    A layer that looks at the whole batch (batch normalisation) or draws from one generator, image after image
    (dropout), cannot be shared out; there ``threads`` work together inside each operation instead.
    """
    return share_count(images, threads) if can_share(architecture) else 1


def can_share(architecture: Architecture) -> bool:
    """Return whether no layer needs to see a whole batch at once."""
    return not any(isinstance(row.layer, (BatchNorm2d, Dropout, Dropout2d)) for row in architecture.trace().rows)


def share_count(images: int, threads: int) -> int:
    """Return how many shares ``images`` make for ``threads``, none of them below ``LEAST_SHARE`` images."""
    return max(1, min(threads, images // LEAST_SHARE))


def spreadless(architecture: Architecture, batch: int) -> Row | None:
    """Return the first batch normalisation that gets a single number for each channel of ``batch`` images, if any."""
    rows = (row for row in architecture.trace().rows if isinstance(row.layer, BatchNorm2d) and batch == 1)
    return next((row for row in rows if row.output_shape is not None and row.output_shape[1:] == (1, 1)), None)


def check_trainable(architecture: Architecture, dataset: DataSet, recipe: Recipe) -> None:
    """Raise unless ``architecture`` can learn ``dataset`` as ``recipe`` says, before anything is allocated.

    Raises:
        ShapeError, ArchitectureError, BudgetError, DataError, RecipeError: with what to change.
    """
    batch = min(recipe.batch_size, count_images(dataset, recipe))
    architecture.check()
    check_budget(architecture, part_size(architecture, batch))
    Preprocessing.of(architecture, dataset)
    output, classes = architecture.output_shape, len(dataset.class_names)
    if len(output) != 1 or output[0] != classes:
        raise ArchitectureError(
            "the network ends in {shape} numbers, but {data} has {classes} classes; "
            "let its last layers be Flatten and Linear with out_features={classes}",
            shape="x".join(map(str, output)),
            data=dataset.name,
            classes=classes,
        )
    if (row := spreadless(architecture, batch)) is not None:
        raise RecipeError(
            "batch_size: with 1 image a batch, {name} has a single number for each channel and no spread to "
            "divide by; use batch_size >= 2",
            name=row.name,
        )
    check_layer_rates(architecture, recipe.layer_lr)
    if all(row.num_params == 0 for row in architecture.trace().rows):
        raise ArchitectureError("this network has no weight to learn; add a layer that has some, such as Linear")


def check_branch(standing: Standing, recipe: Recipe) -> None:
    """Raise RecipeError unless a run with ``recipe`` can go on from where another one stands."""
    for name in ("limit_train", "limit_per_class", "full_train", "whiten"):
        before, after = getattr(standing.recipe, name), getattr(recipe, name)
        if before != after:
            raise RecipeError(
                "{name}: a branch goes on with the images and the fixed filters of its parent, {before}; start a new "
                "run for {after}",
                name=name,
                before=str(before),
                after=str(after),
            )
    if recipe.epochs < standing.epoch:
        raise RecipeError(
            "epochs: {given} is too small; the checkpoint is in epoch {epoch}, use {epoch} or more",
            given=recipe.epochs,
            epoch=standing.epoch,
        )
