"""DeepLift: the difference to a black picture, handed back through the network layer by layer."""

from __future__ import annotations

from typing import Any

import torch
from captum.attr import DeepLift
from captum.attr._core.deep_lift import nonlinear
from torch import Tensor, nn
from torch.nn import functional

from cnnlab.attribution.problem import Problem, quiet


class Apart(nn.Module):
    """Passes x on as a tensor of its own.

    Captum hangs its hooks on tensors. Where one layer's output is the next one's input (ReLU, then MaxPool2d), both
    hang on the same tensor, the first reads the gradient before the second has replaced it, and the sum is off.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Return a copy of ``x``, joined to it in the graph."""
        return x.clone()


class Rescale(DeepLift):
    """Captum's DeepLift, with two rules of our own so that the sum holds for every layer of the lab.

    Captum 0.9 treats GELU as if it were linear and loses contributions where the windows of a max pooling overlap
    (``max_unpool2d`` keeps one of several that fall on the same pixel). Both then miss completeness.
    """

    def _is_non_linear(self, module: nn.Module) -> bool:
        return isinstance(module, nn.GELU) or bool(super()._is_non_linear(module))

    def _backward_hook(self, module: nn.Module, grad_input: Tensor, grad_output: Tensor) -> Tensor:
        if not isinstance(module, (nn.GELU, nn.MaxPool2d)):
            result: Tensor = super()._backward_hook(module, grad_input, grad_output)
            return result
        seen: Any = module.input
        made: Any = module.output
        del module.input, module.output
        if isinstance(module, nn.GELU):
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
    network = nn.Sequential(*(part for child in problem.network.children() for part in (child, Apart())))
    values: Tensor = Rescale(network).attribute(problem.x, baselines=problem.baseline, target=problem.target)
    return values
