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
        """Return the standard deviation of each channel over all pixels of the training set, in [0, 1]."""
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
    """Return mean and standard deviation of each channel, in [0, 1], exactly: from the 256 counts of a channel.

        mean = sum_v n_v * v / N        std = sqrt(sum_v n_v * v^2 / N - mean^2)        (v / 255 is the value)

    Shape:
        images: (N, C, H, W) uint8.
    """
    values = torch.arange(256, dtype=torch.float64) / 255
    means, deviations = [], []
    for channel in range(images.shape[1]):
        counts = torch.zeros(256, dtype=torch.float64)
        for part in images[:, channel].split(4096):  # bincount makes int64 of its input: keep that small
            counts += torch.bincount(part.reshape(-1), minlength=256)
        mean = (counts * values).sum() / counts.sum()
        variance = (counts * (values - mean) ** 2).sum() / counts.sum()
        means.append(float(mean))
        deviations.append(float(variance.sqrt()))
    return tuple(means), tuple(deviations)


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
