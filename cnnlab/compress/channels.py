"""Pruning whole channels: the weakest go, and with them everything that has to do with them; the network gets smaller."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from cnnlab.architecture import Architecture
from cnnlab.architecture.layers import Conv2d, Linear
from cnnlab.architecture.tape import Row
from cnnlab.compress.magnitude import check_share
from cnnlab.compress.ties import Labels, Ties, is_depthwise, is_maker, ties_of
from cnnlab.errors import ArchitectureError, ModelError
from cnnlab.i18n import Message
from cnnlab.model import Model

MOST_APART = 1e-5
"""How far the smaller network's logits may lie from those of the masked one, times their own size where that is above 1."""


@dataclass(frozen=True)
class Group:
    """Layers whose channels can only go together, mostly one layer by itself.

    Attributes:
        layers: their names.
        labels: their channels.
        held: why none of them may go, or None.
    """

    layers: tuple[str, ...]
    labels: Labels
    held: Message | None


def channel_groups(architecture: Architecture) -> tuple[Group, ...]:
    """Return the layers that make channels, those together that only go together; raises as ``check()`` does."""
    return _groups(architecture, ties_of(architecture))


def _groups(architecture: Architecture, ties: Ties) -> tuple[Group, ...]:
    found: list[tuple[list[str], set[int]]] = []
    for row in _makers(architecture):
        labels = set(ties.ones(ties.outputs[row.index]))
        names = [row.name]
        for one in [one for one in found if one[1] & labels]:
            found.remove(one)
            names, labels = one[0] + names, one[1] | labels
        found.append((names, labels))
    return tuple(
        Group(tuple(names), tuple(sorted(labels)), ties.reason(tuple(sorted(labels)))) for names, labels in found
    )


def _makers(architecture: Architecture) -> list[Row]:
    return [row for row in architecture.trace().rows if is_maker(row.layer)]


def strengths(model: Model, ties: Ties) -> dict[int, float]:
    """Return how strong each channel is: the sum of |weight| of the filters that make it.

    Filters whose channels are added to each other are added, too.
    Source: Li et al. 2017, arXiv:1608.08710, section 3.1.
    """
    found: dict[int, float] = {}
    for row in _makers(model.architecture):
        sizes = model.state[f"{row.name}.weight"].abs().flatten(1).sum(1)
        for label, value in zip(ties.ones(ties.outputs[row.index]), sizes.tolist()):
            found[label] = found.get(label, 0.0) + value
    return found


def weakest(model: Model, share: float, widths: Mapping[str, int] | None = None) -> set[int]:
    """Return the labels of the channels to go: in each group the ``share`` that is weakest, but no layer's last one.

    Args:
        model: the network with its weights.
        share: in [0, 1).
        widths: of how many channels a layer's ``share`` is taken, where that is not of those it has now.

    Raises:
        ArchitectureError: every layer of this network has to keep its channels; the sentence says why the first has to.
        RecipeError: ``share`` is not in [0, 1).
    """
    check_share(share)
    ties = ties_of(model.architecture)
    groups = _groups(model.architecture, ties)
    free = [group for group in groups if group.held is None]
    if not free:
        reason = next((group.held for group in groups if group.held), Message("it has no filters"))
        raise ArchitectureError("no channel of this network can be taken out: {reason}", reason=reason)
    strong = strengths(model, ties)
    left = {row.name: set(ties.ones(ties.outputs[row.index])) for row in _makers(model.architecture)}
    gone: set[int] = set()
    for group in free:
        wide = (widths or {}).get(group.layers[0], len(group.labels))
        count = len(group.labels) - (wide - round(share * wide))
        for label in sorted(group.labels, key=lambda label: strong[label]):
            mine = [left[name] for name in group.layers if label in left[name]]
            if count > 0 and all(len(labels) > 1 for labels in mine):
                count -= 1
                gone.add(label)
                for labels in mine:
                    labels.discard(label)
    return gone


def group_widths(architecture: Architecture) -> dict[str, int]:
    """Return of how many channels each group is, by its first layer's name."""
    return {group.layers[0]: len(group.labels) for group in channel_groups(architecture)}


