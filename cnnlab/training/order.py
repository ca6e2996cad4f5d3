"""``Order``: which images each step learns from, epoch after epoch, drawn from one generator."""

from __future__ import annotations

import torch
from torch import Tensor

from cnnlab.errors import RunError


class Order:
    """The images of a run in the order in which it sees them, cut into batches.

    An epoch is a permutation of all images, of which as many as make whole batches are planned. Another batch size in
    the middle of an epoch cuts what is left of those anew: none is left out or seen twice, and the last batch takes
    what remains (with the one image more that would otherwise be left alone).

    Args:
        count: how many images there are.
        generator: what the permutations are drawn from.

    Attributes:
        epoch: epochs begun.
        position: images of the present epoch that are used up, of the ``planned`` ones.
        batch_size: images of a step; never more than there are.
        per_epoch: steps of an epoch at that batch size.
        left: steps that the present epoch still has.
        state: of the generator when the present epoch was drawn.
    """

    def __init__(self, count: int, generator: torch.Generator) -> None:
        self.count, self.generator = count, generator
        self.epoch = self.position = self.planned = self.left = 0
        self.state = generator.get_state()
        self._images = torch.empty(0, dtype=torch.int64)
        self.cut(count)

    def cut(self, batch_size: int) -> None:
        """Take ``batch_size`` images for each step from now on."""
        self.batch_size = min(batch_size, self.count)
        self.per_epoch = self.count // self.batch_size
        whole, rest = divmod(self.planned - self.position, self.batch_size)
        self.left = whole + (rest > 1 or (rest == 1 and whole == 0))

    def steps_left(self, epochs: int) -> int:
        """Return how many steps there still are in a run of ``epochs`` epochs."""
        return self.left + (epochs - self.epoch) * self.per_epoch

    def next(self) -> Tensor:
        """Return the places of the next step's images: (N,) int64."""
        if self.left == 0:
            self.epoch += 1
            self.state = self.generator.get_state()
            self._images = torch.randperm(self.count, generator=self.generator)
            self.position, self.planned = 0, self.per_epoch * self.batch_size
            self.left = self.per_epoch
        begin = self.position
        self.position = begin + self.batch_size if self.left > 1 else self.planned
        self.left -= 1
        return self._images[begin : self.position]

    def go_to(self, epoch: int, position: int, planned: int, drawn_from: torch.Generator) -> None:
        """Stand in epoch ``epoch``, whose order is drawn again from ``drawn_from``; the next ones stay with one's own.

        Raises:
            RunError: there is no such place.
        """
        if not 0 <= position <= planned <= (self.count if epoch else 0):
            raise RunError("this checkpoint contradicts itself: its place is outside the run")
        self.epoch, self.position, self.planned = epoch, position, planned
        self.state = drawn_from.get_state()
        if epoch:
            self._images = torch.randperm(self.count, generator=drawn_from)
        self.cut(self.batch_size)
