"""The data set whose images a model is asked about: the one that it learned from, or the one that stands in for it."""

from __future__ import annotations

from cnnlab.data.dataset import DataSet
from cnnlab.data.loader import at_hand, load
from cnnlab.errors import ModelError
from cnnlab.model import Model


def dataset_for(model: Model) -> DataSet:
    """Return the data set that ``model`` learned from, or the smaller one with its classes; raises DataError."""
    return load(at_hand(model.about.data))


def check_fits(model: Model, dataset: DataSet) -> None:
    """Raise unless ``model`` takes the pictures of ``dataset`` and knows as many classes: a set of that name may be another by now.

    Raises:
        ModelError: the data set has other pictures or classes than the model.
    """
    if dataset.image_shape != model.preprocessing.data_shape or len(dataset.class_names) != len(model.class_names):
        raise ModelError(
            "{data} has pictures of {shape} in {classes} classes; this model takes {wanted} and knows {known}",
            data=dataset.name, shape="×".join(map(str, dataset.image_shape)), classes=len(dataset.class_names),
            wanted="×".join(map(str, model.preprocessing.data_shape)), known=len(model.class_names),
        )  # fmt: skip
