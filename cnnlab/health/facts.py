"""``DataFacts``: what the rules need to know of the data (no torch here: pages read it too)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cnnlab.data.dataset import DataSet, Split
    from cnnlab.training.recipe import Recipe


MEAN_IMAGES = 2_000
JUDGED_IMAGES = 500


@dataclass(frozen=True)
class DataFacts:
    """What a run learns from.

    Attributes:
        name: of the data set.
        class_names: in the order of the targets.
        counts: images of each class that the run learns from.
        nearest_mean: the share of validation images that lie nearest to the mean picture of their own class, or None
            where it was not measured: what can be had without any training.
    """

    name: str
    class_names: tuple[str, ...]
    counts: tuple[int, ...]
    nearest_mean: float | None = None

    @classmethod
    def of(cls, dataset: DataSet, recipe: Recipe) -> DataFacts:
        """Return the facts of what a run with ``recipe`` learns from ``dataset``."""
        from cnnlab.training.images import training_split

        split = training_split(dataset, recipe)
        counts = split.counts(len(dataset.class_names))
        return cls(dataset.name, dataset.class_names, counts, _nearest_mean(split, dataset.val, counts))

    @property
    def classes(self) -> int:
        """How many classes there are."""
        return len(self.class_names)

    @property
    def images(self) -> int:
        """How many images the run learns from."""
        return sum(self.counts)

    @property
    def are_characters(self) -> bool:
        """Whether each class is one written character (``7``, ``k``, ``お o``), which mirrored or turned is another."""
        return all(len(name.split()[0]) == 1 and name[0].isalnum() for name in self.class_names if name.split())


def facts_for(name: str, recipe: Recipe) -> DataFacts:
    """Return the facts of what a run with ``recipe`` learns from the data set ``name``; measured once.

    Raises:
        DataError: it is not here.
    """
    from cnnlab.data.loader import load

    return _facts_for(name, load(name).hash, recipe.limit_train, recipe.limit_per_class, recipe.full_train)


@lru_cache(maxsize=32)
def _facts_for(
    name: str, _hash: str, limit_train: int | None, limit_per_class: int | None, full_train: bool
) -> DataFacts:
    from cnnlab.data.loader import load
    from cnnlab.training.recipe import Recipe

    recipe = Recipe(limit_train=limit_train, limit_per_class=limit_per_class, full_train=full_train)
    return DataFacts.of(load(name), recipe)


def _nearest_mean(fit: Split, val: Split, counts: tuple[int, ...]) -> float:
    """Return how many of ``val`` are nearest to the mean picture of their class in ``fit``; of some of both."""
    import torch

    from cnnlab.training.images import some

    fit, val = some(fit, MEAN_IMAGES), some(val, JUDGED_IMAGES)
    x, y = fit.images.flatten(1).float(), val.images.flatten(1).float()
    there = torch.bincount(fit.targets, minlength=len(counts))
    means = torch.zeros(len(counts), x.shape[1]).index_add_(0, fit.targets, x) / there.clamp(min=1)[:, None]
    means[there == 0] = torch.inf  # nothing is near a class that has no pictures
    return (torch.cdist(y, means).nan_to_num(torch.inf).argmin(1) == val.targets).double().mean().item()
