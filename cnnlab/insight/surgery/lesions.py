"""The lesion table: each channel of a layer silenced alone, and what that costs each class."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace
from math import prod

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from cnnlab.architecture.layers import Conv2d, Linear
from cnnlab.architecture.tape import Row
from cnnlab.errors import ModelError
from cnnlab.insight.halfway import Values, advance, numbers, onward
from cnnlab.insight.memo import Memo
from cnnlab.insight.steps import told
from cnnlab.insight.surgery.chain import chain, silent_from
from cnnlab.insight.surgery.table import Table, passes, table_for
from cnnlab.model import Model
from cnnlab.runs.jobs import Step
from cnnlab.training.images import generator_for

FIRST_WORK = 150_000_000_000
"""Multiply-adds after which a table says something: two to three seconds on one core of today."""


@dataclass(frozen=True)
class Lesions:
    """What it costs to lose each channel of a layer.

    Attributes:
        layer: its name.
        units: the channels that were silenced, one at a time.
        counts: images of each class. Shape: (classes,)
        before: how many of them are named rightly. Shape: (classes,)
        after: the same without each channel. Shape: (units, classes)
        sure_before, sure_after: mean probability of the true class; the same shapes, float64.
        planned: how many images it will be in the end; as many as there are in ``counts`` once all were asked.
    """

    layer: str
    units: tuple[int, ...]
    counts: NDArray[np.int64]
    before: NDArray[np.int64]
    after: NDArray[np.int64]
    sure_before: NDArray[np.float64]
    sure_after: NDArray[np.float64]
    planned: int

    @property
    def images(self) -> int:
        """Return how many images were asked."""
        return int(self.counts.sum())

    @property
    def change(self) -> NDArray[np.float64]:
        """Return the change of the accuracy on each class, in [-1, 1]. Shape: (units, classes)."""
        return (self.after - self.before) / np.maximum(self.counts, 1)

    @property
    def sure_change(self) -> NDArray[np.float64]:
        """Return the change of the mean probability of the true class. Shape: (units, classes)."""
        return self.sure_after - self.sure_before

    @property
    def cost(self) -> NDArray[np.float64]:
        """Return the accuracy on all images that is lost with each channel. Shape: (units,)."""
        lost = self.before.sum() - self.after.sum(axis=1)
        return np.asarray(lost / max(1, self.images), dtype=np.float64)

    def with_more(self, other: Lesions) -> Lesions:
        """Return what this and ``other``, of other images, say together."""
        counts = self.counts + other.counts
        own, others = (one.counts / np.maximum(counts, 1) for one in (self, other))
        return replace(
            self,
            counts=counts,
            before=self.before + other.before,
            after=self.after + other.after,
            sure_before=own * self.sure_before + others * other.sure_before,
            sure_after=own * self.sure_after + others * other.sure_after,
        )


def lesion_table(table: Table, layer: str, units: Sequence[int] | None = None) -> Generator[int, None, Lesions]:
    """Yield how many channels have been silenced so far; return the table for ``units`` of ``layer`` (None: all).

    A channel is silent as ``surgery.edits`` silences it: zero behind the batch normalisations that follow it. What
    comes between there and the next layer that mixes channels is computed for that channel alone, and that layer's
    output is changed by the difference, since it is linear in what arrives:

        y' = y + W[:, k] * (h'_k - h_k)

    For that h and y stay in memory; where those of all the table's images are too large, fewer are asked.

    Raises:
        ModelError, ArchitectureError: there is no such layer, or no such channel.
    """
    count = _channels(table, layer)
    units = tuple(range(count)) if units is None else tuple(units)
    if any(not 0 <= unit < count for unit in units):
        raise ModelError("{layer}: there are the channels 0 to {last}", layer=layer, last=count - 1)
    theatre = _Theatre(table, layer)
    table = theatre.table
    right, sure = [], []
    for done, unit in enumerate(units):
        yield done
        logits = theatre.without(unit)
        right.append(table.per_class(logits.argmax(1) == table.targets))
        sure.append(_sure(table, logits))
    whole = table.logits.argmax(1) == table.targets
    shape = (len(units), len(table.model.class_names))
    return Lesions(
        layer,
        units,
        np.array(table.per_class(torch.ones_like(whole))),
        np.array(table.per_class(whole)),
        np.array(right, dtype=np.int64).reshape(shape),
        _sure(table, table.logits),
        np.array(sure, dtype=np.float64).reshape(shape),
        len(table.index),
    )


def _sure(table: Table, logits: Tensor) -> NDArray[np.float64]:
    """Return the mean probability of the true class, for each class; 0 where there is no image of it."""
    probs = logits.double().softmax(1).gather(1, table.targets[:, None])[:, 0]
    sums = torch.zeros(len(table.model.class_names), dtype=torch.float64).index_add_(0, table.targets, probs)
    counts = torch.bincount(table.targets, minlength=len(sums)).clamp_min(1)
    return (sums / counts).numpy()


def searched(model: Model, layer: str) -> Generator[Step, None, Lesions]:
    """Yield how far it is, as a job does, one step for each channel; return the table of the whole ``layer``.

    ``found_for`` has it afterwards. The steps are those of ``in_rounds``.
    """
    found = yield from in_rounds(table_for(model), layer)
    return _found.put(model, layer, found)


def in_rounds(table: Table, layer: str, units: Sequence[int] | None = None) -> Generator[Step, None, Lesions]:
    """Yield how many channels are as good as done, and what there is so far; return what ``lesion_table`` does.

    Where that is much work, a few images are asked first, then ever more; all of the table's in the end, also where
    there is no room for what they leave at once.

    Raises:
        ModelError, ArchitectureError: as ``lesion_table`` does.
    """
    units = range(_channels(table, layer)) if units is None else units
    found, asked = None, 0
    for places in rounds(table, layer, len(units)):
        part = table if len(places) == len(table.index) else table.part(places)

        def say(done: int, before: int = asked, more: int = len(places), found: Lesions | None = found) -> Step:
            return Step((before * len(units) + more * done) // len(table.index), found)

        new = yield from told(lesion_table(part, layer, units), say)
        found = new if found is None else found.with_more(new)
        found, asked = replace(found, planned=len(table.index)), asked + len(places)
    if found is None:
        raise ModelError("{layer}: there are no test images to ask", layer=layer)
    return found


def _channels(table: Table, layer: str) -> int:
    return (table.model.architecture.trace().row(layer).output_shape or (0,))[0]


def rounds(table: Table, layer: str, channels: int | None = None) -> list[Tensor]:
    """Return the places of the table's images that are asked together for ``layer``: few at first, then ever more.

    How many depends on how many of its ``channels`` are silenced (None: all). All at once where that is no more work
    than ``FIRST_WORK``, and there is room for it.
    """
    plan, count = _Plan.of(table.model, layer), len(table.index)
    each = (_channels(table, layer) if channels is None else channels) * passes(table.model) * plan.macs
    room, size = plan.room(table), max(1, FIRST_WORK // max(1, each))
    if count <= min(size, room):
        return [torch.arange(count)]
    order, found, begin = torch.randperm(count, generator=generator_for(0, "lesions")), [], 0
    while begin < count:
        found.append(order[begin : begin + min(size, room)].sort().values)
        begin, size = begin + len(found[-1]), 2 * size
    return found


def found_for(model: Model, layer: str) -> Lesions | None:
    """Return the lesion table of ``layer`` if somebody has asked for it lately, else None."""
    return _found.get(model, layer)


_found: Memo[Lesions] = Memo(32)


@dataclass(frozen=True)
class _Plan:
    """How the pass without a channel is cut short.

    Attributes:
        end: whose output is zero where the channel is silent.
        way: from there to the mixer, channel by channel.
        mixer: the convolution or dense layer that takes these channels and nothing else; None where there is none.
    """

    model: Model
    end: Row
    way: tuple[Row, ...]
    mixer: Row | None

    @classmethod
    def of(cls, model: Model, layer: str) -> _Plan:
        """Return the plan for ``layer``."""
        end = silent_from(model.architecture, layer)
        behind = tuple(row for row in chain(model.architecture, layer) if row.index > end.index)
        mixer = _mixer(model, behind[-1] if behind else end)
        return cls(model, end, behind if mixer is not None else (), mixer)

    @property
    def macs(self) -> int:
        """Return how many multiply-adds one image costs without one channel, the mixer's own share left out."""
        last = (self.mixer or self.end).index
        return sum(row.macs or 0 for row in self.model.architecture.trace().rows[last + 1 :])

    def room(self, table: Table) -> int:
        """Return of how many images there is room for what ``_Theatre`` holds."""
        each = numbers(self.model.network, (self.mixer or self.end).index + 1)
        if self.mixer is not None:
            each += prod((self.way[-1] if self.way else self.end).output_shape or ())
        return max(1, table.fitting(each))


