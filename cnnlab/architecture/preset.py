"""``Preset``: a network to start from, with where it comes from, how to train it and what to know about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from cnnlab.architecture.network import Architecture
from cnnlab.errors import CnnLabError


@dataclass(frozen=True)
class Preset:
    """One network to start from.

    Attributes:
        name: the word for it on the command line and in links.
        title: what a card shows (an id of the catalogues, as are the next three).
        sentence: what it is, in one sentence.
        source: where it comes from.
        note: what the source said and what is true, a paragraph each.
        architecture: the network; ``article-004-cnn`` is kept as printed and cannot run.
        recipe: fields of a recipe; what is left out has the recipe's default.
        data: name of the data set that it is made for.
        card: the lesson that tells its story (``zoo/resnet``), or nothing.
        year: when it was first described, or None.
        full_size: whether it is one of ImageNet's, with 1,000 classes: to be read, costed and run with published weights;
            too large to be trained in class.
    """

    name: str
    title: str
    sentence: str
    source: str
    note: tuple[str, ...]
    architecture: Architecture
    recipe: Mapping[str, Any] = field(default_factory=dict)
    data: str = "mnist"
    card: str = ""
    year: int | None = None
    full_size: bool = False

    @property
    def error(self) -> CnnLabError | None:
        """Why the network cannot run, or None."""
        return self.architecture.trace().error
