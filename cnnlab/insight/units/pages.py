"""All there is to know about one channel, and the gallery of all channels of a layer, step by step."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from cnnlab.insight.memo import Memo
from cnnlab.insight.own_data import dataset_for
from cnnlab.insight.steps import told
from cnnlab.insight.surgery.lesions import Lesions, found_for, in_rounds, searched
from cnnlab.insight.surgery.table import table_for
from cnnlab.insight.units.preferred import STEPS, WAYS, Preferred, preferred
from cnnlab.insight.units.responses import Responses, responses
from cnnlab.model import Model
from cnnlab.runs.jobs import Step

_AT_ONCE = 16
PAGE_STEPS = STEPS + 2
"""Steps of a channel's page: the test images, the loss of it, and those of the picture."""


@dataclass(frozen=True)
class UnitPage:
    """What is known about a channel so far; None is still to come.

    Attributes:
        layer, unit: which one.
        responses: of all channels of its layer.
        lesion: what it costs to lose it; ``place`` is its row there.
        pictures: what it likes best, one for each of ``WAYS``.
    """

    layer: str
    unit: int
    responses: Responses | None = None
    lesion: Lesions | None = None
    pictures: Preferred | None = None

    @property
    def place(self) -> int:
        """Return the place of the channel in ``lesion``."""
        return self.lesion.units.index(self.unit) if self.lesion is not None else 0


@dataclass(frozen=True)
class Gallery:
    """All channels of a layer.

    Attributes:
        responses: to the test images.
        lesions: what it costs to lose each.
        pictures: what each likes best, smooth and jittered. Shape: (channels, C, h, w) uint8
    """

    responses: Responses
    lesions: Lesions
    pictures: NDArray[np.uint8]


def responses_of(model: Model, layer: str) -> Responses:
    """Return how the channels of ``layer`` answer the test images, found once for all who look."""
    return _responses.get(model, layer) or _responses.put(
        model, layer, responses(model, dataset_for(model).test, layer)
    )


def unit_page(model: Model, layer: str, unit: int) -> Generator[Step, None, UnitPage]:
    """Yield what is known about a channel so far, ``PAGE_STEPS`` times at most; return all of it.

    Raises:
        DataError: the data set is not here.
        ArchitectureError, ModelError: there is no such layer or channel.
    """
    page = UnitPage(layer, unit, responses_of(model, layer))
    yield Step(1, page)
    cost = found_for(model, layer)
    if cost is None:
        cost = yield from told(in_rounds(table_for(model), layer, (unit,)), lambda _step: Step(1, page))
    known = replace(page, lesion=cost)
    yield Step(2, known)
    climb = preferred(model, layer, [unit] * len(WAYS), tuple(WAYS))
    pictures = yield from told(climb, lambda done: Step(2 + done, known))
    return _pages.put(model, (layer, unit), replace(known, pictures=pictures))


def gallery(model: Model, layer: str) -> Generator[Step, None, Gallery]:
    """Yield how many channels were silenced, then how many pictures are made besides; return the gallery of ``layer``.

    These are two steps for each channel. Raises as ``unit_page``.
    """
    answers = responses_of(model, layer)
    count = answers.channels
    yield Step(0)
    cost = found_for(model, layer)
    if cost is None:
        cost = yield from told(searched(model, layer), lambda step: Step(step.done))
    pictures = []
    for first in range(0, count, _AT_ONCE):
        units = range(first, min(count, first + _AT_ONCE))
        climb = preferred(model, layer, units, ("both",) * len(units))
        made = yield from told(climb, partial(_share, count + first, len(units)))
        pictures.append(made.pictures)
    return _galleries.put(model, layer, Gallery(answers, cost, np.concatenate(pictures)))


def _share(first: int, count: int, done: int) -> Step:
    """Return how far it is when ``done`` steps are made for the pictures of ``count`` channels, with ``first`` done before."""
    return Step(first + count * done // STEPS)


def page_of(model: Model, layer: str, unit: int) -> UnitPage | None:
    """Return the whole page of a channel if somebody has asked for it lately, else None."""
    return _pages.get(model, (layer, unit))


def gallery_of(model: Model, layer: str) -> Gallery | None:
    """Return the gallery of ``layer`` if somebody has asked for it lately, else None."""
    return _galleries.get(model, layer)


_responses: Memo[Responses] = Memo(32)
_pages: Memo[UnitPage] = Memo(64)
_galleries: Memo[Gallery] = Memo(16)
