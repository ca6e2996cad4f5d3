"""DeepLift: the difference to a black picture, handed back through the network layer by layer."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from captum.attr import DeepLift
from captum.attr._core.deep_lift import nonlinear
from torch import Tensor, nn
from torch.nn import functional

from cnnlab.attribution.problem import Problem, quiet
from cnnlab.build import Multiply, Network


class Apart(nn.Module):
    """A network that hands each layer a tensor of its own.

    Captum hangs its hooks on tensors. Where one layer's output is the next one's input (ReLU, then MaxPool2d), both
    hang on the same tensor, the first reads the gradient before the second has replaced it, and the sum is off.
    """

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits of ``x``; each layer gets copies of what it takes, joined to them in the graph."""
        return self.network.run(x, edge=torch.clone)


class _AlongTheWay(torch.autograd.Function):
    """A layer whose gradient is the mean of its gradients on the straight way from baseline to image."""

    @staticmethod
    def forward(ctx: Any, module: nn.Module, *seen: Tensor) -> Tensor:
        ctx.module = module
        ctx.save_for_backward(*seen)
        result: Tensor = module(*seen)
        return result

    @staticmethod
    def backward(ctx: Any, *given: Tensor) -> tuple[Tensor | None, ...]:
        (gradient,) = given
        halves = [one.chunk(2) for one in ctx.saved_tensors]
        wanted = gradient.chunk(2)
        totals = [torch.zeros_like(image) for image, _reference in halves]
        others = [torch.zeros_like(image) for image, _reference in halves]
        for place, weight in zip(_PLACES, _WEIGHTS):
            with torch.enable_grad():
                between = [(reference + place * (image - reference)).requires_grad_() for image, reference in halves]
                made = ctx.module(*between)
            for sums, share in zip((totals, others), wanted):
                for total, part in zip(sums, torch.autograd.grad(made, between, share, retain_graph=True)):
                    total += weight * part
        return (None, *(torch.cat(pair) for pair in zip(totals, others)))


# Gauss and Legendre's 16 places and weights on [0, 1]: exact for polynomials up to degree 31.
_GAUSS = np.polynomial.legendre.leggauss(16)
_PLACES = [(float(place) + 1) / 2 for place in _GAUSS[0]]
_WEIGHTS = [float(weight) / 2 for weight in _GAUSS[1]]


class Way(nn.Module):
    """A layer of several numbers at once (a product, a normalisation over an example) under DeepLift.

    The Rescale rule is the mean slope between baseline and image, which for a function of one number is
    (out - ref_out) / (in - ref_in). Here the same mean is taken along the straight way from baseline to image, and again
    the contributions add up to out - ref_out (Sundararajan et al. 2017, arXiv:1703.01365, completeness).
    """

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, *x: Tensor) -> Tensor:
        """Return what the layer gives; image and baseline are stacked along the batch."""
        result: Tensor = _AlongTheWay.apply(self.layer, *x)
        return result


_CURVES = (nn.GELU, nn.SiLU, nn.ReLU6, nn.Hardswish)
_WAYS = (Multiply, nn.LayerNorm, nn.GroupNorm, nn.LocalResponseNorm)


class Rescale(DeepLift):
    """Captum's DeepLift, with two rules of our own so that the sum holds for every layer of the lab.

    Captum 0.9 treats GELU, SiLU, ReLU6 and Hardswish as if they were linear and loses contributions where the windows of a max pooling overlap
    (``max_unpool2d`` keeps one of several that fall on the same pixel). Both then miss completeness.
    """

    def _is_non_linear(self, module: nn.Module) -> bool:
        return isinstance(module, _CURVES) or bool(super()._is_non_linear(module))

    def _backward_hook(self, module: nn.Module, grad_input: Tensor, grad_output: Tensor) -> Tensor:
        if not isinstance(module, (*_CURVES, nn.MaxPool2d)):
            result: Tensor = super()._backward_hook(module, grad_input, grad_output)
            return result
        seen: Any = module.input
        made: Any = module.output
        del module.input, module.output
        if isinstance(module, _CURVES):
            scaled: Tensor = nonlinear(module, seen, made, grad_input, grad_output, eps=self.eps)
            return scaled
        return max_pool_rule(module, seen, made, grad_input, grad_output, self.eps)


def max_pool_rule(
    module: nn.MaxPool2d, seen: Tensor, made: Tensor, grad_input: Tensor, grad_output: Tensor, eps: float
) -> Tensor:
    """Return the multipliers of a max pooling, for image and baseline stacked along the batch.

        dout = max(out, ref_out) - ref_out  goes to the pixel that won in the image,
               out - max(out, ref_out)      to the one that won in the baseline;  multiplier = sum / (x - ref_x)

    Contributions of overlapping windows to one pixel are added up.

    Shape:
        seen, grad_input: (2N, C, H, W); made, grad_output: (2N, C, h, w); returned: (2N, C, H, W)
    """
    x, reference = seen.chunk(2)
    out, out_reference = made.chunk(2)
    top = torch.maximum(out, out_reference)
    change = torch.cat([top - out_reference, out - top])
    _largest, winner = functional.max_pool2d(
        seen, module.kernel_size, module.stride, module.padding, module.dilation, module.ceil_mode, True
    )
    spread = torch.zeros_like(seen).flatten(2)
    spread.scatter_add_(2, winner.flatten(2), (grad_output * change).flatten(2))
    share = sum(spread.view_as(seen).chunk(2))
    difference = x - reference
    multiplier = torch.where(difference.abs() < eps, grad_input[: len(x)], share / difference)
    return torch.cat([multiplier, multiplier])


def run(problem: Problem) -> Tensor:
    """Return each pixel's share of the logit's difference to a black picture, by the Rescale rule.

        at each activation:  multiplier = (out - ref_out) / (in - ref_in),  instead of the slope
        A = (x - b) * multiplier;   sum of A = logit(x) - logit(b)

    Source: Shrikumar, Greenside & Kundaje 2017, arXiv:1704.02685, sections 3.2 to 3.5. Units: logits.

    Shape:
        returned: (1, C, H, W)
    """
    quiet()
    for name, module in problem.network.leaves():
        if isinstance(module, _WAYS):
            problem.network.replace_leaf(name, Way(module))
    values: Tensor = Rescale(Apart(problem.network)).attribute(
        problem.x, baselines=problem.baseline, target=problem.target
    )
    return values
