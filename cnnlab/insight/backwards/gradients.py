"""dL/d(unit) as a sum: over everything that the unit goes into, upstream gradient times how strongly it goes into it."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from cnnlab.architecture import Address
from cnnlab.architecture import layers as specs
from cnnlab.i18n import Formula, Message
from cnnlab.insight.arithmetic.parts import Group, pick
from cnnlab.insight.arithmetic.passes import PROBS, Remembering
from cnnlab.insight.arithmetic.terms import Explanation
from cnnlab.insight.backwards.passes import Backward
from cnnlab.insight.backwards.weights import explain_weight


def explain_gradient(back: Backward, unit: Address | str, image: int = 0, top: int | None = None) -> Explanation:
    """Return dL/d(unit) for one image of the batch, or dL/dw for a weight, as the sum that it is (chain rule).

        dL/dx = sum over all y that x goes into of dL/dy * dy/dx
        dL/dw = sum over all images and positions of input * upstream gradient

    In a term, ``input`` is the number that it goes into, ``input_value`` its gradient, ``factor`` the local derivative and
    ``weight`` where that stands as a weight. For a weight see ``explain_weight``.

    Raises:
        ArchitectureError: ``unit`` is not written like an address.
        ModelError: there is no such number, or no gradient arrives there.
    """
    unit = Address.parse(unit) if isinstance(unit, str) else unit
    value = back.gradient(unit, image)
    if unit.tensor is not None:
        return explain_weight(back, unit, value, top)
    if unit.layer == back.logits_layer:
        return _of_loss(back, unit, image, value, top)
    groups = [_through(back, unit, image, taker) for taker in back.takers(unit.layer)]
    terms, rest, count, total, size = pick(groups, top)
    says = Formula("dL/d{unit} = upstream gradient · local derivative, added up over all that it goes into ({count}) = {value:.4g}",
                   unit=str(unit), count=len(terms) + count, value=total)  # fmt: skip
    if not terms and not count:
        says = Formula("dL/d{unit} = 0: it changes nothing of what it goes into (another one won the pooling, or it was cut off)",
                       unit=str(unit))  # fmt: skip
    return Explanation(unit, "Gradient", value, 0.0, terms, rest, count, total, size, says, {"loss": back.loss})


def _through(back: Backward, unit: Address, image: int, taker: str) -> Group:
    """Return what reaches ``unit`` back through one layer; of which images, where the layer mixes those of a batch."""
    sources = back.sources(taker)
    batch_wide = back.training and isinstance(back.module(taker), nn.BatchNorm2d)
    chosen = slice(None) if batch_wide else slice(image, image + 1)
    arriving = tuple(back.values[name][chosen].double() for name in sources)
    tangents = tuple(torch.zeros_like(value) for value in arriving)
    for name, tangent in zip(sources, tangents):
        if name == unit.layer:
            tangent[(image if batch_wide else 0, *unit.index)] = 1.0
    local = _derivatives(back.module(taker), arriving, tangents, image)
    places = local.nonzero()
    where = tuple(places.T)
    upstream = back.gradients[taker][chosen].double()
    index, images = places[:, 1:], places[:, 0] if batch_wide else None
    return Group(taker, index, upstream[where], local[where], _weight(back, unit, taker, index), None, images)


def _derivatives(module: nn.Module, arriving: tuple[Tensor, ...], tangents: tuple[Tensor, ...], image: int) -> Tensor:
    """Return how each output changes with the inputs in the direction of ``tangents``, in float64.

    It is the derivative of the derivative's transpose (twice backwards), which every layer of torch has.
    """
    exact = copy.deepcopy(module).double()
    if isinstance(exact, Remembering) and exact.mask is not None:  # what it drew, not a new draw
        return tangents[0] * exact.mask[image : image + 1].double()
    inputs = tuple(value.clone().requires_grad_(True) for value in arriving)
    output = exact(*inputs)
    output = output.double()
    probe = torch.zeros_like(output, requires_grad=True)
    back = torch.autograd.grad(output, inputs, probe, create_graph=True, allow_unused=True)
    moved = sum((one * tangent).sum() for one, tangent in zip(back, tangents) if one is not None)
    if not isinstance(moved, Tensor) or not moved.requires_grad:
        return torch.zeros_like(output)
    (found,) = torch.autograd.grad(moved, probe, allow_unused=True)
    return torch.zeros_like(output) if found is None else found.detach()


def _weight(back: Backward, unit: Address, taker: str, index: Tensor) -> tuple[str, str | None, Tensor] | None:
    """Return which weight stands between ``unit`` and each number of ``taker``, where it is one."""
    layer = back.architecture.trace().row(taker).layer
    if isinstance(layer, specs.Linear):
        return taker, "weight", torch.cat([index, torch.full_like(index, unit.index[0])], 1)
    if isinstance(layer, specs.Conv2d):
        _kernel, stride, padding, dilation = layer.window()
        channel, row, column = unit.index
        per_group = back.values[back.sources(taker)[0]].shape[1] // layer.groups
        m = (row + padding - stride * index[:, 1]) // dilation
        n = (column + padding - stride * index[:, 2]) // dilation
        return taker, "weight", torch.stack([index[:, 0], torch.full_like(m, channel % per_group), m, n], 1)
    return None


def _of_loss(back: Backward, unit: Address, image: int, value: float, top: int | None) -> Explanation:
    """Take dL/d(logit) apart, where the loss itself is what the number goes into."""
    (k,), count, classes = unit.index, len(back.targets), back.probs.shape[1]
    recipe, probs = back.recipe, back.probs[image].double()
    smoothing = recipe.label_smoothing if recipe.loss == "cross_entropy" else 0.0
    shares = torch.full((classes,), smoothing / classes, dtype=torch.float64)
    shares[int(back.targets[image])] += 1 - smoothing
    index = torch.arange(classes).unsqueeze(1)
    wanted, own = float(shares[k]), slice(k, k + 1)
    if recipe.loss == "cross_entropy":
        group = Group(PROBS, index[own], probs[own], torch.full((1,), 1 / count, dtype=torch.float64))
        says = Formula("dL/d{unit} = (p - q) / N = ({p:.4g} - {q:.4g}) / {count} = {value:.4g}; q is what the class should be",
                       unit=str(unit), p=float(probs[k]), q=wanted, count=count, value=(float(probs[k]) - wanted) / count)  # fmt: skip
        return _told(back, unit, value, -wanted / count, group, says, top)
    scale = 2 / (count * classes)
    if not back.architecture.ends_in_softmax:
        logits = back.values[unit.layer][image].double()
        group = Group(unit.layer, index[own], logits[own], torch.full((1,), scale, dtype=torch.float64))
        says = Formula("dL/d{unit} = 2 · ({x:.4g} - {q:.4g}) / ({count} · {classes}) = {value:.4g}",
                       unit=str(unit), x=float(logits[k]), q=wanted, count=count, classes=classes,
                       value=scale * (float(logits[k]) - wanted))  # fmt: skip
        return _told(back, unit, value, -scale * wanted, group, says, top)
    delta = torch.zeros(classes, dtype=torch.float64)
    delta[k] = 1.0
    group = Group(PROBS, index, probs, probs * (delta - probs[k]), None, scale * (probs - shares))
    says = Formula("dL/d{unit} = the sum over all {classes} probabilities: 2 · (p - q) / ({count} · {classes}), times dp/d{unit}, = {value:.4g}",
                   unit=str(unit), count=count, classes=classes, value=float(group.products.sum()))  # fmt: skip
    return _told(back, unit, value, 0.0, group, says, top)


def _told(
    back: Backward, unit: Address, value: float, bias: float, group: Group, says: Message, top: int | None
) -> Explanation:  # fmt: skip
    terms, rest, count, total, size = pick([group], top)
    return Explanation(unit, "Gradient", value, bias, terms, rest, count, bias + total, size, says, {"loss": back.loss})
