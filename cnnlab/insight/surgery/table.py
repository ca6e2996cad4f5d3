"""The operating table: test images whose way up to a layer is remembered, so that a changed copy answers at once."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from copy import copy
from dataclasses import dataclass

import torch
from torch import Tensor

from cnnlab.data.dataset import DataSet
from cnnlab.insight.halfway import Values, advance, before, numbers, onward, together
from cnnlab.insight.memo import Memo
from cnnlab.insight.own_data import check_fits, dataset_for
from cnnlab.insight.surgery.edits import Edit, operated
from cnnlab.model import Model
from cnnlab.training.images import some_index

MOST_IMAGES = 2_000
FEWEST_IMAGES = 200
WORK = 45_000_000_000
"""Multiply-adds of one pass over all images; of a larger network fewer images are looked at."""
MOST_BYTES = 160 * 2**20
"""What may be remembered for one model, and as much again held for a lesion table; beyond that the way is gone anew."""
MOST_TABLES = 4
_MOST_OPERATED = 8
_Done = tuple[tuple[Edit, ...], tuple[bytes, ...]]


@dataclass(frozen=True)
class ChangedAnswer:
    """One test image that got another answer.

    Attributes:
        image: its position in the test set.
        target: its class.
        before, after: the classes that it is taken for.
    """

    image: int
    target: int
    before: int
    after: int


@dataclass(frozen=True)
class Effect:
    """What a change does to the answers, on the same test images.

    Attributes:
        counts: images of each class.
        before, after: how many of them are named rightly. Shape of the three: (classes,)
        loss_before, loss_after: mean cross-entropy.
        changed: the images whose answer is another, those that became wrong first, those that became right last.
    """

    counts: tuple[int, ...]
    before: tuple[int, ...]
    after: tuple[int, ...]
    loss_before: float
    loss_after: float
    changed: tuple[ChangedAnswer, ...]

    @property
    def images(self) -> int:
        """Return how many images were looked at."""
        return sum(self.counts)

    @property
    def acc_before(self) -> float:
        """Return the share that was named rightly, in [0, 1]; 0 of no images."""
        return sum(self.before) / max(1, self.images)

    @property
    def acc_after(self) -> float:
        """Return the share that is named rightly now, in [0, 1]."""
        return sum(self.after) / max(1, self.images)

    @property
    def change(self) -> float:
        """Return the change of that share, in [-1, 1]."""
        return (sum(self.after) - sum(self.before)) / max(1, self.images)


class Table:
    """A model on the operating table.

    Attributes:
        model: the one that is looked into; it never changes.
        dataset: whose test images answer.
        index: which of them. Shape: (N,) int64
        targets: their classes. Shape: (N,) int64
        logits: the model's scores for them. Shape: (N, classes)

    Raises:
        ModelError: the data set has other pictures or classes than the model.
    """

    def __init__(self, model: Model, dataset: DataSet, most: int = MOST_IMAGES) -> None:
        check_fits(model, dataset)
        self.model, self.dataset = model, dataset
        self.index = _sample(model, len(dataset.test), most)
        self.targets = dataset.test.targets[self.index]
        self._kept: OrderedDict[int, list[Values]] = OrderedDict()
        self._operated: OrderedDict[_Done, tuple[Model, Effect]] = OrderedDict()
        self._guard = threading.Lock()
        self.logits = torch.cat([self.mean(onward(model.network, values, 0)) for values in self.values(0)])

    def values(self, start: int) -> Iterator[Values]:
        """Yield what the rows from ``start`` on need, some images at a time; remembered where there is room.

        Where the model averages with the mirror image, each part holds the pictures and then their mirror images.
        """
        with self._guard:
            kept = self._kept.get(start)
        if kept is not None:
            yield from kept
            return
        each = numbers(self.model.network, start)
        if self.fitting(each) < len(self.index):
            yield from self._nearest(start)
            return
        made = []
        for held in self._nearest(start):
            made.append(held)
            yield held
        with self._guard:
            self._kept[start] = made
            while sum(map(_bytes, self._kept.values())) > MOST_BYTES:
                self._kept.popitem(last=False)

    def part(self, places: Tensor) -> Table:
        """Return the table of the images at ``places`` of this one; what they leave is remembered apart.

        Shape:
            places: (M,) int64
        """
        part = copy(self)
        part.index, part.targets, part.logits = (one[places] for one in (self.index, self.targets, self.logits))
        part._kept, part._operated, part._guard = OrderedDict(), OrderedDict(), threading.Lock()
        return part

    def fitting(self, each: int) -> int:
        """Return of how many images ``each`` float32 numbers (twice where the model mirrors) may be held at a time."""
        return MOST_BYTES // max(1, 4 * each * passes(self.model))

    def _nearest(self, start: int) -> Iterator[Values]:
        """Yield what the rows from ``start`` on need, from the nearest row before it that is remembered."""
        with self._guard:
            first = max((row for row in self._kept if row <= start), default=None)
            kept = self._kept[first] if first is not None else []
        if first is None:
            for part in self.index.split(together(self.model.network, passes=passes(self.model))):
                yield before(self.model.network, self._input(part), start)
        for values in kept:
            held = dict(values)
            advance(self.model.network, held, first or 0, start)
            yield held

    def answers(self, changed: Model, start: int) -> Tensor:
        """Return the scores of ``changed``, which differs from the model in no row before ``start``.

        Shape:
            returned: (N, classes)
        """
        return torch.cat([self.mean(onward(changed.network, values, start)) for values in self.values(start)])

    def operate(self, edits: Sequence[Edit], initial: Mapping[str, Tensor] | None = None) -> tuple[Model, Effect]:
        """Return the model after ``edits`` and what they do to its answers; the last few are remembered.

        Raises:
            ModelError, DataError: as ``operated`` says.
        """
        key = tuple(edits), _used(edits, initial or {})
        with self._guard:
            found = self._operated.get(key)
        if found is None:
            changed = operated(self.model, edits, initial)
            found = changed, self.effect(changed)
            with self._guard:
                self._operated[key] = found
                while len(self._operated) > _MOST_OPERATED:
                    self._operated.popitem(last=False)
        return found

    def effect(self, changed: Model) -> Effect:
        """Return what the weights of ``changed`` do to the answers of the model."""
        start = first_change(self.model, changed)
        return self.compare(self.logits if start is None else self.answers(changed, start))

    def compare(self, logits: Tensor) -> Effect:
        """Return what other scores for the same images mean.

        Shape:
            logits: (N, classes)
        """
        was, now = self.logits.argmax(1), logits.argmax(1)
        other = (was != now).nonzero().flatten()
        rank = (now[other] == self.targets[other]).long() - (was[other] == self.targets[other]).long()
        other = other[rank.argsort(stable=True)]
        found = torch.stack([self.index, self.targets, was, now], dim=1)[other]
        cross = torch.nn.functional.cross_entropy
        return Effect(
            self.per_class(torch.ones_like(self.targets, dtype=torch.bool)),
            self.per_class(was == self.targets),
            self.per_class(now == self.targets),
            float(cross(self.logits, self.targets)),
            float(cross(logits, self.targets)),
            tuple(ChangedAnswer(*row) for row in found.tolist()),
        )

    def per_class(self, which: Tensor) -> tuple[int, ...]:
        """Return for how many images of each class ``which`` is true.

        Shape:
            which: (N,) bool
        """
        return tuple(torch.bincount(self.targets[which], minlength=len(self.model.class_names)).tolist())

    def _input(self, part: Tensor) -> Tensor:
        x = self.model.preprocessing.apply(self.dataset.test.images[part])
        return torch.cat([x, x.flip(3)]) if self.model.about.mirror else x

    def mean(self, logits: Tensor) -> Tensor:
        """Return the scores, averaged over a picture and its mirror image where the model does that.

        Shape:
            logits: (N, classes), or (2N, classes): the pictures, then their mirror images; returned: (N, classes)
        """
        if not self.model.about.mirror:
            return logits
        plain, mirrored = logits.chunk(2)
        return (plain + mirrored) / 2


def first_change(model: Model, changed: Model) -> int | None:
    """Return the index of the first row whose weights differ, None where none do."""
    layers = {
        name.rpartition(".")[0] for name, tensor in model.state.items() if not torch.equal(tensor, changed.state[name])
    }
    return next((row.index for row in model.architecture.trace().rows if row.name in layers), None)


_tables: Memo[Table] = Memo(MOST_TABLES)


def table_for(model: Model) -> Table:
    """Return the operating table of ``model`` with the test images of its data set, made once for all who look.

    Raises:
        DataError: the data set is not here.
        ModelError: it has other pictures or classes than the model.
    """
    return _tables.get(model) or _tables.put(model, None, Table(model, dataset_for(model)))


def passes(model: Model) -> int:
    """Return how often a picture goes through: once more, mirrored, where the model averages over both."""
    return 2 if model.about.mirror else 1


def _sample(model: Model, count: int, most: int) -> Tensor:
    """Return which test images are looked at: always the same ones, as many as the network's size allows."""
    fitting = WORK // max(1, passes(model) * model.architecture.trace().macs)
    wanted = min(count, most, max(FEWEST_IMAGES, fitting // 100 * 100))
    return some_index(count, wanted)


def _used(edits: Sequence[Edit], initial: Mapping[str, Tensor]) -> tuple[bytes, ...]:
    """Return what ``edits`` take of the weights before training: other weights there, another model."""
    wanted = {
        (f"{edit.layer}.{name}", edit.unit) for edit in edits if edit.do == "initial" for name in ("weight", "bias")
    }
    found = [initial[name][unit] for name, unit in sorted(wanted) if name in initial and unit < len(initial[name])]
    return tuple(tensor.detach().cpu().numpy().tobytes() for tensor in found)


def _bytes(parts: list[Values]) -> int:
    return sum(tensor.nbytes for values in parts for tensor in values.values())


__all__ = ["Effect", "Table", "first_change", "table_for"]
