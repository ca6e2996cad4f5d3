"""Which images a run learns from, how many steps that makes, and where its chance comes from."""

from __future__ import annotations

from hashlib import sha256

import torch

from cnnlab.data.dataset import DataSet, Split
from cnnlab.training.recipe import Recipe


def generator_for(seed: int, purpose: str) -> torch.Generator:
    """Return the run's generator for one purpose ("init", "order", "augmentation", "dropout"), as the seed says."""
    digest = sha256(f"{seed}:{purpose}".encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:7], "big"))


def training_split(dataset: DataSet, recipe: Recipe) -> Split:
    """Return the images that a run learns from: ``fit`` or, with ``full_train``, all of ``train``; cut to the limit.

    Which images a limit keeps is drawn once and for all, so that no class is favoured however the data is sorted; a
    limit for each class keeps the first ones, so that a larger one only adds to them.
    """
    split = dataset.train if recipe.full_train else dataset.fit
    if recipe.limit_per_class is not None:
        return first_of_each(split, recipe.limit_per_class)
    return split if recipe.limit_train is None else some(split, recipe.limit_train)


def count_images(dataset: DataSet, recipe: Recipe) -> int:
    """Return how many images of ``dataset`` a run with ``recipe`` learns from."""
    if recipe.limit_per_class is not None:
        counts = (dataset.train if recipe.full_train else dataset.fit).counts(len(dataset.class_names))
        return sum(min(count, recipe.limit_per_class) for count in counts)
    return min(len(dataset.train if recipe.full_train else dataset.fit), recipe.limit_train or len(dataset.train))


def count_steps(dataset: DataSet, recipe: Recipe) -> int:
    """Return how many steps ``Training`` makes of ``recipe`` on ``dataset``."""
    count = count_images(dataset, recipe)
    return recipe.epochs * (count // min(recipe.batch_size, count))


def some(split: Split, count: int) -> Split:
    """Return ``count`` images of ``split``, in its order, always the same ones; all where there are no more."""
    if count >= len(split):
        return split
    index = some_index(len(split), count)
    return Split(split.images[index], split.targets[index])


def some_index(there_are: int, count: int) -> torch.Tensor:
    """Return the places of ``count`` out of ``there_are`` images, in order, always the same ones. Shape: (count,) int64."""
    return torch.randperm(there_are, generator=generator_for(0, "some"))[:count].sort().values


def first_of_each(split: Split, count: int) -> Split:
    """Return the first ``count`` images of each class of ``split``, in its order; all of a class that has fewer."""
    classes = int(split.targets.max()) + 1 if len(split) else 0
    index = torch.cat([split.of_class(target)[:count] for target in range(classes)] or [split.targets]).sort().values
    return split if len(index) == len(split) else Split(split.images[index], split.targets[index])
