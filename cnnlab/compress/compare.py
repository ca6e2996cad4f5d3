"""A network beside what was made of it: accuracy, size, work, time, weights, and which answers changed. All measured."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from statistics import median
from time import perf_counter
from typing import Any

import torch
from torch import Tensor

from cnnlab.architecture import Architecture
from cnnlab.compress.magnitude import weight_names
from cnnlab.data.dataset import Split
from cnnlab.description import Preprocessing
from cnnlab.errors import DataError
from cnnlab.insight.surgery.table import ChangedAnswer
from cnnlab.model import Model

BATCHES = (1, 64)
"""At which batch sizes a network is timed."""

BINS = 61
"""Bars of a histogram; odd, so that zero has one of its own."""

BUSY = 1.5
"""From here on ``Comparison.unrest`` says that the machine had other things to do."""

_LEAST_ROUNDS, _MOST_ROUNDS, _WARM = 5, 200, 3
_PATIENCE = 4


@dataclass(frozen=True)
class Subject:
    """What can be measured, however it computes.

    Attributes:
        name: what it is called.
        architecture: its description.
        preprocessing: from the bytes of a picture to its input.
        weights: filters and dense weights by name, as it computes with them, as float32.
        forward: the network's input (N, C, H, W) float -> logits (N, classes), once.
        answer: pictures (N, C, h, w) uint8 -> logits (N, classes), with the mirrored view where it has one.
        file: the bytes of its file, as it is written (float32 where it is no int8 model).
    """

    name: str
    architecture: Architecture
    preprocessing: Preprocessing
    weights: Mapping[str, Tensor]
    forward: Callable[[Tensor], Tensor]
    answer: Callable[[Tensor], Tensor]
    file: bytes


def subject_of(model: Model, name: str = "") -> Subject:
    """Return ``model`` as something to measure."""
    name = name or model.about.name or model.architecture.name
    network = model.copy_network()
    return Subject(
        name,
        model.architecture,
        model.preprocessing,
        weights_of(model),
        network.logits,
        model.logits,
        model.to_bytes(),
    )


def weights_of(model: Model) -> dict[str, Tensor]:
    """Return the filters and dense weights of ``model`` by name."""
    return {name: model.state[name] for name in weight_names(model.architecture)}


@dataclass(frozen=True)
class Measured:
    """What was measured of one network.

    Attributes:
        name: what it is called.
        right: test images whose class it names.
        images: test images.
        test_acc: right / images, in [0, 1].
        file_bytes: its file.
        zip_bytes: the same file packed by zlib at level 9; zeros cost next to nothing there.
        num_params: parameters.
        num_weights: of these, filters and dense weights; ``zero_weights`` of them are exactly 0.
        macs: multiply-adds for one image, as they are carried out.
        macs_nonzero: of these, those with a weight that is not 0; what software that skips zeros would carry out.
        latency_s: seconds for one batch through the network, by batch size: the median of the calls.
        fastest_s: the same for the fastest call; on a busy machine, where long calls are interrupted, the fairer figure.
    """

    name: str
    right: int
    images: int
    test_acc: float
    file_bytes: int
    zip_bytes: int
    num_params: int
    num_weights: int
    zero_weights: int
    macs: int
    macs_nonzero: int
    latency_s: dict[int, float]
    fastest_s: dict[int, float]


@dataclass(frozen=True)
class Histogram:
    """How the weights of one layer (``layer`` empty: of all) are spread, in bars of equal width.

    Attributes:
        layer: its name.
        edges: the bars' borders, one more than there are bars.
        before, after: how many weights are in each bar; exact zeros are not counted there.
        zeros_before, zeros_after: how many weights are exactly 0.
    """

    layer: str
    edges: tuple[float, ...]
    before: tuple[int, ...]
    after: tuple[int, ...]
    zeros_before: int
    zeros_after: int


@dataclass(frozen=True)
class Comparison:
    """Two networks, measured on the same images and the same machine, turn by turn.

    Attributes:
        before, after: what was measured.
        changed: the test images whose answer is another one.
        histograms: of all weights together, then of each layer that both have.
        data: the data set whose test images were used.
        rounds: how many calls each median is of, by batch size.
        threads: torch's threads.
    """

    before: Measured
    after: Measured
    changed: tuple[ChangedAnswer, ...]
    histograms: tuple[Histogram, ...]
    data: str
    rounds: dict[int, int]
    threads: int

    @property
    def became_wrong(self) -> int:
        """Images that only the first network names rightly."""
        return sum(one.before == one.target for one in self.changed)

    @property
    def became_right(self) -> int:
        """Images that only the second network names rightly."""
        return sum(one.after == one.target for one in self.changed)

    @property
    def unrest(self) -> float:
        """How many times as long as the fastest call the one in the middle took, where that is worst; 1: none longer."""
        both = (self.before, self.after)
        return max(one.latency_s[batch] / one.fastest_s[batch] for one in both for batch in one.latency_s)

    def as_dict(self) -> dict[str, Any]:
        """Return all of it as JSON values."""
        told = {"became_wrong": self.became_wrong, "became_right": self.became_right, "unrest": self.unrest}
        return asdict(self) | told


def compare(before: Subject, after: Subject, test: Split, data: str = "", seconds: float = 1.0) -> Comparison:
    """Measure both on the images of ``test``.

    Args:
        before: the original.
        after: what was made of it.
        test: images that neither has learned from.
        data: what they are called.
        seconds: about how long the clock may run for each batch size.

    Raises:
        DataError: there are no images.
        ModelError: the images are not of the shape that the networks look at.
    """
    if not len(test):
        raise DataError("there are no test images to measure with")
    guesses = [one.answer(test.images).argmax(1) for one in (before, after)]
    timed = latencies((before, after), test.images, seconds)
    first, second = (_measured(*all_of_it, test) for all_of_it in zip((before, after), guesses, timed))
    index = (guesses[0] != guesses[1]).nonzero().flatten()
    table = zip(index.tolist(), *(column[index].tolist() for column in (test.targets, *guesses)))
    return Comparison(
        before=first,
        after=second,
        changed=tuple(ChangedAnswer(*row) for row in table),
        histograms=histograms(before.weights, after.weights),
        data=data,
        rounds={batch: len(times) for batch, times in timed[0].items()},
        threads=torch.get_num_threads(),
    )


@torch.no_grad()
def latencies(subjects: tuple[Subject, ...], images: Tensor, seconds: float = 1.0) -> list[dict[int, list[float]]]:
    """Return for each subject the seconds of every call, for each of ``BATCHES``.

    The subjects take turns, so that whatever else the machine does hits all of them alike. Where that is much, the
    clock runs up to ``_PATIENCE`` times as long: a median of five calls says nothing then.
    """
    found: list[dict[int, list[float]]] = [{} for _one in subjects]
    for batch in BATCHES:
        pictures = images[torch.arange(batch) % len(images)]
        turns = [
            (one.forward, one.preprocessing.apply(pictures), kept.setdefault(batch, []))
            for one, kept in zip(subjects, found)
        ]
        for forward, x, _times in turns * _WARM:
            forward(x)
        starts = perf_counter()
        for number in range(1, _MOST_ROUNDS + 1):
            for forward, x, times in turns:
                began = perf_counter()
                forward(x)
                times.append(perf_counter() - began)
            spent = perf_counter() - starts
            if number >= _LEAST_ROUNDS and spent > seconds:
                if spent > _PATIENCE * seconds or all(median(times) < BUSY * min(times) for *_turn, times in turns):
                    break
    return found


def histograms(before: Mapping[str, Tensor], after: Mapping[str, Tensor]) -> tuple[Histogram, ...]:
    """Return how the weights are spread: of all together, then of each layer that is in both."""
    shared = [name for name in before if name in after]
    whole = [torch.cat([tensor.flatten() for tensor in weights.values()]) for weights in (before, after)]
    every = [_histogram("", whole)]
    return tuple(every + [_histogram(name.removesuffix(".weight"), (before[name], after[name])) for name in shared])


def _histogram(layer: str, pair: Any) -> Histogram:
    values = [tensor.flatten().float() for tensor in pair]
    limit = max((float(tensor.abs().max()) for tensor in values if len(tensor)), default=0.0) or 1.0
    kept = [tensor[tensor != 0] for tensor in values]
    counts = [torch.histc(tensor, BINS, -limit, limit) for tensor in kept]
    zeros = [len(tensor) - len(some) for tensor, some in zip(values, kept)]
    edges = tuple(limit * (2 * i / BINS - 1) for i in range(BINS + 1))
    first, second = (tuple(int(count) for count in one.tolist()) for one in counts)
    return Histogram(layer, edges, first, second, *zeros)


def _measured(one: Subject, guess: Tensor, times: Mapping[int, list[float]], test: Split) -> Measured:
    right, trace = int((guess == test.targets).sum()), one.architecture.trace()
    nonzero = {name: int(tensor.count_nonzero()) for name, tensor in one.weights.items()}
    sizes = {name: tensor.numel() for name, tensor in one.weights.items()}
    skipped = sum(
        (row.macs or 0) * (sizes[name] - nonzero[name]) // sizes[name]
        for row in trace.rows
        if (name := f"{row.name}.weight") in sizes
    )
    return Measured(
        name=one.name,
        right=right,
        images=len(test),
        test_acc=right / len(test),
        file_bytes=len(one.file),
        zip_bytes=len(zlib.compress(one.file, 9)),
        num_params=trace.num_params,
        num_weights=sum(sizes.values()),
        zero_weights=sum(sizes.values()) - sum(nonzero.values()),
        macs=trace.macs,
        macs_nonzero=trace.macs - skipped,
        latency_s={batch: median(calls) for batch, calls in times.items()},
        fastest_s={batch: min(calls) for batch, calls in times.items()},
    )
