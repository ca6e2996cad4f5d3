"""Input x Gradient: each pixel's part in a straight line through the image."""

from __future__ import annotations

from torch import Tensor

from cnnlab.attribution.problem import Problem


def run(problem: Problem) -> Tensor:
    """Return the normalised input times the gradient.

        A = x * d logit[target] / d x

    x is what the network receives: a pixel at the data's mean counts as zero, black does not.

    Source: Shrikumar, Greenside, Shcherbina & Kundaje 2016, arXiv:1605.01713. Units: logits.

    Shape:
        returned: (1, C, H, W)
    """
    from captum.attr import InputXGradient

    values: Tensor = InputXGradient(problem.network).attribute(problem.x, target=problem.target)
    return values
