"""Saliency: how strongly the logit answers to a small change of each pixel."""

from __future__ import annotations

from torch import Tensor

from cnnlab.attribution.problem import Problem


def run(problem: Problem) -> Tensor:
    """Return the size of the gradient.

        S = |d logit[target] / d x|

    Source: Simonyan, Vedaldi & Zisserman 2013, arXiv:1312.6034, section 3. Units: logit per unit of normalised input.

    Shape:
        returned: (1, C, H, W), at least zero
    """
    from captum.attr import Saliency

    values: Tensor = Saliency(problem.network).attribute(problem.x, target=problem.target, abs=True)
    return values
