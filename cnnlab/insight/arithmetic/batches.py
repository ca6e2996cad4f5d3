"""Which images a picture stands among when it is looked at as in training."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from cnnlab.insight.own_data import check_fits, dataset_for
from cnnlab.model import Model


@dataclass(frozen=True)
class Batch:
    """A picture, and behind it the first images of a training set.

    Attributes:
        images: the picture first. Shape: (N, C, h, w) uint8
        targets: the classes; the picture's own is what was asked for. Shape: (N,) int64
        data: which data set the others are of.
    """

    images: Tensor
    targets: Tensor
    data: str

    @property
    def others(self) -> int:
        """How many images of the training set there are."""
        return len(self.images) - 1

    def to_json(self) -> dict[str, Any]:
        """Return what the batch is, in JSON's words."""
        return {"data": self.data, "split": "train", "first": self.others, "size": len(self.images)}


def batch_around(model: Model, picture: Tensor, size: int, target: int = 0) -> Batch:
    """Return ``picture`` and the first ``size - 1`` training images of the model's data set.

    Where that is not on this machine, the one with the same classes stands in.

    Shape:
        picture: (C, h, w) uint8.

    Raises:
        DataError: the data set is not here.
        ModelError: it has other pictures or classes than the model.
    """
    own = torch.tensor([target])
    if size <= 1:
        return Batch(picture.unsqueeze(0), own, model.about.data)
    dataset = dataset_for(model)
    check_fits(model, dataset)
    split = dataset.train
    images = torch.cat([picture.unsqueeze(0), split.images[: size - 1]])
    return Batch(images, torch.cat([own, split.targets[: size - 1]]), dataset.name)
