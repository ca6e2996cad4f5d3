"""What a data set is once it is in memory: two splits, names for the classes, and a hash of the contents."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property

import torch
from torch import Tensor

from cnnlab.errors import DataError
from cnnlab.i18n import Message

VAL_PART = 10
"""The validation set is the last ``1/VAL_PART`` of the training set, always the same images."""


@dataclass(frozen=True)
class Split:
    """Images and their classes.

    Shape:
        images: (N, C, H, W) uint8, contiguous.
        targets: (N,) int64.

    Both are shared by everybody who asks for the data set: read them, never write into them.
    """

    images: Tensor
    targets: Tensor

    def __len__(self) -> int:
        """Return the number of images."""
        return int(self.targets.shape[0])

    def __getitem__(self, part: slice) -> Split:
        """Return a view of some of the images."""
        return Split(self.images[part], self.targets[part])

    def __iter__(self) -> Iterator[Tensor]:
        """Let a split be unpacked: ``images, targets = split``."""
        return iter((self.images, self.targets))

    def counts(self, classes: int) -> tuple[int, ...]:
        """Return how many images each of the ``classes`` has."""
        return tuple(torch.bincount(self.targets, minlength=classes).tolist())

    def of_class(self, target: int) -> Tensor:
        """Return the positions of the images of class ``target``, ascending: (K,) int64."""
        return (self.targets == target).nonzero().squeeze(1)


@dataclass(frozen=True, eq=False)
class DataSet:
    """A data set in memory, shared and read-only.

    Args:
        name: how commands and models call it, such as ``mnist``.
        title: how people call it.
        class_names: one for each target, in order.
        image_shape: (C, H, W) of every image.
        hash: sha256 over shapes, images and targets of both splits (:func:`content_hash`).
        origin: ``bundled``, ``downloaded`` or ``imported``.
        notes: what was done to the pictures when they were imported.
    """

    name: str
    title: str
    class_names: tuple[str, ...]
    train: Split
    test: Split
    hash: str
    origin: str = "bundled"
    notes: tuple[Message, ...] = field(default=())

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """Return (C, H, W)."""
        channels, height, width = self.train.images.shape[1:]
        return int(channels), int(height), int(width)

    @property
    def fit(self) -> Split:
        """Return the first nine tenths of the training set, the part to learn from while ``val`` judges."""
        return self.train[: len(self.train) - self._val_size]

    @property
    def val(self) -> Split:
        """Return the validation set: the fixed last tenth of the training set (a view)."""
        return self.train[len(self.train) - self._val_size :]

    @property
    def _val_size(self) -> int:
        return max(1, len(self.train) // VAL_PART)

    @property
    def mean(self) -> tuple[float, ...]:
        """Return the mean of each channel over all pixels of the training set, in [0, 1]."""
        return self._statistics[0]

    @property
    def std(self) -> tuple[float, ...]:
        """Return the standard deviation of each channel over all pixels of the training set, in [1/255, 1]."""
        return self._statistics[1]

    @cached_property
    def _statistics(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        return channel_statistics(self.train.images)

    def split(self, name: str) -> Split:
        """Return the split called ``train``, ``fit``, ``val`` or ``test``.

        Raises:
            DataError: there is no such split.
        """
        splits = {"train": self.train, "fit": self.fit, "val": self.val, "test": self.test}
        if name not in splits:
            raise DataError("there is no split called {name}; use one of {known}", name=name, known=", ".join(splits))
        return splits[name]


def channel_statistics(images: Tensor) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return mean and standard deviation of each channel, in [0, 1]; both from exact sums of whole numbers.

        mean = sum(v) / (255 n)        std = sqrt(sum(v^2) / (255^2 n) - mean^2)

    A channel that never changes has a standard deviation of 0, by which nothing can be divided: it is given as 1/255,
    one step of a pixel.

    Shape:
        images: (N, C, H, W) uint8.
    """
    count = images.numel() // images.shape[1]
    totals, squares = torch.zeros((2, images.shape[1]), dtype=torch.float64)
    for part in images.split(1024):  # wider numbers take more memory: a part at a time
        values = part.float()
        totals += values.sum(3).double().sum((0, 2))  # a row of up to 257 squares stays below 2^24: exact
        squares += values.square_().sum(3).double().sum((0, 2))
    mean = totals / (255 * count)
    variance = (squares / (255**2 * count) - mean**2).clamp(min=255**-2)
    return tuple(mean.tolist()), tuple(variance.sqrt().tolist())


def content_hash(train: Split, test: Split) -> str:
    """Return the sha256 (hex) of what a data set holds: for both splits the shape, the pixels and the targets.

    Names and titles do not count: the same pictures with the same classes have the same hash, wherever they
    came from. Targets are hashed as unsigned 16-bit little-endian integers.
    """
    digest = hashlib.sha256(b"cnnlab data 1\n")
    for name, split in (("train", train), ("test", test)):
        digest.update(f"{name} {tuple(split.images.shape)}\n".encode())
        digest.update(split.images.contiguous().view(-1).numpy().data)
        digest.update(split.targets.numpy().astype("<u2").tobytes())
    return digest.hexdigest()


def checked(dataset: DataSet) -> DataSet:
    """Return ``dataset`` if a network can learn from it.

    Raises:
        DataError: a split is empty, there is only one class, or a target names no class.
    """
    classes = len(dataset.class_names)
    if classes < 2:
        raise DataError(
            "{name}: there is only one class ({only}); a network that tells classes apart needs two or more",
            name=dataset.name,
            only=", ".join(dataset.class_names) or "-",
        )
    for title, split in (("train", dataset.train), ("test", dataset.test)):
        if not len(split):
            raise DataError("{name}: the {split} split holds no images", name=dataset.name, split=title)
        if len(split.images) != len(split):
            raise DataError(
                "{name}: the {split} split has {images:,} images and {targets:,} labels; they must be as many",
                name=dataset.name,
                split=title,
                images=len(split.images),
                targets=len(split),
            )
        low, high = int(split.targets.min()), int(split.targets.max())
        if low < 0 or high >= classes:
            raise DataError(
                "{name}: the {split} split has a label {label}, and there are {classes} classes (0 to {last})",
                name=dataset.name,
                split=title,
                label=low if low < 0 else high,
                classes=classes,
                last=classes - 1,
            )
    if dataset.train.images.shape[1:] != dataset.test.images.shape[1:]:
        raise DataError(
            "{name}: training images are {train} and test images are {test}; they must have one shape",
            name=dataset.name,
            train="x".join(map(str, dataset.train.images.shape[1:])),
            test="x".join(map(str, dataset.test.images.shape[1:])),
        )
    return dataset
