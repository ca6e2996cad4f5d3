"""Guided Backprop: the gradient, followed only where it stays positive through each ReLU."""

from __future__ import annotations

from torch import Tensor

from cnnlab.attribution.problem import Problem, quiet


def run(problem: Problem) -> Tensor:
    """Return the gradient of the logit with negative gradients set to zero at each ReLU.

        at each ReLU:  d/d input = (input > 0) * max(0, d/d output)

    Only ReLU layers are treated so; in a network without them this is the plain gradient.

    Source: Springenberg, Dosovitskiy, Brox & Riedmiller 2014, arXiv:1412.6806, section 3.4.

    Shape:
        returned: (1, C, H, W)
    """
    from captum.attr import GuidedBackprop

    quiet()
    values: Tensor = GuidedBackprop(problem.network).attribute(problem.x, target=problem.target)
    return values