def _mixer(model: Model, last: Row) -> Row | None:
    """Return the convolution or dense layer that takes the channels of ``last`` and nothing else, or None."""
    trace = model.architecture.trace()
    takers = trace.takers(last)
    if len(takers) == 1 and takers[0].layer.kind == "Flatten":
        takers = trace.takers(takers[0])
    row = takers[0] if len(takers) == 1 else None
    if row is None or row.index - last.index > 2:
        return None
    spec = row.layer
    return row if isinstance(spec, Linear) or (isinstance(spec, Conv2d) and spec.groups == 1) else None


class _Theatre:
    """One layer, prepared so that the pass without any of its channels is short."""

    def __init__(self, table: Table, layer: str) -> None:
        model, plan = table.model, _Plan.of(table.model, layer)
        self.network, self.end, self.way, self.mixer = model.network, plan.end, plan.way, plan.mixer
        room = plan.room(table)
        self.table = table if room >= len(table.index) else Table(model, table.dataset, room)
        self.parts = [self._prepared(values) for values in self.table.values(self.end.index + 1)]

    @torch.no_grad()
    def _prepared(self, values: Values) -> tuple[Values, Tensor, Tensor]:
        """Return what is needed behind the mixer, what arrives there by channels, and what would of zeros."""
        if self.mixer is None:
            return values, values[self.end.index], torch.empty(0)
        h = values[self.end.index]
        silent = torch.zeros_like(h[:1])
        for row in self.way:
            module = self.network[row.index]
            h, silent = module(h), module(silent)
        held = dict(values)
        advance(self.network, held, self.end.index + 1, self.mixer.index + 1)
        return held, h, silent

    @torch.no_grad()
    def without(self, unit: int) -> Tensor:
        """Return the scores of all images without channel ``unit``."""
        return torch.cat([self.table.mean(self._part(unit, *part)) for part in self.parts])

    def _part(self, unit: int, values: Values, h: Tensor, silent: Tensor) -> Tensor:
        if self.mixer is None:
            cut = h.clone()
            cut[:, unit] = 0.0
            return onward(self.network, {**values, self.end.index: cut}, self.end.index + 1)
        change = silent[:, unit : unit + 1] - h[:, unit : unit + 1]
        y = values[self.mixer.index] + self._mixed(change, unit)
        return onward(self.network, {**values, self.mixer.index: y}, self.mixer.index + 1)

    def _mixed(self, change: Tensor, unit: int) -> Tensor:
        """Return what a change of one channel makes of the mixer's output, bias apart."""
        module = self.network[self.mixer.index] if self.mixer is not None else None
        if isinstance(module, torch.nn.Conv2d):
            weight = module.weight[:, unit : unit + 1]
            return functional.conv2d(change, weight, None, module.stride, module.padding, module.dilation)
        if not isinstance(module, torch.nn.Linear):
            raise TypeError(f"{self.mixer} mixes nothing")
        flat = change.flatten(1)
        width = flat.shape[1]
        return flat @ module.weight[:, unit * width : (unit + 1) * width].T
