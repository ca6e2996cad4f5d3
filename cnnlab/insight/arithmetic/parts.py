"""What a rule is given and what it gives back: whole tensors of addends, from which terms are picked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from cnnlab.architecture import Address, LayerSpec
from cnnlab.architecture.shapes import Shape
from cnnlab.i18n import Message
from cnnlab.insight.arithmetic.terms import Sum, Term


@dataclass(frozen=True)
class Source:
    """What arrives at a layer.

    Attributes:
        name: under which it stands.
        values: its numbers. Shape: (C, H, W) or (F,)
    """

    name: str
    values: Tensor


@dataclass(frozen=True)
class Group:
    """Addends of one source.

    Attributes:
        source: the layer (or ``input``, ``image``) whose numbers they are.
        index: where each stands. Shape: (n, axes) int64
        values: the numbers. Shape: (n,) float64
        factors: what each is multiplied by. Shape: (n,) float64
        weight: whose numbers the factors are: layer, tensor (None: its output) and index. Shape of the index: (n, axes)
        amounts: what each becomes before it is multiplied; None: it stays. Shape: (n,) float64
        images: which image of a batch each is of; None: all are of the one that is looked at. Shape: (n,) int64
        products: what each adds. Shape: (n,) float64
    """

    source: str
    index: Tensor
    values: Tensor
    factors: Tensor
    weight: tuple[str, str | None, Tensor] | None = None
    amounts: Tensor | None = None
    images: Tensor | None = None
    products: Tensor = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "products", (self.values if self.amounts is None else self.amounts) * self.factors)

    def term(self, at: int) -> Term:
        """Return addend number ``at``."""
        weight = None
        if self.weight is not None:
            layer, tensor, index = self.weight
            weight = Address(layer, tensor, tuple(index[at].tolist()))
        return Term(
            Address(self.source, None, tuple(self.index[at].tolist())),
            weight,
            float(self.values[at]),
            float(self.factors[at]),
            float(self.products[at]),
            None if self.amounts is None else float(self.amounts[at]),
            None if self.images is None else int(self.images[at]),
        )


@dataclass(frozen=True)
class Parts:
    """A number, taken apart.

    Attributes:
        says: the sentence that says how it is made.
        groups: all its addends, by what they come from.
        bias: what is added to them.
        numbers: what the sentence speaks of besides, by name: a mean, a variance, a scale.
        sums: the sums that such a number is itself, by its name.
    """

    says: Message
    groups: Sequence[Group] = ()
    bias: float = 0.0
    numbers: Mapping[str, float] = field(default_factory=dict)
    sums: Mapping[str, Group] = field(default_factory=dict)


@dataclass(frozen=True)
class Statistics:
    """What training drew or measured in one layer, for the image that is looked at.

    Attributes:
        mean, var: of each channel over the batch, biased as BatchNorm divides by it. Shape: (C,) float64
        mask: what Dropout multiplied each number by: 0, or 1 / (1 - p). Shape: as the layer's output, or (C, 1, 1)
    """

    mean: Tensor | None = None
    var: Tensor | None = None
    mask: Tensor | None = None


@dataclass(frozen=True)
class At:
    """Where a rule is asked to explain: the layer, the index in its output, what arrives, its tensors.

    Attributes:
        name: the layer's name.
        layer: its description.
        index: of the number in the output.
        output_shape: of the layer.
        sources: what arrives, in order.
        state: all tensors of the model by name, as ``Model.state`` has them.
        drawn: what training drew or measured here; None outside training.
    """

    name: str
    layer: LayerSpec
    index: tuple[int, ...]
    output_shape: Shape
    sources: tuple[Source, ...]
    state: Mapping[str, Tensor]
    drawn: Statistics | None = None

    @property
    def source(self) -> Source:
        """What arrives, where it is one."""
        return self.sources[0]

    @property
    def unit(self) -> str:
        """The number's address, as it is written."""
        return str(Address(self.name, None, self.index))

    def tensor(self, name: str) -> Tensor:
        """Return a parameter or buffer of the layer, in the shape that torch gives it; KeyError where it has none."""
        return self.state[f"{self.name}.{name}"]

    def number(self, name: str, *index: int, default: float = 0.0) -> float:
        """Return one number of a parameter or buffer; ``default`` where the layer has none of that name."""
        tensor = self.state.get(f"{self.name}.{name}")
        return default if tensor is None else float(tensor[index])

    def arriving(self, *index: int, of: int = 0) -> float:
        """Return one number of what arrives."""
        return float(self.sources[of].values[index])

    def copied(self, *index: int, of: int = 0, factor: float = 1.0) -> Group:
        """Return one number of what arrives, times ``factor``, as the only addend."""
        source = self.sources[of]
        return Group(
            source.name,
            torch.tensor([index]),
            torch.tensor([float(source.values[index])], dtype=torch.float64),
            torch.tensor([factor], dtype=torch.float64),
        )


def pick(groups: Sequence[Group], top: int | None) -> tuple[tuple[Term, ...], float, int, float, float]:
    """Return the ``top`` largest terms (None: all), the rest, how many that are, and the sums of products and of |products|.

    Of two products that are equally large, the one with the larger factor comes first, so that the winner of a max
    pooling does also where it is zero; then the one that stands first.
    """
    if not groups:
        return (), 0.0, 0, 0.0, 0.0
    products = torch.cat([group.products for group in groups])
    factors = torch.cat([group.factors for group in groups])
    order = factors.abs().argsort(descending=True, stable=True)
    order = order[products[order].abs().argsort(descending=True, stable=True)]
    shown = len(order) if top is None else min(top, len(order))
    starts, start = [], 0
    for group in groups:
        starts.append(start)
        start += len(group.products)
    terms = []
    for position in order[:shown].tolist():
        owner = max(i for i, first in enumerate(starts) if first <= position and len(groups[i].products))
        terms.append(groups[owner].term(position - starts[owner]))
    rest = float(products[order[shown:]].sum())
    return tuple(terms), rest, len(order) - shown, float(products.sum()), float(products.abs().sum())


def summed(name: str, group: Group, top: int | None) -> Sum:
    """Return the sum of ``group`` under ``name``, its ``top`` largest terms shown."""
    terms, rest, count, total, _size = pick([group], top)
    return Sum(name, terms, rest, count, total)


def grid(*lengths: int | Tensor) -> Tensor:
    """Return all combinations of positions, the last axis fastest. Shape: (product of the lengths, axes) int64."""
    axes = [torch.arange(length) if isinstance(length, int) else length for length in lengths]
    return torch.cartesian_prod(*axes).view(-1, len(axes))