def without_channels(model: Model, gone: Iterable[int]) -> Model:
    """Return the smaller model without the channels ``gone``, its weights cut out of the old ones.

    Every copy of a channel goes: the filter that makes it, its bias, its normalisation, and in each layer that it arrives
    at, the weights that belong to it.
    """
    ties, out = ties_of(model.architecture), frozenset(gone)
    state = dict(model.state)
    for row in model.architecture.trace().rows:
        arriving, leaving = (torch.tensor(stays) for stays in _staying(row, ties, out))
        for name, tensor in _of(row, state).items():
            cut = tensor[leaving] if tensor.dim() else tensor
            state[name] = cut[:, arriving] if is_maker(row.layer) and tensor.dim() > 1 else cut
    architecture = narrowed(model.architecture, out)
    return Model(model.description.model_copy(update={"architecture": architecture}), state)


def narrowed(architecture: Architecture, gone: Iterable[int]) -> Architecture:
    """Return the network without the channels ``gone``."""
    ties, out, smaller = ties_of(architecture), frozenset(gone), architecture
    for row in architecture.trace().rows:
        spec = architecture.at(row.place)
        if isinstance(spec, (Conv2d, Linear)) and (is_maker(row.layer) or is_depthwise(row)):
            arriving, leaving = (sum(stays) for stays in _staying(row, ties, out))
            smaller = smaller.replace(row.place, _with_widths(spec, arriving, leaving))
    return smaller


def thinner(architecture: Architecture, share: float) -> Architecture:
    """Return the network with a ``share`` of the channels of every layer that can be without, as a pupil of itself.

    Raises:
        ShapeError, ArchitectureError: the network cannot run.
    """
    gone = {
        label
        for group in channel_groups(architecture)
        if group.held is None and len(group.layers) == 1
        for label in group.labels[max(1, round(share * len(group.labels))) :]
    }
    return narrowed(architecture, gone)


def _staying(row: Row, ties: Ties, gone: frozenset[int]) -> tuple[list[bool], list[bool]]:
    """Return for each channel that arrives at ``row``, and for each that leaves it, whether it stays."""
    arriving, leaving = ties.ones(ties.inputs[row.index]), ties.ones(ties.outputs[row.index])
    return [label not in gone for label in arriving], [label not in gone for label in leaving]


def masked_channels(model: Model, gone: Iterable[int]) -> Model:
    """Return the model with zeros for all that ``without_channels`` cuts away: as large as before, the same answers."""
    ties, out = ties_of(model.architecture), frozenset(gone)
    state = {name: tensor.clone() for name, tensor in model.state.items()}
    for row in model.architecture.trace().rows:
        arriving, leaving = (~torch.tensor(stays) for stays in _staying(row, ties, out))
        for name, tensor in _of(row, state).items():
            if tensor.dim() and not name.endswith("running_var"):
                tensor[leaving] = 0
            if is_maker(row.layer) and tensor.dim() > 1:
                tensor[:, arriving] = 0
    return Model(model.description, state)


@torch.no_grad()
def apart(one: Model, other: Model, images: Tensor) -> float:
    """Return how far the logits of two models lie apart at most, divided by the largest of them where that is above 1.

    Shape:
        images: (N, C, h, w) uint8.
    """
    first, second = one.logits(images), other.logits(images)
    return float((first - second).abs().max() / first.abs().max().clamp_min(1))


def cut(model: Model, share: float, images: Tensor, widths: Mapping[str, int] | None = None) -> Model:
    """Return ``model`` without its weakest channels, after a look whether it answers as the masked one does.

    Raises:
        ArchitectureError, RecipeError: as ``weakest``.
        ModelError: the two do not answer alike; then something in the cutting is wrong.
    """
    gone = weakest(model, share, widths)
    smaller = without_channels(model, gone)
    gap = apart(masked_channels(model, gone), smaller, images)
    if not gap <= MOST_APART:
        raise ModelError("the cut network answers otherwise than the masked one, by {gap}", gap=gap)
    return smaller


def _of(row: Row, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors of ``row``."""
    if not row.num_params:
        return {}
    return {name: tensor for name, tensor in state.items() if name.rpartition(".")[0] == row.name}


def _with_widths(spec: Conv2d | Linear, arriving: int, leaving: int) -> Conv2d | Linear:
    if isinstance(spec, Linear):
        given = {"in_features": arriving} if spec.in_features is not None else {}
        return spec.model_copy(update={"out_features": leaving, **given})
    given = {"in_channels": arriving} if spec.in_channels is not None else {}
    groups = {"groups": leaving} if spec.groups > 1 else {}
    return spec.model_copy(update={"out_channels": leaving, **given, **groups})
