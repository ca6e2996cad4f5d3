"""Integrated Gradients: the gradients all along the way from black to the image, so that everything adds up."""

from __future__ import annotations

from torch import Tensor

from cnnlab.attribution.problem import Problem

STEPS = (64, 128, 256, 512)
"""Points on the way; the next number is tried while the sum is off by more than ``TOLERANCE``."""
TOLERANCE = 0.01
"""Largest gap between sum and difference of the logits that is accepted, as a share of max(1, |difference|)."""
_BATCH = 64


def run(problem: Problem) -> Tensor:
    """Return the integrated gradients along the straight way from the black baseline b to the image x.

        A = (x - b) * integral over a in [0, 1] of  d logit[target] / d x  at  b + a*(x - b)
        sum of A = logit(x) - logit(b)

    The integral is a Gauss-Legendre sum over 64 points, more where that sum has not yet converged.

    Source: Sundararajan, Taly & Yan 2017, arXiv:1703.01365, sections 3 and 5; the black image as baseline is the
    paper's choice for networks that look at pictures. Units: logits.

    Shape:
        returned: (1, C, H, W)
    """
    from captum.attr import IntegratedGradients

    for steps in STEPS:
        method = IntegratedGradients(problem.watched(-(-steps // _BATCH)))
        values: Tensor = method.attribute(
            problem.x,
            baselines=problem.baseline,
            target=problem.target,
            n_steps=steps,
            method="gausslegendre",
            internal_batch_size=_BATCH,
        )
        if abs(float(values.detach().double().sum()) - problem.delta) <= TOLERANCE * max(1.0, abs(problem.delta)):
            break
    return values
