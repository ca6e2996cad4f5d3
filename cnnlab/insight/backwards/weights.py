"""dL/dw as a sum: over all images and positions, what came in times what the loss asks of what went out."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from cnnlab.architecture import Address
from cnnlab.errors import ModelError
from cnnlab.i18n import Formula
from cnnlab.insight.arithmetic.parts import grid
from cnnlab.insight.arithmetic.terms import Explanation, Term
from cnnlab.insight.arithmetic.windows import taps
from cnnlab.insight.backwards.passes import Backward


def explain_weight(back: Backward, unit: Address, value: float, top: int | None = None) -> Explanation:
    """Return dL/dw as a sum over images and positions; ``value`` is autograd's own.

        Conv2d   dL/dw[c,k,m,n] = sum over images and i, j of x[k, s*i + d*m - p, s*j + d*n - p] * dL/dy[c,i,j]
        Linear   dL/dw[o,i] = sum over images of x[i] * dL/dy[o]
        bias     dL/db = sum of dL/dy
        norms    dL/dgamma = sum of (x - mean) / sqrt(var + eps) * dL/dy

    In a term, ``input`` is what came in (for a bias, what went out), ``weight`` the number that went out, ``factor`` its
    gradient, ``amount`` what the weight was multiplied by where that is not the input itself, and ``image`` which image of
    the batch it is of.

    Raises:
        ModelError: the layer has no such weight that learns.
    """
    module = back.module(unit.layer)
    images, came, values, went = _addends(back, unit, module)
    upstream = back.gradients[unit.layer][(images, *went.T)].double()
    products = values * upstream
    order = products.abs().argsort(descending=True, stable=True)
    shown = len(order) if top is None else min(top, len(order))
    source = unit.layer if unit.tensor == "bias" else back.sources(unit.layer)[0]
    arriving = back.values[source]
    terms = []
    for at in order[:shown].tolist():
        place = tuple(came[at].tolist())
        raw = float(arriving[(int(images[at]), *place)])
        entering = float(values[at])
        terms.append(
            Term(
                Address(source, None, place), Address(unit.layer, None, tuple(went[at].tolist())), raw, float(upstream[at]),
                float(products[at]), None if entering == raw else entering, int(images[at]),
            )
        )  # fmt: skip
    total, size = float(products.sum()), float(products.abs().sum())
    says = Formula("dL/d{unit} = what came in · what the loss asks, added up over images ({images}) and places ({count} in all) = {value:.4g}",
                   unit=str(unit), images=len(back.targets), count=len(products), value=total)  # fmt: skip
    return Explanation(
        unit, "Gradient", value, 0.0, tuple(terms), float(products[order[shown:]].sum()), len(order) - shown, total, size,
        says, {"loss": back.loss},
    )  # fmt: skip


def _addends(back: Backward, unit: Address, module: nn.Module) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return for each addend: its image, where the input stands, what it is there, where the output stands."""
    source = back.values[back.sources(unit.layer)[0]]
    out = back.values[unit.layer]
    count = len(source)
    if isinstance(module, nn.Conv2d) and unit.tensor == "weight":
        return _of_kernel(unit, module, source, out)
    if unit.tensor == "weight" and isinstance(module, nn.Linear):
        images = torch.arange(count)
        came, went = torch.full((count, 1), unit.index[1]), torch.full((count, 1), unit.index[0])
        return images, came, source[:, unit.index[1]].double(), went
    if unit.tensor == "bias" and isinstance(module, (nn.Conv2d, nn.Linear)):
        places = grid(count, torch.tensor([unit.index[0]]), *out.shape[2:])
        return places[:, 0], places[:, 1:], torch.ones(len(places), dtype=torch.float64), places[:, 1:]
    if isinstance(module, (nn.BatchNorm2d, nn.GroupNorm, nn.LayerNorm)):
        own = unit.index if isinstance(module, nn.LayerNorm) else unit.index[:1]
        fixed = [torch.tensor([i]) for i in own]
        places = grid(count, *fixed, *out.shape[1 + len(own) :])
        ones = torch.ones(len(places), dtype=torch.float64)
        values = ones if unit.tensor == "bias" else _normalised(module, source.double())[tuple(places.T)]
        return places[:, 0], places[:, 1:], values, places[:, 1:]
    raise ModelError("{unit}: nothing is learned there", unit=str(unit))


def _of_kernel(unit: Address, module: nn.Conv2d, source: Tensor, out: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    channel, k, m, n = unit.index
    first = channel // (module.out_channels // module.groups) * module.weight.shape[1]
    kernel, stride, padding, dilation = (
        module.kernel_size[0], int(module.stride[0]), int(module.padding[0]), int(module.dilation[0]),
    )  # fmt: skip
    axes = []
    for axis, tap in ((2, m), (3, n)):
        pairs = []
        for position in range(out.shape[axis]):
            looked, own = taps(position, source.shape[axis], kernel, stride, padding, dilation)
            pairs += [(position, int(at)) for at, one in zip(looked, own) if int(one) == tap]
        axes.append(torch.tensor(pairs, dtype=torch.long).view(-1, 2))
    rows, columns = axes
    places = grid(len(source), len(rows), len(columns))
    images, row, column = places[:, 0], rows[places[:, 1]], columns[places[:, 2]]
    came = torch.stack([torch.full_like(images, first + k), row[:, 1], column[:, 1]], 1)
    went = torch.stack([torch.full_like(images, channel), row[:, 0], column[:, 0]], 1)
    return images, came, source[(images, *came.T)].double(), went


def _normalised(module: nn.Module, x: Tensor) -> Tensor:
    """Return (x - mean) / sqrt(var + eps), as the norm has it before its scale and shift."""
    if isinstance(module, nn.BatchNorm2d):
        if module.training or module.running_mean is None or module.running_var is None:
            mean, var = x.mean((0, 2, 3)), x.var((0, 2, 3), unbiased=False)
        else:
            mean, var = module.running_mean.double(), module.running_var.double()
        return (x - mean.view(1, -1, 1, 1)) / (var.view(1, -1, 1, 1) + module.eps).sqrt()
    groups = module.num_groups if isinstance(module, nn.GroupNorm) else 1
    flat = x.reshape(len(x), groups, -1)
    eps = float(module.eps)  # type: ignore[arg-type]
    normed = (flat - flat.mean(2, keepdim=True)) / (flat.var(2, unbiased=False, keepdim=True) + eps).sqrt()
    return normed.view_as(x)
