"""What is looked at before a run begins or changes: can this network learn this data, as the recipe says?"""

from __future__ import annotations

from cnnlab.architecture import Architecture, check_budget
from cnnlab.architecture.layers import BatchNorm2d
from cnnlab.data.dataset import DataSet
from cnnlab.description import Preprocessing
from cnnlab.errors import ArchitectureError, RecipeError
from cnnlab.training.images import count_images
from cnnlab.training.recipe import Recipe


def check_trainable(architecture: Architecture, dataset: DataSet, recipe: Recipe) -> None:
    """Raise unless ``architecture`` can learn ``dataset`` as ``recipe`` says, before anything is allocated.

    Raises:
        ShapeError, ArchitectureError, BudgetError, DataError, RecipeError: with what to change.
    """
    batch = min(recipe.batch_size, count_images(dataset, recipe))
    check_budget(architecture, batch)
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
    for row in architecture.trace().rows:
        lonely = isinstance(row.layer, BatchNorm2d) and row.output_shape is not None and row.output_shape[1:] == (1, 1)
        if lonely and batch == 1:
            raise RecipeError(
                "batch_size: with 1 image a batch, {name} has a single number for each channel and no spread to "
                "divide by; use batch_size >= 2",
                name=row.name,
            )
    if all(row.num_params == 0 for row in architecture.trace().rows):
        raise ArchitectureError("this network has no weight to learn; add a layer that has some, such as Linear")
