"""What one looks at in a data set: pages of images, means of classes, one image varied nine ways."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from cnnlab.data.augment import augment
from cnnlab.data.augmentation import Augmentation
from cnnlab.data.dataset import DataSet, Split
from cnnlab.data.loader import load

WALL = 60
"""Images on one page of the wall."""


@dataclass(frozen=True)
class Wall:
    """A page of images.

    Args:
        images: (K, C, H, W) uint8.
        targets: their classes.
        positions: their places in the split.
        first: place of the first one among those of the chosen class.
        count: how many images there are to page through.
    """

    images: np.ndarray
    targets: tuple[int, ...]
    positions: tuple[int, ...]
    first: int
    count: int


def wall(dataset: DataSet, split: str, target: int | None = None, first: int = 0, size: int = WALL) -> Wall:
    """Return the ``size`` images from the ``first`` on, of all classes or of one; short at the end.

    It is empty only where the split has no image of the class.
    """
    part = dataset.split(split)
    places = torch.arange(len(part)) if target is None else part.of_class(target)
    first = max(0, min(first, len(places) - 1))
    chosen = places[first : first + size]
    return Wall(
        part.images[chosen].numpy(),
        tuple(part.targets[chosen].tolist()),
        tuple(chosen.tolist()),
        first,
        len(places),
    )


def class_means(name: str, split: str = "train") -> np.ndarray:
    """Return the mean image of each class of the data set ``name``: (K, C, H, W) uint8, black where there is none."""
    dataset = load(name)
    return _class_means(name, split, dataset.hash)


@lru_cache(maxsize=32)
def _class_means(name: str, split: str, _hash: str) -> np.ndarray:
    dataset = load(name)
    part = dataset.split(split)
    return mean_by_class(part, len(dataset.class_names)).numpy()


def mean_by_class(part: Split, classes: int) -> Tensor:
    """Return the mean image of each class, rounded: (K, C, H, W) uint8.

    A sum over a part of the images stays below 2^24, so float32 holds it exactly.
    """
    shape = part.images.shape[1:]
    sums = torch.zeros((classes, shape.numel()), dtype=torch.float64)
    for start in range(0, len(part), 4096):
        chunk = part[start : start + 4096]
        member = torch.nn.functional.one_hot(chunk.targets, classes).float()  # (n, K)
        sums += member.T @ chunk.images.flatten(1).float()
    counts = torch.bincount(part.targets, minlength=classes).clamp(min=1)
    means = (sums / counts[:, None]).round()
    return means.to(torch.uint8).reshape(classes, *shape)


def strip(image: Tensor | np.ndarray, settings: Augmentation, seed: int = 0, count: int = 9) -> np.ndarray:
    """Return ``image`` varied ``count`` times, as a step of training would vary ``count`` images.

    Shape:
        image: (C, H, W) uint8.
        returns: (count, C, H, W) uint8.
    """
    batch = torch.as_tensor(image)[None].repeat(count, 1, 1, 1)
    return augment(batch, settings, torch.Generator().manual_seed(seed)).numpy()


def normalised(image: Tensor | np.ndarray, dataset: DataSet) -> np.ndarray:
    """Return ``image`` as a network gets it: (x / 255 - mean) / std, by channel.

    Shape:
        image: (C, H, W) uint8.
        returns: (C, H, W) float32.
    """
    values = torch.as_tensor(image).float() / 255
    mean, std = (torch.tensor(numbers)[:, None, None] for numbers in (dataset.mean, dataset.std))
    return ((values - mean) / std).numpy()
